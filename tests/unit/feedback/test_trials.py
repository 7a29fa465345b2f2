"""Models in shadow: the better one takes over and an equal one does not, nothing is counted twice, frozen is frozen."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from core.clock import VirtualClock
from core.model.trials import ModelTrial, Tally
from core.store import Store, alerts, model_trials, model_versions
from feedback.alerts import AlertDesk
from feedback.signals import Candle
from feedback.signals.room import SignalRoom
from feedback.signals.trial_steps import standing_of
from feedback.signals.trials import Trials
from market.candles import from_ms
from ml.bundle import Bundle, write_bundle
from ml.registry import ModelRegistry
from tests.model_bundles import SCHEMA
from tests.serving_world import NAMES
from tests.signal_world import FIRST_MS, MINUTE_MS, Lane, a_bundle_for, a_room

SLOT = "sign:1:1m"


def trending(n: int, seed: int = 3, sign: float = 1.0, first_ms: int = FIRST_MS, begin: float = 100.0) -> list[Candle]:
    """Candles whose move repeats the one before in two of three minutes; with sign -1, in one of three."""
    rng = np.random.default_rng(seed)
    candles, close, move = [], begin, 0.003
    for at in range(n):
        same = rng.random() < 0.5 + sign * 0.2
        move = (move if same else -move) / abs(move) * float(rng.uniform(0.002, 0.004))
        opened, close = close, close * float(np.exp(move))
        top, bottom = max(opened, close) * 1.0002, min(opened, close) * 0.9998
        candles.append(Candle(first_ms + at * MINUTE_MS, opened, top, bottom, close, 50.0))
    return candles


@dataclass
class World:
    """A worker's models on a virtual clock: registry, room, and the trials beside."""

    store: Store
    folder: Path
    is_online: bool = True
    at_ms: int = FIRST_MS

    def __post_init__(self) -> None:
        self.clock = VirtualClock(from_ms(self.at_ms))
        self.registry = ModelRegistry(self.store, self.clock, self.folder)
        self.start()

    def start(self) -> None:
        """What a worker does when it starts; what was in memory is gone."""
        self.room: SignalRoom = a_room(self.store, Lane())
        desk = AlertDesk(self.clock, 0, "en")
        self.trials = Trials(
            self.store,
            self.clock,
            self.registry,
            desk,
            NAMES,
            SCHEMA,
            is_online=self.is_online,
            miss_target=0.4,
            on_changed=self.follow,
        )
        self.room.listeners = (self.trials,)
        self.follow()

    def follow(self) -> None:
        bundle = self.registry.load_active(SLOT, SCHEMA)
        if bundle is not None:
            self.room.install(bundle)

    def add(self, bundle: Bundle, is_active: bool = False) -> str:
        write_bundle(self.folder, bundle.card, bundle.files)
        self.registry.add_candidate(bundle.sha256, SCHEMA, "trainer")
        if is_active:
            self.registry.move(bundle.sha256, "active", "ann", "the first")
            self.follow()
        self.trials.refresh()
        return bundle.sha256

    def play(self, candles: list[Candle]) -> None:
        for candle in candles:
            closed_at_ms = candle.opened_at_ms + MINUTE_MS
            self.clock.advance_to(from_ms(closed_at_ms))
            self.room.warm_up(closed_at_ms, {"BTCUSDT": candle})

    def status(self, model: str) -> str:
        with self.store.session() as session:
            return model_versions.get(session, model).status

    def alerts(self) -> set[str]:
        with self.store.session() as session:
            return {alert.kind for alert in alerts.open(session)}


def model(weight: float, seed: int = 1) -> Bundle:
    return a_bundle_for(MINUTE_MS, 1, weight, seed)


@pytest.fixture
def world(store: Store, tmp_path: Path) -> World:
    return World(store, tmp_path / "models")


def test_a_model_that_is_truly_better_takes_over_and_the_former_goes_on_in_shadow(world: World) -> None:
    poor, good = world.add(model(-6.0), is_active=True), world.add(model(6.0, 2))
    world.play(trending(500))
    assert (world.status(poor), world.status(good)) == ("active", "shadow")
    (trial,) = world.trials.standing
    found = standing_of(trial)
    assert found.n_bars == 499 and found.evidence_for_challenger > 20 > found.evidence_for_incumbent
    assert found.challenger_accuracy is not None and found.challenger_accuracy_ci is not None
    assert found.challenger_accuracy_ci[0] < found.challenger_accuracy < found.challenger_accuracy_ci[1]
    world.play(trending(3, 4, first_ms=FIRST_MS + 500 * MINUTE_MS))
    assert (world.status(poor), world.status(good)) == ("shadow", "active")
    assert list(world.room.served().values()) == [good]
    assert "model_promoted" in world.alerts()
    (back,) = world.trials.standing
    assert (back.incumbent, back.challenger) == (good, poor)
    with world.store.session() as session:
        assert "better than" in model_versions.events(session, good)[-1].reason


def test_an_equal_model_is_not_promoted(world: World) -> None:
    first, second = world.add(model(0.4), is_active=True), world.add(model(0.41, 2))
    world.play(trending(600, 10, sign=0.0))
    assert (world.status(first), world.status(second)) == ("active", "shadow")


def test_a_promotion_is_undone_by_the_same_evidence_when_the_market_turns(world: World) -> None:
    trend, back = world.add(model(-6.0), is_active=True), world.add(model(6.0, 2))
    candles = trending(502)
    world.play(candles)
    assert (world.status(trend), world.status(back)) == ("shadow", "active")
    world.play(trending(520, 9, -1.0, FIRST_MS + 502 * MINUTE_MS, candles[-1].close))
    assert (world.status(trend), world.status(back)) == ("active", "shadow")


def test_what_proves_worse_leaves_the_shadow(world: World) -> None:
    good, poor = world.add(model(6.0), is_active=True), world.add(model(-6.0, 2))
    world.play(trending(520))
    assert (world.status(good), world.status(poor)) == ("active", "retired")
    assert world.trials.standing == ()


def test_a_restart_in_the_middle_counts_every_bar_once(world: World, tmp_path: Path, other_store: Store) -> None:
    for each in (world, other := World(other_store, tmp_path / "other")):
        each.add(model(-6.0), is_active=True)
        each.add(model(6.0, 2))
    candles = trending(100)
    other.play(candles)
    world.play(candles[:50])
    world.start()
    world.trials.refresh()
    # The past is read again, and with it bars that were counted before the end.
    for candle in candles[:60]:
        world.room.warm_up(candle.opened_at_ms + MINUTE_MS, {"BTCUSDT": candle})
    world.play(candles[55:])
    (restarted,), (whole,) = world.trials.standing, other.trials.standing
    assert restarted == whole
    assert standing_of(whole).n_bars == 99


@pytest.mark.parametrize("point", ["put", "remove", "raise_once"])
def test_a_kill_at_any_write_of_a_bar_loses_none_and_counts_none_twice(
    world: World, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    class Killed(BaseException):
        pass

    poor, good = world.add(model(-6.0), is_active=True), world.add(model(6.0, 2))
    candles = trending(502)
    world.play(candles[:499] if point == "put" else candles[:500])
    owner = AlertDesk if point == "raise_once" else model_trials

    def kill(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(owner, point, kill)
        with pytest.raises(Killed):
            world.play(candles[499:500] if point == "put" else candles[500:501])
    world.start()
    world.trials.refresh()
    for candle in candles[:501]:
        world.room.warm_up(candle.opened_at_ms + MINUTE_MS, {"BTCUSDT": candle})
    world.play(candles[501:])
    assert (world.status(poor), world.status(good)) == ("shadow", "active")
    with world.store.session() as session:
        promoted = model_versions.events(session, good)[-1].reason
    assert "over 500 bars" in promoted


def test_frozen_compares_and_changes_nothing_that_serves(store: Store, tmp_path: Path) -> None:
    world = World(store, tmp_path / "models", is_online=False)
    poor, good = world.add(model(-6.0), is_active=True), world.add(model(6.0, 2))
    world.play(trending(505))
    assert (world.status(poor), world.status(good)) == ("active", "shadow")
    (trial,) = world.trials.standing
    assert standing_of(trial).n_bars == 504 and standing_of(trial).evidence_for_challenger > 20
    assert world.alerts() == set()


def test_a_damaged_challenger_is_never_promoted(world: World) -> None:
    poor, good = world.add(model(-6.0), is_active=True), world.add(model(6.0, 2))
    world.play(trending(495))
    (world.folder / good / "rows.onnx").write_bytes(b"swapped")
    world.play(trending(20, 4, first_ms=FIRST_MS + 495 * MINUTE_MS))
    assert (world.status(poor), world.status(good)) == ("active", "failed")
    assert list(world.room.served().values()) == [poor]
    assert world.alerts() == {"model_broken"}


def test_the_newest_candidate_comes_first_and_places_are_few(world: World) -> None:
    world.add(model(1.0), is_active=True)
    models = []
    for n in range(4):
        world.clock.advance_to(from_ms(FIRST_MS + (n + 1) * MINUTE_MS))
        models.append(world.add(model(1.1 + n / 10, n + 2)))
    assert [world.status(each) for each in models] == ["shadow", "shadow", "candidate", "candidate"]
    assert {each.challenger for each in world.trials.standing} == set(models[:2])


def big(threshold: float, seed: int) -> Bundle:
    return a_bundle_for(MINUTE_MS, 1, seed=seed, task="big_move", threshold=threshold)


def why(world: World, model_id: str) -> str:
    with world.store.session() as session:
        return model_versions.events(session, model_id)[-1].reason


def test_a_model_of_another_threshold_is_not_compared_and_told_why(world: World) -> None:
    active = world.add(big(0.002, 1), is_active=True)
    other, same = world.add(big(0.02, 2)), world.add(big(0.002, 3))
    assert (world.status(active), world.status(other), world.status(same)) == ("active", "retired", "shadow")
    assert why(world, other) == "answers another question: threshold 0.02, the one that serves 0.002"
    assert [trial.challenger for trial in world.trials.standing] == [same]


def test_a_trial_ends_where_a_person_lets_another_threshold_serve(world: World) -> None:
    first, second = world.add(big(0.002, 1), is_active=True), world.add(big(0.002, 3))
    other = world.add(big(0.02, 2))
    world.registry.move(other, "active", "ann", "I ask for two per cent now")
    world.trials.refresh()
    assert [world.status(each) for each in (first, second, other)] == ["retired", "retired", "active"]
    assert why(world, second) == "answers another question: threshold 0.002, the one that serves 0.02"
    assert world.trials.standing == ()


def test_a_trial_of_two_thresholds_that_an_earlier_version_began_is_ended(world: World) -> None:
    active, other = big(0.002, 1), big(0.02, 2)
    world.add(active, is_active=True)
    write_bundle(world.folder, other.card, other.files)
    world.registry.add_candidate(other.sha256, SCHEMA, "trainer")
    world.registry.move(other.sha256, "shadow", "trials", "its trial begins")
    began = ModelTrial("big_move:1:1m", active.sha256, other.sha256, FIRST_MS, FIRST_MS, second=Tally(400, 390, 20.0))
    with world.store.session() as session:
        model_trials.put(session, began)
    world.start()
    world.trials.refresh()
    assert world.status(other.sha256) == "retired" and world.trials.standing == ()
    with world.store.session() as session:
        assert model_trials.all(session) == []


def test_no_trial_begins_beside_a_model_that_cannot_be_read_and_those_under_way_are_kept(world: World) -> None:
    active, under_way = world.add(model(1.0)), world.add(model(1.1, 2))
    world.registry.move(active, "active", "ann", "the first")
    world.trials.refresh()
    assert [trial.challenger for trial in world.trials.standing] == [under_way]
    card = world.folder / active / "card.json"
    sound = card.read_bytes()
    card.write_bytes(b"{}")
    world.trials = Trials(
        world.store, world.clock, world.registry, AlertDesk(world.clock, 0, "en"), NAMES, SCHEMA, is_online=True
    )
    later = world.add(model(1.2, 3))
    assert world.trials.standing == () and world.status(later) == "candidate"
    with world.store.session() as session:
        assert [trial.challenger for trial in model_trials.all(session)] == [under_way]
    card.write_bytes(sound)
    world.trials.refresh()
    assert {trial.challenger for trial in world.trials.standing} == {under_way, later}


def test_three_versions_are_kept_after_promotions(world: World) -> None:
    first = world.add(model(-6.0), is_active=True)
    old = [world.add(model(-6.0 - n / 10, n + 5)) for n in range(1, 4)]
    for each in old:
        world.registry.move(each, "retired", "ann", "")
    world.clock.advance_to(from_ms(FIRST_MS))
    good = world.add(model(6.0, 2))
    world.play(trending(510))
    assert (world.status(first), world.status(good)) == ("shadow", "active")
    assert len([path for path in world.folder.iterdir() if not path.name.startswith(".")]) <= 5


def test_one_command_brings_the_former_one_back(world: World) -> None:
    poor, good = world.add(model(-6.0), is_active=True), world.add(model(6.0, 2))
    world.play(trending(510))
    assert world.registry.rollback(SLOT, "ann", "I trust the old one").model_id == poor
    world.trials.refresh()
    assert (world.status(poor), world.status(good)) == ("active", "retired")
    assert world.trials.standing == ()
