"""Watching a model that serves: what its labels and features showed so far, what was found, and what it asks for."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

DriftKind = Literal["error", "calibration", "features"]
RetrainReason = Literal["drift", "weekly"]


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the experts said of a bar whose label is not known yet."""

    symbol: str
    at_ms: int
    """Close of the bar, UTC milliseconds."""
    close: float
    probability: float
    """Of the experts, by their even mean."""
    said: float | None = None
    """Of the mixture, which is what was said."""


@dataclass(frozen=True, slots=True)
class ModelWatch:
    """One model under watch, as it is kept."""

    model_id: str
    slot: str
    symbols: tuple[str, ...]
    threshold: float
    """Of the label where it has one, else 0."""
    has_reference: bool
    """Whether its bundle says how the training rows lay; without it its features are not watched."""
    reached_ms: int = 0
    """Close of the newest bar that was taken; none is taken twice."""
    n_scored: int = 0
    """Bars whose labels counted."""
    window: dict[str, Any] = field(default_factory=dict)
    """As `ml.online.adwin.Adwin` writes it; empty before the first."""
    told_ms: int = 0
    """When losses that rose were found last."""
    calibration: dict[str, Any] = field(default_factory=dict)
    """The window of stated confidence less what came true, scaled to 0 to 1; empty before the first."""
    calibration_told_ms: int = 0
    """When confidence that went astray was found last."""
    waiting: tuple[Waiting, ...] = ()
    n_blocks: int = 0
    """Blocks of features that were judged."""
    block: int = -1
    """The newest of them."""
    is_shifted: bool = False
    """Whether it lay outside the training."""
    index: float | None = None
    """Its largest mean population stability index, beside the limit of that symbol."""
    limit: float | None = None

    @property
    def command(self) -> str:
        """The command that trains the next model of this kind on the archive's bars."""
        task, horizon, interval = self.slot.split(":")
        asked = f"xcrack train --symbols {','.join(self.symbols)} --interval {interval} --task {task}"
        return f"{asked} --lookahead {horizon}" + (f" --threshold {self.threshold:g}" if self.threshold else "")


@dataclass(frozen=True, slots=True)
class DriftFinding:
    """Found once for a model, kind and onset, and never changed."""

    model_id: str
    slot: str
    kind: DriftKind
    onset: datetime
    """Not before this time: of `features` the block's begin, else that of the window that ADWIN keeps."""
    found_at: datetime
    """Close of the bar at which it was known."""
    before: float
    """Of `error` the mean loss before, 0 to 1; of `calibration` the mean confidence less the share that came true; of
    `features` the largest index among training blocks."""
    after: float
    """The same since the onset."""
    columns: tuple[str, ...] = ()
    """Features that moved most."""


@dataclass(frozen=True, slots=True)
class RetrainingRequest:
    """Somebody should train; answered by the next version of the slot."""

    request_id: str
    slot: str
    model_id: str
    reason: RetrainReason
    at: datetime
    command: str
