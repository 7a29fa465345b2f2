"""Station 8, and the market on which a search must find what was planted."""

from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pytest

from core import native
from core.errors import BadInput
from core.native import Bars, Costs, MarketSpec, MarketSymbol
from core.settings_sections import CostSettings
from strategies import backtest
from strategies.schema import default_params

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
    return default_params(strategy) | values


def information_ratio(candidate: npt.NDArray[np.float64], incumbent: npt.NDArray[np.float64]) -> float:
    """Annualised, of the daily difference after the candidate is scaled to the incumbent's volatility."""
    difference = candidate * (incumbent.std() / candidate.std()) - incumbent
    return float(difference.mean() / difference.std(ddof=1) * np.sqrt(365))


def play(params: dict[str, float], days: int = 5, trade_from_ns: int = 0) -> backtest.DailyFacts:
    bars = planted_market(days)
    return backtest.run("market_making", params, bars, CostSettings(), CAPITAL_USD, trade_from_ns)


def test_candidate_and_incumbent_live_through_the_same_days_and_differ_in_trades() -> None:
    incumbent, candidate = play(changed("market_making")), play(changed("market_making", spread_threshold=45.0))
    assert np.array_equal(candidate.days, incumbent.days)
    assert candidate.trades != incumbent.trades


def test_the_same_input_gives_the_same_facts() -> None:
    first, second = (play(changed("market_making")) for _ in range(2))
    assert first.pnl_usd.tobytes() == second.pnl_usd.tobytes()
    assert first.trades == second.trades and len(first.trades) == first.n_trades > 0


def test_a_sweep_makes_what_single_runs_make() -> None:
    several = [changed("market_making"), changed("market_making", spread_threshold=45.0)]
    swept = backtest.sweep("market_making", several, planted_market(days=5), CostSettings(), CAPITAL_USD)
    assert [facts.pnl_usd.tolist() for facts in swept] == [play(params).pnl_usd.tolist() for params in several]


def test_nothing_is_traded_before_the_warm_up_has_ended() -> None:
    start_ns = int(planted_market(days=5).closed_at_ns[3 * 96 * 3])
    traded = play(changed("market_making"), trade_from_ns=start_ns)
    assert traded.n_trades > 0 and all(entry_at_ns > start_ns for entry_at_ns, *_ in traded.trades)


def test_parameters_off_the_schema_never_reach_a_backtest() -> None:
    with pytest.raises(BadInput, match="spread_threshold"):
        play(changed("market_making", spread_threshold=1.0), days=1)


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
