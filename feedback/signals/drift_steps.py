"""What one closing time adds to the watch over a model that serves. Values in, values out.

Three things are watched. The losses: ADWIN (`ml.online.adwin`) on the log loss of settled predictions, of probabilities
clipped to [1/4, 3/4] and scaled to [0, 1], one value a bar: the mean over the symbols, of every horizon-th bar by its
number since 1970, for labels that overlap or are of one time are not independent. Only a mean that rose is drift.
Judged is the even mean of the experts without the prior: the mixture answers a broken expert within some fifty bars by
giving the prior its weight, which hides what the watch is there to tell. The calibration: ADWIN on stated confidence
less what came true, one value a bar too, of the mixture, for that is what people and sizes go by; a mean that moved
further from zero is drift, to whichever side. The features: blocks of rows against those of the training
(`ml.online.blocks`), where the bundle tells how these lay.

What waits for its label is part of the value that is kept, so a start in the middle neither loses a bar nor takes one
twice. A run of blocks outside the training is one finding, at its first block.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from core.model.drift import DriftFinding, DriftKind, ModelWatch, Waiting
from market.candles import from_ms
from ml.labels import closing_label
from ml.online.adwin import Adwin
from ml.online.blocks import BlockShift, block_ms_of, is_shifted
from ml.online.comparison import CLIP, LARGEST

DELTA = 0.002
"""Of ADWIN, and the usual one. How often it errs and how soon it finds was measured: see `docs/models.md`."""
HALF = 0.5
LEAST_GAP, GAP_RANGE = -0.5, 1.5
"""Stated confidence, at least 1/2, less 0 or 1."""


@dataclass(frozen=True, slots=True)
class Close:
    """A symbol's closed bar."""

    close: float
    probability: float | None
    """What the model's experts said of it, by their even mean; None where they were silent."""
    is_sound: bool = True
    """Whether the bar may settle what was said before."""
    said: float | None = None
    """What the mixture said of it."""


@dataclass(frozen=True, slots=True)
class Closing:
    """All that one closing time tells of a model."""

    closed_at_ms: int
    interval_ms: int
    closes: Mapping[str, Close]
    block: int | None = None
    """Number of a block of features that is whole now; None for none."""
    shifts: tuple[BlockShift, ...] = field(default=())
    """Of that block, by symbol, where they could be judged."""


_Judged = tuple[ModelWatch, tuple[DriftFinding, ...]]


@dataclass(frozen=True, slots=True)
class _Change:
    """A mean that is no longer what it was."""

    onset_ms: int
    before: float
    after: float

    def finding(self, watch: ModelWatch, kind: DriftKind) -> DriftFinding:
        onset, found_at = from_ms(self.onset_ms), from_ms(watch.reached_ms)
        return DriftFinding(watch.model_id, watch.slot, kind, onset, found_at, self.before, self.after)


def take(watch: ModelWatch, closing: Closing) -> _Judged:
    """Return the watch after a closing time, and what it shows; the same watch where that time is over already."""
    if closing.closed_at_ms <= watch.reached_ms:
        return watch, ()
    after, of_labels = _take_labels(watch, closing)
    after, of_features = _take_block(after, closing)
    return after, (*of_labels, *of_features)


def scaled_loss(probability: float, y: int) -> float:
    """Return the log loss of the clipped probability, 0 for the best that the clip allows and 1 for the worst."""
    clipped = min(max(probability, CLIP), 1 - CLIP)
    return (math.log(1 - CLIP) - math.log(clipped if y else 1 - clipped)) / LARGEST


def overconfidence(probability: float, y: int) -> float:
    """Return the confidence in the likelier label less whether it came true: -1/2 to 1, 0 on average if calibrated."""
    return probability - y if probability >= HALF else y - probability


def _take_labels(watch: ModelWatch, closing: Closing) -> _Judged:
    at_ms, interval_ms = closing.closed_at_ms, closing.interval_ms
    task, horizon = watch.slot.split(":")[0], int(watch.slot.split(":")[1])
    due_ms = at_ms - horizon * interval_ms
    losses, gaps = [], []
    for said in watch.waiting:
        now = closing.closes.get(said.symbol)
        if said.at_ms == due_ms and now is not None and now.is_sound:
            y = closing_label(task, watch.threshold, said.close, now.close)
            if y is not None:
                losses.append(scaled_loss(said.probability, y))
                if said.said is not None:
                    gaps.append(overconfidence(said.said, y))
    waiting = tuple(each for each in watch.waiting if each.at_ms > due_ms)
    if at_ms // interval_ms % horizon == 0:
        waiting += tuple(
            Waiting(symbol, at_ms, one.close, one.probability, one.said)
            for symbol, one in sorted(closing.closes.items())
            if one.probability is not None
        )
    after = replace(watch, reached_ms=at_ms, waiting=waiting)
    step_ms = horizon * interval_ms
    of_losses: tuple[DriftFinding, ...] = ()
    of_gaps: tuple[DriftFinding, ...] = ()
    if losses:
        after, of_losses = _judge_loss(after, sum(losses) / len(losses), step_ms)
    if gaps:
        after, of_gaps = _judge_calibration(after, sum(gaps) / len(gaps), step_ms)
    return after, (*of_losses, *of_gaps)


def _judge_loss(watch: ModelWatch, loss: float, step_ms: int) -> _Judged:
    window, change = _moved(watch.window, loss, watch.reached_ms, watch.told_ms, step_ms)
    after = replace(watch, n_scored=watch.n_scored + 1, window=window)
    if change is None or change.after <= change.before:
        return after, ()
    return replace(after, told_ms=watch.reached_ms), (change.finding(watch, "error"),)


def _judge_calibration(watch: ModelWatch, gap: float, step_ms: int) -> _Judged:
    scaled = (gap - LEAST_GAP) / GAP_RANGE
    window, change = _moved(watch.calibration, scaled, watch.reached_ms, watch.calibration_told_ms, step_ms)
    after = replace(watch, calibration=window)
    if change is None:
        return after, ()
    change = replace(change, before=unscaled_gap(change.before), after=unscaled_gap(change.after))
    if abs(change.after) <= abs(change.before):
        return after, ()
    return replace(after, calibration_told_ms=watch.reached_ms), (change.finding(watch, "calibration"),)


def unscaled_gap(scaled: float) -> float:
    """Return confidence less what came true from its value in a window."""
    return LEAST_GAP + GAP_RANGE * scaled


def mean_of(window: dict[str, Any]) -> float | None:
    """Return the mean over a kept window; None for an empty one."""
    return float(window["total"]) / int(window["n"]) if window.get("n") else None


def _moved(
    plain: dict[str, Any], value: float, at_ms: int, told_ms: int, step_ms: int
) -> tuple[dict[str, Any], _Change | None]:
    """Take the value of one bar. What began before the last finding is that finding, of which ADWIN drops more yet."""
    window = Adwin.from_plain(plain) if plain else Adwin(DELTA)
    n, total = window.n + 1, window.total + value
    has_changed = window.update(value)
    # Counted back in bars as if none were missing: the window holds no times.
    onset_ms = at_ms - window.n * step_ms
    if not has_changed or onset_ms < told_ms:
        return window.to_plain(), None
    return window.to_plain(), _Change(onset_ms, (total - window.total) / (n - window.n), window.mean)


def _take_block(watch: ModelWatch, closing: Closing) -> _Judged:
    block, shifts = closing.block, closing.shifts
    if block is None or not shifts or block <= watch.block:
        return watch, ()
    furthest = max(shifts, key=lambda each: each.index / each.limit)
    shifted = is_shifted(shifts)
    after = replace(
        watch,
        n_blocks=watch.n_blocks + 1,
        block=block,
        is_shifted=shifted,
        index=furthest.index,
        limit=furthest.limit,
    )
    if not shifted or watch.is_shifted:
        return after, ()
    onset = from_ms(block * block_ms_of(closing.interval_ms))
    found_at = from_ms(closing.closed_at_ms)
    finding = DriftFinding(
        watch.model_id, watch.slot, "features", onset, found_at, furthest.limit, furthest.index, furthest.columns
    )
    return after, (finding,)
