"""What watches a language model's cost and name: the breaker, the alerts, the share kept for the daily study."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from core.clock import VirtualClock
from core.model.analysis import LlmCall
from core.model.language import Language
from core.settings_sections import AnalyzerSettings
from core.store import Store, llm_calls
from feedback.alerts import Finding, build_alert
from feedback.analyzer.breaker import MIN_CALLS, find_spike
from feedback.analyzer.build import build_watch
from feedback.analyzer.ledger import CostLedger, Outcome
from feedback.analyzer.prices import ModelPrice, PriceTable, Tokens
from tests.unit.feedback.test_analyzer_money import ONE_CENT, QUIET, prompt


def spend(
    ledger: CostLedger, clock: VirtualClock, n: int, tokens: int, model: str = "m-1", asked: str = "m"
) -> LlmCall:
    """Make a call of `tokens` output tokens, a cent a thousand, and a minute later."""
    call = ledger.reserve("daily_analysis", "deepseek", asked, prompt(n), 10, 100_000)
    clock.advance_to(clock.now() + timedelta(minutes=1))
    if call.status != "reserved":
        return call
    return ledger.settle(call, Outcome("ok", "{}", resolved_model=model, tokens=Tokens(1, 0, tokens)))


def test_a_call_five_times_dearer_than_usual_stops_its_task_for_a_day(store: Store, clock: VirtualClock) -> None:
    ledger = CostLedger(store, clock, ONE_CENT, Decimal(100), Decimal(100))
    for n in range(MIN_CALLS):
        assert spend(ledger, clock, n, 1_000).status == "ok"
    assert spend(ledger, clock, 50, 5_000).status == "ok", "five times is not more than five times"
    assert spend(ledger, clock, 51, 5_100).status == "ok"
    stopped = spend(ledger, clock, 52, 1_000)
    assert stopped.status == "breaker_open" and stopped.cost_usd == 0
    assert "median before it is 0.0100 USD" in stopped.error
    assert ledger.reserve("check", "deepseek", "m", prompt(53), 10, 100).status == "reserved", "no batch"
    clock.advance_to(clock.now() + timedelta(days=1))
    assert spend(ledger, clock, 54, 1_000).status == "ok"


def test_a_call_that_told_no_tokens_has_no_price_to_compare(store: Store, clock: VirtualClock) -> None:
    ledger = CostLedger(store, clock, ONE_CENT, Decimal(100), Decimal(100))
    for n in range(MIN_CALLS):
        spend(ledger, clock, n, 100)
    silent = ledger.reserve("daily_analysis", "deepseek", "m", prompt(50), 10, 100_000)
    assert ledger.settle(silent, Outcome("timeout", "")).cost_usd == Decimal("1")
    assert spend(ledger, clock, 51, 100).status == "ok"


def test_without_enough_calls_there_is_no_usual_price(clock: VirtualClock, store: Store) -> None:
    ledger = CostLedger(store, clock, ONE_CENT, Decimal(100), Decimal(100))
    calls = [spend(ledger, clock, n, 1_000 if n else 90_000) for n in range(MIN_CALLS)]
    assert find_spike(list(reversed(calls)), clock.now(), 5.0) is None


def test_weekly_studies_leave_a_fifth_of_the_month_to_the_daily_ones(store: Store, clock: VirtualClock) -> None:
    ledger = CostLedger(store, clock, ONE_CENT, Decimal("0.10"), Decimal(1))
    for n in range(8):
        assert ledger.reserve("patterns", "deepseek", "m", prompt(n), 10, 1_000).status == "reserved"
    assert ledger.reserve("patterns", "deepseek", "m", prompt(9), 10, 1_000).status == "over_budget"
    assert ledger.reserve("daily_analysis", "deepseek", "m", prompt(10), 10, 1_000).status == "reserved"


def test_an_unknown_model_is_no_cheaper_than_the_owners_dearest_price() -> None:
    dear = ModelPrice(input_mtok=Decimal(900), cached_mtok=Decimal(900), output_mtok=Decimal(900))
    assert PriceTable("deepseek", {"own": dear}).ceiling_usd("unheard", 1_000_000, 0, QUIET) == 900


def bad(store: Store, clock: VirtualClock, settings: AnalyzerSettings) -> dict[str, Finding]:
    with store.session() as session:
        return {f.kind: f for f in build_watch(settings, store, clock).look(session) if f.is_bad}


def test_another_name_another_price_a_spike_and_a_month_nearly_spent_are_told(
    store: Store, clock: VirtualClock, tmp_path: Path
) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text("models:\n  m: {input_mtok: 0, cached_mtok: 0, output_mtok: 10}\n")
    settings = AnalyzerSettings(model="m", prices_file=prices, monthly_cap_usd=Decimal(1), daily_cap_usd=Decimal(9))
    assert bad(store, clock, settings) == {}
    ledger = CostLedger(store, clock, ONE_CENT, Decimal(100), Decimal(100))
    for n in range(MIN_CALLS):
        spend(ledger, clock, n, 1_000)
    assert bad(store, clock, settings) == {}
    spend(ledger, clock, 20, 90_000, model="m-2")
    prices.write_text("models:\n  m: {input_mtok: 0, cached_mtok: 0, output_mtok: 11}\n")
    told = bad(store, clock, settings)
    assert set(told) == {"llm_model", "llm_prices", "llm_spike", "llm_budget"}
    assert told["llm_model"].facts == {"old": "m-1", "new": "m-2"}
    languages: tuple[Language, ...] = ("ko", "en")
    for finding in told.values():
        for language in languages:
            assert build_alert(finding, clock.now(), language).message
    clock.advance_to(clock.now() + timedelta(days=1, minutes=1))
    assert set(bad(store, clock, settings)) == {"llm_budget"}, "a change is told for a day"


@pytest.mark.parametrize("status", ["over_budget", "breaker_open", "reserved"])
def test_what_was_not_paid_is_no_usual_price(status: str, store: Store, clock: VirtualClock) -> None:
    ledger = CostLedger(store, clock, ONE_CENT, Decimal(100), Decimal(100))
    paid = spend(ledger, clock, 1, 1_000)
    with store.session() as session:
        llm_calls.reserve(session, replace(paid, call_id="other", attempt=9, status=status))
        assert [call.call_id for call in llm_calls.latest_paid(session, "daily_analysis", 9)] == [paid.call_id]
