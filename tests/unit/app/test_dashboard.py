import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import get_args

import pytest

from app.api.signals import Outcome as Came
from app.canaries import EndedBy, PlaceState, Saying
from app.dashboard import formats
from app.dashboard.charts import Series, build_chart
from app.dashboard.lineage import Cause
from app.dashboard.overview import next_runs
from core.clock import KST, VirtualClock
from core.model.advice import FailureReason, SettlementMethod, SizeClass
from core.model.canary import CanaryStage, DayFault
from core.model.drift import DriftKind, RetrainReason
from core.model.language import LANGUAGES
from core.model.models import ModelStatus
from core.model.operations import Request
from core.model.proposal import DeploymentState, ExpectedEffect, Outcome, ProposalState, Stage
from core.model.slots import SLOT_MODES
from core.model.trade import Mode, Shortfall, Side
from core.settings_sections import ScheduleSettings
from core.store import Store, engine_states, feedback_notes, requests, signals, trades
from feedback.notes import TAGS
from feedback.track_record import GROUPS
from market.regime_filter import REGIMES
from strategies.schema import strategy_names
from tests import factories
from tests.web_world import SCRIPT, SEALED_WORDS, Web, fill, make_web

ROOT = Path(__file__).parents[3]
PAGES = (
    "/",
    "/scorecard",
    "/advisor",
    "/signals",
    "/models",
    "/proposals",
    "/canaries",
    "/parameters",
    "/trades",
    "/feedback",
    "/costs",
    "/alerts",
    "/reports",
    "/login",
)


@pytest.fixture
def web(store: Store, clock: VirtualClock, tmp_path: Path) -> Iterator[Web]:
    fill(store, clock.now())
    yield make_web(store, clock, tmp_path)


def text_of(web: Web, path: str, **headers: str) -> str:
    answer = web.client.get(path, headers=headers)
    assert answer.status_code == 200, (path, answer.status_code)
    return answer.get_data(as_text=True)


def sign_in(web: Web, scope: str) -> None:
    web.client.post("/login", data={"csrf_token": token(web, "/login"), "key": web.keys[scope]})


def token(web: Web, path: str) -> str:
    return text_of(web, path).split('name="csrf_token" value="')[1].split('"')[0]


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_of_an_empty_store_says_what_to_do_next(
    store: Store, clock: VirtualClock, tmp_path: Path, path: str, language: str
) -> None:
    page = text_of(make_web(store, clock, tmp_path), f"{path}?lang={language}")
    assert f'<html lang="{language}">' in page
    if path not in {"/login", "/feedback"}:
        assert 'class="empty"' in page


@pytest.mark.parametrize(
    "path", [*PAGES, "/proposals/proposal-waiting", "/canaries/canary-open", "/reports/daily/2026-03-01"]
)
def test_a_page_holds_no_script_no_inline_style_and_nothing_from_elsewhere(web: Web, path: str) -> None:
    page = text_of(web, path)
    assert "<script" not in page and " style=" not in page and "onclick" not in page
    assert not re.findall(r'(?:src|href|action)="(?!/|#|\?)[^"]*"', page)
    assert SCRIPT not in page


def test_numbers_of_a_report_stand_in_columns_without_an_inline_style(web: Web) -> None:
    page = text_of(web, "/reports/daily/2026-03-01")
    assert '<th class="num">B</th>' in page and '<td class="num">2</td>' in page and "<td>1</td>" in page


def test_every_answer_carries_the_security_headers(web: Web) -> None:
    for path in (*PAGES, "/api/ai-insights", "/nothing", "/static/app.css"):
        with web.client.get(path) as answer:
            headers = answer.headers
        assert "default-src 'none'" in headers["Content-Security-Policy"], path
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["X-Frame-Options"] == "DENY"


def test_the_overview_tells_state_result_change_reason_and_next_cycle(web: Web) -> None:
    page = text_of(web, "/?lang=en")
    for words in ("Running", "Profit today", "Holding instead", "In force", "The spread is wider", "2026-03-03 00:05"):
        assert words in page, words
    assert "<svg" in page and "Changes waiting for your decision: 1." in page
    assert "2026-03-08 00:30" in page, "the next Sunday in Korea"


def test_the_overview_tells_how_right_predictions_were_and_how_sure_that_is(web: Web) -> None:
    page = text_of(web, "/?lang=en")
    for words in (
        "Predictions, last 30 days",
        "taken 8, stale 2",
        "6 / 8 (75",
        "46\u202f% – 91\u202f%",
        ">2\u202fbps<",
    ):
        assert words in page, words


def test_a_trade_shows_its_shortfall_and_the_book_at_its_decision(web: Web) -> None:
    split = Shortfall(Decimal("-0.01"), Decimal("0.02"), Decimal("0.03"), Decimal(0))
    levels = [[str(100 - n), "0.5"] for n in range(1, 6)]
    book = json.dumps({"bids": levels, "asks": [["100.5", "2"]]})
    with web.store.session() as session:
        trades.add(session, factories.trade("with-book", web.clock.now(), shortfall=split, book=book))
    page = text_of(web, "/trades?lang=en")
    for words in ("4\u202fbps", "\u2212$0.01", "97.00 × 0.5", "100.50 × 2", "recorded"):
        assert words in page, words
    assert "96.00 × 0.5" not in page, "three levels are enough"


def test_the_overview_says_why_nothing_was_traded_yet(store: Store, clock: VirtualClock, tmp_path: Path) -> None:
    web = make_web(store, clock, tmp_path)
    assert "No engine has connected yet" in text_of(web, "/?lang=en")
    with store.session() as session:
        engine_states.put(session, "engine-1", "halted", clock.now(), clock.now(), {})
        signals.add(session, factories.signal(at=clock.now().replace(hour=1)))
    page = text_of(web, "/?lang=en")
    assert "The engine is halted" in page and "Entries stopped by position_limit: 1" in page


def test_the_language_comes_from_the_query_then_the_cookie_then_the_browser_then_the_settings(web: Web) -> None:
    assert "Overview" in text_of(web, "/")
    assert "개요" in text_of(web, "/", **{"Accept-Language": "ko-KR,ko;q=0.9,en;q=0.5"})
    assert "개요" in text_of(web, "/?lang=ko")
    assert "개요" in text_of(web, "/", **{"Accept-Language": "en"}), "the cookie outweighs the browser"
    assert "Overview" in text_of(web, "/?lang=en")


def test_the_numbers_of_the_sealed_test_are_on_the_page_of_those_who_may_approve(
    web: Web, store: Store, clock: VirtualClock, tmp_path: Path
) -> None:
    assert SEALED_WORDS.split(" <= ")[0] in text_of(web, "/proposals/proposal-waiting"), "a reader on this machine"
    closed = make_web(store, clock, tmp_path, web={"public_read": False})
    sign_in(closed, "read")
    page = text_of(closed, "/proposals/proposal-waiting?lang=en")
    assert "0.0031" not in page and "Only the outcome of this test is shown" in page
    sign_in(closed, "approve")
    assert closed.client.get("/proposals/proposal-waiting").status_code == 303, "an approver needs `read` to read"
    sign_in(closed, "admin")
    assert SEALED_WORDS.split(" <= ")[0] in text_of(closed, "/proposals/proposal-waiting")


def test_deciding_on_the_page_stores_the_request_and_shows_it(web: Web) -> None:
    path = "/proposals/proposal-waiting"
    assert "Sign in" in text_of(web, f"{path}?lang=en")
    sign_in(web, "approve")
    form = {"csrf_token": token(web, path), "decision": "approve", "reason": "seen the evidence"}
    assert web.client.post(f"{path}/decide", data=form).status_code == 303
    with web.store.session() as session:
        assert [(one.kind, one.reason) for one in requests.open(session)] == [("approve", "seen the evidence")]
    assert "Waiting for the worker" in text_of(web, f"{path}?lang=en")


def test_a_key_without_the_scope_cannot_decide(web: Web) -> None:
    sign_in(web, "feedback")
    form = {"csrf_token": token(web, "/feedback"), "decision": "approve"}
    assert web.client.post("/proposals/proposal-waiting/decide", data=form).status_code == 403


def test_a_note_left_on_the_page_is_stored_and_listed_with_its_effect(web: Web) -> None:
    sign_in(web, "feedback")
    form = {
        "csrf_token": token(web, "/feedback"),
        "target_kind": "strategy",
        "target_id": "market_making",
        "tags": ["risky", "wrong_size"],
        "text": "<b>bold</b>",
    }
    assert web.client.post("/feedback", data=form).status_code == 303
    page = text_of(web, "/feedback?lang=en")
    assert "&lt;b&gt;bold&lt;/b&gt;" in page and "next daily analysis" in page and "wrong size" in page
    with web.store.session() as session:
        assert feedback_notes.latest(session, 1)[0].author == "feedback-key"


def test_a_form_that_breaks_a_rule_keeps_what_was_written(web: Web) -> None:
    sign_in(web, "feedback")
    form = {
        "csrf_token": token(web, "/feedback"),
        "target_kind": "trade",
        "target_id": "no-trade",
        "text": "kept words",
    }
    answer = web.client.post("/feedback", data=form)
    page = answer.get_data(as_text=True)
    assert answer.status_code == 400
    assert "no-trade" in page and "kept words" in page and 'role="alert"' in page


def test_rolling_back_on_the_page_asks_the_worker(web: Web) -> None:
    sign_in(web, "admin")
    form = {"csrf_token": token(web, "/parameters"), "reason": "worse"}
    assert web.client.post("/parameters/mm-1/rollback", data=form).status_code == 303
    with web.store.session() as session:
        assert requests.open(session)[0].kind == "rollback"


def test_both_catalogues_hold_the_same_keys_and_the_same_places() -> None:
    ko, en = (
        json.loads((ROOT / "app" / "translations" / f"{one}.json").read_text(encoding="utf-8")) for one in LANGUAGES
    )
    assert set(ko) == set(en)
    for key in en:
        assert sorted(re.findall(r"{(\w+)}", ko[key])) == sorted(re.findall(r"{(\w+)}", en[key])), key
        assert ko[key].strip() and en[key].strip()


def test_every_text_that_a_page_asks_for_exists_and_none_is_left_over() -> None:
    held = set(json.loads((ROOT / "app" / "translations" / "en.json").read_text(encoding="utf-8")))
    sources = [*(ROOT / "app" / "templates").glob("*.html"), *(ROOT / "app" / "dashboard").glob("*.py")]
    written = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    quoted = set(re.findall(r"""["']([a-z]\w*\.\w*[a-z0-9])["']""", written))
    asked = {key for key in quoted if key.split(".")[0] in prefixes(held) and not key.endswith(".html")}
    built = {f"{prefix}.{value}" for prefix, values in CLOSED.items() for value in values}
    assert asked - held - ENDPOINTS == set()
    assert built - held == set()
    assert held - asked - built == set()


ENDPOINTS = {"sign_in.sign_in", "proposal.csv"}
CLOSED = {
    "advisor": (
        *(f"failure_{each}" for each in get_args(FailureReason)),
        *(f"method_{each}" for each in get_args(SettlementMethod)),
        *(f"size_{each}" for each in get_args(SizeClass)),
    ),
    "canary_end": tuple(each for each in get_args(EndedBy) if each),
    "canary_fault": tuple(each for each in get_args(DayFault) if each),
    "canary_place": get_args(PlaceState),
    "canary_says": tuple(each for each in get_args(Saying) if each != "few"),
    "canary_stage": get_args(CanaryStage),
    "lineage": tuple(each for each in get_args(Cause) if each != "proposal"),
    "slot": ("live", *SLOT_MODES),
    "ago": ("days", "hours", "minutes", "seconds"),
    "book": ("recorded", "missing"),
    "deployment": get_args(DeploymentState),
    "direction": get_args(ExpectedEffect.__annotations__["direction"]),
    "engine": ("active", "reducing", "halted", "silent", "unknown"),
    "error": tuple(f"title_{status}" for status in (400, 401, 403, 404, 409, 429, 500, 503)),
    "metric": get_args(ExpectedEffect.__annotations__["metric"]),
    "model_status": get_args(ModelStatus),
    "models": (
        *(f"drift_{kind}" for kind in get_args(DriftKind)),
        *(f"retrain_{reason}" for reason in get_args(RetrainReason)),
        *(f"regime_{regime}" for regime in REGIMES),
    ),
    "mode": get_args(Mode),
    "nav": (
        "overview",
        "scorecard",
        "proposals",
        "canaries",
        "parameters",
        "trades",
        "signals",
        "models",
        "advisor",
        "feedback",
        "costs",
        "alerts",
        "reports",
    ),
    "outcome": get_args(Outcome),
    "overview": ("today", "month"),
    "report": ("daily", "weekly"),
    "request": (
        *get_args(Request.__annotations__["state"]),
        *(f"kind_{kind}" for kind in get_args(Request.__annotations__["kind"])),
    ),
    "signals": (
        *(f"by_{each}" for each in GROUPS),
        *(f"came_{each}" for each in get_args(Came)),
        *(f"{kind}_{way}" for kind in ("side", "size", "pays") for way in ("up", "down")),
        *(f"task_{each}" for each in ("sign", "big_move", "pays_long", "pays_short")),
        *(f"weekday_{each}" for each in range(7)),
    ),
    "severity": ("info", "warning", "critical"),
    "side": get_args(Side),
    "stage": get_args(Stage),
    "strategy": strategy_names(),
    "state": get_args(ProposalState),
    "tag": TAGS,
    "target": ("trade", "proposal", "strategy", "general"),
    "trades": ("bids", "asks"),
    "why": ("engine_unknown", "engine_silent", "engine_halted", "engine_reducing"),
}


def prefixes(keys: set[str]) -> set[str]:
    return {key.split(".")[0] for key in keys}


@pytest.mark.parametrize(("value", "shown"), [(1234.5, "+$1,234.50"), (-0.4, "\u2212$0.40"), (0, "$0.00"), (None, "–")])
def test_money_is_written_with_sign_and_cents(value: float | None, shown: str) -> None:
    assert formats.signed_usd(value) == shown


@pytest.mark.parametrize(("value", "shown"), [(1.5, "1.5"), (40.0, "40"), (-2.25, "\u22122.25"), (-0.0001, "0")])
def test_numbers_lose_their_trailing_zeros_and_never_read_minus_zero(value: float, shown: str) -> None:
    assert formats.number(value) == shown


def test_a_chart_keeps_gaps_and_draws_a_flat_line_in_the_middle() -> None:
    chart = build_chart("t", "d", [Series("a", "x", (1.0, 1.0, None, 1.0, 1.0))], ("from", "to"))
    assert chart is not None
    assert [run.count(" ") + 1 for run in chart.lines[0].runs] == [2, 2]
    assert "110.0" in chart.lines[0].runs[0]
    assert build_chart("t", "d", [Series("a", "x", (1.0,))], ("from", "to")) is None


def test_the_next_runs_are_the_next_ones_in_korea() -> None:
    schedule = ScheduleSettings(daily_at=time(0, 5), weekly_at=time(0, 30))
    saturday_night = datetime(2026, 3, 7, 15, 5, tzinfo=UTC)
    daily, weekly = next_runs(schedule, saturday_night)
    assert daily == datetime(2026, 3, 9, 0, 5, tzinfo=KST), "exactly now is not the next one"
    assert weekly == datetime(2026, 3, 8, 0, 30, tzinfo=KST)
