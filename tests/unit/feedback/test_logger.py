from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from core.clock import VirtualClock, kst_day, to_ns
from core.model.market import ContextField, MarketContext
from core.model.trade import Shortfall
from core.store import Session, Store, equity, performance, quarantine, signals, trades
from feedback.logger import TradingLogger
from tests import factories
from tests.factories import NOON


def known_rate(_: Session, __: datetime) -> tuple[Decimal, bool]:
    return Decimal("1380.5"), False


def context_with_sentiment(at: datetime) -> MarketContext:
    field = ContextField("news_sentiment", 0.25, "", "test", at, 0.0, "fresh")
    return MarketContext("context-1", at, ("BTCUSDT",), (field,), (), ())


@pytest.fixture
def logger(clock: VirtualClock) -> TradingLogger:
    return TradingLogger(clock, known_rate, lambda _, at: context_with_sentiment(at))


def test_a_trade_event_becomes_one_stored_trade(store: Store, logger: TradingLogger) -> None:
    with store.session() as session:
        logged = logger.log_trade(session, factories.trade_event())
    with store.session() as session:
        again = logger.log_trade(session, factories.trade_event())
        assert trades.count(session) == 1
        assert trades.get(session, "momentum-1-1") == logged == again
    assert logged is not None
    assert (logged.net_pnl_usd, logged.krw_per_usd, logged.krw_rate_stale) == (
        Decimal("1.00"),
        Decimal("1380.5"),
        False,
    )
    assert (logged.book, logged.conditions.sentiment, logged.closed_at) == ("missing", 0.25, NOON)


def test_a_book_snapshot_is_kept_as_json(store: Store, logger: TradingLogger) -> None:
    book = {"bids": [["99.9", "1"]], "asks": [["100.1", "2"]]}
    with store.session() as session:
        logged = logger.log_trade(session, factories.trade_event(book=book))
    assert logged is not None
    assert logged.book == '{"asks":[["100.1","2"]],"bids":[["99.9","1"]]}'


def test_sentiment_observed_after_the_decision_stays_out(store: Store, clock: VirtualClock) -> None:
    late = TradingLogger(clock, known_rate, lambda _, at: context_with_sentiment(at + timedelta(seconds=1)))
    with store.session() as session:
        logged = late.log_trade(session, factories.trade_event())
    assert logged is not None
    assert logged.conditions.sentiment is None


BAD_TRADES: list[tuple[dict[str, Any], str]] = [
    ({"qty": "0"}, "qty is not above zero"),
    ({"qty": "NaN"}, "qty is not above zero"),
    ({"qty": "1E+999999"}, "qty is not above zero"),
    ({"net_pnl": "1.02"}, "net_pnl is not gross_pnl minus fees and slippage"),
    ({"gross_pnl": "9.14", "net_pnl": "9.00"}, "gross_pnl is not the price difference times qty"),
    ({"net_pnl": "NaN"}, "gross_pnl or net_pnl is not a number"),
    ({"side": "sell"}, "gross_pnl is not the price difference times qty"),
    ({"trade_id": "x" * 81}, "trade_id is no identifier"),
    ({"trade_id": "a\nb"}, "trade_id is no identifier"),
    ({"symbol": ""}, "symbol is no identifier"),
    ({"book": {"bids": [["101", "1"]], "asks": [["100", "1"]]}}, "the book is crossed"),
]


@pytest.mark.parametrize(("over", "reason"), BAD_TRADES)
def test_an_implausible_trade_is_set_aside_whole(
    store: Store, logger: TradingLogger, over: dict[str, Any], reason: str
) -> None:
    with store.session() as session:
        assert logger.log_trade(session, factories.trade_event(**over)) is None
    with store.session() as session:
        assert trades.count(session) == 0
        [kept] = quarantine.latest(session, 10)
    assert (kept.source, kept.reason) == ("engine:TradeEvent", reason)


@pytest.mark.parametrize(
    ("end", "field", "value", "reason"),
    [
        ("entry", "fill_price", "0", "entry.fill_price is not above zero"),
        ("exit", "arrival_price", "-1", "exit.arrival_price is not above zero"),
        ("exit", "fee", "Infinity", "exit.fee or slippage is not a number"),
        ("entry", "filled_at_ns", 5, "entry was filled before it was decided"),
        ("exit", "filled_at_ns", to_ns(NOON - timedelta(hours=2)), "exit was filled before it was decided"),
    ],
)
def test_an_implausible_end_is_named(
    store: Store, logger: TradingLogger, end: str, field: str, value: object, reason: str
) -> None:
    body = factories.trade_event_json()
    body[end][field] = value
    with store.session() as session:
        assert logger.log_trade(session, factories.trade_event(**{end: body[end]})) is None
        assert quarantine.latest(session, 1)[0].reason == reason


def test_an_exit_before_the_entry_is_refused(store: Store, logger: TradingLogger) -> None:
    body = factories.trade_event_json()
    for name in ("decided_at_ns", "filled_at_ns"):
        body["exit"][name] = to_ns(NOON - timedelta(days=1))
    with store.session() as session:
        assert logger.log_trade(session, factories.trade_event(exit=body["exit"])) is None
        assert quarantine.latest(session, 1)[0].reason == "the exit is before the entry"


def test_a_trade_from_the_far_future_is_refused(store: Store, logger: TradingLogger) -> None:
    with store.session() as session:
        assert logger.log_trade(session, factories.trade_event(closed_at=NOON + timedelta(days=3))) is None
        assert quarantine.latest(session, 1)[0].reason == "the exit is in the future"


def test_another_trade_under_a_known_id_is_set_aside_and_the_first_stays(store: Store, logger: TradingLogger) -> None:
    with store.session() as session:
        logger.log_trade(session, factories.trade_event())
        assert logger.log_trade(session, factories.trade_event(symbol="ETHUSDT")) is None
        assert trades.get(session, "momentum-1-1").symbol == "BTCUSDT"
        assert quarantine.latest(session, 1)[0].reason == "another trade has this id"


def test_a_repeat_that_finds_another_rate_changes_nothing(store: Store, clock: VirtualClock) -> None:
    rates = iter([(Decimal("1400"), True), (Decimal("1390"), False)])
    logger = TradingLogger(clock, lambda *_: next(rates))
    with store.session() as session:
        logger.log_trade(session, factories.trade_event())
        again = logger.log_trade(session, factories.trade_event())
        assert again is not None
        assert (again.krw_per_usd, again.krw_rate_stale) == (Decimal("1400"), True)
        assert quarantine.latest(session, 1) == []


def test_rejected_signals_are_kept_with_their_reason(store: Store, logger: TradingLogger) -> None:
    with store.session() as session:
        logger.log_signal(session, factories.signal_event(outcome="advisor_veto"))
        assert signals.get(session, "momentum-1-s1").outcome == "advisor_veto"


@pytest.mark.parametrize("over", [{"price": "0"}, {"qty": "-1"}, {"at_ns": 0}, {"outcome": "<b>"}, {"strength": -1}])
def test_an_implausible_signal_is_set_aside(store: Store, logger: TradingLogger, over: dict[str, Any]) -> None:
    with store.session() as session:
        assert logger.log_signal(session, factories.signal_event(**over)) is None
        assert signals.latest(session, 1) == []
        assert quarantine.latest(session, 1)[0].source == "engine:SignalEvent"


def test_an_equity_mark_is_stored_once(store: Store, logger: TradingLogger) -> None:
    with store.session() as session:
        logger.log_equity(session, factories.equity_mark())
        logger.log_equity(session, factories.equity_mark())
        assert logger.log_equity(session, factories.equity_mark(equity="1")) is None
        latest = equity.latest(session, "momentum-1")
    assert latest is not None
    assert latest.equity_usd == Decimal("10010")


@pytest.mark.parametrize("over", [{"equity": "NaN"}, {"capital": "-1"}, {"prices": {"BTCUSDT": "0"}}, {"at_ns": -5}])
def test_an_implausible_mark_is_set_aside(store: Store, logger: TradingLogger, over: dict[str, Any]) -> None:
    with store.session() as session:
        assert logger.log_equity(session, factories.equity_mark(**over)) is None
        assert equity.instances(session) == []


def test_the_daily_summary_counts_the_live_trades_of_the_kst_day(store: Store, logger: TradingLogger) -> None:
    on = kst_day(NOON)
    midnight = datetime(2026, 3, 1, 15, 0, tzinfo=UTC)
    day = [
        factories.trade("a", midnight, "2.00"),
        factories.trade("b", NOON, "-0.50"),
        factories.trade("c", NOON, "7.00", mode="shadow"),
        factories.trade("d", midnight - timedelta(microseconds=1), "9.00"),
        factories.trade("e", midnight + timedelta(days=1), "9.00"),
    ]
    with store.session() as session:
        for one in day:
            trades.add(session, one)
        equity.add(session, factories.equity(midnight, "10001"))
        equity.add(session, factories.equity(midnight + timedelta(days=1), "10003"))
        equity.add(session, factories.equity(NOON, "99999", instance_id="shadow-1", mode="shadow"))
        summary = logger.log_daily_summary(session, on)
    assert (summary.n_trades, summary.n_wins) == (2, 1)
    assert (summary.net_pnl_usd, summary.fees_usd, summary.slippage_usd) == (
        Decimal("1.50"),
        Decimal("0.20"),
        Decimal("0.08"),
    )
    assert summary.equity_change_usd == Decimal("2")


def test_the_summary_of_a_day_without_anything_is_zero(store: Store, logger: TradingLogger) -> None:
    with store.session() as session:
        summary = logger.log_daily_summary(session, kst_day(NOON))
    assert (summary.n_trades, summary.net_pnl_usd, summary.equity_change_usd) == (0, 0, 0)


def test_the_shortfall_of_a_trade_is_kept_and_told_in_bps(store: Store, logger: TradingLogger) -> None:
    split = {"delay": "-0.01", "spread": "0.02", "impact": "0.03", "opportunity": "0.5"}
    with store.session() as session:
        logger.log_trade(session, factories.trade_event(shortfall=split))
        kept = trades.get(session, "momentum-1-1")
    assert kept.shortfall == Shortfall(Decimal("-0.01"), Decimal("0.02"), Decimal("0.03"), Decimal("0.5"))
    assert kept.shortfall_bps == pytest.approx(54.0)


@pytest.mark.parametrize(
    ("split", "reason"),
    [
        ({"impact": "NaN"}, "the shortfall is not a number"),
        ({"delay": "1E+40"}, "the shortfall is not a number"),
        ({"impact": "0.06"}, "the shortfall is not the way from decision to fill"),
    ],
)
def test_a_shortfall_that_cannot_be_is_refused(
    store: Store, logger: TradingLogger, split: dict[str, str], reason: str
) -> None:
    body = factories.trade_event_json()
    with store.session() as session:
        assert logger.log_trade(session, factories.trade_event(shortfall={**body["shortfall"], **split})) is None
        assert quarantine.latest(session, 1)[0].reason == reason


def test_a_trade_stored_before_the_shortfall_was_told_still_reads(store: Store, logger: TradingLogger) -> None:
    with store.session() as session:
        logger.log_trade(session, factories.trade_event())
        session.execute(text("UPDATE trade SET detail = json_remove(detail, '$.shortfall')"))
        kept = trades.get(session, "momentum-1-1")
    assert (kept.shortfall, kept.shortfall_bps) == (None, None)


def test_what_became_of_a_prediction_is_stored_once(store: Store, logger: TradingLogger) -> None:
    with store.session() as session:
        first = logger.log_performance(session, factories.performance_feedback())
        again = logger.log_performance(session, factories.performance_feedback())
        assert logger.log_performance(session, factories.performance_feedback(realised_move_bps=-3.0)) is None
        kept = performance.latest(session, 10)
        assert quarantine.latest(session, 10)[0].reason == "another feedback has this id"
    assert kept == [first] == [again]
    assert (kept[0].prediction_id, kept[0].at, kept[0].aligned_move_bps) == ("prediction-1", NOON, 12.0)


def test_a_prediction_that_was_not_traded_is_kept_with_its_reason(store: Store, logger: TradingLogger) -> None:
    nothing = dict.fromkeys(("side", "decision_price", "mean_fill_price", "shortfall", "realised_move_bps"))
    with store.session() as session:
        logger.log_performance(session, factories.performance_feedback(outcome="low_confidence", qty="0", **nothing))
        [kept] = performance.latest(session, 10, outcome="low_confidence")
    assert (kept.side, kept.shortfall, kept.aligned_move_bps) == (None, None, None)


@pytest.mark.parametrize(
    ("over", "reason"),
    [
        ({"feedback_id": "a b"}, "feedback_id is no identifier"),
        ({"outcome": "<b>"}, "outcome is no identifier"),
        ({"qty": "-1"}, "qty is below zero"),
        ({"mean_fill_price": "0"}, "mean_fill_price is not above zero"),
        ({"side": None}, "a prediction was taken without side, price or move"),
        ({"realised_move_bps": None}, "a prediction was taken without side, price or move"),
        ({"received_at_ns": to_ns(NOON) + 1}, "it was made before the prediction came"),
        ({"at_ns": to_ns(NOON + timedelta(days=3))}, "the time is missing or in the future"),
    ],
)
def test_an_implausible_feedback_is_set_aside(
    store: Store, logger: TradingLogger, over: dict[str, Any], reason: str
) -> None:
    with store.session() as session:
        assert logger.log_performance(session, factories.performance_feedback(**over)) is None
        assert performance.latest(session, 1) == []
        kept = quarantine.latest(session, 1)[0]
    assert (kept.source, kept.reason) == ("engine:PerformanceFeedback", reason)
