"""The watch over the models that serve: losses that rise, confidence that goes astray, features unlike the training's.

It listens to the signal room, and hands each closing time on to `look`, which a task of its own calls: what fails here
stops no prediction. Each call commits the new state of a model, what was found, its alert and the training asked for in
one transaction. After a kill the bars are read again, and only what was not committed is added: what is found is a
function of the bars and the bundles. Drift alone neither trades nor changes what serves.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from core.errors import BadInput
from core.log import get_logger
from core.model.drift import DriftFinding, ModelWatch
from core.model.prediction import PredictionRecord
from core.store import Session, Store, model_watches
from feedback.alert_texts import DRIFT_REASONS
from feedback.signals.drift_steps import Close, Closing, take
from feedback.signals.retraining import Retraining
from market.candles import Integers, from_ms, interval_name
from ml.ensemble import PRIOR
from ml.online.blocks import BlockReference, block_of
from ml.registry import slot_of
from ml.serve import BarRow, ServedModel

MAX_WAITING = 100_000
"""Closing times that wait for `look`; beyond them the oldest are lost to the watch."""


@dataclass(slots=True)
class _Watched:
    """One model that serves, with the blocks that are being filled."""

    model: ServedModel
    reference: BlockReference | None
    block: int | None = None
    counts: dict[tuple[int, str], Integers] = field(default_factory=dict)
    """By block and symbol."""

    def add(self, symbol: str, row: BarRow) -> None:
        """Count a row into its block."""
        if self.reference is None or row.problem:
            return
        key = (block_of(row.closed_at_ms, self.model.card.interval_ms), symbol)
        if key not in self.counts:
            self.counts[key] = self.reference.rows.no_counts()
        self.reference.rows.add_row(self.counts[key], self.model.columns.raw(row.values))

    def whole_block(self, closed_at_ms: int) -> tuple[int, dict[str, Integers]] | None:
        """Return the block that ended before this bar, once."""
        number = block_of(closed_at_ms, self.model.card.interval_ms)
        ended, self.block = self.block, number
        if ended is None or number <= ended:
            return None
        found = {symbol: counts for (block, symbol), counts in self.counts.items() if block == ended}
        self.counts = {key: counts for key, counts in self.counts.items() if key[0] >= number}
        return ended, found


class DriftWatch:
    """Listens to a signal room. `on_row` and `on_close` come from its thread, `look` from any one other."""

    def __init__(self, store: Store, serving: Callable[[], Sequence[ServedModel]], retraining: Retraining) -> None:
        """Watch nothing yet. `serving` gives the models that speak now."""
        self._store, self._serving, self._retraining = store, serving, retraining
        self._watched: dict[str, _Watched] = {}
        self._newest: dict[tuple[str, int], BarRow] = {}
        self._closings: deque[tuple[_Watched, Closing]] = deque(maxlen=MAX_WAITING)
        self._judging: list[tuple[_Watched, Closing]] = []
        self._lock = threading.Lock()
        """Held while the two lists change."""

    def on_row(self, symbol: str, interval_ms: int, row: BarRow) -> None:
        """Take a row of features; it counts for every model that speaks of such bars and had not been fitted on it."""
        self._newest[symbol, interval_ms] = row
        for model in self._serving():
            card = model.card
            if card.interval_ms == interval_ms and symbol in card.symbols and row.closed_at_ms > card.end_at_ms:
                self._of(model).add(symbol, row)

    def on_close(self, closed_at_ms: int, records: Sequence[PredictionRecord]) -> None:
        """Take what was said of the bars that closed; `look` judges it."""
        at, serving = from_ms(closed_at_ms), self._serving()
        said = {(each.model_sha256, each.interval, each.symbol): each for each in records if each.at == at}
        for model in serving:
            card, watched = model.card, self._of(model)
            if closed_at_ms % card.interval_ms or closed_at_ms <= card.end_at_ms:
                continue
            name = interval_name(card.interval_ms)
            rows = {symbol: self._newest.get((symbol, card.interval_ms)) for symbol in card.symbols}
            closes = {
                symbol: _close(row, said.get((model.sha256, name, symbol)))
                for symbol, row in rows.items()
                if row is not None and row.closed_at_ms == closed_at_ms
            }
            closing = _closing(watched, closed_at_ms, closes)
            with self._lock:
                self._closings.append((watched, closing))
        gone = set(self._watched) - {model.sha256 for model in serving}
        for sha256 in gone:
            del self._watched[sha256]

    def look(self) -> tuple[DriftFinding, ...]:
        """Judge what has closed since the last call, and return what was found now."""
        with self._lock:
            self._judging += self._closings
            self._closings.clear()
        by_model: dict[str, list[tuple[_Watched, Closing]]] = {}
        for watched, closing in self._judging:
            by_model.setdefault(watched.model.sha256, []).append((watched, closing))
        found: list[DriftFinding] = []
        for _, mine in sorted(by_model.items()):
            found += self._commit(mine[0][0], [closing for _, closing in mine])
        # Kept until all is committed: after a failure the next call takes them again, and what is over adds nothing.
        self._judging = []
        return tuple(found)

    def _commit(self, watched: _Watched, closings: Sequence[Closing]) -> list[DriftFinding]:
        with self._store.session() as session:
            watch = model_watches.find(session, watched.model.sha256) or _begun(watched)
            before, found = watch, []
            for closing in closings:
                watch, shown = take(watch, closing)
                found += [each for each in shown if model_watches.add_finding(session, each)]
            if watch is not before:
                model_watches.put(session, watch)
            if found:
                self._tell(session, watch, found)
        return found

    def _tell(self, session: Session, watch: ModelWatch, found: Sequence[DriftFinding]) -> None:
        """Raise one alert for all that was found of a model at once, and ask for a training."""
        alerts = self._retraining.alerts
        words = DRIFT_REASONS[alerts.language]
        reason = "; ".join(words[finding.kind].format(**_facts(finding)) for finding in found)
        facts = {"reason": reason, "command": watch.command}
        alerts.raise_once(session, "model_drift", watch.slot, "warning", facts)
        self._retraining.ask(session, watch, "drift", found[-1].found_at)
        get_logger("drift").warning("a model drifts", model=watch.model_id, reason=reason)

    def _of(self, model: ServedModel) -> _Watched:
        found = self._watched.get(model.sha256)
        if found is None:
            found = self._watched[model.sha256] = _Watched(model, _reference_of(model))
        return found


def even_mean(record: PredictionRecord) -> float | None:
    """Return the mean probability of the experts that spoke, the prior left out; None where none did."""
    said = [one.probability for one in record.members if one.name != PRIOR and one.probability is not None]
    return sum(said) / len(said) if said else None


def _close(row: BarRow, record: PredictionRecord | None) -> Close:
    if record is None:
        return Close(row.close, None, not row.problem)
    return Close(row.close, even_mean(record), not row.problem, record.probability)


def _closing(watched: _Watched, closed_at_ms: int, closes: dict[str, Close]) -> Closing:
    interval_ms, reference = watched.model.card.interval_ms, watched.reference
    ended = None if reference is None else watched.whole_block(closed_at_ms)
    if reference is None or ended is None:
        return Closing(closed_at_ms, interval_ms, closes)
    judged = [reference.judge(symbol, counts) for symbol, counts in sorted(ended[1].items())]
    shifts = tuple(each for each in judged if each is not None)
    return Closing(closed_at_ms, interval_ms, closes, ended[0], shifts)


def _facts(finding: DriftFinding) -> dict[str, str]:
    return {
        "before": f"{finding.before:.3f}",
        "after": f"{finding.after:.3f}",
        "before_points": f"{100 * finding.before:+.1f}",
        "after_points": f"{100 * finding.after:+.1f}",
        "onset": f"{finding.onset:%Y-%m-%d %H:%M} UTC",
        "columns": ", ".join(finding.columns),
    }


def _begun(watched: _Watched) -> ModelWatch:
    card = watched.model.card
    return ModelWatch(
        model_id=watched.model.sha256,
        slot=slot_of(card),
        symbols=card.symbols,
        threshold=card.threshold,
        has_reference=watched.reference is not None,
    )


def _reference_of(model: ServedModel) -> BlockReference | None:
    """Return how the training rows lay, as the card tells; None where it does not, or not of these columns."""
    plain = model.card.reference
    if not plain:
        return None
    try:
        reference = BlockReference.from_plain(plain)
    except BadInput as error:
        get_logger("drift").error("features are not watched", model=model.sha256, reason=error.message)
        return None
    same = reference.rows.names == model.card.features and reference.interval_ms == model.card.interval_ms
    return reference if same else None
