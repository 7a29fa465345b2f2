"""What models said of a bar and what came of it, as it is kept."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

FUSED = "fused"
"""`interval` of the one view that is made of all intervals."""
Reason = tuple[str, float]
PredictionSet = Literal["up", "down", "both", "none"]
"""Which labels a conformal set holds: only 1, only 0, both, or neither. Only a single one is a signal."""
Algorithm = Literal["immediate", "twap", "vwap", "pov", "iceberg", "almgren_chriss"]
"""How an order is worked, by the engine's names."""


@dataclass(frozen=True, slots=True)
class SaidMember:
    """One expert, or for a fused view one interval."""

    name: str
    probability: float | None
    weight: float
    left_out: str
    """Why it was left out of this bar, or nothing."""


@dataclass(frozen=True, slots=True)
class PredictionOutcome:
    """What came true at the end of the horizon."""

    settled_at: datetime
    move_bps: float
    """Move of the close over the horizon, above zero for a rise."""
    label: int | None
    """1 or 0; None where an unchanged close has none."""
    is_hit: bool | None
    """Whether the side that was thought likelier came true; None without a label."""


@dataclass(frozen=True, slots=True)
class PredictionRecord:
    """One prediction, sent or not. Numbers are those of the message `prediction`."""

    prediction_id: str
    symbol: str
    interval: str
    """`1m`, `5m`, `15m`, `1h`, …, or `fused`."""
    task: str
    threshold: float
    """Of the label, where it has one, else 0."""
    at: datetime
    """Close of the bar that it rests on."""
    due_at: datetime
    """When the outcome is known."""
    horizon_bars: int
    model: str
    model_sha256: str
    feature_schema: str
    trained_until: datetime
    """Close of the last bar that the model had seen when it was fitted and chosen."""
    close: float
    probability: float
    """Of label 1: a rise, or a big move."""
    prior: float
    """What the prior said at the same time."""
    side: PredictionSet
    direction: float
    confidence: float
    expected_move_bps: float
    expected_volatility_bps: float | None
    regime: str | None
    recommended_strategy: Algorithm
    strategy_params: dict[str, float]
    is_sent: bool
    """Whether it was offered to the engine; `silence` says why not."""
    silence: str
    members: tuple[SaidMember, ...]
    reasons: tuple[Reason, ...]
    outcome: PredictionOutcome | None = None

    @property
    def horizon_ms(self) -> int:
        """From the bar's close to where the outcome is known."""
        return round((self.due_at - self.at).total_seconds() * 1000)
