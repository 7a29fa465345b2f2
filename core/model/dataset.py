"""The day as the analyzer sees it. Every number here was computed by code from stored rows."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from core.model.market import MarketContext
from core.model.news import NewsCount
from core.model.trade import Trade


@dataclass(frozen=True, slots=True)
class StrategyResult:
    """One instance's day. Money in USD; percentages of the instance's capital."""

    instance_id: str
    strategy: str
    params_version: int
    params: dict[str, float]
    n_trades: int
    n_wins: int
    net_pnl_usd: Decimal
    gross_pnl_usd: Decimal
    fees_usd: Decimal
    slippage_usd: Decimal
    equity_change_usd: Decimal
    """Change of marked equity over the day: realised and unrealised."""
    max_drawdown_pct: float
    n_signals: int
    n_signals_rejected: int
    reject_reasons: dict[str, int]
    exit_reasons: dict[str, int]
    pnl_by_exit_usd: dict[str, float]

    @property
    def win_rate(self) -> float | None:
        """Share of trades with a profit after costs; None without trades."""
        return self.n_wins / self.n_trades if self.n_trades else None


@dataclass(frozen=True, slots=True)
class MarketPhase:
    """A stretch of hours under one regime."""

    symbol: str
    start_at: datetime
    end_at: datetime
    regime: str
    """calm, trend_up, trend_down or turbulent."""
    return_bps: float
    volatility_bps: float


@dataclass(frozen=True, slots=True)
class MissedOpportunity:
    """A signal not taken or a move not caught; `replay` holds the arguments of `xcrack replay` that show it again."""

    kind: str
    """`rejected_signal` or `uncaught_move`."""
    symbol: str
    at: datetime
    side: str
    move_bps: float
    """What the price did over the horizon, in the signal's direction."""
    horizon_minutes: int
    reason: str
    signal_id: str | None
    replay: str


@dataclass(frozen=True, slots=True)
class DaySummary:
    """Totals of one day over all live instances."""

    on: date
    n_trades: int
    n_wins: int
    net_pnl_usd: Decimal
    fees_usd: Decimal
    slippage_usd: Decimal
    equity_change_usd: Decimal


@dataclass(frozen=True, slots=True)
class FeedbackCount:
    """How many notes of one tag were left on one target. Their text stays out."""

    target_kind: str
    target_id: str
    tag: str
    n: int


@dataclass(frozen=True, slots=True)
class RefutedEdit:
    """A change that was tried and failed; the proposer sees it and a repeat is refused."""

    strategy: str
    param: str
    from_value: float
    to_value: float
    state: str
    stage: str
    on: date
    proposal_id: str = ""
    """Where it comes from; empty in datasets from before that was kept."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What trades of earlier weeks taught, settled by a test on days that came later. Numbers and closed words."""

    lesson_id: str
    """The pattern rule that it rests on."""
    dimension: str
    bucket: str
    direction: str
    n: int
    mean_bps: float
    hits: int
    misses: int
    learned_on: date
    expires_on: date
    """The last day on which it is told, unless it is seen again."""


@dataclass(frozen=True, slots=True)
class DailyDataset:
    """All of one KST day. `sha256` is over everything else."""

    dataset_id: str
    on: date
    totals: DaySummary
    strategies: tuple[StrategyResult, ...]
    best: tuple[Trade, ...]
    worst: tuple[Trade, ...]
    phases: tuple[MarketPhase, ...]
    missed: tuple[MissedOpportunity, ...]
    context: MarketContext
    last_days: tuple[DaySummary, ...]
    """Up to seven earlier days, oldest first."""
    feedback: tuple[FeedbackCount, ...]
    refuted: tuple[RefutedEdit, ...]
    parity_gap_usd: float | None
    """Live minus backtest of the same day with the same parameters; None when it cannot be computed."""
    data_quality: tuple[str, ...]
    sha256: str
    news: tuple[NewsCount, ...] = ()
    """Of the 24 hours up to the day's end, by asset and event."""
    lessons: tuple[Lesson, ...] = ()
