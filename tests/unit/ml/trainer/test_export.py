"""Exported files say what the trainer says, for every length of window, every number of rows, and NaN in trees."""

from dataclasses import replace

import numpy as np
import onnx
import pytest

from tests.trainer import planted, require_trainer

require_trainer()

import torch

from core.errors import Refused
from ml.features.scaling import Scaler
from ml.models.random_forest import RandomForest, tree_input
from ml.models.xgboost_trees import XgboostTrees
from ml.onnx_check import require_plain_onnx
from ml.train.export import (
    export_step,
    export_window,
    quantise,
    require_same,
    run_steps,
    run_windows,
    session_of,
    states_of,
)
from ml.train.export_trees import booster_json, export_booster, export_forest
from ml.train.fitting import FittedNet
from tests.unit.ml.trainer.test_nets import ALL

K = 4


def fitted_net(name):
    recipe = replace(ALL[name], dropout=0.5)
    net = recipe.build(K).eval()
    for n, part in enumerate(net.parameters()):
        torch.nn.init.normal_(part, std=0.3, generator=torch.Generator().manual_seed(n))
    return FittedNet(net, Scaler((0.1,) * K, (2.0,) * K, (5.0,) * K), recipe.lookback, -0.7, ())


@pytest.mark.parametrize("name", ALL)
def test_windows_of_every_length_give_the_trainers_probabilities(name):
    fitted = fitted_net(name)
    data = export_window(fitted, K)
    require_plain_onnx(name, data)
    assert data == export_window(fitted, K)
    assert not fitted.net.training
    session = session_of(data)
    x = 3 * np.random.default_rng(2).normal(size=(60, K))
    scaled = fitted.scaler.transform(x).astype(np.float32)
    segment = np.zeros(60, dtype=np.int64)
    for row in (0, 1, 3, 20, 59):
        window = scaled[max(0, row + 1 - fitted.lookback) : row + 1][None]
        p = run_windows(session, window[:, -1] if fitted.lookback == 1 else window)
        expected = fitted.predict(x, segment, np.array([row]))
        assert require_same(name, float(np.abs(p - expected).max())) < 1e-6


@pytest.mark.parametrize("name", ["lstm", "gru", "transformer"])
def test_the_step_form_carries_its_state(name):
    fitted = fitted_net(name)
    data = export_step(fitted, K)
    require_plain_onnx(name, data)
    n_rows = 30 if name == "transformer" else fitted.lookback
    x = np.random.default_rng(3).normal(size=(n_rows, K))
    scaled = fitted.scaler.transform(x).astype(np.float32)
    p = run_steps(session_of(data), states_of(fitted.net), np.stack([scaled, scaled[::-1]]))
    expected = fitted.predict(x, np.zeros(n_rows, dtype=np.int64), np.arange(n_rows))
    assert np.abs(p[0] - expected).max() < 1e-6


@pytest.mark.parametrize("name", ALL)
def test_int8_weights_are_close_and_pass_the_door(name):
    fitted = fitted_net(name)
    data = export_window(fitted, K)
    small = quantise(data)
    require_plain_onnx(name, small)
    x = np.random.default_rng(4).normal(size=(50, fitted.lookback, K)).astype(np.float32)
    x = x[:, -1] if fitted.lookback == 1 else x
    difference = np.abs(run_windows(session_of(small), x) - run_windows(session_of(data), x)).max()
    assert 0 < difference < 0.1


def test_trees_are_exported_with_the_side_that_a_missing_value_takes():
    x, segment, y = planted(1_200)
    x[np.random.default_rng(5).random(x.shape) < 0.2] = np.nan
    rows, ones = np.arange(1_200), np.ones(1_200)
    forest = RandomForest(n_trees=10, n_threads=1).fit(x, segment, rows, y, ones, 1)
    trees = XgboostTrees(n_trees=20, n_threads=1).fit(x, segment, rows, y, ones, 1)
    for fitted, data in (
        (forest, export_forest(forest.forest, K)),
        (trees, export_booster(trees.booster, K)),
    ):
        require_plain_onnx("trees.onnx", data)
        p = run_windows(session_of(data), tree_input(x))
        assert np.abs(p - fitted.predict(x, segment, rows)).max() < 1e-6
    assert export_forest(forest.forest, K) == export_forest(forest.forest, K)
    assert booster_json(trees.booster).startswith(b"{")


def test_files_hold_no_trace_of_the_machine_that_wrote_them():
    model = onnx.load_from_string(export_window(fitted_net("gru"), K))
    assert not model.metadata_props
    assert not any(node.doc_string or node.metadata_props for node in model.graph.node)
    assert b"/" not in b"".join(node.doc_string.encode() for node in model.graph.node)
    assert b".py" not in model.SerializeToString()


@pytest.mark.parametrize("difference", [2e-5, float("nan")])
def test_a_file_that_says_something_else_is_refused(difference):
    with pytest.raises(Refused, match="exported file of lstm differs"):
        require_same("lstm", difference)
