"""What the engine did: trades, signals, equity."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

Side = Literal["buy", "sell"]
Mode = Literal["live", "canary", "shadow", "twin"]
MISSING: Literal["missing"] = "missing"


@dataclass(frozen=True, slots=True)
class Execution:
    """One end of a trade. Prices in quote currency, costs in quote currency for the closed quantity."""

    decision_price: Decimal
    arrival_price: Decimal
    fill_price: Decimal
    decided_at: datetime
    filled_at: datetime
    liquidity: Literal["maker", "taker"]
    fee_usd: Decimal
    slippage_usd: Decimal

    @property
    def execution_ms(self) -> float:
        """Milliseconds from decision to fill."""
        return (self.filled_at - self.decided_at).total_seconds() * 1000


@dataclass(frozen=True, slots=True)
class Indicators:
    """Indicators at the entry decision; None until warmed up."""

    rsi: float | None = None
    macd: float | None = None
    macd_signal: float | None = None
    bollinger_upper: float | None = None
    bollinger_lower: float | None = None
    ema_fast: float | None = None
    ema_slow: float | None = None
    atr: float | None = None


@dataclass(frozen=True, slots=True)
class Conditions:
    """The market at the entry decision; None where it was not known."""

    volatility_bps: float | None = None
    volume_ratio: float | None = None
    trend_bps: float | None = None
    sentiment: float | None = None


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Implementation shortfall after Perold (1988) in quote currency, split. Above zero is a cost; fees stand apart."""

    delay_usd: Decimal
    """From the decision to the arrival at the venue."""
    spread_usd: Decimal
    """Half spread paid at arrival; zero where no book was known."""
    impact_usd: Decimal
    """The rest of the distance between arrival and fill."""
    opportunity_usd: Decimal
    """What the quantity that was not filled would have made."""

    @property
    def total_usd(self) -> Decimal:
        """Sum of the four."""
        return self.delay_usd + self.spread_usd + self.impact_usd + self.opportunity_usd


@dataclass(frozen=True, slots=True)
class Trade:
    """A closed round trip, after costs. `params_version` made the entry."""

    trade_id: str
    instance_id: str
    strategy: str
    mode: Mode
    params_version: int
    params_sha256: str
    symbol: str
    side: Side
    qty: Decimal
    signal_strength: float
    entry: Execution
    exit: Execution
    exit_reason: str
    gross_pnl_usd: Decimal
    net_pnl_usd: Decimal
    indicators: Indicators
    conditions: Conditions
    book: str
    """JSON of the book snapshot, or `missing` where the market data hold none."""
    advice_id: str | None
    krw_per_usd: Decimal
    """Rate of that moment; the settings' fallback when none was fresh."""
    krw_rate_stale: bool
    shortfall: Shortfall | None = None
    """Of both ends together; None for a trade stored before the engine told it."""

    @property
    def closed_at(self) -> datetime:
        """When the trade closed, UTC."""
        return self.exit.filled_at

    @property
    def notional_usd(self) -> Decimal:
        """Entry notional in quote currency."""
        return self.qty * self.entry.fill_price

    @property
    def shortfall_bps(self) -> float | None:
        """Shortfall over the entry notional, in bps; None where it was not told."""
        return None if self.shortfall is None else float(self.shortfall.total_usd / self.notional_usd) * 1e4


@dataclass(frozen=True, slots=True)
class SignalRecord:
    """A wish to open, taken or not; holds what a replay of it needs."""

    signal_id: str
    instance_id: str
    strategy: str
    symbol: str
    side: Side
    strength: float
    at: datetime
    price: Decimal
    qty: Decimal
    params_version: int
    outcome: str
    """`taken`, or the rule that stopped it."""
    indicators: Indicators
    conditions: Conditions


@dataclass(frozen=True, slots=True)
class EquityPoint:
    """Equity of one instance at a time, in quote currency."""

    instance_id: str
    strategy: str
    mode: Mode
    at: datetime
    capital_usd: Decimal
    """In use: the instance's own times its share then. It moves with the share, which is no profit."""
    equity_usd: Decimal
    gross_notional_usd: Decimal
    costs_usd: Decimal
    params_version: int
    positions: dict[str, Decimal]
    prices: dict[str, Decimal]


@dataclass(frozen=True, slots=True)
class PerformanceRecord:
    """What one instance made of one prediction."""

    feedback_id: str
    prediction_id: str
    instance_id: str
    symbol: str
    outcome: str
    """`taken`, or why not: stale, expired, future, low_confidence, wrong_horizon, neutral, busy, refused."""
    received_at: datetime
    at: datetime
    side: Side | None
    """Side traded; None when nothing was."""
    qty: Decimal
    decision_price: Decimal | None
    mean_fill_price: Decimal | None
    shortfall: Shortfall | None
    """Of getting in; None when nothing was ordered."""
    realised_move_bps: float | None
    """Move of the price over the horizon, above zero for a rise; None when the horizon was not lived to its end."""
    params_version: int
    simulated: bool

    @property
    def aligned_move_bps(self) -> float | None:
        """The move in the direction traded, in bps; None where either is not known."""
        if self.side is None or self.realised_move_bps is None:
            return None
        return self.realised_move_bps if self.side == "buy" else -self.realised_move_bps
