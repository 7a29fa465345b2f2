"""Station 8, and the market on which a search must find what was planted."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pytest

from core import native
from core.errors import BadInput
from core.native import Bars, Costs, MarketSpec, MarketSymbol
from strategies.backtest import BacktestRequest, bars_sha256, run

CAPITAL_USD = Decimal(10_000)


def planted_market(days: int, **over: float) -> Bars:
    symbols = (
        MarketSymbol("BTCUSDT", Decimal("0.1"), Decimal("0.001"), Decimal(60_000)),
        MarketSymbol("ETHUSDT", Decimal("0.01"), Decimal("0.001"), Decimal(3_000)),
        MarketSymbol("SOLUSDT", Decimal("0.01"), Decimal("0.01"), Decimal(150)),
    )
    spec = MarketSpec(
        seed=1, n_bars=days * 96, bar_ms=900_000, start_ns=1_600_041_600_000_000_000, symbols=symbols, **over
    )
    return native.generate(spec)


def changed(strategy: str, **values: float) -> dict[str, float]:
    properties = native.load_schema(strategy)["properties"]
    return {name: entry["default"] for name, entry in properties.items()} | values


def information_ratio(candidate: npt.NDArray[np.float64], incumbent: npt.NDArray[np.float64]) -> float:
    """Annualised, of the daily difference after the candidate is scaled to the incumbent's volatility."""
    difference = candidate * (incumbent.std() / candidate.std()) - incumbent
    return float(difference.mean() / difference.std(ddof=1) * np.sqrt(365))


def request(bars: Bars, **over: object) -> BacktestRequest:
    incumbent = changed("market_making")
    candidate = changed("market_making", spread_threshold=45.0)
    base = BacktestRequest("market_making", candidate, incumbent, bars, Costs(), CAPITAL_USD)
    return replace(base, **over)  # type: ignore[arg-type]


def test_both_live_through_the_same_days_and_the_data_is_named() -> None:
    bars = planted_market(days=5)
    pair = run(request(bars))
    assert np.array_equal(pair.candidate.days, pair.incumbent.days)
    assert pair.candidate.params_sha256 != pair.incumbent.params_sha256
    assert pair.bars_sha256 == bars_sha256(planted_market(days=5))


def test_the_hash_of_the_bars_changes_with_one_price() -> None:
    bars = planted_market(days=2)
    close = bars.close.copy()
    close[3] = bars.high[3] if bars.close[3] != bars.high[3] else bars.low[3]
    assert bars_sha256(replace(bars, close=close)) != bars_sha256(bars)


def test_the_same_request_gives_the_same_facts() -> None:
    first, second = (run(request(planted_market(days=5))) for _ in range(2))
    assert np.array_equal(first.candidate.equity_usd, second.candidate.equity_usd)
    assert first.candidate.fills.tobytes() == second.candidate.fills.tobytes()


def test_parameters_off_the_schema_never_reach_a_backtest() -> None:
    with pytest.raises(BadInput, match="spread_threshold"):
        run(request(planted_market(days=1), candidate=changed("market_making", spread_threshold=1.0)))


@pytest.mark.parametrize(
    ("strategy", "parameter", "better", "worse", "at_least"),
    [("market_making", "spread_threshold", 45.0, 75.0, 5.0), ("momentum_scalping", "entry_threshold", 1.8, 1.2, 3.0)],
)
def test_a_quarter_step_towards_the_planted_optimum_wins_and_one_away_loses(
    strategy: str, parameter: str, better: float, worse: float, at_least: float
) -> None:
    bars = planted_market(days=730)
    candidates = [changed(strategy, **{parameter: value}) for value in (better, worse)]
    facts = native.sweep(strategy, [changed(strategy), *candidates], bars, Costs(), CAPITAL_USD)
    incumbent, towards, away = (f.daily_pnl_usd for f in facts)
    assert information_ratio(towards, incumbent) >= at_least
    assert information_ratio(away, incumbent) < 0


def test_without_the_planted_bounce_a_narrow_spread_only_pays_fees() -> None:
    bars = planted_market(days=200, bounce_bps=0.0, burst_strength=0.0)
    narrow = native.backtest(
        "market_making", changed("market_making", spread_threshold=36.0), bars, Costs(), CAPITAL_USD
    )
    assert narrow.net_pnl_usd < 0
