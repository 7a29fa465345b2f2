from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import native
from core.clock import VirtualClock, to_ns
from core.model.canonical import canonical_json, from_json
from core.model.dataset import DailyDataset
from core.model.market import ContextField, MarketContext
from core.model.trade import EquityPoint
from core.store import Session, Store, advice, datasets, equity, param_versions, signals, trades
from feedback.dataset import DatasetBuilder, build_daily_dataset
from feedback.day import load_day
from feedback.parity import play_day
from feedback.quality import describe_flag
from market.bars import BarArchive
from market.candles import Candles
from strategies.schema import default_params
from tests import factories

ON = date(2026, 3, 2)
START = datetime(2026, 3, 1, 15, 0, tzinfo=UTC)
END = START + timedelta(days=1)
SYMBOLS = {"momentum-1": ("BTCUSDT",)}
MINUTE_MS = 60_000


def context() -> MarketContext:
    fields = (
        ContextField("fear_greed", 44.0, "", "test", END, 0.0, "fresh"),
        ContextField("nasdaq", None, "", "test", None, None, "missing", "no source"),
    )
    return MarketContext("context-1", END, ("BTCUSDT",), fields, (), ())


def closes_with_a_jump(n_bars: int, jump_at: int, jump: float) -> Any:
    steps = np.random.default_rng(7).normal(0, 0.0003, n_bars)
    steps[jump_at] += jump
    return 100 * np.exp(np.cumsum(steps))


@pytest.fixture
def archive(tmp_path: Path, clock: VirtualClock) -> BarArchive:
    """15-minute candles of 20 days up to the day's end, with a jump of 5 % at 06:00 KST of the day."""
    clock.advance_to(END + timedelta(minutes=5))
    made = BarArchive(tmp_path / "bars", clock)
    first = START - timedelta(days=19)
    n = 20 * 96
    close = np.round(closes_with_a_jump(n, 19 * 96 + 24, 0.05), 2)
    opened = np.roll(close, 1)
    opened[0] = 100.0
    times = to_ns(first) // 1_000_000 + np.arange(n, dtype=np.int64) * 15 * MINUTE_MS
    high, low = np.maximum(opened, close), np.minimum(opened, close)
    made.write("BTCUSDT", 15 * MINUTE_MS, Candles(times, opened, high, low, close, np.ones(n)), "test")
    return made


def flat_backtest(*_: object) -> float | None:
    return 1.5


def build(store: Store, archive: BarArchive, **over: Any) -> DailyDataset:
    arguments: dict[str, Any] = {
        "context": context(),
        "archive": archive,
        "costs": factories.costs(),
        "symbols": SYMBOLS,
        "backtest": flat_backtest,
    }
    with store.session() as session:
        return build_daily_dataset(load_day(session, ON), **{**arguments, **over})


def mark(session: Session, at: datetime, equity_usd: str, **over: Any) -> EquityPoint:
    point = factories.equity(at, equity_usd, **over)
    equity.add(session, point)
    return point


def live_day(session: Session) -> None:
    """A day that a backtest can reproduce: marked at both ends, one version, flat at the start."""
    param_versions.add(session, factories.param_version())
    mark(session, START, "10000")
    mark(session, START + timedelta(hours=12), "9900")
    mark(session, END, "10004")


def test_an_empty_day_gives_an_empty_dataset_that_says_so(store: Store, tmp_path: Path, clock: VirtualClock) -> None:
    empty = build(store, BarArchive(tmp_path / "none", clock), context=None)
    assert (empty.totals.n_trades, empty.strategies, empty.best, empty.missed, empty.last_days) == (0, (), (), (), ())
    assert empty.parity_gap_usd is None
    assert empty.data_quality == ("no_trades", "context_missing", "no_bars BTCUSDT")


def test_the_same_rows_give_the_same_bytes_and_other_rows_do_not(store: Store, archive: BarArchive) -> None:
    with store.session() as session:
        live_day(session)
        trades.add(session, factories.trade("t1", START + timedelta(hours=1)))
    first, again = build(store, archive), build(store, archive)
    assert canonical_json(first) == canonical_json(again)
    with store.session() as session:
        trades.add(session, factories.trade("t2", START + timedelta(hours=2)))
    other = build(store, archive)
    assert other.sha256 != first.sha256
    assert other.dataset_id != first.dataset_id


def test_a_dataset_survives_the_store(store: Store, archive: BarArchive) -> None:
    with store.session() as session:
        live_day(session)
        trades.add(session, factories.trade("t1", START + timedelta(hours=1)))
    made = build(store, archive)
    with store.session() as session:
        assert datasets.add(session, made)
        assert not datasets.add(session, made)
        assert datasets.for_day(session, ON) == made
    assert from_json(canonical_json(made), DailyDataset) == made


def test_best_and_worst_five_are_by_net_result_and_equals_by_id(store: Store, archive: BarArchive) -> None:
    results = ["3", "-1", "3", "5", "-4", "0", "2", "-4", "1", "4", "-2"]
    with store.session() as session:
        live_day(session)
        for n, net in enumerate(results):
            trades.add(session, factories.trade(f"t{n:02d}", START + timedelta(minutes=n + 40), net))
        trades.add(session, factories.trade("shadow", START + timedelta(hours=3), "99", mode="shadow"))
    made = build(store, archive)
    assert [trade.trade_id for trade in made.best] == ["t03", "t09", "t00", "t02", "t06"]
    assert [trade.trade_id for trade in made.worst] == ["t04", "t07", "t10", "t01", "t05"]


def test_each_instance_has_its_counts(store: Store, archive: BarArchive) -> None:
    with store.session() as session:
        live_day(session)
        trades.add(session, factories.trade("a", START + timedelta(hours=1), "2"))
        trades.add(session, factories.trade("b", START + timedelta(hours=2), "-1", exit_reason="stop_loss"))
        signals.add(session, factories.signal("s1", START + timedelta(hours=1), outcome="taken"))
        signals.add(session, factories.signal("s2", START + timedelta(hours=1), outcome="position_limit"))
    [result] = build(store, archive).strategies
    assert (result.instance_id, result.params_version, result.params["stop_loss"]) == ("momentum-1", 1, 2.0)
    assert (result.n_trades, result.n_wins, result.net_pnl_usd) == (2, 1, Decimal("1"))
    assert (result.n_signals, result.n_signals_rejected, result.reject_reasons) == (2, 1, {"position_limit": 1})
    assert result.exit_reasons == {"stop_loss": 1, "take_profit": 1}
    assert result.pnl_by_exit_usd == {"stop_loss": -1.0, "take_profit": 2.0}
    assert result.equity_change_usd == Decimal("4")
    assert result.max_drawdown_pct == pytest.approx(1.0)


def test_hours_of_one_regime_are_merged_into_phases(store: Store, archive: BarArchive) -> None:
    phases = build(store, archive).phases
    assert phases[0].start_at == START
    assert phases[-1].end_at == END
    assert all(one.end_at == after.start_at and one.regime != after.regime for one, after in pairwise(phases))
    assert {phase.regime for phase in phases} & {"trend_up", "turbulent"}
    total = np.prod([1 + phase.return_bps / 1e4 for phase in phases]) - 1
    closes = archive.candles("BTCUSDT", START - timedelta(minutes=15), END).close
    assert total == pytest.approx(closes[-1] / closes[0] - 1)


def test_a_move_that_nobody_caught_is_listed_with_its_replay(store: Store, archive: BarArchive) -> None:
    with store.session() as session:
        live_day(session)
    [missed] = build(store, archive).missed
    assert (missed.kind, missed.side, missed.at) == ("uncaught_move", "buy", START + timedelta(hours=6))
    assert missed.move_bps == pytest.approx(500, abs=30)
    assert missed.replay == "--symbols BTCUSDT --from 2026-03-01T19:00Z --to 2026-03-01T22:00Z"


def test_a_move_with_a_position_is_not_missed(store: Store, archive: BarArchive) -> None:
    with store.session() as session:
        live_day(session)
        caught = factories.trade("t", START + timedelta(hours=7), held=timedelta(hours=1, minutes=30))
        trades.add(session, caught)
    assert build(store, archive).missed == ()


def test_a_position_seen_only_in_the_marks_counts_as_held(store: Store, archive: BarArchive) -> None:
    with store.session() as session:
        live_day(session)
        mark(session, START + timedelta(hours=5), "10000", positions={"BTCUSDT": Decimal("0.5")})
    assert build(store, archive).missed == ()


def test_a_rejected_signal_that_was_right_is_missed_and_a_wrong_one_is_not(store: Store, archive: BarArchive) -> None:
    at = START + timedelta(hours=5, minutes=45)
    price = archive.candles("BTCUSDT", None, at).close[-1]
    with store.session() as session:
        live_day(session)
        for name, side in (("right", "buy"), ("wrong", "sell")):
            wish = factories.signal(name, at, side=side, price=Decimal(str(price)), outcome="advisor_veto")
            signals.add(session, wish)
    found = {missed.signal_id: missed for missed in build(store, archive).missed}
    assert "wrong" not in found
    assert (found["right"].reason, found["right"].horizon_minutes) == ("advisor_veto", 60)
    assert found["right"].move_bps == pytest.approx(500, abs=30)


def test_a_signal_whose_hour_ends_after_the_day_is_not_judged(store: Store, archive: BarArchive) -> None:
    with store.session() as session:
        live_day(session)
        signals.add(session, factories.signal("late", END - timedelta(minutes=59), price=Decimal("1")))
    assert all(missed.signal_id is None for missed in build(store, archive).missed)


def test_at_most_ten_opportunities_are_listed_largest_first(store: Store, archive: BarArchive) -> None:
    with store.session() as session:
        live_day(session)
        for hour in range(20):
            at = START + timedelta(hours=hour)
            signals.add(session, factories.signal(f"s{hour}", at, price=Decimal("50") + hour))
    missed = build(store, archive).missed
    assert len(missed) == 10
    assert [one.move_bps for one in missed] == sorted((one.move_bps for one in missed), reverse=True)


def test_the_parity_gap_is_live_minus_the_backtest_of_the_same_parameters(store: Store, archive: BarArchive) -> None:
    with store.session() as session:
        live_day(session)
    seen: list[tuple[str, Mapping[str, float], Decimal, int]] = []

    def backtest(strategy: str, params: Mapping[str, float], *rest: Any) -> float:
        _, _, capital, trade_from_ns, on, rules = rest
        seen.append((strategy, params, capital, trade_from_ns))
        assert (on, rules) == (ON, None)
        return 1.5

    made = build(store, FakeBars(archive), backtest=backtest)
    assert made.parity_gap_usd == pytest.approx(4 - 1.5)
    assert seen == [("momentum_scalping", {"entry_threshold": 1.5, "stop_loss": 2.0}, Decimal("10000"), to_ns(START))]


class FakeBars:
    """The archive, but `load` gives bars without the compiled engine."""

    def __init__(self, archive: BarArchive) -> None:
        self._archive = archive

    def __getattr__(self, name: str) -> Any:
        return getattr(self._archive, name)

    def load(self, *_: Any) -> Any:
        class Bars:
            closed_at_ns = np.array([1])

        return Bars()


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("version", "version_changed"),
        ("position", "position_carried_over_midnight"),
        ("veto", "advice_held_back"),
        ("shrunk", "advice_held_back"),
        ("start", "not_marked_at_start"),
        ("unknown", "version_unknown"),
    ],
)
def test_what_a_backtest_cannot_reproduce_is_left_out_with_the_reason(
    store: Store, archive: BarArchive, case: str, reason: str
) -> None:
    with store.session() as session:
        if case != "unknown":
            param_versions.add(session, factories.param_version())
        if case != "start":
            held = {"BTCUSDT": Decimal("1")} if case == "position" else {}
            mark(session, START, "10000", positions=held)
        mark(session, START + timedelta(hours=1), "10001", params_version=0 if case == "version" else 1)
        mark(session, END, "10004")
        if case == "veto":
            signals.add(session, factories.signal("s", START + timedelta(hours=2), outcome="advisor_veto"))
        if case == "shrunk":
            advice.add(session, factories.advice("a", START + timedelta(hours=2), size_factor=0.5))
    made = build(store, FakeBars(archive))
    assert made.parity_gap_usd is None
    assert f"parity momentum-1 {reason}" in made.data_quality


def test_the_last_days_are_those_on_which_something_ran(store: Store, archive: BarArchive) -> None:
    with store.session() as session:
        for days_ago in range(9, -1, -1):
            mark(session, END - timedelta(days=days_ago), str(10000 + 10 * (9 - days_ago)))
        trades.add(session, factories.trade("t", START - timedelta(days=2, hours=1), "5"))
    made = build(store, archive)
    assert [day.on for day in made.last_days] == [ON - timedelta(days=n) for n in range(7, 0, -1)]
    assert {day.equity_change_usd for day in made.last_days} == {Decimal(10)}
    assert [day.n_trades for day in made.last_days] == [0, 0, 0, 0, 1, 0, 0]


def test_gaps_and_missing_fields_are_flagged_in_words(store: Store, archive: BarArchive) -> None:
    candles = archive.candles("BTCUSDT")
    kept = np.ones(len(candles), dtype=bool)
    kept[-10:-6] = False
    archive.write("BTCUSDT", 15 * MINUTE_MS, candles.rows(kept), "test")
    with store.session() as session:
        live_day(session)
        trades.add(session, factories.trade("t", START + timedelta(hours=1), krw_rate_stale=True))
    flags = build(store, archive).data_quality
    assert {"rate_stale 1", "missing nasdaq", "gap BTCUSDT 4"} <= set(flags)
    told = {describe_flag(flag, language) for flag in flags for language in ("ko", "en")}  # type: ignore[arg-type]
    assert "BTCUSDT lacks 4 candles of the day" in told


def test_the_builder_ends_its_transaction_before_the_slow_part(store: Store, archive: BarArchive) -> None:
    with store.session() as session:
        live_day(session)

    def backtest(*_: Any) -> float:
        with store.session() as session:
            mark(session, END + timedelta(hours=1), "10004")
        return 0.0

    builder = DatasetBuilder(store, FakeBars(archive), factories.costs(), SYMBOLS, backtest)  # type: ignore[arg-type]
    assert builder.build(ON, context()).parity_gap_usd == pytest.approx(4.0)


def test_the_engines_own_backtest_gives_the_days_result() -> None:
    symbol = native.MarketSymbol("BTCUSDT", Decimal("0.1"), Decimal("0.0001"), Decimal("30000"))
    first_ns = to_ns(START - timedelta(days=2))
    bars = native.generate(native.MarketSpec(5, 3 * 96, 15 * MINUTE_MS, first_ns, (symbol,)))
    defaults = default_params("sma_cross")
    arguments = ("sma_cross", defaults, bars, factories.costs(), Decimal("10000"), to_ns(START))
    made_usd = play_day(*arguments, ON)
    facts = native.backtest(*arguments[:3], native.Costs(), Decimal("10000"), trade_from_ns=to_ns(START))
    assert made_usd == pytest.approx(facts.equity_usd[-1] - 10_000)
    assert play_day(*arguments, ON + timedelta(days=1)) is None
