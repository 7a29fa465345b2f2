"""Whatever the server does: nothing is raised, the rules take over and say why, and the ledger holds the cost."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from core.clock import VirtualClock
from core.model.analysis import Analysis, LlmCall
from core.model.proposal import Proposal
from core.settings import Settings
from core.settings_sections import PROJECT_ROOT
from core.store import Store, analyses, audit, llm_calls
from feedback.analyzer import AnalyzerWithFallback, build_analyzer, summarise_trades
from feedback.analyzer.build import check_llm
from tests.analyzer_days import (
    MIDNIGHT,
    ON,
    daily_answer,
    dataset,
    edit,
    edits_answer,
    forecast,
    result,
    running,
    study,
)
from tests.factories import trade
from tests.llm_server import LlmServer, running_llm


def analyzer_at(server: LlmServer, store: Store, clock: VirtualClock, **over: Any) -> AnalyzerWithFallback:
    settings = Settings.model_validate(
        {"analyzer": {"base_url": server.base_url, "api_key": "sk-test-0123456789", "timeout_s": 20, **over}}
    )
    analyzer = build_analyzer(settings, store, clock, lambda strategy, params: "a" * 64)
    assert analyzer.model is not None
    object.__setattr__(analyzer.model.client, "sleep", no_sleep)
    return analyzer


async def no_sleep(_: float) -> None:
    """Back-off is counted, not waited for."""


def calls_of(store: Store) -> list[LlmCall]:
    with store.session() as session:
        return sorted(llm_calls.latest(session, 100), key=lambda call: (call.started_at, call.attempt))


def study_with(modes: list[str], answers: list[str], store: Store, clock: VirtualClock, **over: Any) -> Any:
    with running_llm(modes, answers) as server:
        made: Analysis = analyzer_at(server, store, clock, **over).analyze_daily_performance(dataset(), "en")
        return made, server.requests


def propose_with(answers: list[str], store: Store, clock: VirtualClock) -> tuple[tuple[Proposal, ...], LlmServer]:
    with running_llm(["ok"], answers) as server:
        day = dataset()
        analyzer = analyzer_at(server, store, clock)
        asked = (day, study(day), [running()], [forecast()], day.last_days)
        return analyzer.suggest_strategy_adjustments(*asked), server


@pytest.mark.parametrize("mode", ["ok", "fenced", "think"])
def test_a_sound_answer_is_taken_whatever_stands_around_it(mode: str, store: Store, clock: VirtualClock) -> None:
    made, requests = study_with([mode], [daily_answer()], store, clock)
    assert (made.source, made.fallback_reason) == ("llm:deepseek-flash-1017", "")
    assert made.success_factors[0].text == "BTCUSDT was calm."
    [call] = calls_of(store)
    assert made.call_ids == (call.call_id,)
    assert (call.status, call.input_tokens, call.cached_tokens, call.output_tokens) == ("ok", 1_000, 400, 200)
    # 03:00 UTC is a dear hour: 600 x 0.30 + 400 x 0.006 + 200 x 1.20 USD a million.
    assert call.cost_usd == made.cost_usd == Decimal("0.0004224")
    assert call.reserved_usd > call.cost_usd
    assert requests[0]["response_format"] == {"type": "json_object"}
    assert requests[0]["max_tokens"] == 6_000


@pytest.mark.parametrize(
    ("mode", "reason", "n_calls", "is_free"),
    [
        ("blank", "empty", 3, False),
        ("truncated", "invalid", 2, False),
        ("filtered", "filtered", 1, False),
        ("html200", "not_json", 3, False),
        ("error200", "empty", 3, False),
        ("surrogate200", "empty", 3, False),
        ("nested200", "not_json", 3, False),
        ("list200", "not_json", 3, False),
        ("broken200", "not_json", 3, False),
        ("402", "http_402", 1, True),
        ("429", "http_429", 3, True),
        ("429_late", "http_429", 1, True),
        ("500", "http_500", 3, True),
        ("reset", "connection", 3, False),
        ("drip", "timeout", 1, False),
    ],
)
def test_on_every_fault_the_rules_answer_and_say_why(
    mode: str, reason: str, n_calls: int, is_free: bool, store: Store, clock: VirtualClock
) -> None:
    limit = {"timeout_s": 0.4} if mode == "drip" else {}
    made, _ = study_with([mode], [daily_answer()], store, clock, **limit)
    assert (made.source, made.fallback_reason) == ("rule", reason)
    assert "Written by rules" in made.summary
    calls = calls_of(store)
    assert [call.status for call in calls] == ["invalid" if mode == "truncated" else reason] * n_calls
    assert made.call_ids == tuple(call.call_id for call in calls)
    assert made.cost_usd == sum(call.cost_usd for call in calls)
    assert all((call.cost_usd == 0) is is_free for call in calls)
    if mode == "drip":
        assert 300 < calls[0].latency_ms < 3_000
    if mode in ("html200", "error200", "reset", "drip"):
        assert all(call.cost_usd == call.reserved_usd for call in calls)


def test_a_passing_fault_costs_an_attempt_and_no_answer(store: Store, clock: VirtualClock) -> None:
    made, requests = study_with(["429", "blank", "ok"], [daily_answer()], store, clock)
    assert made.source.startswith("llm:")
    assert [call.status for call in calls_of(store)] == ["http_429", "empty", "ok"]
    assert len({request["messages"][0]["content"] for request in requests}) == 1


def test_a_cut_answer_is_asked_for_once_more_with_twice_the_tokens(store: Store, clock: VirtualClock) -> None:
    made, requests = study_with(["truncated", "ok"], [daily_answer()], store, clock)
    assert made.source.startswith("llm:")
    assert [request["max_tokens"] for request in requests] == [6_000, 12_000]


def test_a_refused_format_is_lowered_once_and_remembered(store: Store, clock: VirtualClock) -> None:
    with running_llm(["no_format"], [daily_answer()]) as server:
        analyzer = analyzer_at(server, store, clock)
        first = analyzer.analyze_daily_performance(dataset(), "en")
        second = analyzer.analyze_daily_performance(dataset(), "ko")
    assert first.source == second.source == "llm:deepseek-flash-1017"
    assert ["response_format" in request for request in server.requests] == [True, False, False]


def test_a_repair_sends_the_faults_and_none_of_the_text(store: Store, clock: VirtualClock) -> None:
    bad = daily_answer(summary=7, leverage="100 please")
    made, requests = study_with(["ok"], [bad, daily_answer()], store, clock)
    assert made.source.startswith("llm:")
    assert [call.status for call in calls_of(store)] == ["invalid", "ok"]
    repair = requests[1]["messages"]
    assert repair[:2] == requests[0]["messages"]
    assert "summary: string_type" in repair[2]["content"] and "100 please" not in repair[2]["content"]


def test_after_two_repairs_the_rules_take_over(store: Store, clock: VirtualClock) -> None:
    made, requests = study_with(["ok"], ["I would rather not."], store, clock)
    assert (made.source, made.fallback_reason, len(requests)) == ("rule", "invalid", 3)


def test_without_a_usage_figure_the_reservation_is_the_cost(store: Store, clock: VirtualClock) -> None:
    made, _ = study_with(["no_usage"], [daily_answer()], store, clock)
    [call] = calls_of(store)
    assert call.cost_usd == call.reserved_usd == made.cost_usd > 0


def test_over_budget_no_request_is_made(store: Store, clock: VirtualClock) -> None:
    made, requests = study_with(["ok"], [daily_answer()], store, clock, daily_cap_usd="0.001")
    assert (made.source, made.fallback_reason, requests) == ("rule", "over_budget", [])
    [call] = calls_of(store)
    assert (call.status, call.cost_usd) == ("over_budget", 0)
    assert "0.001 USD spent today" in call.error


def test_an_answer_already_paid_for_is_used_again(store: Store, clock: VirtualClock) -> None:
    first, _ = study_with(["429", "ok"], [daily_answer()], store, clock)
    again, requests = study_with(["500"], [""], store, clock)
    assert requests == []
    assert again == first


def test_a_call_whose_caller_died_costs_its_reservation(store: Store, clock: VirtualClock) -> None:
    study_with(["ok"], [daily_answer()], store, clock)
    [paid] = calls_of(store)
    with store.session() as session:
        left = replace(paid, call_id="call-left", attempt=2, status="reserved", cost_usd=Decimal(0))
        llm_calls.reserve(session, left)
    study_with(["500"], [""], store, clock)
    with store.session() as session:
        gone = llm_calls.get(session, "call-left")
    assert (gone.status, gone.cost_usd) == ("interrupted", gone.reserved_usd)


def test_sound_edits_become_one_proposal_that_names_the_model(store: Store, clock: VirtualClock) -> None:
    [made], server = propose_with([edits_answer(edit())], store, clock)
    assert (made.instance_id, made.source, made.state) == ("mm-1", "llm:deepseek-flash-1017", "pending")
    assert made.params["spread_threshold"] == 70.0
    assert made.confidence == 0.55
    assert server.requests[0]["thinking"] == {"type": "disabled"}
    with store.session() as session:
        note = analyses.for_day(session, dataset().on, "adjustments")
    assert note is not None and (note.source, note.fallback_reason) == (made.source, "")


def test_no_change_is_an_answer(store: Store, clock: VirtualClock) -> None:
    made, server = propose_with([edits_answer()], store, clock)
    assert made == () and len(server.requests) == 1


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"value": 9_000}, "out_of_bounds: 2 to 400 bps"),
        ({"value": 61.5}, "off_grid"),
        ({"value": 120}, "step_too_large: at most 15 from 60"),
        ({"value": 60}, "unchanged"),
        ({"param": "leverage"}, "unknown_param"),
        ({"instance_id": "mm-2"}, "unknown_instance"),
    ],
)
def test_an_edit_that_breaks_a_rule_is_refused_whole_and_audited(
    bad: dict[str, Any], reason: str, store: Store, clock: VirtualClock
) -> None:
    answer = edits_answer(edit(**bad), edit(param="inventory_skew", value=0.6))
    [made], server = propose_with([answer], store, clock)
    assert [(e.param, e.value) for e in made.edits] == [("inventory_skew", 0.6)]
    # Twice: with the day's news and without them.
    assert len(server.requests) == 6
    assert reason in server.requests[1]["messages"][2]["content"]
    with store.session() as session:
        [row] = audit.latest(session, 10)
        note = analyses.for_day(session, dataset().on, "adjustments")
    assert row.action == "edits_refused" and reason.split(":")[0] in row.payload
    assert note is not None and reason.split(":")[0] in note.failure_factors[0].text


def test_the_rules_propose_when_the_model_cannot(store: Store, clock: VirtualClock) -> None:
    with running_llm(["402"], [""]) as server:
        day = dataset(result(gross_pnl_usd=Decimal("12.00")))
        asked = (day, study(day), [running()], [], day.last_days)
        [made] = analyzer_at(server, store, clock).suggest_strategy_adjustments(*asked)
    with store.session() as session:
        note = analyses.for_day(session, day.on, "adjustments")
    assert note is not None and (note.source, note.fallback_reason) == ("rule", "http_402")
    assert (made.source, [e.param for e in made.edits]) == ("rule", ["spread_threshold"])


def test_without_a_key_nothing_is_asked(store: Store, clock: VirtualClock) -> None:
    analyzer = build_analyzer(Settings(), store, clock, lambda strategy, params: "a" * 64)
    made = analyzer.analyze_daily_performance(dataset(), "ko")
    assert (made.source, made.fallback_reason) == ("rule", "no_key")
    assert calls_of(store) == []


def test_the_check_tells_model_mode_latency_and_cost(store: Store, clock: VirtualClock) -> None:
    with running_llm(["ok"], ['{"ok": true}']) as server:
        settings = Settings.model_validate({"analyzer": {"base_url": server.base_url, "api_key": "sk-test-012345"}})
        found = check_llm(settings.analyzer, store, clock)
        again = check_llm(settings.analyzer, store, clock)
    assert (found.is_ok, found.resolved_model, found.mode) == (True, "deepseek-flash-1017", "json_object")
    assert found.cost_usd > 0 and found.latency_ms > 0
    assert again.is_ok and len(server.requests) == 2


def test_the_check_says_what_is_wrong(store: Store, clock: VirtualClock) -> None:
    with running_llm(["402"], [""]) as server:
        settings = Settings.model_validate({"analyzer": {"base_url": server.base_url, "api_key": "sk-test-012345"}})
        found = check_llm(settings.analyzer, store, clock)
    assert (found.is_ok, found.reason) == (False, "http_402")
    assert "balance is used up" in found.detail


def test_the_key_stays_out_of_the_ledger(store: Store, clock: VirtualClock) -> None:
    study_with(["500"], [""], store, clock)
    assert all("sk-test" not in str(call) for call in calls_of(store))


def test_a_number_without_a_fact_is_struck_and_the_reader_is_told(store: Store, clock: VirtualClock) -> None:
    answer = daily_answer(summary="60 trades earned 9,999 USD.")
    made, _ = study_with(["ok"], [answer], store, clock)
    assert made.summary == "60 trades earned [unverified] USD."
    assert made.risks[-1].text.startswith("1 of 5 numbers in this text match no fact")


def test_only_claims_that_the_counted_trades_support_are_kept(store: Store, clock: VirtualClock) -> None:
    trades = [
        trade(f"t-{n:03d}", MIDNIGHT - timedelta(hours=n), "1.50" if n % 24 == 3 else "-0.25") for n in range(600)
    ]
    summary = summarise_trades(ON - timedelta(days=29), ON, trades)
    claims = [
        ("hour_kst", "21", "better"),
        ("hour_kst", "20", "better"),
        ("symbol", "S1", "better"),
        ("side", "up", "worse"),
    ]
    rules = [{"dimension": d, "bucket": b, "direction": x, "text": "600 trades."} for d, b, x in claims]
    answer = json.dumps({"summary": "600 trades.", "rules": rules, "edge_cases": []})
    with running_llm(["ok"], [answer]) as server:
        made = analyzer_at(server, store, clock).find_patterns(ON, summary, [], "en")
    assert [f.action for f in made.success_factors] == ["rule:hour_kst=21:better"]
    assert made.failure_factors == () and made.adjustments == made.success_factors
    assert "3 claimed patterns" in made.risks[0].text


@pytest.mark.parametrize(
    ("provider", "formats", "field"),
    [
        ("openai", ["json_schema", "json_object", None], "max_completion_tokens"),
        ("lmstudio", ["json_schema", None], "max_tokens"),
    ],
)
def test_each_server_is_asked_in_its_own_way(
    provider: str, formats: list[str | None], field: str, store: Store, clock: VirtualClock
) -> None:
    caps = {"monthly_cap_usd": 1_000, "daily_cap_usd": 1_000}
    made, requests = study_with(
        ["no_format"], [daily_answer()], store, clock, provider=provider, model="some-model", **caps
    )
    assert made.source == "llm:some-model-1017"
    assert [request.get("response_format", {}).get("type") for request in requests] == formats
    assert all(field in request for request in requests)


def test_a_service_starts_without_the_sdk() -> None:
    code = (
        "import sys, feedback.analyzer; sys.exit(any(n in sys.modules for n in ('openai', 'genai_prices', 'httpx2')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, check=False).returncode == 0
