"""The watch over models that serve: a planted shift is found and told once, and nothing is found where nothing is."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
from sqlalchemy import update

from core.clock import VirtualClock
from core.model.drift import DriftFinding, ModelWatch, RetrainingRequest
from core.model.models import ModelVersion
from core.store import Store, alerts, model_versions, model_watches
from core.store.work_tables import model_watch
from feedback.alerts import AlertDesk
from feedback.signals import Candle
from feedback.signals.drift import DriftWatch
from feedback.signals.drift_steps import Close, Closing, mean_of, overconfidence, scaled_loss, take
from feedback.signals.retraining import Retraining
from market.candles import from_ms
from ml.bundle import Bundle
from ml.online.blocks import BlockReference, block_ms_of
from ml.registry import slot_of
from tests.model_bundles import SCHEMA
from tests.serving_world import NAMES
from tests.signal_world import FIRST_MS, FourFeatures, Lane, a_bundle_for, a_room, bars

HOUR_MS = 3_600_000
WEEK_MS = block_ms_of(HOUR_MS)
TRAINED_FROM_MS = FIRST_MS // WEEK_MS * WEEK_MS - 60 * WEEK_MS
LIVE_FROM_MS = FIRST_MS // WEEK_MS * WEEK_MS + WEEK_MS
WITHIN_BARS = 200
"""A model that turns from 70 % right to 30 % right is found within so many settled bars."""


def hours(n: int, seed: int, first_ms: int, repeats: float = 0.5) -> list[Candle]:
    """Hours of which a share repeats the sign of the hour before."""
    dice = np.random.default_rng(seed)
    candles, close, move = [], 100.0, 0.003
    for at in range(n):
        same = dice.random() < repeats
        move = (move if same else -move) / abs(move) * float(dice.uniform(0.002, 0.004))
        opened, close = close, close * float(np.exp(move))
        top, bottom = max(opened, close) * 1.0002, min(opened, close) * 0.9998
        candles.append(Candle(first_ms + at * HOUR_MS, opened, top, bottom, close, 50.0))
    return candles


def rows_of(candles: Sequence[Candle]) -> np.ndarray:
    source = FourFeatures(HOUR_MS)
    return np.array([source.update(c.opened_at_ms, c.open, c.high, c.low, c.close, c.volume).copy() for c in candles])


@pytest.fixture(scope="module")
def reference() -> BlockReference:
    trained = hours(60 * 168, 1, TRAINED_FROM_MS)
    at = np.array([candle.opened_at_ms + HOUR_MS for candle in trained])
    symbol = np.zeros(len(at), dtype=np.int64)
    return BlockReference.fit(NAMES, rows_of(trained), at, symbol, ("BTCUSDT",), HOUR_MS)


class World:
    """A worker whose model is watched."""

    def __init__(self, store: Store, bundle: Bundle, *, is_online: bool = True, has_trainer: bool = True) -> None:
        self.store, self.bundle = store, bundle
        self.clock = VirtualClock(from_ms(LIVE_FROM_MS))
        self.is_online, self.has_trainer = is_online, has_trainer
        with store.session() as session:
            now = from_ms(TRAINED_FROM_MS)
            version = ModelVersion(bundle.sha256, slot_of(bundle.card), "active", now, SCHEMA, ("BTCUSDT",), True)
            model_versions.add(session, version)
        self.start()

    def start(self) -> None:
        """What a worker does when it starts; what was in memory is gone."""
        self.room = a_room(self.store, Lane(), [self.bundle], base_ms=HOUR_MS)
        desk = AlertDesk(self.clock, 0, "en")
        self.retraining = Retraining(desk, self.is_online, True, lambda: self.has_trainer)
        self.watch = DriftWatch(self.store, self.room.models, self.retraining)
        self.room.listeners = (self.watch,)

    def play(self, candles: Sequence[Candle], look_every: int = 7) -> list[DriftFinding]:
        found: list[DriftFinding] = []
        for n, candle in enumerate(candles, start=1):
            closed_at_ms = candle.opened_at_ms + HOUR_MS
            self.clock.advance_to(max(self.clock.now(), from_ms(closed_at_ms)))
            self.room.warm_up(closed_at_ms, {"BTCUSDT": candle})
            if n % look_every == 0 or n == len(candles):
                found += self.watch.look()
        return found

    def state(self) -> ModelWatch:
        with self.store.session() as session:
            found = model_watches.find(session, self.bundle.sha256)
        assert found is not None
        return found

    def kept(self) -> tuple[list[DriftFinding], list[RetrainingRequest], list[str]]:
        with self.store.session() as session:
            told = [alert.kind for alert in alerts.latest(session, 100)]
            return model_watches.findings(session), model_watches.open_requests(session), sorted(told)


def a_model(weight: float = 6.0, **changes: object) -> Bundle:
    return a_bundle_for(HOUR_MS, 1, weight, **changes)


def turning(n_before: int = 300, n_after: int = 200) -> list[Candle]:
    """A market that goes on as it went, and then turns back every other hour."""
    before = hours(n_before, 3, LIVE_FROM_MS, 0.7)
    return [*before, *hours(n_after, 4, LIVE_FROM_MS + n_before * HOUR_MS, 0.3)]


def test_losses_that_rise_are_found_within_the_stated_bars_and_told_once(store: Store) -> None:
    world = World(store, a_model())
    found = world.play(turning())
    assert [each.kind for each in found] == ["error"]
    (finding,) = found
    shift_ms = LIVE_FROM_MS + 300 * HOUR_MS
    assert from_ms(shift_ms) < finding.found_at <= from_ms(shift_ms + WITHIN_BARS * HOUR_MS)
    assert from_ms(LIVE_FROM_MS) < finding.onset <= from_ms(shift_ms)
    assert finding.after > finding.before
    kept, requests, told = world.kept()
    assert kept == found and told == ["model_drift"]
    (request,) = requests
    assert (request.reason, request.model_id, request.slot) == ("drift", world.bundle.sha256, "sign:1:1h")
    assert request.command == "xcrack train --symbols BTCUSDT,ETHUSDT --interval 1h --task sign --lookahead 1"
    with store.session() as session:
        alert = alerts.latest(session, 1)[0]
    assert "mean loss rose" in alert.message and request.command in alert.action


def test_streams_without_drift_raise_nothing_over_many_seeds() -> None:
    """Stated: fewer than 1 % of streams of 1,000 settled bars. Losses of a calibrated model, whatever it says."""
    n_found = 0
    for seed in range(30):
        dice = np.random.default_rng(seed)
        watch = ModelWatch("m", "sign:1:1h", ("BTCUSDT",), 0.0, False)
        p = dice.beta(12, 12, 1_000)
        y = dice.random(1_000) < p
        close = 100 * np.cumprod(np.append(1.0, np.where(y, 1.01, 0.99)))
        for at in range(1_000):
            closes = {"BTCUSDT": Close(float(close[at]), float(p[at]))}
            watch, found = take(watch, Closing((at + 1) * HOUR_MS, HOUR_MS, closes))
            n_found += len(found)
        assert watch.n_scored == 999
    assert n_found == 0


def said_and_right(n: int, seed: int, confidence: float, right: float, first: int = 0) -> list[Closing]:
    """Closing times of a model that states one confidence, either way, and is right that often."""
    dice = np.random.default_rng(seed)
    closings, close, p = [], 100.0, confidence
    for at in range(first, first + n):
        closings.append(Closing((at + 1) * HOUR_MS, HOUR_MS, {"BTCUSDT": Close(close, 0.5, said=p)}))
        is_rise = (p > 0.5) == (dice.random() < right)
        close *= 1.01 if is_rise else 0.99
        p = confidence if dice.random() < 0.5 else 1 - confidence
    return closings


def found_in(closings: Sequence[Closing]) -> tuple[ModelWatch, list[DriftFinding]]:
    watch, found = ModelWatch("m", "sign:1:1h", ("BTCUSDT",), 0.0, False), []
    for closing in closings:
        watch, shown = take(watch, closing)
        found += shown
    return watch, found


@pytest.mark.parametrize(("right", "gap"), [(0.45, 0.3), (0.98, -0.23)])
def test_confidence_that_goes_astray_to_either_side_is_found_once(right: float, gap: float) -> None:
    closings = [*said_and_right(400, 1, 0.75, 0.75), *said_and_right(800, 2, 0.75, right, 400)]
    watch, found = found_in(closings)
    (finding,) = [each for each in found if each.kind == "calibration"]
    assert from_ms(400 * HOUR_MS) < finding.found_at <= from_ms(900 * HOUR_MS)
    assert finding.onset <= from_ms(400 * HOUR_MS) and abs(finding.before) < 0.08
    # At the time of the finding the window still holds bars from before.
    assert abs(finding.after) > 0.1 and finding.after * gap > 0
    assert mean_of(watch.calibration) is not None and watch.n_scored == 1_199


def test_confidence_that_comes_right_is_no_drift() -> None:
    watch, found = found_in([*said_and_right(400, 1, 0.8, 0.5), *said_and_right(800, 2, 0.8, 0.8, 400)])
    assert found == [] and int(watch.calibration["n_drifts"]) >= 1, "the mean moved, and to where it should be"


def test_confidence_of_calibrated_models_raises_nothing_over_many_seeds() -> None:
    for seed in range(20):
        assert found_in(said_and_right(1_000, seed, 0.6, 0.6))[1] == []


def test_overconfidence_is_of_the_likelier_label() -> None:
    assert [overconfidence(*case) for case in ((0.8, 1), (0.8, 0), (0.2, 0), (0.2, 1))] == pytest.approx(
        [-0.2, 0.8, -0.2, 0.8]
    )


def test_a_watch_kept_before_confidence_was_watched_is_read_and_goes_on(store: Store) -> None:
    closings = said_and_right(30, 1, 0.6, 0.6)
    watch, _ = found_in(closings[:10])
    old = {name: value for name, value in msgspec.to_builtins(watch).items() if not name.startswith("calibration")}
    old["waiting"] = [{name: value for name, value in each.items() if name != "said"} for each in old["waiting"]]
    with store.session() as session:
        model_watches.put(session, watch)
        session.execute(update(model_watch).values(detail=old))
        read = model_watches.find(session, "m")
    assert read is not None and read.calibration == {} and read.n_scored == 9
    for closing in closings[10:]:
        read, _ = take(read, closing)
    assert read.n_scored == 29 and read.calibration["n"] == 19, "the bar that waited told only what the experts said"


def test_a_model_that_gets_better_does_not_drift(store: Store) -> None:
    world = World(store, a_model(-6.0))
    assert world.play(turning()) == [] and world.state().n_scored == 499
    assert world.kept() == ([], [], [])


def test_features_outside_the_training_are_one_finding_a_run(store: Store, reference: BlockReference) -> None:
    world = World(store, a_model(0.5, reference=reference.to_plain()))
    calm = hours(2 * 168, 7, LIVE_FROM_MS)
    wild = bars(3 * 168 + 1, 6, HOUR_MS, LIVE_FROM_MS + 2 * WEEK_MS)
    assert world.play(calm) == []
    found = [each for each in world.play(wild) if each.kind == "features"]
    (finding,) = found
    assert finding.onset == from_ms(LIVE_FROM_MS + 2 * WEEK_MS)
    assert finding.found_at == from_ms(LIVE_FROM_MS + 3 * WEEK_MS + HOUR_MS), "at the first bar after the block"
    assert finding.after > finding.before and set(finding.columns) <= set(NAMES)
    state = world.state()
    assert (state.n_blocks, state.is_shifted, state.has_reference) == (5, True, True)
    assert world.kept()[2].count("model_drift") == 1


def test_a_bundle_without_a_reference_has_no_watched_features(store: Store) -> None:
    world = World(store, a_model(0.5))
    world.play(hours(400, 5, LIVE_FROM_MS))
    state = world.state()
    assert (state.has_reference, state.n_blocks, state.n_scored) == (False, 0, 399)


@pytest.mark.parametrize("cut", [120, 460])
def test_a_restart_anywhere_changes_and_repeats_nothing(
    store: Store, other_store: Store, reference: BlockReference, cut: int
) -> None:
    bundle, candles = a_model(reference=reference.to_plain()), turning()
    whole, broken = World(other_store, bundle), World(store, bundle)
    whole.play(candles)
    broken.play(candles[:cut])
    broken.start()
    # The past is read again, and with it bars that were judged before the end.
    broken.play(candles, look_every=50)
    assert broken.kept() == whole.kept() and len(whole.kept()[0]) >= 1
    assert broken.state() == whole.state()


@pytest.mark.parametrize("point", ["put", "add_finding", "ask"])
def test_a_kill_at_any_write_loses_nothing_and_repeats_nothing(
    store: Store, other_store: Store, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    class Killed(BaseException):
        pass

    candles, whole, world = turning(), World(other_store, a_model()), World(store, a_model())
    whole.play(candles)
    seen = []

    def kill(*_: object) -> None:
        seen.append(1)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(model_watches, point, kill)
        with pytest.raises(Killed):
            world.play(candles)
    assert world.kept()[0] == [] and seen
    world.start()
    world.play(candles)
    assert world.kept() == whole.kept() and world.state() == whole.state()


def test_a_call_that_fails_is_made_up_for_by_the_next(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    world, candles = World(store, a_model()), turning()

    def fail(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(model_watches, "put", fail)
        with pytest.raises(OSError, match="disk full"):
            world.play(candles[:490])
    assert world.watch.look() == ()
    assert world.state().n_scored > 0
    for candle in candles:
        world.room.warm_up(candle.opened_at_ms + HOUR_MS, {"BTCUSDT": candle})
    assert [each.kind for each in world.watch.look()] == ["error"]


def test_frozen_finds_and_asks_for_nothing(store: Store) -> None:
    world = World(store, a_model(), is_online=False)
    world.play(turning())
    findings, requests, told = world.kept()
    assert len(findings) == 1 and requests == [] and told == ["model_drift"]
    with store.session() as session:
        assert world.retraining.ask_weekly(session, from_ms(LIVE_FROM_MS)) == ()


def test_without_a_trainer_the_request_says_so(store: Store) -> None:
    world = World(store, a_model(), has_trainer=False)
    world.play(turning())
    assert world.kept()[2] == ["model_drift", "model_no_trainer"] and len(world.kept()[1]) == 1


def test_weekly_requests_wait_for_an_answer_and_are_not_doubled(store: Store) -> None:
    world = World(store, a_model())
    world.play(hours(30, 3, LIVE_FROM_MS))
    due = from_ms(LIVE_FROM_MS + 40 * HOUR_MS)
    with store.session() as session:
        assert len(world.retraining.ask_weekly(session, due)) == 1
        assert world.retraining.ask_weekly(session, from_ms(LIVE_FROM_MS + WEEK_MS)) == ()
        (request,) = model_watches.open_requests(session)
        assert (request.reason, request.at) == ("weekly", due)
        later = from_ms(LIVE_FROM_MS + 50 * HOUR_MS)
        model_versions.add(session, ModelVersion("b" * 64, request.slot, "candidate", later, SCHEMA, (), True))
        assert model_watches.open_requests(session) == []
        assert len(world.retraining.ask_weekly(session, from_ms(LIVE_FROM_MS + WEEK_MS))) == 1


def test_the_loss_is_bounded_and_worst_where_the_model_was_sure_and_wrong() -> None:
    assert [scaled_loss(p, 1) for p in (0.9, 0.75, 0.1)] == pytest.approx([0.0, 0.0, 1.0])
    assert scaled_loss(0.5, 0) == scaled_loss(0.5, 1) == pytest.approx(0.369, abs=0.001)


@pytest.mark.parametrize("horizon", [1, 5])
def test_labels_that_overlap_are_not_counted(store: Store, horizon: int, tmp_path: Path) -> None:
    world = World(store, a_bundle_for(HOUR_MS, horizon, 6.0))
    world.play(hours(101, 3, LIVE_FROM_MS))
    assert world.state().n_scored == 100 // horizon
