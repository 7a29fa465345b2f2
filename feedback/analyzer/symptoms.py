"""What a day's facts say about one instance, as closed names. Deterministic; thresholds stand here alone."""

from collections.abc import Callable
from dataclasses import dataclass

from core.model.dataset import StrategyResult

LARGE_DRAWDOWN_PCT = 5.0
"""Of the instance's capital within one day: exposure goes down first, causes are studied after."""
MIN_TRADES = 4
"""Fewer round trips than this say nothing about shares."""
RARE_FILLS_PER_SYMBOL = 24
"""A maker that is always quoted and closes less than one round trip an hour stands too far from the price."""
COST_SHARE = 0.5
"""Costs above this share of gross profit leave too little of it."""
STOP_SHARE = 0.55
"""A random walk between a stop at 2 and a target at 3 ends at the stop in 60 % of the cases, at a loss after costs."""
TARGET_SHARE = 0.4
WEAK_WIN_RATE = 0.4
STRONG_WIN_RATE = 0.6


@dataclass(frozen=True, slots=True)
class DayOfInstance:
    """One instance's day in floats, with the shares that the rules look at."""

    result: StrategyResult
    n_symbols: int

    @property
    def n_trades(self) -> int:
        """Closed round trips."""
        return self.result.n_trades

    @property
    def net_usd(self) -> float:
        """P&L of closed trades after costs."""
        return float(self.result.net_pnl_usd)

    @property
    def gross_usd(self) -> float:
        """P&L of closed trades before costs."""
        return float(self.result.gross_pnl_usd)

    @property
    def costs_usd(self) -> float:
        """Fees and slippage."""
        return float(self.result.fees_usd + self.result.slippage_usd)

    @property
    def unrealised_usd(self) -> float:
        """Change of marked equity that closed trades do not explain."""
        return float(self.result.equity_change_usd - self.result.net_pnl_usd)

    @property
    def win_rate(self) -> float:
        """Share of winning trades; 0 without trades, which every rule guards by a count."""
        return self.result.win_rate or 0.0

    def exit_share(self, reason: str) -> float:
        """Share of trades that left by `reason`."""
        return self.result.exit_reasons.get(reason, 0) / self.n_trades if self.n_trades else 0.0

    def exit_pnl_usd(self, reason: str) -> float:
        """Net P&L of the trades that left by `reason`."""
        return self.result.pnl_by_exit_usd.get(reason, 0.0)


Rule = Callable[[DayOfInstance], bool]


def _costs_eat_gross(day: DayOfInstance) -> bool:
    return day.n_trades >= MIN_TRADES and day.gross_usd > 0 and day.costs_usd >= COST_SHARE * day.gross_usd


_DRAWDOWN: tuple[str, Rule] = ("deep_drawdown", lambda d: d.result.max_drawdown_pct >= LARGE_DRAWDOWN_PCT)
_COSTS: tuple[str, Rule] = ("costs_eat_gross", _costs_eat_gross)
_SILENT: tuple[str, Rule] = ("no_trades", lambda d: d.n_trades == 0)
_STOPS: tuple[str, Rule] = (
    "stops_dominate",
    lambda d: d.n_trades >= MIN_TRADES and d.net_usd < 0 and d.exit_share("stop_loss") >= STOP_SHARE,
)
_TARGETS: tuple[str, Rule] = (
    "targets_pay",
    lambda d: d.n_trades >= MIN_TRADES and d.net_usd > 0 and d.exit_share("take_profit") >= TARGET_SHARE,
)

_ANY_STRATEGY = (_DRAWDOWN, _SILENT, _COSTS)

RULES: dict[str, tuple[tuple[str, Rule], ...]] = {
    "market_making": (
        _DRAWDOWN,
        ("quotes_rarely_hit", lambda d: d.n_trades < RARE_FILLS_PER_SYMBOL * d.n_symbols),
        ("adverse_selection", lambda d: d.gross_usd < 0),
        _COSTS,
        ("inventory_loss", lambda d: d.unrealised_usd < 0 and -d.unrealised_usd > abs(d.net_usd)),
        ("quotes_pay", lambda d: d.net_usd > 0 and d.win_rate >= STRONG_WIN_RATE),
    ),
    "momentum_scalping": (
        _DRAWDOWN,
        _SILENT,
        _STOPS,
        _COSTS,
        ("no_edge", lambda d: d.n_trades >= MIN_TRADES and d.gross_usd <= 0),
        _TARGETS,
    ),
    "rules": (_DRAWDOWN, _SILENT, _STOPS, _COSTS, _TARGETS),
    "predictive": _ANY_STRATEGY,
    "micro_arbitrage": _ANY_STRATEGY,
    "liquidation": _ANY_STRATEGY,
    "sma_cross": (
        _DRAWDOWN,
        _SILENT,
        ("whipsaw", lambda d: d.n_trades >= 2 and d.net_usd < 0 and d.win_rate < WEAK_WIN_RATE),
        _COSTS,
    ),
}
"""By strategy, most urgent first."""


def find_symptoms(day: DayOfInstance) -> tuple[str, ...]:
    """Return the names of all symptoms of the day, most urgent first; an unknown strategy gets the general ones."""
    return tuple(name for name, holds in RULES.get(day.result.strategy, _ANY_STRATEGY) if holds(day))
