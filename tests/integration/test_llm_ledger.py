"""The ledger in both databases: the cap holds to the cent, whoever asks at the same time."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from core.clock import VirtualClock
from core.errors import Conflict, StoreUnavailable, UnknownName
from core.store import Store, analyses, llm_calls, prompts
from feedback.analyzer.ledger import CostLedger, Outcome
from feedback.analyzer.prices import Tokens
from tests.analyzer_days import MIDNIGHT, ON, dataset, study
from tests.unit.feedback.test_analyzer_money import ONE_CENT, prompt


def test_concurrent_callers_never_overshoot(any_store: Store) -> None:
    ledger = CostLedger(any_store, VirtualClock(MIDNIGHT), ONE_CENT, Decimal("0.10"), Decimal("0.10"))

    def ask(n: int) -> str:
        while True:
            try:
                return ledger.reserve("daily_analysis", "deepseek", "m", prompt(n), 10, 1_000).status
            except StoreUnavailable:
                """So many at once may wait too long for their turn; who is told so asks again."""

    with ThreadPoolExecutor(100) as pool:
        statuses = list(pool.map(ask, range(100)))
    assert sorted(statuses) == ["over_budget"] * 90 + ["reserved"] * 10
    with any_store.session() as session:
        assert ledger.spending(session, MIDNIGHT).month_usd == Decimal("0.10")


def test_calls_are_found_by_prompt_time_and_id(any_store: Store) -> None:
    ledger = CostLedger(any_store, VirtualClock(MIDNIGHT), ONE_CENT, Decimal(1), Decimal(1))
    calls = [ledger.reserve("adjustments", "deepseek", "m", prompt(), 10, 1_000) for _ in range(3)]
    settled = ledger.settle(calls[0], Outcome("ok", "글\ufffd\x00", tokens=Tokens(1, 0, 1)))
    with any_store.session() as session:
        assert [c.attempt for c in llm_calls.for_prompt(session, prompt().sha256)] == [1, 2, 3]
        assert llm_calls.get(session, calls[0].call_id) == settled
        assert len(llm_calls.latest(session, 2)) == 2
        with pytest.raises(UnknownName):
            llm_calls.get(session, "call-none")
        assert prompts.get(session, prompt().sha256) == prompt()
        assert prompts.add(session, prompt(), MIDNIGHT) is False


def test_an_analysis_is_kept_once_and_not_replaced(any_store: Store) -> None:
    made = study(dataset())
    with any_store.session() as session:
        assert [analyses.add(session, made), analyses.add(session, made)] == [True, False]
        assert analyses.add(session, replace(made, created_at=MIDNIGHT + timedelta(hours=1))) is False
        with pytest.raises(Conflict):
            analyses.add(session, replace(made, summary="other"))
        assert analyses.get(session, made.analysis_id) == made
        assert analyses.for_day(session, ON, "daily_analysis") == made
        assert analyses.for_day(session, ON, "patterns") is None
        assert analyses.latest(session, "daily_analysis") == analyses.latest(session) == [made]
