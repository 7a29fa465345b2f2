"""What one closed bar adds to a trial of a model in shadow. Values in, values out.

Only every horizon-th bar is taken, by its number since 1970: labels that overlap are not two bets. What waits for its
label is part of the value that is kept, so a start in the middle neither loses a bar nor takes one twice.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from core.metrics import share_interval
from core.model.trials import ModelTrial, Pair, Tally
from ml.labels import closing_label
from ml.online.comparison import Comparison, Evidence


@dataclass(frozen=True, slots=True)
class Heard:
    """What both models said of one symbol's closed bar, and the bar's close; None where one of them was silent."""

    close: float
    first: float | None
    second: float | None
    is_sound: bool = True
    """Whether the bar may settle what was said before."""


def take(
    trial: ModelTrial, closed_at_ms: int, heard: Mapping[str, Heard], interval_ms: int, threshold: float
) -> ModelTrial:
    """Return the trial after a bar of its interval; the same object where the bar adds nothing.

    `threshold` is that of the label, where it has one.
    """
    if closed_at_ms <= max(trial.reached_ms, trial.began_at_ms):
        return trial
    task, horizon = trial.slot.split(":")[0], horizon_of(trial.slot)
    due_ms = closed_at_ms - horizon * interval_ms
    settled = [
        (pair, _label(task, pair, heard.get(pair.symbol), threshold)) for pair in trial.waiting if pair.at_ms == due_ms
    ]
    waiting = tuple(pair for pair in trial.waiting if pair.at_ms > due_ms)
    if closed_at_ms // interval_ms % horizon == 0:
        waiting += tuple(
            Pair(symbol, closed_at_ms, one.close, one.first, one.second)
            for symbol, one in sorted(heard.items())
            if one.first is not None and one.second is not None
        )
    rows = [(pair.first, pair.second, y) for pair, y in settled if y is not None]
    if not rows and waiting == trial.waiting:
        return trial
    changed = replace(trial, reached_ms=closed_at_ms, waiting=waiting)
    if not rows:
        return changed
    comparison = comparison_of(trial)
    comparison.add_bar(due_ms // interval_ms, rows)
    return replace(
        changed,
        for_challenger=comparison.for_second.to_plain(),
        for_incumbent=comparison.for_first.to_plain(),
        first=_added(trial.first, [(first, y) for first, _, y in rows]),
        second=_added(trial.second, [(second, y) for _, second, y in rows]),
    )


def horizon_of(slot: str) -> int:
    """Return the bars from a prediction to its label, from a slot's name."""
    return int(slot.split(":")[1])


def comparison_of(trial: ModelTrial) -> Comparison:
    """Return the evidence for either. Raises BadInput for a state that is none."""
    evidence = [Evidence.from_plain(p) if p else Evidence() for p in (trial.for_challenger, trial.for_incumbent)]
    return Comparison(horizon_of(trial.slot), *evidence)


@dataclass(frozen=True, slots=True)
class Standing:
    """A trial as people read it."""

    slot: str
    incumbent: str
    challenger: str
    n_bars: int
    """Bars that counted."""
    evidence_for_challenger: float
    evidence_for_incumbent: float
    mean_difference: float | None
    """Nats a bar that the challenger is better, of probabilities clipped to [1/4, 3/4]."""
    incumbent_log_loss: float | None
    challenger_log_loss: float | None
    incumbent_accuracy: float | None
    incumbent_accuracy_ci: tuple[float, float] | None
    """90 %, as if every label were independent."""
    challenger_accuracy: float | None
    challenger_accuracy_ci: tuple[float, float] | None


def standing_of(trial: ModelTrial) -> Standing:
    """Return how a trial stands."""
    comparison = comparison_of(trial)
    n = comparison.for_second.n
    first, second = trial.first, trial.second
    return Standing(
        slot=trial.slot,
        incumbent=trial.incumbent,
        challenger=trial.challenger,
        n_bars=n,
        evidence_for_challenger=comparison.for_second.value,
        evidence_for_incumbent=comparison.for_first.value,
        mean_difference=comparison.for_second.total / n if n else None,
        incumbent_log_loss=first.total_loss / first.n if first.n else None,
        challenger_log_loss=second.total_loss / second.n if second.n else None,
        incumbent_accuracy=first.n_hits / first.n if first.n else None,
        incumbent_accuracy_ci=share_interval(first.n_hits, first.n) if first.n else None,
        challenger_accuracy=second.n_hits / second.n if second.n else None,
        challenger_accuracy_ci=share_interval(second.n_hits, second.n) if second.n else None,
    )


def _label(task: str, pair: Pair, after: Heard | None, threshold: float) -> int | None:
    if after is None or not after.is_sound:
        return None
    return closing_label(task, threshold, pair.close, after.close)


def _added(tally: Tally, rows: list[tuple[float, int]]) -> Tally:
    hits = sum((p >= 0.5) == bool(y) for p, y in rows)
    loss = sum(-math.log(min(max(p if y else 1 - p, 1e-4), 1 - 1e-4)) for p, y in rows)
    return Tally(tally.n + len(rows), tally.n_hits + hits, tally.total_loss + loss)
