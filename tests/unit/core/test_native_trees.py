"""The engine's Shapley values against xgboost's own, on trees that xgboost grew."""

import json

import numpy as np
import pytest
import xgboost

from core.errors import BadInput
from core.native_trees import Trees

N_FEATURES = 30


def grown(
    n_trees: int, depth: int, seed: int, missing: float, **settings: object
) -> tuple[xgboost.Booster, np.ndarray]:
    """A booster on noise with a little signal, and rows it has not seen; a share of all values is missing."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(560, N_FEATURES)).astype(np.float32)
    y = (x[:, 0] + x[:, 1] * x[:, 2] + rng.normal(size=len(x)) > 0).astype(float)
    x[rng.random(x.shape) < missing] = np.nan
    data = xgboost.DMatrix(x[:500], y[:500], nthread=1)
    common = {"objective": "binary:logistic", "max_depth": depth, "tree_method": "hist", "seed": seed, "nthread": 1}
    return xgboost.train({**common, **settings}, data, n_trees), x[500:]


@pytest.mark.parametrize(
    ("n_trees", "depth", "missing", "settings"),
    [
        (100, 6, 0.1, {}),
        (40, 3, 0.0, {"base_score": 0.3}),
        (30, 11, 0.4, {"min_child_weight": 0}),
        (20, 0, 0.2, {"grow_policy": "lossguide", "max_leaves": 40}),
        (15, 4, 0.1, {"num_parallel_tree": 3, "subsample": 0.5, "colsample_bynode": 0.3}),
        (3, 1, 0.0, {}),
    ],
)
def test_every_share_is_the_one_that_xgboost_gives(
    n_trees: int, depth: int, missing: float, settings: dict[str, object]
) -> None:
    booster, x = grown(n_trees, depth, seed=n_trees, missing=missing, **settings)
    trees = Trees(bytes(booster.save_raw(raw_format="json")))
    theirs = booster.predict(xgboost.DMatrix(x, nthread=1), pred_contribs=True)
    margins = booster.predict(xgboost.DMatrix(x, nthread=1), output_margin=True)
    for row, contributions, margin in zip(x, theirs, margins, strict=True):
        shares, bias = trees.explain(row)
        np.testing.assert_allclose(shares, contributions[:-1], atol=1e-5)
        assert bias == pytest.approx(contributions[-1], abs=1e-5)
        assert bias + shares.sum() == pytest.approx(margin, abs=1e-5)


def test_a_feature_that_is_missing_goes_where_its_node_says() -> None:
    booster, x = grown(20, 5, seed=3, missing=0.5)
    trees = Trees(bytes(booster.save_raw(raw_format="json")))
    nothing = np.full((1, N_FEATURES), np.nan, dtype=np.float32)
    shares, bias = trees.explain(nothing[0])
    assert bias + shares.sum() == pytest.approx(
        booster.predict(xgboost.DMatrix(nothing, nthread=1), output_margin=True)[0], abs=1e-5
    )
    assert np.abs(shares).max() > 0


def test_what_cannot_be_explained_exactly_is_refused() -> None:
    booster, x = grown(5, 3, seed=1, missing=0.0)
    text = booster.save_raw(raw_format="json").decode()
    trees = Trees(text.encode())
    with pytest.raises(BadInput, match="29 values"):
        trees.explain(x[0, 1:])
    for damaged, why in [
        ("{}", "not a booster"),
        (text.replace("binary:logistic", "reg:squarederror"), "only binary:logistic"),
        (text.replace('"name":"gbtree"', '"name":"dart"'), "only gbtree"),
        (text[:-20], "not a booster"),
    ]:
        with pytest.raises(BadInput, match=why):
            Trees(damaged.encode())
    tree = json.loads(text)
    tree["learner"]["gradient_booster"]["model"]["trees"][0]["left_children"][0] = 0
    with pytest.raises(BadInput, match="tree 0"):
        Trees(json.dumps(tree).encode())
