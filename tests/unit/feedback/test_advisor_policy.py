"""The policy cell by cell, and what no answer of anybody can do: enlarge an order, or gate a reduction."""

from dataclasses import replace
from decimal import Decimal
from itertools import product
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from core.clock import VirtualClock
from core.model.advice import AdviceRecord, FailureReason, PendingAdvice, SizeClass
from core.model.trade import Conditions
from core.settings_advisor import AdvisorSettings, AnswerLimits, FailureCells
from core.store import Store, signals
from feedback.advisor import RealTimeAIAdvisor, Surroundings
from feedback.advisor.advisor import size_of
from feedback.advisor.calibration import Calibration
from feedback.advisor.policy import judge_answer, judge_failure, policy_cell
from feedback.advisor.port import Decided
from feedback.advisor.rules import risk_score
from tests import factories
from tests.factories import NOON

REASONS: tuple[FailureReason, ...] = get_args(FailureReason)
SIZES: tuple[SizeClass, ...] = get_args(SizeClass)
GATED = [(size, reason) for size in SIZES if size != "small" for reason in REASONS]
CALM = Surroundings(Decimal("10000"), 20.0)


def rule(size: SizeClass = "large", factor: float = 1.0, score: float | None = 0.2) -> AdviceRecord:
    return factories.advice(
        approve=factor > 0,
        size_factor=factor,
        reason="sound" if factor == 1 else "volatility_high",
        size_class=size,
        rule_factor=factor,
        risk_score=score,
    )


def test_every_reason_has_a_cell_in_the_settings() -> None:
    assert set(FailureCells.model_fields) == set(REASONS)


@pytest.mark.parametrize(("size", "reason"), list(product(SIZES, REASONS)))
def test_the_default_table_cell_by_cell(size: SizeClass, reason: FailureReason) -> None:
    expected = {"small": "pass", "medium": "half", "large": "stop"}[size]
    assert policy_cell(size, reason, AdvisorSettings()) == expected


@pytest.mark.parametrize(("size", "reason"), GATED)
def test_each_cell_is_read_from_its_own_setting(size: SizeClass, reason: FailureReason) -> None:
    changed = AdvisorSettings.model_validate({f"{size}_on_failure": {reason: "pass"}})
    untouched = AdvisorSettings.model_validate({f"{size}_on_failure": {}})
    for cell in GATED:
        expected = "pass" if cell == (size, reason) else policy_cell(*cell, untouched)
        assert policy_cell(*cell, changed) == expected


@pytest.mark.parametrize(
    ("size", "score", "factor", "result", "why"),
    [
        ("small", None, 1.0, 1.0, "llm_timeout"),
        ("medium", 0.5, 1.0, 0.5, "llm_timeout"),
        ("medium", 0.51, 1.0, 0.0, "llm_timeout"),
        ("medium", None, 1.0, 0.0, "llm_timeout"),
        ("medium", 0.2, 0.3, 0.3, "volatility_high"),
        ("medium", 0.2, 0.0, 0.0, "volatility_high"),
        ("large", 0.0, 1.0, 0.0, "llm_timeout"),
    ],
)
def test_a_failure_makes_of_an_order_what_its_size_and_the_risk_score_say(
    size: SizeClass, score: float | None, factor: float, result: float, why: str
) -> None:
    opinion = judge_failure(rule(size, factor, score), "timeout", AdvisorSettings())
    assert (opinion.factor, opinion.reason) == (result, why)


@pytest.mark.parametrize(
    ("size", "p_good", "factor", "reason"),
    [
        ("medium", 0.34, 0.0, "llm_no"),
        ("medium", 0.35, 0.5, "llm_unsure"),
        ("medium", 0.5, 1.0, "llm_yes"),
        ("large", 0.49, 0.0, "llm_no"),
        ("large", 0.5, 0.5, "llm_unsure"),
        ("large", 0.6, 1.0, "llm_yes"),
    ],
)
def test_an_answer_is_read_by_the_limits_of_its_size(
    size: SizeClass, p_good: float, factor: float, reason: str
) -> None:
    opinion = judge_answer(rule(size), p_good, AdvisorSettings())
    assert (opinion.factor, opinion.reason) == (factor, reason)


@pytest.mark.parametrize("p_good", [float("nan"), -0.1, 1.1])
def test_what_is_no_probability_is_refused(p_good: float) -> None:
    with pytest.raises(ValueError, match="no probability"):
        judge_answer(rule(), p_good, AdvisorSettings())


def test_limits_out_of_order_are_refused() -> None:
    with pytest.raises(ValidationError, match="full_from"):
        AnswerLimits(stop_below=0.6, full_from=0.5)


cells = st.builds(FailureCells, **{name: st.sampled_from(["pass", "half", "stop"]) for name in REASONS})
shares = st.floats(0, 1)
chosen = st.builds(
    AdvisorSettings,
    medium_on_failure=cells,
    large_on_failure=cells,
    max_risk_score=shares,
    medium_limits=st.just(AnswerLimits(stop_below=0.0, full_from=0.0)),
)


@given(
    chosen,
    st.sampled_from(SIZES),
    shares,
    st.none() | shares,
    st.sampled_from(REASONS) | st.builds(Decided, p_yes=shares, source=st.just("llm:m"), is_bare=st.booleans()),
)
@settings(max_examples=300, deadline=None)
def test_no_answer_and_no_failure_ever_enlarges_an_order_or_lifts_a_veto(
    clock_settings: AdvisorSettings,
    size: SizeClass,
    factor: float,
    score: float | None,
    said: Decided | FailureReason,
) -> None:
    clock = VirtualClock(NOON)
    advisor = RealTimeAIAdvisor(clock, clock_settings, lambda s, at: (Decimal(1400), False), lambda s, m: 0)
    ruled = rule(size, factor, score)
    record = advisor.judge(ruled, said, Calibration(), NOON)
    assert 0 <= record.size_factor <= ruled.size_factor <= 1
    assert record.approve is (record.size_factor > 0)
    assert ruled.approve or not record.approve
    assert (record.rule_factor, record.qty) == (ruled.rule_factor, ruled.qty)


@given(st.sampled_from(["buy", "sell"]), st.integers(1, 1000), st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_a_reducing_order_is_never_gated(side: str, qty: int, more: int) -> None:
    position = -(qty + more) if side == "buy" else qty + more
    request = factories.advice_request(side=side, qty=str(qty), notional=str(qty * 100), position=str(position))
    worst = Surroundings(Decimal("1000000"), 0.1)
    clock = VirtualClock(NOON)
    advisor = RealTimeAIAdvisor(clock, AdvisorSettings(), lambda s, at: (Decimal(1400), False), lambda s, m: 0)
    record = advisor.should_trade(request, Decimal(1400), worst)
    assert (record.approve, record.size_factor, record.reason) == (True, 1.0, "reduces")


def test_an_order_through_zero_opens_and_is_gated() -> None:
    request = factories.advice_request(qty="250", notional="25000", position="-100")
    clock = VirtualClock(NOON)
    advisor = RealTimeAIAdvisor(clock, AdvisorSettings(), lambda s, at: (Decimal(1400), False), lambda s, m: 0)
    assert advisor.should_trade(request, Decimal(1400), Surroundings(Decimal("1000000"), None)).reason == "drawdown"


@pytest.mark.parametrize(
    ("strength", "notional_krw", "size"),
    [
        (0.7, "999999", "small"),
        (0.71, "999999", "medium"),
        (0.1, "1000000", "large"),
        (0.9, "1000000", "large"),
        (0.1, None, "large"),
    ],
)
def test_sizes_begin_where_the_settings_say(strength: float, notional_krw: str | None, size: str) -> None:
    request = factories.advice_request(strength=strength)
    known = None if notional_krw is None else Decimal(notional_krw)
    assert size_of(request, known, AdvisorSettings()) == size


@pytest.mark.parametrize(
    ("over", "surroundings", "score"),
    [
        ({}, Surroundings(None, None), None),
        ({}, Surroundings(None, 20.0), 1 / 3),
        ({}, Surroundings(Decimal("10600"), 20.0), 0.566),
        ({"conditions": {"volatility_bps": 20.0, "volume_ratio": 1.0, "trend_bps": -24.0}}, CALM, 0.8),
        ({"conditions": {"volatility_bps": 20.0, "volume_ratio": 1.0, "trend_bps": 24.0}}, CALM, 1 / 3),
        ({}, Surroundings(None, 1.0), 1.0),
    ],
)
def test_the_risk_score_is_the_largest_share_of_a_limit(
    over: dict[str, object], surroundings: Surroundings, score: float | None
) -> None:
    found = risk_score(factories.advice_request(**over), surroundings)
    assert found == (None if score is None else pytest.approx(score, abs=0.001))


def test_a_scripted_decider_answers_within_the_transaction(store: Store, clock: VirtualClock) -> None:
    asked: list[str] = []

    def script(pending: PendingAdvice) -> Decided | FailureReason:
        asked.append(pending.rule.facts)
        return Decided(0.2, "llm:script")

    plain = RealTimeAIAdvisor(clock, AdvisorSettings(), lambda s, at: (Decimal(1400), False), lambda s, m: 1)
    advisor = replace(plain, script=script)
    with store.session() as session:
        for n in range(10):
            calm = factories.signal(f"s{n}", NOON, conditions=Conditions(volatility_bps=18.0))
            signals.add(session, calm)
        record = advisor.answer(session, factories.advice_request())
    assert record is not None and asked
    assert (record.approve, record.reason, record.source) == (False, "llm_no", "llm:script")
    assert (record.rule_factor, record.p_yes, record.size_class) == (1.0, 0.2, "large")
