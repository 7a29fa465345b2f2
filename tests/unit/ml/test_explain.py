"""Reasons: the strongest features of one prediction, as the trees or the line really weighed them."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import xgboost

from core.errors import Refused
from ml.bundle import Bundle, ExpertCard, file_facts
from ml.explain import explainer_of, strongest
from ml.serve import ModelDesk
from ml.serve.builtin import read_builtin
from tests.serving_world import NAMES, WEIGHTS, a_served_bundle, an_expert, some_rows, tabular


def a_booster(n_features: int = len(NAMES)) -> xgboost.Booster:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(300, n_features)).astype(np.float32)
    y = (x[:, 1] - x[:, 0] > 0).astype(float)
    settings = {"objective": "binary:logistic", "max_depth": 3, "seed": 1, "nthread": 1}
    return xgboost.train(settings, xgboost.DMatrix(x, y, nthread=1), 12)


def with_trees(data: bytes, **changes: object) -> Bundle:
    card, model = an_expert("xgboost", "tabular", tabular(WEIGHTS), "raw")
    card = replace(card, files={**card.files, "trees": file_facts("xgboost.trees.json", data)}, **changes)
    bundle = a_served_bundle([(card, model)])
    return replace(bundle, files={**bundle.files, "xgboost.trees.json": data, "xgboost.onnx": model})


def test_the_reasons_are_the_trees_own_contributions_the_strongest_first() -> None:
    booster = a_booster()
    bundle = with_trees(bytes(booster.save_raw(raw_format="json")))
    desk = ModelDesk(NAMES)
    desk.install(bundle)
    row = some_rows(1)[0]
    said = desk.feed("BTCUSDT", row)
    assert said is not None
    theirs = booster.predict(xgboost.DMatrix(row.values[None].astype(np.float32), nthread=1), pred_contribs=True)[
        0, :-1
    ]
    order = np.argsort(-np.abs(theirs))
    assert [name for name, _ in said.reasons] == [NAMES[place] for place in order if theirs[place]]
    for name, share in said.reasons:
        assert share == pytest.approx(theirs[NAMES.index(name)], abs=1e-5)


def test_the_reasons_are_of_what_is_said_after_calibration() -> None:
    data = bytes(a_booster().save_raw(raw_format="json"))
    plain, halved = with_trees(data), with_trees(data, calibration={"kind": "platt", "scale": 0.5, "bias": 0.3})
    raw = some_rows(1)[0].values
    reasons = [explainer.reasons(raw, raw) for explainer in map(explainer_of, (plain, halved)) if explainer]
    assert [share * 0.5 for _, share in reasons[0]] == pytest.approx([share for _, share in reasons[1]])


def test_a_line_is_explained_by_its_weights_and_a_net_by_nothing() -> None:
    numbers = {"weights": (0.5, -2.0, 0.0, 1.0), "bias": (0.1,)}
    line = ExpertCard("logistic", "logistic", "builtin", 1, "scaled", {}, {}, numbers=numbers)
    nets = a_served_bundle([an_expert("rows", "tabular", tabular(WEIGHTS))])
    assert explainer_of(nets) is None
    both = replace(nets, card=replace(nets.card, experts=(*nets.card.experts, line)))
    explainer = explainer_of(both)
    assert explainer is not None
    scaled = np.array([2.0, 1.0, 3.0, 0.5])
    assert explainer.reasons(scaled, scaled) == (("f1", -2.0), ("f0", 1.0), ("f3", 0.5))


def test_at_most_five_and_ties_in_the_order_of_the_names() -> None:
    shares = np.array([0.1, -0.3, 0.3, 0.0, 0.2, -0.1, 0.05])
    assert strongest("abcdefg", shares) == (("b", -0.3), ("c", 0.3), ("e", 0.2), ("a", 0.1), ("f", -0.1))


def test_trees_of_other_features_or_none_at_all_are_refused() -> None:
    with pytest.raises(Refused, match="know 3 features and the card 4"):
        explainer_of(with_trees(bytes(a_booster(3).save_raw(raw_format="json"))))
    with pytest.raises(Refused, match="not a booster"):
        explainer_of(with_trees(b"{}"))


ROW = np.array([0.5, -1.0, np.nan, 0.0])


@pytest.mark.parametrize(
    ("kind", "numbers", "wanted"),
    [
        ("share", {"probability": (0.52,)}, 0.52),
        ("sides", {"column": (0.0,), "above": (0.6,), "below": (0.4,), "otherwise": (0.5,)}, 0.6),
        ("sides", {"column": (1.0,), "above": (0.6,), "below": (0.4,), "otherwise": (0.5,)}, 0.4),
        ("sides", {"column": (2.0,), "above": (0.6,), "below": (0.4,), "otherwise": (0.51,)}, 0.51),
        ("curve", {"column": (0.0,), "scale": (2.0,), "bias": (0.0,), "otherwise": (0.3,)}, 1 / (1 + np.exp(-1))),
        ("curve", {"column": (2.0,), "scale": (2.0,), "bias": (0.0,), "otherwise": (0.3,)}, 0.3),
        ("logistic", {"weights": (1.0, 0.5, 0.0, 0.0), "bias": (0.25,)}, 1 / (1 + np.exp(-0.25))),
    ],
)
def test_experts_that_are_numbers(kind: str, numbers: dict[str, tuple[float, ...]], wanted: float) -> None:
    card = ExpertCard("rule", kind, "builtin", 1, "raw", {}, {}, numbers=numbers)
    row = np.nan_to_num(ROW) if kind == "logistic" else ROW
    assert read_builtin(card, 4)(row) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("kind", "numbers", "why"),
    [
        ("oracle", {"probability": (0.5,)}, "of kind 'oracle'"),
        ("share", {"p": (0.5,)}, "with p"),
        ("logistic", {"weights": (1.0,), "bias": (0.0,)}, "too many or too few"),
        ("share", {"probability": (float("nan"),)}, "not finite"),
        ("sides", {"column": (4.0,), "above": (0.6,), "below": (0.4,), "otherwise": (0.5,)}, "column 4 of 4"),
        ("sides", {"column": (0.5,), "above": (0.6,), "below": (0.4,), "otherwise": (0.5,)}, "column 0.5 of 4"),
    ],
)
def test_numbers_that_make_no_expert_are_refused(kind: str, numbers: dict[str, tuple[float, ...]], why: str) -> None:
    with pytest.raises(Refused, match=why):
        read_builtin(ExpertCard("rule", kind, "builtin", 1, "raw", {}, {}, numbers=numbers), 4)


def test_serving_brings_no_library_that_trains() -> None:
    script = (
        "import sys, ml.serve, ml.explain\n"
        "print([name for name in ('torch', 'sklearn', 'xgboost', 'onnx', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
