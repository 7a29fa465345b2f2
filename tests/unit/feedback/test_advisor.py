from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from core.clock import VirtualClock
from core.model.generated import AdviceAnswer, Message
from core.model.trade import Conditions
from core.settings_advisor import AdvisorSettings
from core.store import Session, Store, advice, equity, signals
from feedback.advisor import RealTimeAIAdvisor, Surroundings
from tests import factories
from tests.factories import NOON

RATE = Decimal("1400")
NOTHING_KNOWN = Surroundings(None, None)


@dataclass
class Outbox:
    sent: list[Message] = field(default_factory=list)

    def send(self, _: Session, message: Message) -> int:
        self.sent.append(message)
        return len(self.sent)


@pytest.fixture
def outbox() -> Outbox:
    return Outbox()


def fresh_rate(_: Session, __: datetime) -> tuple[Decimal, bool]:
    return RATE, False


def stale_rate(_: Session, __: datetime) -> tuple[Decimal, bool]:
    return RATE, True


@pytest.fixture
def make(clock: VirtualClock, outbox: Outbox) -> Callable[..., RealTimeAIAdvisor]:
    return lambda rate=fresh_rate: RealTimeAIAdvisor(clock, AdvisorSettings(), rate, outbox.send)


@pytest.fixture
def advisor(make: Callable[..., RealTimeAIAdvisor]) -> RealTimeAIAdvisor:
    return make()


def test_a_sound_large_trade_goes_ahead_in_full(advisor: RealTimeAIAdvisor) -> None:
    record = advisor.should_trade(factories.advice_request(), RATE, NOTHING_KNOWN)
    assert (record.approve, record.size_factor, record.reason, record.source) == (True, 1.0, "sound", "rule")
    assert record.notional_krw == Decimal("1400000")


def test_a_small_trade_needs_no_advice(advisor: RealTimeAIAdvisor) -> None:
    small = factories.advice_request(strength=0.5, notional="10", qty="0.1")
    deep_fall = Surroundings(Decimal("100000"), None)
    assert advisor.should_trade(small, RATE, deep_fall).reason == "not_large"


def test_a_trade_without_a_fresh_rate_counts_as_large(advisor: RealTimeAIAdvisor) -> None:
    small = factories.advice_request(strength=0.5, notional="10", qty="0.1")
    record = advisor.should_trade(small, None, Surroundings(Decimal("100000"), None))
    assert (record.approve, record.reason, record.notional_krw) == (False, "drawdown", None)


CONDITIONS = {"volatility_bps": 20.0, "volume_ratio": 1.0, "trend_bps": 0.0}
NO_RSI = dict.fromkeys(
    ("rsi", "macd", "macd_signal", "bollinger_upper", "bollinger_lower", "ema_fast", "ema_slow", "atr")
)


@pytest.mark.parametrize(
    ("over", "surroundings", "factor", "reason"),
    [
        ({}, Surroundings(Decimal("11112"), None), 0.0, "drawdown"),
        ({}, Surroundings(Decimal("10600"), None), 0.5, "drawdown_reduced"),
        ({}, Surroundings(Decimal("10100"), None), 1.0, "sound"),
        ({}, Surroundings(None, 6.0), 0.0, "volatility_spike"),
        ({}, Surroundings(None, 9.0), 0.5, "volatility_high"),
        ({"conditions": {**CONDITIONS, "trend_bps": -31.0}}, NOTHING_KNOWN, 0.0, "against_trend"),
        ({"conditions": {**CONDITIONS, "trend_bps": 31.0}, "side": "sell"}, NOTHING_KNOWN, 0.0, "against_trend"),
        ({"conditions": {**CONDITIONS, "trend_bps": -29.0}}, NOTHING_KNOWN, 1.0, "sound"),
        (
            {"conditions": {**CONDITIONS, "trend_bps": -31.0}, "strategy": "market_making"},
            NOTHING_KNOWN,
            1.0,
            "sound",
        ),
        ({"indicators": {**NO_RSI, "rsi": 90.0}}, NOTHING_KNOWN, 0.5, "rsi_extreme"),
        ({"indicators": {**NO_RSI, "rsi": 90.0}, "side": "sell"}, NOTHING_KNOWN, 1.0, "sound"),
        ({"position": "92"}, NOTHING_KNOWN, 0.8, "concentration_reduced"),
        ({"position": "100"}, NOTHING_KNOWN, 0.0, "concentration"),
        ({"position": "-150"}, NOTHING_KNOWN, 1.0, "reduces"),
        ({"position": "-100", "qty": "250", "notional": "25000"}, NOTHING_KNOWN, 0.8, "concentration_reduced"),
        ({"position": "92", "indicators": {**NO_RSI, "rsi": 90.0}}, NOTHING_KNOWN, 0.5, "rsi_extreme"),
        ({"equity": "0"}, NOTHING_KNOWN, 0.0, "implausible_request"),
        ({"equity": "-5", "position": "-150"}, NOTHING_KNOWN, 1.0, "reduces"),
        ({"qty": "NaN"}, NOTHING_KNOWN, 0.0, "implausible_request"),
    ],
)
def test_each_check_decides_as_told(
    advisor: RealTimeAIAdvisor, over: dict[str, Any], surroundings: Surroundings, factor: float, reason: str
) -> None:
    record = advisor.should_trade(factories.advice_request(**over), RATE, surroundings)
    assert (record.reason, record.size_factor, record.approve) == (reason, factor, factor > 0)


def test_an_answer_after_the_deadline_is_a_no(advisor: RealTimeAIAdvisor, clock: VirtualClock) -> None:
    clock.advance_to(NOON + timedelta(milliseconds=950))
    assert advisor.should_trade(factories.advice_request(), RATE, NOTHING_KNOWN).reason == "late"


def test_where_the_engines_time_stands_still_no_answer_is_late(clock: VirtualClock, outbox: Outbox) -> None:
    advisor = RealTimeAIAdvisor(clock, AdvisorSettings(), fresh_rate, outbox.send, stands_still=True)
    clock.advance_to(clock.now() + timedelta(minutes=15))
    record = advisor.should_trade(factories.advice_request(), RATE, NOTHING_KNOWN)
    assert (record.reason, record.approve, record.answered_at) == ("sound", True, record.asked_at)


def test_one_millisecond_before_the_deadline_it_still_counts(advisor: RealTimeAIAdvisor, clock: VirtualClock) -> None:
    clock.advance_to(NOON + timedelta(milliseconds=949))
    assert advisor.should_trade(factories.advice_request(), RATE, NOTHING_KNOWN).approve


def test_the_record_is_stored_and_the_answer_sent_in_one_transaction(
    store: Store, advisor: RealTimeAIAdvisor, outbox: Outbox
) -> None:
    with store.session() as session:
        advisor.answer(session, factories.advice_request())
    with store.session() as session:
        assert advice.get(session, "momentum-1-a1").reason == "sound"
    assert outbox.sent == [AdviceAnswer(advice_id="momentum-1-a1", approve=True, size_factor=1.0, reason="sound")]


def test_nothing_is_stored_when_sending_fails(store: Store, clock: VirtualClock) -> None:
    def broken(_: Session, __: Message) -> int:
        raise RuntimeError("outbox is full")

    advisor = RealTimeAIAdvisor(clock, AdvisorSettings(), fresh_rate, broken)
    with pytest.raises(RuntimeError), store.session() as session:
        advisor.answer(session, factories.advice_request())
    with store.session() as session:
        assert advice.latest(session, 1) == []


def test_a_repeated_question_gets_the_stored_answer(
    store: Store, advisor: RealTimeAIAdvisor, outbox: Outbox, clock: VirtualClock
) -> None:
    with store.session() as session:
        advisor.answer(session, factories.advice_request())
    clock.advance_to(NOON + timedelta(seconds=5))
    with store.session() as session:
        advisor.answer(session, factories.advice_request())
        assert len(advice.latest(session, 10)) == 1
    assert outbox.sent[0] == outbox.sent[1]


@pytest.mark.parametrize("over", [{"qty": "5"}, {"at": NOON + timedelta(milliseconds=1)}])
def test_another_question_under_a_known_id_is_a_no(
    store: Store, advisor: RealTimeAIAdvisor, outbox: Outbox, over: dict[str, Any]
) -> None:
    with store.session() as session:
        advisor.answer(session, factories.advice_request())
        advisor.answer(session, factories.advice_request(**over))
        assert advice.get(session, "momentum-1-a1").approve
    last = outbox.sent[-1]
    assert isinstance(last, AdviceAnswer)
    assert (last.approve, last.reason) == (False, "advice_id_reused")


def test_a_stale_rate_leaves_the_won_notional_open(store: Store, make: Callable[..., RealTimeAIAdvisor]) -> None:
    with store.session() as session:
        record = make(stale_rate).answer(session, factories.advice_request())
    assert record.notional_krw is None


def test_peak_and_usual_volatility_come_from_the_store(store: Store, advisor: RealTimeAIAdvisor) -> None:
    with store.session() as session:
        equity.add(session, factories.equity(NOON - timedelta(days=30), "12000"))
        equity.add(session, factories.equity(NOON - timedelta(days=1), "10000"))
        assert advisor.answer(session, factories.advice_request()).reason == "drawdown"
    with store.session() as session:
        for n in range(10):
            calm = factories.signal(f"s{n}", NOON - timedelta(hours=n), conditions=Conditions(volatility_bps=5.0))
            signals.add(session, calm)
        other = factories.advice_request(advice_id="other-a1", instance_id="other")
        assert advisor.answer(session, other).reason == "volatility_spike"
