"""How right predictions were: pure figures over settled ones, each with its interval, or too few to tell.

Accuracy is the share whose likelier side came true, coverage the share whose conformal set held what came. Predictions
of the same bar's close, of whatever symbol and interval, count as one observation, and one over h bars as 1 / h: moves
of one moment are not independent. Intervals are Wilson's over that effective number.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.clock import KST
from core.metrics import share_interval
from core.model.advisor import CalibrationBin
from core.model.prediction import PredictionRecord
from core.model.scorecard import Figure

N_BINS = 10
MIN_EFFECTIVE = 30.0
"""Below so many independent outcomes a share is not told, only how far it may reach."""
Key = Callable[[PredictionRecord], Hashable]


@dataclass(frozen=True, slots=True)
class TrackLine:
    """One group of settled predictions."""

    name: str
    n: int
    """Settled with a label."""
    n_effective: float
    accuracy: Figure
    coverage: Figure
    prior_accuracy: float
    """Of guessing the side that the base rate made likelier, on the same bars."""
    mean_confidence: float
    n_sent: int
    """How many of them were offered to the engine."""


@dataclass(frozen=True, slots=True)
class TrackRecord:
    """What became of the predictions of one label."""

    n_said: int
    n_open: int
    """Their horizon is not over."""
    n_unlabelled: int
    """Closed without an outcome: the bar never came, or the close did not move."""
    first_at: datetime | None
    last_at: datetime | None
    whole: TrackLine | None
    bins: tuple[CalibrationBin, ...]
    """Tenths of the probability of label 1."""
    bin_shares: tuple[Figure, ...]
    """How often label 1 came in each of them."""
    groups: dict[str, tuple[TrackLine, ...]]
    """By `confidence`, `model`, `interval`, `regime`, `symbol`, `hour` and `weekday` (KST, 0 is Monday)."""


GROUPS: dict[str, Key] = {
    "confidence": lambda r: confidence_bucket(r.confidence),
    "model": lambda r: f"{r.model} {r.model_sha256[:12]}",
    "interval": lambda r: r.interval,
    "regime": lambda r: r.regime or "–",
    "symbol": lambda r: r.symbol,
    "hour": lambda r: f"{r.at.astimezone(KST).hour:02d}",
    "weekday": lambda r: r.at.astimezone(KST).weekday(),
}


def track_record(records: Iterable[PredictionRecord], is_open: Callable[[PredictionRecord], bool]) -> TrackRecord:
    """Return the figures of predictions of one label; `is_open` tells whose horizon is not over."""
    said = sorted(records, key=lambda r: (r.at, r.prediction_id))
    settled = [r for r in said if label_of(r) is not None]
    n_open = sum(r.outcome is None and is_open(r) for r in said)
    tenths: list[list[PredictionRecord]] = [[] for _ in range(N_BINS)]
    for record in settled:
        tenths[min(int(record.probability * N_BINS), N_BINS - 1)].append(record)
    return TrackRecord(
        n_said=len(said),
        n_open=n_open,
        n_unlabelled=len(said) - len(settled) - n_open,
        first_at=said[0].at if said else None,
        last_at=said[-1].at if said else None,
        whole=_line("", settled) if settled else None,
        bins=tuple(_bin(k, rows) for k, rows in enumerate(tenths)),
        bin_shares=tuple(share_of([label_of(r) == 1 for r in rows], effective_number(rows)) for rows in tenths),
        groups={name: _lines(settled, key) for name, key in GROUPS.items()},
    )


def label_of(record: PredictionRecord) -> int | None:
    """Return what came true, 1 or 0, or None where that is not known or there is none."""
    return None if record.outcome is None else record.outcome.label


def is_covered(record: PredictionRecord) -> bool:
    """Return whether the conformal set held what came true; a set of nothing holds nothing."""
    return record.side == "both" or record.side == ("up" if label_of(record) == 1 else "down")


def confidence_bucket(confidence: float) -> str:
    """Return the confidence in steps of five points, as `0.55-0.60`."""
    low = min(int(confidence * 20 + 1e-9), 19) / 20
    return f"{low:.2f}-{low + 0.05:.2f}"


def effective_number(records: Iterable[PredictionRecord]) -> float:
    """Return as how many independent outcomes these count: the mean of 1 / horizon in bars at each close, summed."""
    at_close: dict[datetime, list[float]] = {}
    for record in records:
        at_close.setdefault(record.at, []).append(1 / record.horizon_bars)
    return sum(sum(weights) / len(weights) for weights in at_close.values())


def share_of(hits: Sequence[bool], n_effective: float) -> Figure:
    """Return the share of hits with its 90 % interval; without the share where the effective number is too small."""
    n = len(hits)
    rounded = max(1, round(n_effective))
    ends = share_interval(round(sum(hits) / n * rounded), rounded) if n else None
    low, high = ends or (None, None)
    if n_effective < MIN_EFFECTIVE:
        return Figure(None, low, high, n, "too_few_outcomes", n_effective, MIN_EFFECTIVE)
    return Figure(sum(hits) / n, low, high, n)


def _lines(settled: Iterable[PredictionRecord], key: Key) -> tuple[TrackLine, ...]:
    groups: dict[str, list[PredictionRecord]] = {}
    for record in settled:
        groups.setdefault(str(key(record)), []).append(record)
    return tuple(_line(name, rows) for name, rows in sorted(groups.items()))


def _line(name: str, rows: list[PredictionRecord]) -> TrackLine:
    n_effective = effective_number(rows)
    return TrackLine(
        name=name,
        n=len(rows),
        n_effective=n_effective,
        accuracy=share_of([(r.probability >= 0.5) == bool(label_of(r)) for r in rows], n_effective),
        coverage=share_of([is_covered(r) for r in rows], n_effective),
        prior_accuracy=sum((r.prior >= 0.5) == bool(label_of(r)) for r in rows) / len(rows),
        mean_confidence=sum(r.confidence for r in rows) / len(rows),
        n_sent=sum(r.is_sent for r in rows),
    )


def _bin(k: int, rows: list[PredictionRecord]) -> CalibrationBin:
    if not rows:
        return CalibrationBin(k / N_BINS, 0, None, None)
    mean_p = sum(r.probability for r in rows) / len(rows)
    return CalibrationBin(k / N_BINS, len(rows), mean_p, sum(label_of(r) == 1 for r in rows) / len(rows))
