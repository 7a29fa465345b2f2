"""What one closing time adds to the watch over a model that serves. Values in, values out.

Two things are watched. The losses: ADWIN (`ml.online.adwin`) on the log loss of settled predictions, of probabilities
clipped to [1/4, 3/4] and scaled to [0, 1], one value a bar: the mean over the symbols, of every horizon-th bar by its
number since 1970, for labels that overlap or are of one time are not independent. Only a mean that rose is drift.
Judged is the even mean of the experts without the prior: the mixture answers a broken expert within some fifty bars by
giving the prior its weight, which hides what the watch is there to tell. The
features: blocks of rows against those of the training (`ml.online.blocks`), where the bundle tells how these lay.

What waits for its label is part of the value that is kept, so a start in the middle neither loses a bar nor takes one
twice. A run of blocks outside the training is one finding, at its first block.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from core.model.drift import DriftFinding, ModelWatch, Waiting
from market.candles import from_ms
from ml.labels import closing_label
from ml.online.adwin import Adwin
from ml.online.blocks import BlockShift, block_ms_of, is_shifted
from ml.online.comparison import CLIP, LARGEST

DELTA = 0.002
"""Of ADWIN, and the usual one. How often it errs and how soon it finds was measured: see `docs/models.md`."""


@dataclass(frozen=True, slots=True)
class Close:
    """A symbol's closed bar."""

    close: float
    probability: float | None
    """What the model's experts said of it, by their even mean; None where they were silent."""
    is_sound: bool = True
    """Whether the bar may settle what was said before."""


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


def take(watch: ModelWatch, closing: Closing) -> tuple[ModelWatch, tuple[DriftFinding, ...]]:
    """Return the watch after a closing time, and what it shows; the same watch where that time is over already."""
    if closing.closed_at_ms <= watch.reached_ms:
        return watch, ()
    after, of_losses = _take_losses(watch, closing)
    after, of_features = _take_block(after, closing)
    return after, (*of_losses, *of_features)


def scaled_loss(probability: float, y: int) -> float:
    """Return the log loss of the clipped probability, 0 for the best that the clip allows and 1 for the worst."""
    clipped = min(max(probability, CLIP), 1 - CLIP)
    return (math.log(1 - CLIP) - math.log(clipped if y else 1 - clipped)) / LARGEST


def _take_losses(watch: ModelWatch, closing: Closing) -> tuple[ModelWatch, tuple[DriftFinding, ...]]:
    at_ms, interval_ms = closing.closed_at_ms, closing.interval_ms
    task, horizon = watch.slot.split(":")[0], int(watch.slot.split(":")[1])
    due_ms = at_ms - horizon * interval_ms
    losses = []
    for said in watch.waiting:
        now = closing.closes.get(said.symbol)
        if said.at_ms == due_ms and now is not None and now.is_sound:
            y = closing_label(task, watch.threshold, said.close, now.close)
            if y is not None:
                losses.append(scaled_loss(said.probability, y))
    waiting = tuple(each for each in watch.waiting if each.at_ms > due_ms)
    if at_ms // interval_ms % horizon == 0:
        waiting += tuple(
            Waiting(symbol, at_ms, one.close, one.probability)
            for symbol, one in sorted(closing.closes.items())
            if one.probability is not None
        )
    after = replace(watch, reached_ms=at_ms, waiting=waiting)
    if not losses:
        return after, ()
    return _judge(after, sum(losses) / len(losses), horizon * interval_ms)


def _judge(watch: ModelWatch, loss: float, step_ms: int) -> tuple[ModelWatch, tuple[DriftFinding, ...]]:
    """Take the loss of one bar. What began before the last finding is that finding, of which ADWIN drops more yet."""
    window = Adwin.from_plain(watch.window) if watch.window else Adwin(DELTA)
    n, total = window.n + 1, window.total + loss
    has_changed = window.update(loss)
    after = replace(watch, n_scored=watch.n_scored + 1, window=window.to_plain())
    # Counted back in bars as if none were missing: the window holds no times.
    onset_ms = watch.reached_ms - window.n * step_ms
    if not has_changed or onset_ms < watch.told_ms:
        return after, ()
    before = (total - window.total) / (n - window.n)
    if window.mean <= before:
        return after, ()
    onset, found_at = from_ms(onset_ms), from_ms(watch.reached_ms)
    finding = DriftFinding(watch.model_id, watch.slot, "error", onset, found_at, before, window.mean)
    return replace(after, told_ms=watch.reached_ms), (finding,)


def _take_block(watch: ModelWatch, closing: Closing) -> tuple[ModelWatch, tuple[DriftFinding, ...]]:
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
