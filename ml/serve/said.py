"""What serving gives: one value for a symbol, an interval and a closed bar, or the reason why there is none."""

from dataclasses import dataclass

from core.model.prediction import PredictionSet
from ml.explain import Reason


@dataclass(frozen=True, slots=True)
class Member:
    """What one expert of the bundle said of the bar."""

    name: str
    probability: float | None
    """Calibrated, of class 1; None where it is left out."""
    weight: float
    """In the mixture, beside what fixed share, mean and stack carry; 0 where nothing was mixed."""
    left_out: str = ""
    """Why it was left out of this bar."""


@dataclass(frozen=True, slots=True)
class Said:
    """One answer of one bundle. `silence` is empty for a prediction that may be acted on."""

    symbol: str
    interval_ms: int
    at_ms: int
    """Close of the bar."""
    close: float
    """Closing price of it."""
    model_sha256: str
    """The one bundle that answered."""
    task: str
    horizon_ms: int
    probability: float | None
    """Of class 1, after calibration and mixing; None where nobody could say."""
    side: PredictionSet | None
    """The conformal set; None without a probability."""
    members: tuple[Member, ...]
    reasons: tuple[Reason, ...]
    """At most five, the strongest first."""
    silence: str
    """Why this is no signal: nobody could say, or the set is not a single class."""

    @property
    def direction(self) -> float | None:
        """2p - 1: -1 is surely class 0, 1 surely class 1."""
        return None if self.probability is None else 2 * self.probability - 1
