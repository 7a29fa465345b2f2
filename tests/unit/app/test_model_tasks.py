"""The worker's tasks of models: which there are, each at its own rhythm, and that one that fails stops no other."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.home import Home
from app.model_tasks import Speaking, build_board
from core.clock import VirtualClock
from core.settings import load_settings
from core.store import Store, model_versions, model_watches
from feedback.alerts import AlertDesk
from feedback.signals.bars import columns_of
from feedback.signals.drift import DriftWatch
from feedback.signals.performance import Performance
from market.bars import BarArchive
from market.candles import from_ms
from market.predictions import PredictionArchive
from ml.bundle import write_bundle
from ml.features.registry import load_registry
from ml.registry import ModelRegistry
from tests.signal_world import FIRST_MS, MINUTE_MS, Lane, a_bundle_for, bars, renamed

N = 200


@pytest.fixture
def world(store: Store, tmp_path: Path) -> tuple[Any, Home, Any]:
    """A home with minutes of one symbol and a model that serves."""
    home = Home(tmp_path).create()
    clock = VirtualClock(from_ms(FIRST_MS + N * MINUTE_MS))
    BarArchive(home.bars, clock).write("BTCUSDT", MINUTE_MS, columns_of(bars(N)), "test")
    features = load_registry()
    bundle = renamed(
        a_bundle_for(MINUTE_MS, 2, symbols=("BTCUSDT",)),
        features=features.names[:4],
        feature_schema_sha256=features.schema_sha256,
    )
    write_bundle(home.models, bundle.card, bundle.files)
    registry = ModelRegistry(store, clock, home.models)
    registry.add_candidate(bundle.sha256, features.schema_sha256, "trainer")
    registry.move(bundle.sha256, "active", "ann", "the first")
    rooms = SimpleNamespace(
        store=store,
        clock=clock,
        server=SimpleNamespace(send_signal=Lane().send),
        desk=SimpleNamespace(alerts=AlertDesk(clock, 0, "en")),
        performance=Performance(store, clock, PredictionArchive(home.predictions), 14),
    )
    settings = load_settings({}, {"home": str(tmp_path)})
    return settings, home, rooms


def run_all(board: Any) -> dict[str, str]:
    for task in board.health:
        board.run_once(task.name)
    now = board._clock.now()
    return {task.name: task.state(now) for task in board.health}


def test_every_task_has_its_rhythm_and_does_its_work(world: tuple[Any, Home, Any]) -> None:
    settings, home, rooms = world
    board = build_board(settings, home, rooms, ("BTCUSDT",), lambda: None)
    assert {task.name: task.every_s for task in board.health} == {
        "prediction": 1.0,
        "models": 10.0,
        "drift": 60.0,
        "patterns": 60.0,
        "regime": 60.0,
        "performance": 300.0,
        "heartbeat": 10.0,
    }
    assert set(run_all(board).values()) == {"healthy"}
    with rooms.store.session() as session:
        (active,) = model_versions.latest(session, 5)
        watch = model_watches.find(session, active.model_id)
    assert watch is not None and watch.n_scored > 50, "the past that was read counts"


def test_where_the_new_model_is_damaged_the_former_one_goes_on(world: tuple[Any, Home, Any]) -> None:
    settings, home, rooms = world
    speaking = Speaking(settings, home, rooms, ("BTCUSDT",), lambda: None)
    speaking.speak()
    assert speaking._speaker is not None
    room = speaking._speaker.room
    [(slot, serving)] = room.served().items()
    features = load_registry()
    names = {"features": features.names[:4], "feature_schema_sha256": features.schema_sha256}
    successor = renamed(a_bundle_for(MINUTE_MS, 2, symbols=("BTCUSDT",), seed=2), **names)
    folder = write_bundle(home.models, successor.card, successor.files)
    registry = ModelRegistry(rooms.store, rooms.clock, home.models)
    registry.add_candidate(successor.sha256, features.schema_sha256, "trainer")
    registry.move(successor.sha256, "active", "ann", "a better one")
    spoiled = next(path for path in folder.iterdir() if path.suffix == ".onnx")
    whole = spoiled.read_bytes()
    spoiled.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    speaking.follow()
    assert room.served() == {slot: serving}
    spoiled.write_bytes(whole)
    speaking.follow()
    assert room.served() == {slot: successor.sha256}


def test_a_watch_that_fails_is_shown_failing_and_predictions_go_on(
    world: tuple[Any, Home, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, home, rooms = world

    def fail(_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(DriftWatch, "look", fail)
    states = run_all(build_board(settings, home, rooms, ("BTCUSDT",), lambda: None))
    assert states.pop("drift") == "failing" and set(states.values()) == {"healthy"}


def test_without_a_model_nothing_is_watched_and_nothing_fails(store: Store, tmp_path: Path) -> None:
    home, clock = Home(tmp_path).create(), VirtualClock(from_ms(FIRST_MS))
    rooms: Any = SimpleNamespace(store=store, clock=clock)
    speaking = Speaking(load_settings({}, {"home": str(tmp_path)}), home, rooms, ("BTCUSDT",), lambda: None)
    speaking.speak()
    speaking.check_drift()
    speaking.follow()
