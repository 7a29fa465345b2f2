"""A model in shadow beside the one that serves: what both said, and what that proves so far."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Pair:
    """What both models said of one bar whose label is not known yet."""

    symbol: str
    at_ms: int
    """Close of the bar, UTC milliseconds."""
    close: float
    first: float
    """Probability of label 1 by the model that serves."""
    second: float
    """By the one in shadow."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How one of the two did, by the bars that counted."""

    n: int = 0
    """Labels; of one bar as many as symbols."""
    n_hits: int = 0
    total_loss: float = 0.0
    """Sum of log losses in nats, probabilities clipped to [0.0001, 0.9999]."""


@dataclass(frozen=True, slots=True)
class ModelTrial:
    """One comparison, as it is kept."""

    slot: str
    incumbent: str
    """SHA-256 of the model that serves."""
    challenger: str
    """SHA-256 of the one in shadow."""
    began_at_ms: int
    """Bars that closed later count."""
    reached_ms: int
    """Close of the newest bar that was taken; none is taken twice."""
    for_challenger: dict[str, Any] = field(default_factory=dict)
    """As `ml.online.comparison.Evidence` writes it; empty before the first bar."""
    for_incumbent: dict[str, Any] = field(default_factory=dict)
    first: Tally = field(default_factory=Tally)
    second: Tally = field(default_factory=Tally)
    waiting: tuple[Pair, ...] = ()
