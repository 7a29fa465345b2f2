"""Trained models on page and API: what is known of each, and wishes that wait for the worker."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from app.api.models import card_view
from core.clock import VirtualClock
from core.model.drift import DriftFinding, ModelWatch, RetrainingRequest
from core.model.trials import ModelTrial
from core.store import Store, audit, model_trials, model_watches, predictions, requests, setting_facts
from feedback.signals.drift_steps import GAP_RANGE, LEAST_GAP
from feedback.signals.market_facts import PATTERNS_FACT, REGIMES_FACT, PatternReport, Sighting, SymbolRegime
from market.pattern_evidence import PatternEvidence
from market.regime_filter import RegimeView
from ml.bundle import CARD, write_bundle
from ml.online.adwin import Adwin
from ml.registry import ModelRegistry
from tests.model_bundles import SCHEMA, a_bundle
from tests.signal_pages import prediction
from tests.web_world import SCRIPT, Web, make_web

SLOT = "sign:1:1h"


@pytest.fixture
def web(store: Store, clock: VirtualClock, tmp_path: Path) -> Web:
    return make_web(store, clock, tmp_path)


@pytest.fixture
def trained(web: Web, tmp_path: Path) -> list[str]:
    """Three versions of one slot: one that served, one that serves, one candidate."""
    registry = ModelRegistry(web.store, web.clock, tmp_path / "models")
    made = []
    for seed in (1, 2, 3):
        folder = write_bundle(registry.models, *a_bundle(seed=seed))
        made.append(registry.add_candidate(folder.name, SCHEMA, "trainer").model_id)
        web.clock.advance_to(web.clock.now() + timedelta(hours=1))
        if seed < 3:
            registry.move(made[-1], "active", "ann", f"better {SCRIPT}")
    return made


def sign_in(web: Web, scope: str) -> None:
    web.client.post("/login", data={"csrf_token": token(web, "/login"), "key": web.keys[scope]})


def token(web: Web, path: str) -> str:
    return web.client.get(path).get_data(as_text=True).split('name="csrf_token" value="')[1].split('"')[0]


def send(web: Web, path: str, reason: str = "because") -> int:
    form = {"csrf_token": token(web, "/feedback"), "reason": reason}
    return web.client.post(path, data=form).status_code


def wishes(web: Web) -> list[tuple[str, str, str]]:
    with web.store.session() as session:
        return [(wish.kind, wish.subject_id, wish.by) for wish in requests.open(session)]


@pytest.mark.parametrize(
    ("language", "words"), [("en", "No model was trained yet."), ("ko", "아직 학습된 모델이 없습니다.")]
)
def test_an_empty_page_says_what_to_do_next(web: Web, language: str, words: str) -> None:
    page = web.client.get(f"/models?lang={language}").get_data(as_text=True)
    assert words in page and "xcrack train" in page


@pytest.mark.parametrize(
    ("language", "words"), [("en", ("Active", "Retired", "Candidate")), ("ko", ("활성", "물러남", "후보"))]
)
def test_the_list_shows_versions_by_slot(web: Web, trained: list[str], language: str, words: tuple[str, ...]) -> None:
    page = web.client.get(f"/models?lang={language}").get_data(as_text=True)
    for word in (*words, SLOT, *(each[:16] for each in trained)):
        assert word in page, word
    assert "/rollback" not in page, "nobody is signed in"


@pytest.mark.parametrize(("language", "words"), [("en", "Weights now"), ("ko", "현재 가중치")])
def test_the_page_of_a_model_shows_card_weights_and_history(
    web: Web, trained: list[str], language: str, words: str
) -> None:
    with web.store.session() as session:
        predictions.add_new(session, [prediction("p", web.clock.now(), model_sha256=trained[1], model=SCRIPT)])
    page = web.client.get(f"/models/{trained[1]}?lang={language}").get_data(as_text=True)
    for word in (words, "0.68 – 0.7 (95", "week blocks", "torch 2.13.0", "mlp.onnx", trained[1], "dddddddddddd", "ann"):
        assert word in page, word
    assert "<script>" not in page and "&lt;script&gt;" in page


def test_a_changed_card_is_not_shown(web: Web, trained: list[str], tmp_path: Path) -> None:
    card = tmp_path / "models" / trained[0] / CARD
    card.write_bytes(card.read_bytes().replace(b'"seed":1', b'"seed":9'))
    page = web.client.get(f"/models/{trained[0]}?lang=en").get_data(as_text=True)
    assert "was changed" in page and "week blocks" not in page
    card.unlink()
    answer = web.client.get(f"/api/models/{trained[0]}").get_json()
    assert answer["card"] is None and "cannot be read" in answer["fault"]


def test_a_person_asks_once_for_a_promotion_and_it_is_audited(web: Web, trained: list[str]) -> None:
    sign_in(web, "approve")
    path = f"/models/{trained[2]}/promote"
    assert trained[1][:16] in web.client.get(path).get_data(as_text=True), "what it replaces"
    assert send(web, path) == 303 and send(web, path) == 303
    assert wishes(web) == [("promote_model", trained[2], "approve-key")]
    with web.store.session() as session:
        assert audit.latest(session, 1, trained[2])[0].action == "asked_promote_model"
    assert "because" not in web.client.get("/models?lang=en").get_data(as_text=True)
    assert "let the model serve" in web.client.get(f"/models/{trained[2]}?lang=en").get_data(as_text=True)


def test_a_person_asks_to_go_back_to_what_served_before(web: Web, trained: list[str]) -> None:
    sign_in(web, "approve")
    path = f"/model-slots/{SLOT}/rollback"
    assert trained[0][:16] in web.client.get(path).get_data(as_text=True)
    assert send(web, path) == 303
    assert wishes(web) == [("rollback_model", SLOT, "approve-key")]


def test_what_cannot_be_is_refused_and_not_asked(web: Web, trained: list[str]) -> None:
    sign_in(web, "approve")
    assert send(web, f"/models/{trained[1]}/promote") == 409, "it serves already"
    assert send(web, f"/models/{trained[2]}/promote", "") == 400
    assert send(web, f"/models/{'f' * 64}/promote") == 404
    assert send(web, "/model-slots/sign:9:1d/rollback") == 404
    assert wishes(web) == []


def test_a_key_that_only_reads_changes_nothing(web: Web, trained: list[str]) -> None:
    sign_in(web, "read")
    assert web.client.get(f"/models/{trained[2]}/promote").status_code == 403
    assert send(web, f"/models/{trained[2]}/promote") == 403 and wishes(web) == []


def test_what_a_model_reads_is_told_by_family_of_its_inputs() -> None:
    card, _ = a_bundle()
    assert card_view(card).inputs == (), "columns of another registry are of nothing known here"
    columns = ("return_1_bar", "funding_rate_bps")
    assert card_view(replace(card, features=columns)).inputs == ("candle", "funding")


def test_the_api_tells_a_model_with_card_and_events(web: Web, trained: list[str]) -> None:
    answer = web.client.get(f"/api/models/{trained[1]}").get_json()
    assert (answer["status"], answer["slot"], answer["fault"]) == ("active", SLOT, "")
    assert answer["card"]["metrics"][0]["low"] == 0.68 and answer["card"]["trials"] == 1
    assert [event["after"] for event in answer["events"]] == ["candidate", "active"]
    assert web.client.get(f"/api/models/{'f' * 64}").status_code == 404


def overconfident_by(gap: float) -> Adwin:
    window = Adwin()
    window.update((gap - LEAST_GAP) / GAP_RANGE)
    return window


def watch_over(web: Web, model_id: str) -> None:
    """A model that drifted, the training that was asked for, a model in shadow, and a market that was looked at."""
    now = web.clock.now()
    watch = ModelWatch(
        model_id=model_id,
        slot=SLOT,
        symbols=("BTCUSDT",),
        threshold=0.0,
        has_reference=True,
        n_scored=600,
        window=Adwin().to_plain(),
        calibration=overconfident_by(0.25).to_plain(),
        n_blocks=3,
        block=9,
        is_shifted=True,
        index=0.91,
        limit=0.74,
    )
    finding = DriftFinding(model_id, SLOT, "features", now - timedelta(days=7), now, 0.74, 0.91, (SCRIPT, "rsi_14"))
    evidence = PatternEvidence("doji", 5, 40, 0.55, (0.42, 0.67), 0.5, 1.0, 0.3, 0.4, False)
    view = RegimeView("trend", 0.7, 0.2, 0.1, 1)
    with web.store.session() as session:
        model_watches.put(session, watch)
        model_watches.add_finding(session, finding)
        model_watches.ask(session, RetrainingRequest("r1", SLOT, model_id, "drift", now, watch.command))
        model_trials.put(session, ModelTrial(SLOT, model_id, "c" * 64, 0, 0))
        sighting = Sighting("BTCUSDT", "1h", now, -1, evidence)
        setting_facts.put(session, PATTERNS_FACT, PatternReport(now, {"BTCUSDT": 900}, (sighting,), 3), now)
        setting_facts.put(session, REGIMES_FACT, [SymbolRegime("BTCUSDT", now, view)], now)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            ("Its features left the training", "outside the training", "Evidence for the shadow", "a fall", "Range"),
        ),
        ("ko", ("특징이 학습 범위를 벗어났습니다", "학습 범위 밖", "섀도 쪽 증거", "하락", "횡보")),
    ],
)
def test_the_list_shows_drift_comparison_patterns_and_regimes(
    web: Web, trained: list[str], language: str, words: tuple[str, ...]
) -> None:
    watch_over(web, trained[1])
    page = web.client.get(f"/models?lang={language}").get_data(as_text=True)
    command = "xcrack train --symbols BTCUSDT --interval 1h --task sign --lookahead 1"
    for word in (*words, command, "0.74 → 0.91", "0.25", "cccccccccccc", "doji", "rsi_14"):
        assert word in page, word
    assert SCRIPT not in page


def test_the_status_tells_drift_trials_patterns_and_what_counts_as_an_opportunity(
    web: Web, trained: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    watch_over(web, trained[1])
    status = web.client.get("/api/ai/status").get_json()
    (drift,) = status["drift"]
    assert (drift["model_id"], drift["is_shifted"], drift["limit"]) == (trained[1], True, 0.74)
    assert drift["findings"][0]["kind"] == "features" and drift["overconfidence"] == pytest.approx(0.25)
    assert status["retraining"][0]["reason"] == "drift"
    assert [(each["challenger"], each["n_bars"]) for each in status["trials"]] == [("c" * 64, 0)]
    (pattern,) = status["patterns"]
    assert (pattern["name"], pattern["has_evidence"], pattern["hit_rate"], pattern["null_rate"]) == (
        "doji",
        False,
        0.55,
        0.5,
    )
    assert status["regimes"][0]["regime"] == "trend"
    assert status["opportunities"] == 3, "no signal, and three patterns with evidence in the last seven days"
    from app.cli import main

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XCRACK_HOME", str(tmp_path))
        for arguments in (["ml", "status"], ["ml", "status", "--json"]):
            with pytest.raises(SystemExit) as ended:
                main(arguments)
            assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert (
        "xcrack train --symbols BTCUSDT" in printed
        and "features since" in printed
        and "+25.0%" in printed
        and "doji" in printed
    )
    told = json.loads(printed.splitlines()[-1])
    assert told["opportunities"] == 3 and told["drift"][0]["n_scored"] == 600
