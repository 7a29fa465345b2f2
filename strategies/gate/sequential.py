"""Evidence on the daily difference d that may be looked at every day: e-process, e-detector, confidence sequence.

Each is a frozen state that a day's d turns into the next one, and a function over whole series that gives the same.
Bets are on x = d / sigma, where sigma is the deviation of d on the days before: a day never scales itself. Below 60
past days, or while d has not varied, nothing is bet and the figure stands still.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from core.metrics import Series
from strategies.gate.moments import RunningMoments, expanding_moments, moments_of

BETS = (0.015, 0.03, 0.06, 0.12)
"""Shares of the wealth staked per sigma; the figure is the mean over them."""
MIN_PAST_DAYS = 60
CAP = 8.0
"""Gains beyond so many sigma count as so many, which only lowers the wealth."""
FLOOR = -8.0
"""A loss beyond so many sigma ends the claim: with it a bet may lose more than it has, and no bound is left."""
ROUNDING = 1e-9
"""Share of the floor by which a stop at the floor may miss it."""
DRIFT_THRESHOLD = 365.0
"""Of the e-detector: a false alarm no more than about once a year."""
MIN_SEQUENCE_DAYS = 30
TUNED_DAYS = 90
"""Where the confidence sequence is narrowest for its level."""
NOT_A_NUMBER = "a daily difference is not a number"


@dataclass(frozen=True, slots=True)
class EProcess:
    """Evidence that the mean of d is above zero: under "it is not", P(value ever reaches 1/a) is at most a (Ville).

    The bound is for days that lose at most 8 sigma; a stop has to see to that. A deeper loss, or a NaN, refuses for
    good: there is no value any more, and only a new process on new days can make one.
    """

    past: RunningMoments = RunningMoments()
    n_days: int = 0
    log_wealth: tuple[float, ...] = (0.0,) * len(BETS)
    """Natural logarithm, by bet."""
    refusal: str = ""

    @property
    def value(self) -> float | None:
        """Mean wealth over the bets, from 1 at the start; None after a refusal, infinite beyond the range of floats."""
        if self.refusal:
            return None
        if max(self.log_wealth) > 700:
            return math.inf
        return math.fsum(math.exp(wealth) for wealth in self.log_wealth) / len(BETS)

    def is_evidence(self, level: float) -> bool:
        """Return whether the value is at least 1 / level now; a refusal is none."""
        return self.value is not None and self.value >= 1 / level

    def updated(self, d: float) -> "EProcess":
        """Return the process after one more day."""
        if self.refusal:
            return self
        if not math.isfinite(d):
            return replace(self, n_days=self.n_days + 1, refusal=NOT_A_NUMBER)
        x = _score(self.past, d)
        if x < FLOOR * (1 + ROUNDING):
            refusal = f"a day lost {-x:.1f} sigma; the bound holds to {-FLOOR:g}"
            return replace(self, n_days=self.n_days + 1, refusal=refusal)
        wealth = tuple(log + math.log1p(bet * min(x, CAP)) for bet, log in zip(BETS, self.log_wealth, strict=True))
        return EProcess(self.past.updated(d), self.n_days + 1, wealth)


@dataclass(frozen=True, slots=True)
class EDetector:
    """Alarm for a mean of d that has fallen below zero: Shiryaev-Roberts, M = (M + 1)(1 + bet x), x = -d / sigma.

    Shin, Ramdas, Rinaldo 2024: with no fall the mean time to reach a threshold is at least the threshold, in days. A
    gain beyond 8 sigma counts as 8, so a freak of a good day cannot hide what follows; a loss likewise. A NaN refuses
    for good, and a refusal is an alarm.
    """

    past: RunningMoments = RunningMoments()
    n_days: int = 0
    wealth: tuple[float, ...] = (0.0,) * len(BETS)
    """M by bet."""
    refusal: str = ""

    @property
    def value(self) -> float | None:
        """Mean of M over the bets, from 0 at the start; None after a refusal."""
        return None if self.refusal else math.fsum(self.wealth) / len(BETS)

    def is_alarm(self, threshold: float = DRIFT_THRESHOLD) -> bool:
        """Return whether the value is at the threshold now, or cannot be known. After an alarm start anew."""
        return self.value is None or self.value >= threshold

    def updated(self, d: float) -> "EDetector":
        """Return the detector after one more day."""
        if self.refusal:
            return self
        if not math.isfinite(d):
            return replace(self, n_days=self.n_days + 1, refusal=NOT_A_NUMBER)
        x = min(max(-_score(self.past, d), FLOOR), CAP)
        wealth = tuple((m + 1) * (1 + bet * x) for bet, m in zip(BETS, self.wealth, strict=True))
        return EDetector(self.past.updated(d), self.n_days + 1, wealth)


@dataclass(frozen=True, slots=True)
class ConfidenceSequence:
    """Bounds on the mean of d that hold on all days at once, asymptotically, from the 30th day on.

    Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas 2024. A NaN refuses for good.
    """

    moments: RunningMoments = RunningMoments()
    refusal: str = ""

    def interval(self, level: float = 0.05, tuned_days: int = TUNED_DAYS) -> tuple[float, float] | None:
        """Return the two-sided bounds, which ever miss the mean with probability `level`, at most 1/2.

        None below 30 days, without variation, or after a refusal.
        """
        width = self._half_width(level, tuned_days, 2)
        return None if width is None else (self.moments.mean - width, self.moments.mean + width)

    def lower(self, level: float = 0.05, tuned_days: int = TUNED_DAYS) -> float | None:
        """Return the one-sided lower bound, or None."""
        width = self._half_width(level, tuned_days, 1)
        return None if width is None else self.moments.mean - width

    def upper(self, level: float = 0.05, tuned_days: int = TUNED_DAYS) -> float | None:
        """Return the one-sided upper bound, or None."""
        width = self._half_width(level, tuned_days, 1)
        return None if width is None else self.moments.mean + width

    def updated(self, d: float) -> "ConfidenceSequence":
        """Return the sequence after one more day."""
        if self.refusal:
            return self
        if not math.isfinite(d):
            return replace(self, refusal=NOT_A_NUMBER)
        return ConfidenceSequence(self.moments.updated(d))

    def _half_width(self, level: float, tuned_days: int, n_sides: int) -> float | None:
        deviation = self.moments.deviation
        if self.refusal or deviation is None or self.moments.n < MIN_SEQUENCE_DAYS or not 0 < level <= 0.5:
            return None
        n = np.array(self.moments.n, dtype=np.float64)
        return deviation * float(_sequence_width(n, level, tuned_days, n_sides))


def start_e_process(past: Sequence[float] | Series = ()) -> EProcess:
    """Return the process before its first day. `past` is d of earlier days: it sets the scale and is no evidence.

    A past with a NaN refuses.
    """
    values = np.asarray(past, dtype=np.float64)
    return EProcess(moments_of(values)) if np.isfinite(values).all() else EProcess(refusal=NOT_A_NUMBER)


def start_e_detector(past: Sequence[float] | Series = ()) -> EDetector:
    """Return the detector before its first day; `past` as in `start_e_process`."""
    values = np.asarray(past, dtype=np.float64)
    return EDetector(moments_of(values)) if np.isfinite(values).all() else EDetector(refusal=NOT_A_NUMBER)


def e_process_path(d: Series, n_past: int = 0) -> Series:
    """Return the value after each day of d[..., n_past:], one path a row; the days before set the scale.

    NaN from a refusal on, whose cause is a NaN or a day below -8 sigma.
    """
    x = _scores(d)[..., n_past:]
    refused = np.logical_or.accumulate(~(x >= FLOOR * (1 + ROUNDING)), axis=-1)
    growth = 1 + np.array(BETS)[:, None] * np.where(refused, 0.0, np.minimum(x, CAP))[..., None, :]
    with np.errstate(over="ignore"):
        value = np.exp(np.cumsum(np.log(growth), axis=-1)).mean(axis=-2)
    return np.where(refused, np.nan, value)


def e_detector_path(d: Series, n_past: int = 0) -> Series:
    """Return the value after each day of d[..., n_past:], one path a row; NaN from the first NaN on."""
    x = np.clip(-_scores(d)[..., n_past:], FLOOR, CAP)
    bets = np.array(BETS)
    wealth = np.zeros((*x.shape[:-1], bets.size))
    path = np.empty(x.shape)
    for day in range(x.shape[-1]):
        wealth = (wealth + 1) * (1 + bets * x[..., day, None])
        path[..., day] = wealth.mean(axis=-1)
    return path


def confidence_sequence_path(
    d: Series, level: float = 0.05, tuned_days: int = TUNED_DAYS, n_sides: int = 2
) -> tuple[Series, Series]:
    """Return lower and upper bound after each day, shaped like d (..., days); NaN where there is none.

    `level` is above 0 and at most 1/2. With `n_sides` = 1 either bound holds alone at the level, not both.
    """
    mean, deviation = expanding_moments(d)
    n = np.arange(1, d.shape[-1] + 1, dtype=np.float64)
    width = deviation * np.where(n >= MIN_SEQUENCE_DAYS, _sequence_width(n, level, tuned_days, n_sides), np.nan)
    return mean - width, mean + width


def _score(past: RunningMoments, d: float) -> float:
    sigma = past.deviation
    return 0.0 if sigma is None or past.n < MIN_PAST_DAYS else d / sigma


def _scores(d: Series) -> Series:
    """Return x for every day of d (..., days): 0 while nothing is bet, NaN from the first NaN on."""
    sigma = np.full(d.shape, np.nan)
    sigma[..., 1:] = expanding_moments(d)[1][..., :-1]
    has_scale = np.isfinite(sigma) & (np.arange(d.shape[-1]) >= MIN_PAST_DAYS)
    broken: npt.NDArray[np.bool_] = np.logical_or.accumulate(~np.isfinite(d), axis=-1)
    x = np.divide(d, sigma, out=np.zeros(d.shape), where=has_scale)
    return np.where(broken, np.nan, x)


def _sequence_width(n: Series, level: float, tuned_days: int, n_sides: int) -> Series:
    """Return the half width in deviations after n days.

    rho^2 = (-2 log a + log(-2 log a) + 1) / n* makes it narrowest near n* days; one-sided the logarithm is that of
    1 + sqrt(n rho^2 + 1) / (2 a), from a normal mixture over one half of the line.
    """
    twice = -2 * math.log(level)
    rho2 = (twice + math.log(twice) + 1) / tuned_days
    root = np.sqrt(n * rho2 + 1)
    inside = root / level if n_sides == 2 else 1 + root / (2 * level)
    return np.asarray(np.sqrt(2 * (n * rho2 + 1) / (n**2 * rho2) * np.log(inside)), dtype=np.float64)
