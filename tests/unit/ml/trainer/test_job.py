"""A training, from tables to a bundle that loads, and what becomes of one that is killed or out of memory."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from tests.trainer import planted, require_trainer

require_trainer()

from core.errors import BadInput
from core.model.canonical import canonical_json
from core.settings_sections import PROJECT_ROOT
from ml.bundle import load_bundle
from ml.calibration import Platt
from ml.features.scaling import Scaler
from ml.features.table import FeatureTable
from ml.models.random_forest import tree_input
from ml.online.blocks import BlockReference
from ml.train.export import run_steps, run_windows, session_of
from ml.train.job import Trainer
from ml.train.plan import TrainPlan
from ml.train.tables import load_table, pool_tables, save_table
from tests.servers import end_with_tests

SCHEMA = "f" * 64
HOUR_MS = 3_600_000


def a_table(symbol="BTCUSDT", n=1_400, seed=1, start=0):
    """Bars whose next return follows the planted sum."""
    x, segment, y = planted(n, seed)
    x[np.random.default_rng(seed).random(x.shape) < 0.02] = np.nan
    move = np.where(y > 0.5, 0.01, -0.01)
    close = 100 * np.exp(np.cumsum(np.concatenate([[0.0], move[:-1]])))
    at = (np.arange(n) + 500_000 + start) * HOUR_MS
    return FeatureTable(symbol, HOUR_MS, ("a", "b", "c", "d"), SCHEMA, at, close, close, close, segment, x)


def a_plan(tmp_path, **changed):
    tables = (a_table(), a_table("ETHUSDT", 900, 2))
    for table in tables:
        save_table(tmp_path / f"{table.symbol}.npz", table)
    plan = TrainPlan(
        tables=tuple(str(tmp_path / f"{table.symbol}.npz") for table in tables),
        work=str(tmp_path / "work"),
        bundles=str(tmp_path / "models"),
        task="sign",
        horizon_bars=1,
        threshold=0.0,
        models=("gru", "mlp", "logistic"),
        code_sha256="c" * 64,
        trained_at_ms=1,
        sequence_length=4,
        epochs=2,
        batch_size=128,
        learning_rate=5e-3,
        device="cpu",
    )
    return replace(plan, **changed)


def train(plan, told=None):
    return Trainer(plan, (lambda _: None) if told is None else told.append, lambda _: None).run()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("job")
    told = []
    plan = a_plan(
        folder, models=("gru", "transformer", "mlp", "logistic", "random_forest", "xgboost"), trials=2, epochs=6
    )
    return train(plan, told), told, plan


def test_the_bundle_holds_every_expert_calibrated_and_measured(trained):
    folder, told, _ = trained
    card = load_bundle(folder, folder.name, SCHEMA).card
    assert [expert.name for expert in card.experts] == [
        "prior", "gru", "transformer", "mlp", "logistic", "random_forest", "xgboost"
    ]  # fmt: skip
    by_name = {expert.name: expert for expert in card.experts}
    loss = {name: expert.metrics[0].interval for name, expert in by_name.items()}
    assert all(interval.low < interval.value < interval.high for interval in loss.values() if interval.low)
    # The planted sum reaches over three rows: whoever reads sequences sees more of it.
    assert loss["gru"].value < loss["logistic"].value < loss["prior"].value
    assert card.metrics[0].name == "log_loss"
    assert card.metrics[0].interval.value < loss["mlp"].value
    assert card.symbols == ("BTCUSDT", "ETHUSDT")
    assert told[-1].kind == "done"
    reference = BlockReference.from_plain(card.reference)
    assert reference.rows.names == card.features and tuple(reference.own) == card.symbols
    # Two trials for each of three nets, one fit for each of the others.
    assert told[-1].trials == card.trials == 3 * 2 + 4


def test_each_file_says_what_the_card_promises(trained):
    folder, _, plan = trained
    bundle = load_bundle(folder, folder.name, SCHEMA)
    table = load_table(next(path for path in map(type(folder), plan.tables) if "BTC" in path.name))
    scaler = Scaler.from_json(json.dumps(bundle.card.scaler))
    row = 700
    for expert in bundle.card.experts:
        assert all(error <= 1e-5 for role, error in expert.errors.items() if role in ("model", "step"))
        Platt(expert.calibration["scale"], expert.calibration["bias"])
        if not expert.files:
            continue
        if expert.input == "raw":
            x = tree_input(table.values[[row]])
        else:
            back = scaler.transform(table.values[row - expert.lookback + 1 : row + 1]).astype(np.float32)
            x = back if expert.form == "tabular" else back[None]
        p = run_windows(session_of(bundle.data(expert, "model")), x)
        assert 0 < p[0] < 1
        if expert.states:
            stepped = run_steps(session_of(bundle.data(expert, "step")), expert.states, x)
            assert abs(stepped[0, -1] - p[0]) < 1e-5


def test_the_same_plan_gives_the_same_bundle_and_another_seed_another(tmp_path, tmp_path_factory):
    first = train(a_plan(tmp_path))
    again = train(a_plan(tmp_path, work=str(tmp_path_factory.mktemp("fresh"))))
    assert first == again
    assert train(a_plan(tmp_path, seed=8)) != first


def test_a_pool_keeps_symbols_and_labels_apart():
    pool = pool_tables([a_table(), a_table("ETHUSDT", 300, 2)], "sign", 1, 0.0)
    assert pool.labels.end[1_399] == -1
    assert pool.labels.end[1_400] == 1_401
    assert pool.segment[1_399] != pool.segment[1_400]
    known = pool.labels.is_known
    assert (pool.table[pool.labels.end[known]] == pool.table[known]).all()


@pytest.mark.parametrize(
    ("tables", "why"),
    [
        ([], "no bar"),
        ([a_table(), a_table()], "given twice"),
        ([a_table(), replace(a_table("X1"), interval_ms=60_000)], "differ in length"),
        ([a_table(), replace(a_table("X1"), schema_sha256="e" * 64)], "differ in length"),
    ],
)
def test_tables_that_do_not_go_together_are_refused(tables, why):
    with pytest.raises(BadInput, match=why):
        pool_tables(tables, "sign", 1, 0.0)


def test_too_few_rows_are_said(tmp_path):
    save_table(tmp_path / "few.npz", a_table(n=120))
    with pytest.raises(BadInput, match="fewer than 50"):
        train(a_plan(tmp_path, tables=(str(tmp_path / "few.npz"),)))


class _Killed(BaseException):
    pass


@pytest.mark.parametrize("point", ["bundle:before", "bundle:after"])
def test_a_trainer_killed_at_the_bundle_leaves_it_whole_or_not_at_all(tmp_path, point):
    def crash(here):
        if here == point:
            raise _Killed

    plan = a_plan(tmp_path, models=("gru",))
    with pytest.raises(_Killed):
        Trainer(plan, lambda _: None, crash).run()
    models = tmp_path / "models"
    assert len(list(models.iterdir()) if models.is_dir() else []) == (point == "bundle:after")
    told = []
    folder = train(plan, told)
    assert not [each for each in told if each.kind == "epoch"]
    assert list(models.iterdir()) == [folder]


# --- the process -----------------------------------------------------------------------------------------------------
def start(plan, crash=""):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **({"XCRACK_CRASH_AT": crash} if crash else {})}
    command = [sys.executable, "-m", "ml.train"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(
        command, cwd=PROJECT_ROOT, env=environment, preexec_fn=end_with_tests, text=True, **pipes
    )
    process.stdin.write(canonical_json(plan) + "\n")
    process.stdin.flush()
    return process


def finish(process):
    out = process.stdout.read()
    code = process.wait()
    errors = process.stderr.read()
    for pipe in (process.stdin, process.stdout, process.stderr):
        pipe.close()
    return code, [json.loads(line) for line in out.splitlines()], errors


def test_a_trainer_killed_at_an_epoch_goes_on_where_it_was(tmp_path):
    plan = a_plan(tmp_path, models=("gru",))
    code, _, _ = finish(start(plan, "gru.epoch:after_checkpoint#1"))
    assert code == -signal.SIGKILL
    assert not (tmp_path / "models").exists()
    told = []
    folder = train(plan, told)
    assert [each.number for each in told if each.kind == "epoch"] == [2]
    assert folder == train(replace(plan, work=str(tmp_path / "fresh")))


def test_a_trainer_ends_clean_when_its_parent_does(tmp_path):
    process = start(a_plan(tmp_path, models=("gru",), epochs=10_000, patience=10_000))
    while '"epoch"' not in process.stdout.readline():
        pass
    process.stdin.close()
    code, _, errors = finish(process)
    assert (code, errors) == (130, "")
    assert not (tmp_path / "models").exists()
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["gru-0.npz"]


def test_at_its_memory_limit_a_training_fails_and_says_so(tmp_path):
    code, told, errors = finish(start(a_plan(tmp_path, memory_mb=40)))
    assert (code, told[-1]["kind"]) == (4, "failed"), errors
    assert "limit of 40 MB" in told[-1]["reason"]
    assert not (tmp_path / "models").exists()


def test_a_plan_that_is_none_is_refused():
    done = subprocess.run([sys.executable, "-m", "ml.train"], input=b"{}\n", cwd=PROJECT_ROOT, capture_output=True)
    assert done.returncode == 2
    assert b"cannot be read" in done.stdout
