"""Scores over combinatorial purged splits: every path goes through all rows once, and nothing locked is read."""

import json
from dataclasses import replace
from datetime import timedelta
from math import comb
from pathlib import Path

import numpy as np
import pytest

from app.cli import main
from ml.evaluate.protocol import Plan
from ml.evaluate.report import Run
from ml.evaluate.spread import N_GROUPS, N_TEST_GROUPS, measure_spread, paths_of
from ml.evaluate.tasks import find_tasks
from ml.labels import sign_label
from ml.models.logistic import Logistic
from ml.models.prior import Prior
from ml.splits import combinatorial_purged
from tests.candle_factory import START, csv_lines, walk, write_csv
from tests.ml_world import HOUR_MS, planted

SIGN = find_tasks("sign:1")[0]
N = 4_000
PLAN = Plan(2_000, N, 800)


class Net:
    name, lookback = "gru", 8

    def fit(self, x, segment, rows, y, weight, seed):
        raise AssertionError("a net is fitted")


EXPERTS = (Prior(), Logistic(0.1), Net())


def spread(table, task=SIGN, plan=PLAN, **more):
    return measure_spread(table, task, Run(plan, EXPERTS, 7, {}, **more))


def test_every_path_takes_each_row_from_one_fold_and_no_two_paths_from_the_same():
    labels = sign_label(planted(600, 0.1, 1), 4)
    folds = combinatorial_purged(labels, N_GROUPS, N_TEST_GROUPS, 24)
    rows = np.concatenate([fold.test for fold in folds])
    number = np.repeat(np.arange(len(folds)), [len(fold.test) for fold in folds])
    paths = paths_of(rows)
    known = np.flatnonzero(labels.is_known)
    assert len(folds) == comb(6, 2) and paths.shape == (5, len(known))
    assert all(np.array_equal(rows[path], known) for path in paths)
    assert np.array_equal(np.sort(paths, axis=None), np.arange(len(rows)))
    assert (np.diff(number[paths], axis=0) > 0).all()


def test_planted_skill_is_on_every_path_and_none_is_on_none():
    # Binary entropy: the log loss of 58 % is 1.85 % below that of one half.
    (found,) = spread(planted(N, 0.08, 1))
    assert (found.name, found.n_paths) == ("logistic", 5)
    assert 0.008 < found.low <= found.median <= found.high < 0.03
    (nothing,) = spread(planted(N, 0.0, 2))
    assert nothing.high < 0.003


def test_a_break_shows_in_every_path():
    """What is learned after it is wrong before it, and the other way round: no path is as good as a steady market."""
    (steady,) = spread(planted(N, 0.1, 3))
    (broken,) = spread(planted(N, 0.1, 3, break_at=N // 2))
    assert broken.high < steady.low


def test_rows_from_the_locked_period_on_change_nothing():
    table = planted(N, 0.1, 4)
    values = table.values.copy()
    values[3_600:] = 99.0
    plan = Plan(2_000, 3_600, 800)
    assert spread(table, plan=plan) == spread(replace(table, values=values), plan=plan)


def test_questions_of_three_answers_and_progress():
    told = []
    task = find_tasks("two_percent")[0]
    (found,) = spread(planted(N, 0.1, 5), task, progress=lambda *what: told.append(what))
    assert found.low <= found.median <= found.high
    n_fits = comb(6, 2) * 2
    assert told[-1] == ("two_percent:5:side spread", n_fits, n_fits) and len(told) == 2 * n_fits


def test_the_command_gives_the_range_and_never_of_locked_rows(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("XCRACK_HOME", str(tmp_path / "home"))
    candles = walk(2_600, START - timedelta(days=200), HOUR_MS)
    file = write_csv(tmp_path / "made_1h_BTCUSDT.csv", csv_lines(candles))
    asked = ["ml", "evaluate", str(file), "--tasks", "sign:1", "--models", "prior", "--threads", "1", "--spread"]
    with pytest.raises(SystemExit, match="0"):
        main([*asked, "--json"])
    told = capsys.readouterr()
    (row,) = json.loads(told.out)
    assert [one["name"] for one in row["spread"]] == ["last_sign", "reversal", "sma_cross", "ewma_volatility"]
    assert all(set(one) == {"name", "low", "median", "high", "n_paths"} for one in row["spread"])
    assert "spread: 100%" in told.err
    with pytest.raises(SystemExit, match="0"):
        main(asked)
    assert "5 paths" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        main([*asked, "--open-locked"])
    assert "--open-locked" in capsys.readouterr().err
