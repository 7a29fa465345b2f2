"""A strategy as data through Python, and sweeps: the fast way gives the facts of the slow one on recorded candles."""

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import native
from core.clock import SystemClock
from core.errors import BadInput
from core.native import Bars, Costs, Limits
from market.bars import BarArchive
from market.importer import import_ohlcv
from strategies.schema import default_params, strategy_names
from tests.candle_factory import csv_lines, walk, write_csv

CAPITAL = Decimal(10_000)
UNBOUNDED = Limits(Decimal(10**9), Decimal(10**9), Decimal(10**9), 10_000.0)
"""Limits that nothing reaches; a sweep under limits is played bar by bar."""
CROSS = json.dumps(
    {
        "name": "sma-cross",
        "entry_long": {"above": [{"sma": {"window": 20}}, {"sma": {"window": 50}}]},
        "exit_long": {"at_most": [{"sma": {"window": 20}}, {"sma": {"window": 50}}]},
    }
)


def load(archive: BarArchive) -> Bars:
    start_at, end_at = archive.span()
    return archive.load(archive.symbols(), start_at, end_at)


@pytest.fixture(scope="module")
def candles(tmp_path_factory: pytest.TempPathFactory) -> Bars:
    folder = tmp_path_factory.mktemp("walk")
    archive = BarArchive(folder / "bars", SystemClock())
    import_ohlcv(archive, write_csv(folder / "a_BTCUSDT.csv", csv_lines(walk(3000))), "BTCUSDT")
    return load(archive)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Bars:
    """Recorded candles of a quarter of an hour; their place is named by XCRACK_DATA_DIR."""
    named = os.environ.get("XCRACK_DATA_DIR", "")
    if not named and os.environ.get("CI") == "true":
        pytest.fail("XCRACK_DATA_DIR names no folder of recorded data")
    if not named:
        pytest.skip("XCRACK_DATA_DIR is not set: no recorded data to test with")
    archive = BarArchive(tmp_path_factory.mktemp("recorded") / "bars", SystemClock())
    for symbol in ("BTCUSDT", "ETHUSDT"):
        import_ohlcv(archive, Path(named) / "ohlcv" / f"binance_perp_15m_{symbol}.parquet", symbol)
    return load(archive)


def test_a_crossing_as_data_makes_the_trades_of_the_crossing_written_by_hand(candles: Bars) -> None:
    by_hand = {"fast": 20.0, "slow": 50.0, "size": 2.0}
    expected = native.backtest("sma_cross", by_hand, candles, Costs(), CAPITAL)
    params = default_params("rules") | {"size": 2.0}
    facts = native.backtest("rules", params, candles, Costs(), CAPITAL, rules=CROSS)
    assert facts.n_trades > 10
    # Their sizes have other units, base currency there and a share of the capital here.
    for column in ("entry_at_ns", "exit_at_ns", "side", "entry_price", "exit_price"):
        assert facts.trades[column].tolist() == expected.trades[column].tolist(), column
    assert facts.params_sha256 == native.validate_params("rules", params, CROSS)
    [swept] = native.sweep("rules", [params], candles, Costs(), CAPITAL, rules=CROSS)
    assert (swept.path, swept.net_pnl_usd, swept.params_sha256) == ("event", facts.net_pnl_usd, facts.params_sha256)


def test_rules_where_they_do_not_belong_and_none_where_they_do_are_refused(candles: Bars) -> None:
    params = default_params("rules")
    with pytest.raises(BadInput, match="has no rules to follow"):
        native.backtest("rules", params, candles, Costs(), CAPITAL)
    with pytest.raises(BadInput, match="takes no rules"):
        native.backtest("sma_cross", default_params("sma_cross"), candles, Costs(), CAPITAL, rules=CROSS)
    with pytest.raises(BadInput, match=r"rules at \$: not a rule set"):
        native.backtest("rules", params, candles, Costs(), CAPITAL, rules="{")


@pytest.mark.parametrize("strategy", ["predictive", "micro_arbitrage", "liquidation"])
def test_what_bars_say_nothing_about_is_refused_and_not_played_without_trades(strategy: str, candles: Bars) -> None:
    for play in (
        lambda: native.backtest(strategy, default_params(strategy), candles, Costs(), CAPITAL),
        lambda: native.sweep(strategy, [default_params(strategy)], candles, Costs(), CAPITAL),
    ):
        with pytest.raises(BadInput, match=f"'{strategy}' decides on"):
            play()


def facts_of(found: native.BacktestFacts) -> dict[str, Any]:
    names = ("n_bars", "n_fills", "n_trades", "n_wins", "fees_usd", "slippage_usd", "net_pnl_usd", "params_sha256")
    return {name: getattr(found, name) for name in names}


@pytest.mark.parametrize(
    ("strategy", "grid"),
    [
        ("sma_cross", {"fast": (5.0, 12.0), "slow": (30.0, 90.0), "size": (2.0,)}),
        ("momentum_scalping", {"lookback": (5.0, 20.0), "entry_threshold": (1.0, 2.0), "stop_loss": (1.0, 3.0)}),
    ],
)
def test_a_batch_gives_the_facts_of_the_event_form_on_recorded_candles(
    strategy: str, grid: dict[str, tuple[float, ...]], recorded: Bars
) -> None:
    points = np.array(np.meshgrid(*grid.values())).reshape(len(grid), -1).T.tolist()
    candidates = [default_params(strategy) | dict(zip(grid, point, strict=True)) for point in points]
    batch = native.sweep(strategy, candidates, recorded, Costs(), CAPITAL)
    event = native.sweep(strategy, candidates, recorded, Costs(), CAPITAL, UNBOUNDED)
    assert {each.path for each in batch} == {"batch"} and {each.path for each in event} == {"event"}
    assert min(each.n_trades for each in batch) > 50
    for quick, slow, params in zip(batch, event, candidates, strict=True):
        assert facts_of(quick) == facts_of(slow), params
        assert quick.days.tolist() == slow.days.tolist()
        assert quick.daily_pnl_usd.tolist() == slow.daily_pnl_usd.tolist()
    # One of them trade by trade: the batch's counts and sums are those of the rows that a single backtest keeps.
    rows = native.backtest(strategy, candidates[0], recorded, Costs(), CAPITAL)
    assert (len(rows.trades), len(rows.fills)) == (batch[0].n_trades, batch[0].n_fills)
    assert int((rows.trades["net_pnl_usd"] > 0).sum()) == batch[0].n_wins
    assert rows.daily_pnl_usd.tolist() == batch[0].daily_pnl_usd.tolist()


def test_only_what_a_batch_can_do_is_played_by_one(candles: Bars) -> None:
    for strategy in strategy_names():
        if strategy in ("sma_cross", "momentum_scalping", "market_making"):
            [played] = native.sweep(strategy, [default_params(strategy)], candles, Costs(), CAPITAL)
            assert played.path == ("event" if strategy == "market_making" else "batch")
