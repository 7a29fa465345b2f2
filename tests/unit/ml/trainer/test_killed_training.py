"""A trainer killed at an epoch: what serves stays as it is, the training is a row, and the next one goes on there."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from tests.trainer import require_trainer

require_trainer()

from app.home import Home
from app.training import build_tables, train
from core.clock import VirtualClock
from core.store import audit, ledger, model_versions
from market.bars import BarArchive
from market.candles import ms_of
from market.synthetic import demo_market, write_market
from ml.bundle import load_bundle, write_bundle
from ml.features.registry import load_registry
from ml.registry import ModelRegistry
from ml.train.job import Trainer
from ml.train.parent import Outcome
from ml.train.plan import Told, TrainPlan
from tests.signal_world import a_bundle_for, renamed

SLOT = "sign:1:1h"
START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR_MS = 3_600_000
EPOCHS = 2
POINTS = [f"mlp.epoch:{phase}#{epoch}" for epoch in range(1, EPOCHS + 1) for phase in ("before", "after_checkpoint")]


@pytest.fixture
def world(store, tmp_path):
    """A home with a model that serves, candles, and what trains on them."""
    home, clock = Home(tmp_path), VirtualClock(START + timedelta(days=60))
    schema = load_registry().schema_sha256
    bundle = renamed(a_bundle_for(HOUR_MS, 1), features=load_registry().names[:4], feature_schema_sha256=schema)
    write_bundle(home.models, bundle.card, bundle.files)
    registry = ModelRegistry(store, clock, home.models)
    registry.move(registry.add_candidate(bundle.sha256, schema, "trainer").model_id, "active", "ann", "the first")
    archive = BarArchive(home.bars, clock, HOUR_MS)
    write_market(archive, demo_market(3, START, 50, 60, 1))
    tables = build_tables({"BTCUSDT": archive.candles("BTCUSDT")}, HOUR_MS)
    plan = TrainPlan(
        tables=(), work="", bundles="", task="sign", horizon_bars=1, threshold=0.0, models=("mlp",),
        code_sha256="c" * 64, trained_at_ms=ms_of(clock.now()), epochs=EPOCHS, device="cpu",
    )  # fmt: skip

    def run(goes_on=True, **changes):
        clock.advance_to(clock.now() + timedelta(minutes=1))
        told = []
        found = train(home, store, clock, replace(plan, **changes), tables, told.append, goes_on)
        return found, [each.number for each in told if each.kind == "epoch"]

    def serving():
        return registry.load_active(SLOT, schema).sha256, sorted(path.name for path in home.models.iterdir())

    def card_of(found):
        sha256 = found.outcome.last.sha256
        return load_bundle(home.models / sha256, sha256, schema).card

    return run, serving, bundle.sha256, card_of


def ledgered(store):
    with store.session() as session:
        assert ledger.verify(session) is None
        return [json.loads(row.payload)["trials"] for row in ledger.rows(session, "ml_trained", SLOT)]


def walk_through(world, store, monkeypatch, points):
    run, serving, active, _ = world
    for n, point in enumerate(points, start=1):
        monkeypatch.setenv("XCRACK_CRASH_AT", point)
        found, _ = run()
        assert found.outcome.code == -9, found.outcome.last
        assert serving() == (active, [active]), "nothing that serves has changed, and no part of a bundle lies there"
        assert found.model.status == "failed" and "signal 9" in found.model.reason
        with store.session() as session:
            rows = [each.status for each in model_versions.of_slot(session, SLOT)]
            assert sorted(rows) == ["active", *["failed"] * n]
        assert ledgered(store) == [], "nothing was searched, and what was not finished is no trial yet"
    monkeypatch.delenv("XCRACK_CRASH_AT")
    found, epochs = run()
    assert found.model.status == "candidate" and serving()[0] == active
    assert len(ledgered(store)) == 1
    with store.session() as session:
        assert audit.verify(session) is None
    return epochs


def test_a_trainer_killed_in_an_epoch_leaves_what_serves_alone_and_goes_on_there(world, store, monkeypatch):
    # The first epoch counts from where the killed one was: its checkpoint is the only thing that it left.
    assert walk_through(world, store, monkeypatch, ["mlp.epoch:after_checkpoint#1"]) == [2]


@pytest.mark.soak
@pytest.mark.parametrize("point", POINTS)
def test_at_every_epoch_before_and_after_its_checkpoint(world, store, monkeypatch, point):
    walk_through(world, store, monkeypatch, [point])


# --- a search ---
class _Killed(BaseException):
    pass


def here(point):
    """`run_trainer` in this process, which costs no import of torch; a kill ends it between two lines all the same."""
    name, _, number = point.partition("#")
    passes = count(1)

    def crash(reached):
        if reached == name and next(passes) == int(number):
            raise _Killed

    def run_trainer(plan, root, watch):
        told = []
        try:
            Trainer(plan, lambda one: (told.append(one), watch(one)), crash).run()
        except _Killed:
            return Outcome(-9, Told("failed", reason="the trainer was killed by signal 9"))
        return Outcome(0, told[-1])

    return run_trainer


def test_a_search_killed_between_trials_repeats_none_and_each_is_ledgered_once(world, store, monkeypatch):
    run, _, _, card_of = world
    asked = {"trials": 3, "epochs": 1}
    monkeypatch.setattr("app.training.run_trainer", here("mlp.trial:told#2"))
    found, epochs = run(**asked)
    assert (found.outcome.code, found.model.status, epochs) == (-9, "failed", [1, 1])
    assert ledgered(store) == [1, 1], "both were seen, whatever became of the search"
    monkeypatch.setattr("app.training.run_trainer", here(""))
    resumed, epochs = run(**asked)
    assert epochs == [1], "the third trial is fitted, and neither the finished ones nor the best one again"
    card = card_of(resumed)
    n_others = len(card.experts) - 1
    assert ledgered(store) == [1, 1, 1, n_others]
    assert card.trials == resumed.outcome.last.trials == 3 + n_others
    again, epochs = run(goes_on=False, **asked)
    assert epochs == [1, 1, 1]
    assert ledgered(store) == [1, 1, 1, n_others, 0], "the very same search once more is no new trial"
    assert replace(card_of(again), trained_at_ms=card.trained_at_ms) == card, "killed or not, the same model is found"
    more, _ = run(**{**asked, "trials": 4})
    assert ledgered(store)[-2:] == [1, 0] and card_of(more).trials == card.trials + 1


@pytest.mark.soak
@pytest.mark.parametrize("point", ["mlp.epoch:after_checkpoint#2", "mlp.epoch:before#3", "mlp.trial:told#1"])
def test_wherever_the_process_of_a_search_is_killed_its_trials_are_counted_once(world, store, monkeypatch, point):
    run, *_ = world
    monkeypatch.setenv("XCRACK_CRASH_AT", point)
    assert run(trials=3, epochs=1)[0].outcome.code == -9
    monkeypatch.delenv("XCRACK_CRASH_AT")
    found, _ = run(trials=3, epochs=1)
    assert sum(ledgered(store)) == found.outcome.last.trials
