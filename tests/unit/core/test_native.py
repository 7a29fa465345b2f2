"""The compiled engine through its typed door: exact against a plain implementation, and clear about what it refuses."""

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from core import native
from core.errors import BadInput
from core.native import Bars, Costs, Limits, MarketSpec, MarketSymbol, MarketTurn

MINUTE_NS = 60_000_000_000
START_NS = 1_600_041_600_000_000_000
FREE = Costs(0.0, 0.0, 0.0)
SMA = {"fast": 5.0, "slow": 12.0, "size": 2.0}


def one_symbol(n: int = 3000, seed: int = 1) -> Bars:
    rng = np.random.default_rng(seed)
    close = np.round(100 * np.exp(np.cumsum(rng.normal(0, 2e-3, n))), 2)
    opened = np.concatenate([[100.0], np.round(close[:-1] + rng.choice([-0.01, 0.0, 0.01], n - 1), 2)])
    opened_at = START_NS + np.arange(n, dtype=np.int64) * MINUTE_NS
    return Bars(
        symbols=("AAA",),
        ticks=(Decimal("0.01"),),
        lots=(Decimal("0.001"),),
        symbol=np.zeros(n, dtype=np.int16),
        opened_at_ns=opened_at,
        closed_at_ns=opened_at + MINUTE_NS,
        open=opened,
        high=np.maximum(opened, close) + 0.02,
        low=np.minimum(opened, close) - 0.02,
        close=close,
        volume=np.ones(n),
    )


def market(**over: object) -> MarketSpec:
    symbols = tuple(
        MarketSymbol(name, Decimal("0.01"), Decimal("0.001"), Decimal(price))
        for name, price in (("AAA", 100), ("BBB", 2000))
    )
    spec = MarketSpec(seed=5, n_bars=1000, bar_ms=900_000, start_ns=START_NS, symbols=symbols)
    return replace(spec, **over)  # type: ignore[arg-type]


def plain_sma_trades(bars: Bars, fast: int, slow: int) -> list[tuple[int, float, int, float]]:
    """Entry time and price, exit time and price; sums are integers, so a tie is a tie."""
    cents = np.concatenate([[0], np.cumsum(np.rint(bars.close * 100).astype(np.int64))])
    trades, entry = [], None
    for i in range(slow - 1, len(bars) - 1):
        above = (cents[i + 1] - cents[i + 1 - fast]) * slow > (cents[i + 1] - cents[i + 1 - slow]) * fast
        at, price = int(bars.opened_at_ns[i + 1]), float(bars.open[i + 1])
        if above and entry is None:
            entry = (at, price)
        elif not above and entry is not None:
            trades.append((*entry, at, price))
            entry = None
    return trades


def test_sma_cross_makes_exactly_the_trades_of_a_plain_implementation() -> None:
    bars = one_symbol()
    facts = native.backtest("sma_cross", SMA, bars, FREE, Decimal(10_000))
    ours = [
        (int(t["entry_at_ns"]), float(t["entry_price"]), int(t["exit_at_ns"]), float(t["exit_price"]))
        for t in facts.trades
    ]
    assert len(ours) > 50
    assert ours == plain_sma_trades(bars, 5, 12)


def test_costs_of_a_round_trip_are_shares_of_its_two_notionals() -> None:
    facts = native.backtest("sma_cross", SMA, one_symbol(), Costs(0.0, 10.0, 5.0), Decimal(10_000))
    for trade in facts.trades[:20]:
        turnover = trade["qty"] * (trade["entry_price"] + trade["exit_price"])
        assert trade["net_pnl_usd"] == pytest.approx(trade["gross_pnl_usd"] - turnover * 15e-4, abs=1e-9)
    assert facts.fees_usd == pytest.approx(2 * facts.slippage_usd, rel=1e-9)
    assert facts.fees_usd == pytest.approx(facts.fills["fee_usd"].sum())


def test_equity_days_and_fills_tell_one_story() -> None:
    bars = native.generate(market())
    facts = native.backtest("market_making", defaults("market_making"), bars, Costs(), Decimal(10_000))
    assert len(facts.equity_usd) == len(np.unique(bars.closed_at_ns))
    assert facts.daily_pnl_usd.sum() == pytest.approx(facts.net_pnl_usd)
    assert facts.equity_usd[-1] == pytest.approx(10_000 + facts.net_pnl_usd)
    signed = facts.fills["side"] * facts.fills["qty"]
    cash = -(signed * facts.fills["price"]).sum() - facts.fees_usd - facts.slippage_usd
    last = [bars.close[bars.symbol == k][-1] for k in (0, 1)]
    held = sum(signed[facts.fills["symbol"] == k].sum() * price for k, price in enumerate(last))
    assert facts.net_pnl_usd == pytest.approx(cash + held, abs=1e-6)


def test_a_day_ends_at_midnight_in_seoul_and_its_last_close_belongs_to_it() -> None:
    bars = one_symbol(n=3 * 1440)
    facts = native.backtest("sma_cross", SMA, bars, FREE, Decimal(10_000))
    offset = native.KST_OFFSET_NS
    assert list(facts.days) == sorted({int((t - 1 + offset) // native.DAY_NS) for t in bars.closed_at_ns})
    boundary = (int(facts.days[0]) + 1) * native.DAY_NS - offset
    at_midnight = facts.equity_usd[facts.equity_at_ns == boundary]
    assert facts.daily_pnl_usd[0] == pytest.approx(at_midnight[0] - 10_000)


def test_bars_before_trade_from_warm_up_and_are_not_traded() -> None:
    bars = one_symbol()
    start = int(bars.closed_at_ns[999])
    facts = native.backtest("sma_cross", SMA, bars, FREE, Decimal(10_000), trade_from_ns=start)
    assert facts.n_bars == 2000
    assert facts.equity_at_ns[0] > start
    assert facts.fills["at_ns"].min() >= start


def test_times_of_the_curve_are_the_closes_of_the_bars_and_cannot_be_written() -> None:
    bars = one_symbol()
    whole = native.backtest("sma_cross", SMA, bars, FREE, Decimal(10_000))
    assert np.array_equal(whole.equity_at_ns, bars.closed_at_ns)
    start = int(bars.closed_at_ns[999])
    later = native.backtest("sma_cross", SMA, bars, FREE, Decimal(10_000), trade_from_ns=start)
    assert np.array_equal(later.equity_at_ns, bars.closed_at_ns[1000:]) and len(later.equity_usd) == 2000
    never = native.backtest("sma_cross", SMA, bars, FREE, Decimal(10_000), trade_from_ns=int(bars.closed_at_ns[-1]))
    assert len(never.equity_at_ns) == len(never.equity_usd) == 0
    with pytest.raises(ValueError, match="read-only"):
        whole.equity_at_ns[0] = 0
    assert bars.closed_at_ns.flags.writeable, "only the view is closed"


def test_two_symbols_share_one_curve_with_a_mark_at_each_distinct_close() -> None:
    bars = native.generate(market())
    facts = native.backtest("sma_cross", SMA, bars, FREE, Decimal(10_000))
    assert np.array_equal(facts.equity_at_ns, np.unique(bars.closed_at_ns))


def test_a_sweep_gives_what_single_backtests_give_in_the_order_asked() -> None:
    bars = native.generate(market())
    candidates = [{**defaults("market_making"), "spread_threshold": float(s)} for s in (90, 30, 60)]
    swept = native.sweep("market_making", candidates, bars, Costs(), Decimal(10_000))
    for params, facts in zip(candidates, swept, strict=True):
        single = native.backtest("market_making", params, bars, Costs(), Decimal(10_000))
        assert facts.params_sha256 == single.params_sha256
        assert np.array_equal(facts.daily_pnl_usd, single.daily_pnl_usd)
        assert facts.n_trades == single.n_trades == len(single.trades)
        assert len(facts.trades) == len(facts.equity_usd) == 0


def test_the_same_specification_gives_the_same_market_and_another_seed_another() -> None:
    first, again, other = (native.generate(market(seed=s)) for s in (5, 5, 6))
    assert np.array_equal(first.close, again.close)
    assert not np.array_equal(first.close, other.close)
    assert all(a <= b for a, b in pairwise(zip(first.closed_at_ns, first.symbol, strict=True)))


def test_limits_are_enforced_in_a_backtest_too() -> None:
    tight = Limits(Decimal(1), Decimal(1), Decimal(1), 100.0)
    facts = native.backtest("sma_cross", SMA, one_symbol(), FREE, Decimal(10_000), limits=tight)
    assert facts.n_fills == 0


def test_parameters_have_one_hash_and_bad_ones_are_refused_by_name() -> None:
    good = defaults("momentum_scalping")
    assert native.validate_params("momentum_scalping", good) == native.validate_params(
        "momentum_scalping", dict(reversed(good.items()))
    )
    for change, expected in (
        ({"stop_loss": 99.0}, "outside 0.5 to 8"),
        ({"stop_loss": 2.03}, "not on its grid"),
        ({"leverage": 3.0}, "no parameter 'leverage'"),
    ):
        with pytest.raises(BadInput, match=expected):
            native.validate_params("momentum_scalping", {**good, **change})
    with pytest.raises(BadInput, match="unknown strategy 'hodl'"):
        native.validate_params("hodl", {})


def test_a_bad_bar_is_refused_with_its_row() -> None:
    bars = one_symbol(50)
    broken = bars.high.copy()
    broken[7] = np.nan
    with pytest.raises(BadInput, match="row 7: .*high NaN"):
        native.backtest("sma_cross", SMA, replace(bars, high=broken), FREE, Decimal(10_000))
    with pytest.raises(BadInput, match="row 1: .*sort by close"):
        backwards = replace(bars, closed_at_ns=bars.closed_at_ns[::-1], opened_at_ns=bars.opened_at_ns[::-1])
        native.backtest("sma_cross", SMA, backwards, FREE, Decimal(10_000))
    with pytest.raises(BadInput, match="column 'open' holds 49 rows"):
        native.backtest("sma_cross", SMA, replace(bars, open=bars.open[1:]), FREE, Decimal(10_000))


def test_what_cannot_be_asked_is_refused_by_field() -> None:
    bars = one_symbol(50)
    with pytest.raises(BadInput, match="taker_fee_bps"):
        native.backtest("sma_cross", SMA, bars, Costs(0.0, -1.0, 0.0), Decimal(10_000))
    with pytest.raises(BadInput, match="capital 0 must be above zero"):
        native.backtest("sma_cross", SMA, bars, FREE, Decimal(0))
    with pytest.raises(BadInput, match="candidate 1"):
        native.sweep("sma_cross", [SMA, {**SMA, "fast": 50.0}], bars, FREE, Decimal(10_000))
    with pytest.raises(BadInput, match="bounce_bps"):
        native.generate(market(bounce_bps=-1.0))
    with pytest.raises(BadInput, match="no number"):
        native.backtest("sma_cross", {**SMA, "fast": float("nan")}, bars, FREE, Decimal(10_000))


def test_a_feed_holds_every_bar(tmp_path: Path) -> None:
    bars = native.generate(market(n_bars=20))
    native.write_feed(tmp_path / "feed.npy", bars)
    records = np.load(tmp_path / "feed.npy")
    assert records.dtype == native.FEED_DTYPE
    assert np.array_equal(records["close"], bars.close)
    assert [p.name for p in tmp_path.iterdir()] == ["feed.npy"]


def test_schemas_describe_every_strategy() -> None:
    schemas = native.load_schemas()
    assert {"market_making", "momentum_scalping", "sma_cross"} <= set(schemas)
    assert schemas["sma_cross"]["properties"]["fast"]["x-unit"] == "bars"


def defaults(strategy: str) -> dict[str, float]:
    return {name: entry["default"] for name, entry in native.load_schemas()[strategy]["properties"].items()}


def test_a_market_that_turns_is_the_same_up_to_there() -> None:
    stays, turns = native.generate(market(n_bars=400)), native.generate(market(n_bars=400, turn=MarketTurn(200, 0.0)))
    n = 200 * len(stays.symbols)
    assert np.array_equal(stays.close[:n], turns.close[:n])
    assert not np.array_equal(stays.close[n:], turns.close[n:])
    with pytest.raises(BadInput, match=r"turn\.bounce_bps"):
        native.generate(market(turn=MarketTurn(1, -1.0)))
