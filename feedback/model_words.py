"""What models said in a period and what came of it, for the reports; and these figures in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.clock import KST
from core.model.drift import DriftFinding
from core.model.prediction import PredictionRecord
from feedback.scorecard_text import write_figure
from feedback.track_record import TrackLine, TrackRecord, track_record

Texts = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LabelWords:
    """Predictions of one label."""

    task: str
    record: TrackRecord


@dataclass(frozen=True, slots=True)
class ModelWords:
    """What was said in a period, by whomever."""

    n_said: int
    n_sent: int
    """Offered to the engine: those that were no abstention."""
    labels: tuple[LabelWords, ...]
    best: TrackLine | None
    """The model that was right most often beyond its base rate; None below two models with enough outcomes."""
    worst: TrackLine | None
    drift: tuple[DriftFinding, ...]
    """Found in the period, oldest first."""


def model_words(records: Sequence[PredictionRecord], drift: Sequence[DriftFinding]) -> ModelWords | None:
    """Return the figures of a period's predictions; None where nothing was said and nothing found."""
    if not records and not drift:
        return None
    tasks = sorted({record.task for record in records})
    labels = tuple(
        LabelWords(task, track_record([r for r in records if r.task == task], lambda r: r.outcome is None))
        for task in tasks
    )
    lines = [line for label in labels for line in label.record.groups["model"] if line.accuracy.value is not None]
    ranked = sorted(lines, key=lambda line: ((line.accuracy.value or 0.0) - line.prior_accuracy, line.name))
    return ModelWords(
        n_said=len(records),
        n_sent=sum(record.is_sent for record in records),
        labels=labels,
        best=ranked[-1] if len(ranked) > 1 else None,
        worst=ranked[0] if len(ranked) > 1 else None,
        drift=tuple(sorted(drift, key=lambda each: (each.found_at, each.slot, each.kind))),
    )


def model_line(words: ModelWords, texts: Texts) -> str:
    """Return how many predictions there were and how right they were, with what drifted."""
    said = texts["models_said"].format(n=words.n_said, sent=words.n_sent)
    return " ".join([said, *_labels(words, texts), *_drift(words, texts)])


def model_lines(words: ModelWords, texts: Texts) -> list[str]:
    """Return everything, one sentence a line."""
    lines = [texts["models_said"].format(n=words.n_said, sent=words.n_sent), *_labels(words, texts, is_whole=True)]
    for name, line in (("models_best", words.best), ("models_worst", words.worst)):
        if line is not None:
            accuracy = write_figure(line.accuracy, "share", texts)
            lines.append(
                texts[name].format(model=line.name, accuracy=accuracy, base=f"{100 * line.prior_accuracy:.0f} %")
            )
    return [*lines, *_drift(words, texts)]


def _labels(words: ModelWords, texts: Texts, is_whole: bool = False) -> list[str]:
    lines = []
    for label in words.labels:
        name, whole = texts.get(f"models_task_{label.task}", label.task), label.record.whole
        if whole is None:
            lines.append(texts["models_waiting"].format(task=name, n=label.record.n_said))
            continue
        accuracy = write_figure(whole.accuracy, "share", texts)
        line = texts["models_right"].format(task=name, accuracy=accuracy, base=f"{100 * whole.prior_accuracy:.0f} %")
        if is_whole:
            line += " " + texts["models_coverage"].format(coverage=write_figure(whole.coverage, "share", texts))
        lines.append(line)
    return lines


def _drift(words: ModelWords, texts: Texts) -> list[str]:
    return [
        texts[f"models_drift_{each.kind}"].format(slot=each.slot, onset=f"{each.onset.astimezone(KST):%Y-%m-%d %H:%M}")
        for each in words.drift
    ]
