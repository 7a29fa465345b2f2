"""What the API tells of models, and what it answers about posted bars."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.home import Home
from core.clock import VirtualClock, from_ns
from core.model.models import ModelVersion
from core.store import Store, model_versions
from feedback.signals.performance import Performance
from feedback.tasks import TaskBoard
from market.predictions import PredictionArchive
from ml.bundle import Bundle, write_bundle
from ml.features.registry import load_registry
from ml.registry import slot_of
from tests.signal_world import FIRST_MS, MINUTE_MS, Lane, a_bundle_for, a_room, bars, play, renamed
from tests.web_world import Web, make_web

N_BARS = 300


@pytest.fixture
def web(store: Store, tmp_path: Path) -> Iterator[Web]:
    yield make_web(store, VirtualClock(from_ns((FIRST_MS + N_BARS * MINUTE_MS) * 1_000_000)), tmp_path)


def real_bundle() -> Bundle:
    """A bundle that reads features of the registry."""
    registry = load_registry()
    return renamed(
        a_bundle_for(MINUTE_MS, 2), features=registry.names[:4], feature_schema_sha256=registry.schema_sha256
    )


def serve(web: Web, folder: Path, bundle: Bundle) -> None:
    write_bundle(Home(folder).models, bundle.card, bundle.files)
    with web.store.session() as session:
        version = ModelVersion(
            bundle.sha256, slot_of(bundle.card), "active", web.clock.now(), "5" * 64, bundle.card.symbols, True
        )
        model_versions.add(session, version)


def test_before_anything_was_predicted_the_status_says_so(web: Web) -> None:
    status = web.client.get("/api/ai/status").get_json()
    assert status["is_running"] is False and status["uptime_s"] is None
    assert (status["predictions_made"], status["scores"], status["tasks"], status["models"]) == (0, {}, [], [])
    assert web.client.get("/api/ai/predict").get_json() == {"items": []}
    assert web.client.get("/api/models").get_json() == {"items": []}


def test_the_status_tells_predictions_accuracy_with_its_interval_and_each_task(web: Web, tmp_path: Path) -> None:
    records = play(a_room(web.store, Lane(), [a_bundle_for(MINUTE_MS, 2)]), bars(N_BARS))
    Performance(web.store, web.clock, PredictionArchive(tmp_path / "said"), 14).look()
    board = TaskBoard(web.store, web.clock)
    board.add("prediction", 1.0, lambda: None)
    board.add("models", 10.0, lambda: 1 / 0)
    for name in ("prediction", "models"):
        board.run_once(name)
    web.clock.advance_to(web.clock.now() + timedelta(seconds=5))
    board.save()
    status = web.client.get("/api/ai/status").get_json()
    assert (status["is_running"], status["uptime_s"]) == (True, 5.0)
    assert status["predictions_made"] == len(records) == N_BARS
    assert status["opportunities"] == sum(record.is_sent for record in records) > 0
    score = status["scores"]["sign:2:1m"]
    assert score["n"] == N_BARS - 2 and score["n_effective"] == pytest.approx(score["n"] / 2)
    assert score["accuracy_low"] < score["accuracy"] < score["accuracy_high"]
    assert {task["name"]: task["state"] for task in status["tasks"]} == {"prediction": "healthy", "models": "failing"}
    web.clock.advance_to(web.clock.now() + timedelta(minutes=2))
    assert web.client.get("/api/ai/status").get_json()["is_running"] is False


def test_the_newest_prediction_of_one_symbol_of_many_or_of_all(web: Web) -> None:
    room = a_room(
        web.store, Lane(), [a_bundle_for(MINUTE_MS, 2), a_bundle_for(5 * MINUTE_MS, 2)], ("BTCUSDT", "ETHUSDT")
    )
    for btc, eth in zip(bars(10), bars(10, seed=2), strict=True):
        room.on_bars(btc.opened_at_ms + MINUTE_MS, {"BTCUSDT": btc, "ETHUSDT": eth})
    found = web.client.get("/api/ai/predict").get_json()["items"]
    assert [(p["symbol"], p["interval"]) for p in found] == [
        (symbol, interval) for symbol in ("BTCUSDT", "ETHUSDT") for interval in ("1m", "5m", "fused")
    ]
    assert all(p["is_current"] is False and p["model_sha256"] for p in found)
    one = web.client.get("/api/ai/predict?symbols=ETHUSDT&interval=1m").get_json()["items"]
    assert [(p["symbol"], p["interval"]) for p in one] == [("ETHUSDT", "1m")]
    assert one[0]["at"] == "2026-01-01T00:10:00Z"
    assert web.client.get("/api/ai/predict?symbols=BTCUSDT, ETHUSDT").get_json()["items"] == found
    assert web.client.get("/api/ai/predict?symbols=XRPUSDT").status_code == 404
    assert web.client.get("/api/ai/predict?symbols=drop table").status_code == 400


def posted(n: int = N_BARS, **changes: object) -> dict[str, Any]:
    rows = [
        {"opened_at_ms": c.opened_at_ms, "open": c.open, "high": c.high, "low": c.low, "close": c.close, "volume": 5.0}
        for c in bars(n)
    ]
    return {"symbol": "BTCUSDT", "interval": "1m", "bars": rows, **changes}


def test_posted_bars_are_answered_by_the_active_model_and_kept_nowhere(web: Web, tmp_path: Path) -> None:
    bundle = real_bundle()
    serve(web, tmp_path, bundle)
    answer = web.client.post("/api/ai/predict", json=posted(), headers=web.bearer("read"))
    said = answer.get_json()
    assert answer.status_code == 200, said
    assert (said["model_sha256"], said["silence"], said["horizon_ms"]) == (bundle.sha256, "", 2 * MINUTE_MS)
    assert said["at_ms"] == FIRST_MS + N_BARS * MINUTE_MS
    weights = [member["weight"] for member in said["members"]]
    assert weights == [pytest.approx(1 / 3)] * 3
    assert said["direction"] == pytest.approx(2 * said["probability"] - 1)
    assert web.client.post("/api/ai/predict", json=posted(), headers=web.bearer("read")).get_json() == said
    assert web.client.get("/api/ai/predict").get_json() == {"items": []}
    listed = web.client.get("/api/models").get_json()["items"]
    assert [(m["model_id"], m["slot"], m["status"]) for m in listed] == [(bundle.sha256, "sign:2:1m", "active")]
    assert web.client.get("/api/ai/status").get_json()["models"] == [bundle.sha256]


def test_the_experts_are_mixed_as_in_the_models_last_prediction(web: Web, tmp_path: Path) -> None:
    bundle = real_bundle()
    serve(web, tmp_path, bundle)
    from feedback.signals import SignalRoom
    from ml.features.stream import FeatureStream

    names = load_registry().names
    room = SignalRoom(web.store, ("BTCUSDT",), MINUTE_MS, names, FeatureStream, Lane().send, order_notional=1.0)
    room.install(bundle)
    last = play(room, bars(N_BARS))[-1]
    said = web.client.post("/api/ai/predict", json=posted(), headers=web.bearer("read")).get_json()
    known = {member.name: member.weight for member in last.members}
    total = sum(known.values())
    for member in said["members"]:
        assert member["weight"] == pytest.approx(known[member["name"]] / total)


def test_a_damaged_model_is_not_asked(web: Web, tmp_path: Path) -> None:
    bundle = real_bundle()
    serve(web, tmp_path, bundle)
    file = Home(tmp_path).models / bundle.sha256 / "rows.onnx"
    file.write_bytes(file.read_bytes()[:-1] + b"\0")
    assert web.client.post("/api/ai/predict", json=posted(), headers=web.bearer("read")).status_code == 503


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"interval": "5m"}, 404),
        ({"task": "big_move"}, 404),
        ({"interval": "7m"}, 400),
        ({"symbol": "btc"}, 400),
        ({"bars": []}, 400),
        ({"bars": [{"opened_at_ms": 7, "open": 1, "high": 1, "low": 1, "close": 1, "volume": 0}]}, 400),
        ({"bars": [{"opened_at_ms": 0, "open": 1, "high": 1, "low": 2, "close": 1, "volume": 0}]}, 400),
        ({"bars": posted(3)["bars"][::-1]}, 400),
        ({"model": "../../etc/passwd"}, 400),
    ],
)
def test_wrong_questions_are_refused_and_say_what_is_wrong(
    web: Web, tmp_path: Path, changes: dict[str, object], status: int
) -> None:
    serve(web, tmp_path, real_bundle())
    answer = web.client.post("/api/ai/predict", json=posted(3, **changes), headers=web.bearer("read"))
    assert answer.status_code == status, answer.get_data(as_text=True)
    assert answer.get_json()["detail"]


def test_status_prints_the_same_on_the_command_line(
    web: Web, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from app.cli import main

    play(a_room(web.store, Lane(), [a_bundle_for(MINUTE_MS, 2)]), bars(60))
    Performance(web.store, web.clock, PredictionArchive(tmp_path / "said"), 14).look()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XCRACK_HOME", str(tmp_path))
        for arguments in (["ml", "status"], ["ml", "status", "--json"]):
            with pytest.raises(SystemExit) as ended:
                main(arguments)
            assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert "sign:2:1m" in printed and "No worker has run yet." in printed
    assert json.loads(printed.splitlines()[-1])["n_made"] == 60


def test_neither_worker_nor_web_brings_a_library_that_trains() -> None:
    script = (
        "import sys, app.worker, app.factory, app.api.ai, app.replay\n"
        "print([n for n in ('torch', 'sklearn', 'xgboost', 'onnx', 'skl2onnx') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
