"""Columns are selected by the rows of a fit and by nothing later, and another number of them is another trial."""

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from app.cli import main
from core.errors import BadInput
from ml.evaluate.leaks import fold_isolation
from ml.evaluate.lineup import LAST_RETURN, TREES, TREND, VOLATILITY, build_lineup
from ml.evaluate.locked import recipes_of
from ml.labels import sign_label
from ml.models.logistic import Logistic
from ml.models.random_forest import RandomForest
from ml.models.selected import Selected, select_columns
from ml.models.xgboost_trees import XgboostTrees
from ml.splits import purged_walk_forward
from tests.candle_factory import START, csv_lines, walk, write_csv
from tests.ml_world import HOUR_MS, planted

EXPERTS = (
    Logistic(0.1),
    RandomForest(n_trees=8, min_leaf=10, column_share=0.5, row_share=0.5, n_threads=1),
    XgboostTrees(n_trees=10, column_share=1.0, n_threads=1),
)
COLUMNS = (LAST_RETURN, TREND, VOLATILITY, "a", "b")


def world(n: int = 1_500, k: int = 6, informed: int = 4):
    rng = np.random.default_rng(3)
    x = rng.normal(0, 1, (n, k))
    y = (rng.random(n) < 0.5 + 0.25 * np.sign(x[:, informed])).astype(float)
    return x, np.zeros(n, dtype=np.int64), y


def test_the_columns_with_the_largest_weighted_correlation_are_taken():
    rng = np.random.default_rng(4)
    x, _, y = world()
    weight = rng.uniform(0.1, 1, len(y))
    x[:, 1] = -2 * y + rng.normal(0, 2, len(y))
    found = [abs(np.cov(column, y, aweights=weight)[0, 1]) / np.sqrt(
        np.cov(column, aweights=weight) * np.cov(y, aweights=weight)) for column in x.T]  # fmt: skip
    for k in range(1, 7):
        assert set(select_columns(x, y, weight, k)) == set(np.argsort(found)[-k:])
    assert select_columns(x, y, weight, 2).tolist() == [1, 4]


def test_weights_choose():
    x, _, y = world()
    x[:, 0] = np.where(np.arange(len(y)) < 300, y, 0.0) + 0.01 * x[:, 0]
    early = np.where(np.arange(len(y)) < 300, 1.0, 1e-6)
    assert select_columns(x, y, early, 1).tolist() == [0]
    assert select_columns(x, y, 1 + 1e-6 - early, 1).tolist() == [4]


def test_missing_constant_and_infinite_columns_are_no_better_than_others():
    x, _, y = world()
    x[:, 0], x[:, 1] = np.nan, 7.0
    x[::3, 2] = np.inf
    x[::2, 4] = np.nan
    assert select_columns(x, y, np.ones(len(y)), 1).tolist() == [4]
    # Where nothing tells anything the first are taken.
    assert select_columns(np.zeros((len(y), 3)), y, np.ones(len(y)), 2).tolist() == [0, 1]


@pytest.mark.parametrize("expert", EXPERTS, ids=lambda expert: expert.name)
def test_a_prediction_is_that_of_the_expert_on_the_columns_alone(expert):
    x, segment, y = world()
    rows, test = np.arange(1_000), np.arange(1_000, 1_500)
    fitted = Selected(expert, 2).fit(x, segment, rows, y[rows], np.ones(1_000), 5)
    assert len(fitted.columns) == 2 and 4 in fitted.columns
    alone = expert.fit(x[:, fitted.columns], segment, rows, y[rows], np.ones(1_000), 5)
    said = fitted.predict(x, segment, test)
    assert np.array_equal(said, alone.predict(x[:, fitted.columns], segment, test))
    assert ((said > 0.5) == (y[test] == 1)).mean() > 0.65
    other = x.copy()
    other[:, [column for column in range(6) if column not in fitted.columns]] = np.nan
    assert np.array_equal(said, fitted.predict(other, segment, test))


@pytest.mark.parametrize("expert", EXPERTS, ids=lambda expert: expert.name)
def test_later_rows_choose_nothing(expert):
    """Later rows hold the label in a column that says nothing before: it is not chosen, and the meter sees no leak."""
    x, segment, y = world()
    rows = np.arange(1_000)
    spoiled = x.copy()
    spoiled[1_000:, 0], spoiled[1_000:, 4] = 50 * y[1_000:], -x[1_000:, 4]
    first, again = (Selected(expert, 1).fit(given, segment, rows, y[rows], np.ones(1_000), 5) for given in (x, spoiled))
    assert first.columns.tolist() == again.columns.tolist() == [4]
    assert select_columns(spoiled, y, np.ones(1_500), 1).tolist() == [0], "all rows would have chosen another"
    assert np.array_equal(first.predict(x, segment, rows), again.predict(spoiled, segment, rows))


def test_the_leak_meter_holds_for_every_fold():
    table = planted(2_400, 0.1, 3)
    labels = sign_label(table, 4)
    selecting = tuple(Selected(expert, 3) for expert in EXPERTS)
    for fold in purged_walk_forward(labels, 1_200, 2_400, 600, 24):
        assert not fold_isolation(table.values, table.segment, labels.y, fold, selecting, 1).is_leak


def test_each_fold_chooses_for_itself():
    x, segment, y = world()
    x[750:, [1, 4]] = x[750:, [4, 1]]
    chosen = [
        Selected(Logistic(), 1).fit(x, segment, rows, y[rows], np.ones(750), 1).columns.tolist()
        for rows in (np.arange(750), np.arange(750, 1_500))
    ]
    assert chosen == [[4], [1]]


def test_another_number_of_columns_is_another_trial():
    every = [recipes_of(build_lineup(COLUMNS, TREES, k), "schema", "protocol") for k in (None, 2, 3)]
    anchors = [set(recipes[:5]) for recipes in every]
    assert anchors[0] == anchors[1] == anchors[2]
    assert len(set().union(*every)) == 5 + 3 * (3 + 1)
    assert every[1] == recipes_of(build_lineup(COLUMNS, TREES, 2), "schema", "protocol")
    assert [expert.name for expert in build_lineup(COLUMNS, TREES, 2)][5:] == list(TREES)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda: build_lineup(COLUMNS, TREES, 6), "6 of 5 columns"),
        (lambda: build_lineup(COLUMNS, ("prior",), 2), "none of the models"),
        (lambda: select_columns(np.ones((3, 2)), np.ones(3), np.ones(3), 3), "3 of 2 columns"),
        (lambda: Selected(Windowed(), 2), "reads 6 rows"),
    ],
)
def test_what_cannot_be_selected_is_said(ask, said):
    with pytest.raises(BadInput, match=said):
        ask()


class Windowed:
    name, lookback = "windowed", 6


def test_the_command_says_how_many_columns_were_chosen(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("XCRACK_HOME", str(tmp_path / "home"))
    candles = walk(2_600, START - timedelta(days=200), HOUR_MS)
    file = write_csv(tmp_path / "made_1h_BTCUSDT.csv", csv_lines(candles))
    asked = ["ml", "evaluate", str(file), "--tasks", "sign:1", "--models", "logistic", "--threads", "1", "--json"]
    losses = []
    for more in ([], ["--select", "5"]):
        with pytest.raises(SystemExit, match="0"):
            main([*asked, *more])
        (row,) = json.loads(capsys.readouterr().out)
        assert row["n_selected"] == (5 if more else None)
        losses.append({expert["name"]: expert["log_loss"] for expert in row["experts"]})
    assert losses[0]["logistic"] != losses[1]["logistic"] and losses[0]["prior"] == losses[1]["prior"]
    for more in ([], ["--leaks"]):
        with pytest.raises(SystemExit, match="2"):
            main([*asked, *more, "--select", "5000"])
        assert "columns cannot be selected" in capsys.readouterr().err
