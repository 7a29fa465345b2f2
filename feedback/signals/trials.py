"""Models in shadow: fed with the rows of the one that serves, never heard by the engine, and compared bar by bar.

Each change of a trial is one transaction: its bar, and with the deciding bar the change of the registry. A bar is taken
by its closing time, once: after a kill the bars that are read again add only what was not committed. A promotion needs
500 settled bars and evidence above 20 (`ml.online.comparison`); the one replaced goes on in shadow under the same
terms, which is how a promotion is undone by evidence. What proves worse leaves the shadow.

Only models that answer the same question are compared: a move beyond 2 % is rarer than one beyond 0.2 %, and who was
trained on the one looks bad at the other. A model of another threshold than the one that serves is retired, in words; a
person may let it serve.

With `models.online: frozen` the comparison goes on and nothing that serves changes, except by a person.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from core.clock import Clock
from core.errors import Corrupt, Refused, XcrackError
from core.log import get_logger
from core.model.models import ModelVersion
from core.model.prediction import PredictionRecord
from core.model.trials import ModelTrial
from core.store import Session, Store, model_trials, model_versions
from feedback.alerts import AlertDesk
from feedback.signals.trial_steps import Heard, comparison_of, take
from market.candles import from_ms, interval_name, ms_of
from ml.bundle import load_bundle
from ml.registry import ModelRegistry, Question, question_of
from ml.serve import BarRow, ServedModel
from ml.serve.track import Track

ACTOR = "trials"
MAX_SHADOWS = 2
"""Models of a slot that are compared with the active one at a time."""
OVER_AFTER = 1_000
"""Bars after which a trial whose evidence is below where it began makes room for a newer model."""
KEEP_ROWS = 768
"""Rows of a symbol that a model is led over before it is compared."""
MAX_VERSIONS = 1_000
_Series = tuple[str, int]


@dataclass(slots=True)
class _Live:
    """One trial with its model open."""

    trial: ModelTrial
    model: ServedModel
    tracks: dict[str, Track] = field(default_factory=dict)


class Trials:
    """Listens to a signal room. `on_row` and `on_close` come from its thread, `refresh` from any."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        registry: ModelRegistry,
        alerts: AlertDesk,
        feature_names: tuple[str, ...],
        feature_schema_sha256: str,
        *,
        is_online: bool,
        miss_target: float = 0.1,
        on_changed: Callable[[], object] = lambda: None,
    ) -> None:
        """Compare nothing yet. `on_changed` is called after another model became active."""
        self._store, self._clock, self._registry, self._alerts = store, clock, registry, alerts
        self._names, self._schema = feature_names, feature_schema_sha256
        self._is_online, self._miss_target, self._on_changed = is_online, miss_target, on_changed
        self._lives: dict[tuple[str, str], _Live] = {}
        self._rows: dict[_Series, deque[BarRow]] = {}
        self._questions: dict[str, Question | None] = {}
        """Of every model that may be compared; None for a bundle that is not what it was."""
        self._lock = threading.Lock()
        self._refreshing = threading.Lock()

    @property
    def standing(self) -> tuple[ModelTrial, ...]:
        """The trials under way, as they were committed last."""
        return tuple(live.trial for live in self._lives.values())

    def on_row(self, symbol: str, interval_ms: int, row: BarRow) -> None:
        """Take a row of features; every model in shadow for such bars speaks of it."""
        with self._lock:
            self._rows.setdefault((symbol, interval_ms), deque(maxlen=KEEP_ROWS)).append(row)
            for live in tuple(self._lives.values()):
                if live.model.card.interval_ms == interval_ms and symbol in live.model.card.symbols:
                    self._track(live, symbol).advance(row)

    def on_close(self, closed_at_ms: int, records: Sequence[PredictionRecord]) -> None:
        """Take what the models that serve said of the bars that closed, and commit what it adds to each trial."""
        has_changed = False
        for key, live in tuple(self._lives.items()):
            card = live.model.card
            if closed_at_ms % card.interval_ms:
                continue
            heard = self._heard(live, closed_at_ms, records)
            after = take(live.trial, closed_at_ms, heard, card.interval_ms, card.threshold)
            if after is live.trial:
                continue
            try:
                has_changed |= self._commit(key, live, after)
            except XcrackError as error:
                # Memory is thrown away; the next refresh goes on from what was committed.
                get_logger("trials").error("a trial was not kept", challenger=key[1], reason=str(error))
                self._lives.pop(key, None)
        if has_changed:
            self.refresh()
            self._on_changed()

    def refresh(self) -> None:
        """Begin and end trials as the registry says now, and open what is not open yet."""
        with self._refreshing:
            self._refresh()

    def _refresh(self) -> None:
        self._read_questions()
        with self._store.session() as session:
            trials = self._plan(session)
        wanted = {(trial.slot, trial.challenger): trial for trial in trials}
        for key, live in tuple(self._lives.items()):
            if key not in wanted or live.trial.incumbent != wanted[key].incumbent:
                self._lives.pop(key, None)
        for key, trial in wanted.items():
            if key in self._lives:
                continue
            try:
                bundle = load_bundle(self._registry.models / trial.challenger, trial.challenger, self._schema)
                self._registry.admit(bundle.card)
                model = ServedModel.open(bundle, self._names)
            except (Corrupt, Refused) as error:
                self._drop_broken(trial, error)
                continue
            self._open(key, _Live(trial, model))

    def _plan(self, session: Session) -> list[ModelTrial]:
        """Return the trials that should be under way, stored as such; candidates of a slot come into free places."""
        stored = {(each.slot, each.challenger): each for each in model_trials.all(session)}
        wanted: list[ModelTrial] = []
        waiting: set[str] = set()
        for slot, versions in _compared(session).items():
            active, *others = versions
            serving = self._questions.get(active.model_id)
            if serving is None:
                # Its trials stay as they are until it can be told what it answers.
                waiting.add(slot)
                continue
            alike = self._require_alike(session, others, serving)
            shadows = [each for each in alike if each.status == "shadow"]
            shadows += self._admit(session, slot, alike, shadows, stored)
            for each in shadows:
                trial = stored.get((slot, each.model_id))
                if trial is None or trial.incumbent != active.model_id:
                    now_ms = ms_of(self._clock.now())
                    trial = ModelTrial(slot, active.model_id, each.model_id, now_ms, now_ms)
                    model_trials.put(session, trial)
                wanted.append(trial)
        for gone in set(stored) - {(each.slot, each.challenger) for each in wanted}:
            if gone[0] not in waiting:
                model_trials.remove(session, *gone)
        return wanted

    def _read_questions(self) -> None:
        """Read what each model that may be compared answers, once; no transaction waits for its files."""
        with self._store.session() as session:
            compared = [each for versions in _compared(session).values() for each in versions]
        for model_id in (each.model_id for each in compared):
            if self._questions.get(model_id) is not None:
                continue
            try:
                bundle = load_bundle(self._registry.models / model_id, model_id, self._schema)
            except (Corrupt, Refused) as error:
                if model_id not in self._questions:
                    get_logger("trials").error("a model cannot be compared", model=model_id, reason=error.message)
                self._questions[model_id] = None
            else:
                self._questions[model_id] = question_of(bundle.card)

    def _require_alike(self, session: Session, others: list[ModelVersion], serving: Question) -> list[ModelVersion]:
        """Return the models that may be compared with what serves, and retire those that answer another question.

        One that cannot be read is among them: opening it says what is wrong with it. One that came meanwhile waits.
        """
        alike = []
        for each in others:
            if each.model_id not in self._questions:
                continue
            question = self._questions[each.model_id]
            reason = "" if question is None else question.other_than(serving)
            if reason:
                self._registry.move_within(session, each.model_id, "retired", ACTOR, reason)
            else:
                alike.append(each)
        return alike

    def _admit(
        self,
        session: Session,
        slot: str,
        versions: list[ModelVersion],
        shadows: list[ModelVersion],
        stored: Mapping[tuple[str, str], ModelTrial],
    ) -> list[ModelVersion]:
        """Let the newest candidate into the shadow; one that had its bars without a result makes room."""
        candidates = [each for each in versions if each.status == "candidate"]
        if not candidates:
            return []
        if len(shadows) >= MAX_SHADOWS:
            judged = [each for each in shadows if _is_over(stored.get((slot, each.model_id)))]
            if not judged:
                return []
            shadows.remove(judged[-1])
            self._registry.move_within(session, judged[-1].model_id, "retired", ACTOR, "not shown better over its bars")
        newest, *older = candidates
        for each in older:
            self._registry.move_within(session, each.model_id, "retired", ACTOR, "a newer one came before its trial")
        return [self._registry.move_within(session, newest.model_id, "shadow", ACTOR, "its trial begins")]

    def _open(self, key: tuple[str, str], live: _Live) -> None:
        """Lead the model over the rows there are, then let it take part."""
        card = live.model.card
        for symbol in card.symbols:
            for row in tuple(self._rows.get((symbol, card.interval_ms), ())):
                self._track(live, symbol).advance(row)
        with self._lock:
            for symbol in card.symbols:
                # Rows of a time that is over change nothing: only those that came meanwhile count.
                for row in self._rows.get((symbol, card.interval_ms), ()):
                    self._track(live, symbol).advance(row)
            self._lives[key] = live

    def _track(self, live: _Live, symbol: str) -> Track:
        if symbol not in live.tracks:
            live.tracks[symbol] = Track(symbol, live.model, self._miss_target)
        return live.tracks[symbol]

    def _heard(self, live: _Live, closed_at_ms: int, records: Sequence[PredictionRecord]) -> dict[str, Heard]:
        card, at = live.model.card, from_ms(closed_at_ms)
        interval = interval_name(card.interval_ms)
        first = {
            each.symbol: each.probability
            for each in records
            if (each.model_sha256, each.interval, each.at) == (live.trial.incumbent, interval, at)
        }
        heard = {}
        for symbol in card.symbols:
            rows = self._rows.get((symbol, card.interval_ms))
            if not rows or rows[-1].closed_at_ms != closed_at_ms:
                continue
            said = self._track(live, symbol).last
            second = None if said is None or said.at_ms != closed_at_ms else said.probability
            heard[symbol] = Heard(rows[-1].close, first.get(symbol), second, not rows[-1].problem)
        return heard

    def _commit(self, key: tuple[str, str], live: _Live, after: ModelTrial) -> bool:
        """Keep the trial after a bar, with what it decides; return whether another model is active now."""
        comparison = comparison_of(after)
        if not self._is_online or not (comparison.for_second.is_better or comparison.for_first.is_better):
            with self._store.session() as session:
                if not _is_current(session, after):
                    self._lives.pop(key, None)
                    return False
                model_trials.put(session, after)
            live.trial = after
            return False
        if comparison.for_first.is_better:
            with self._store.session() as session:
                model_trials.remove(session, *key)
                if not _is_current(session, after):
                    return False
                reason = f"worse than {after.incumbent[:12]}, evidence {comparison.for_first.value:.1f}"
                self._registry.move_within(session, after.challenger, "retired", ACTOR, reason)
            self._lives.pop(key, None)
            return False
        try:
            self._registry.require_sound(after.challenger)
        except (Corrupt, Refused) as error:
            self._drop_broken(after, error)
            return False
        has_changed = self._promote(key, after, comparison.for_second.value, comparison.for_second.n)
        self._lives.pop(key, None)
        if has_changed:
            self._registry.prune(after.slot, ACTOR)
        return has_changed

    def _promote(self, key: tuple[str, str], trial: ModelTrial, evidence: float, n: int) -> bool:
        with self._store.session() as session:
            model_trials.remove(session, *key)
            if not _is_current(session, trial):
                return False
            reason = f"better than {trial.incumbent[:12]} over {n} bars, evidence {evidence:.1f}"
            self._registry.move_within(session, trial.challenger, "active", ACTOR, reason, former="shadow")
            facts = {"new": trial.challenger[:12], "old": trial.incumbent[:12], "n": str(n), "value": f"{evidence:.1f}"}
            self._alerts.raise_once(session, "model_promoted", trial.slot, "info", facts)
        return True

    def _drop_broken(self, trial: ModelTrial, error: XcrackError) -> None:
        """A bundle that is not what it was is never promoted; what serves goes on."""
        with self._store.session() as session:
            model_trials.remove(session, trial.slot, trial.challenger)
            if not _is_current(session, trial):
                return
            self._registry.move_within(session, trial.challenger, "failed", ACTOR, error.message)
            facts = {"model": trial.challenger[:12], "reason": error.message}
            self._alerts.raise_once(session, "model_broken", trial.slot, "warning", facts)
        self._lives.pop((trial.slot, trial.challenger), None)


def _compared(session: Session) -> dict[str, list[ModelVersion]]:
    """Return by slot the model that serves, then those in shadow and the candidates with files, newest first.

    Slots in which nothing serves, or nothing waits to be compared, are left out.
    """
    found: dict[str, list[ModelVersion]] = {}
    for version in model_versions.latest(session, MAX_VERSIONS):
        if version.status == "active":
            found.setdefault(version.slot, []).insert(0, version)
        elif version.status in ("shadow", "candidate") and version.has_files:
            found.setdefault(version.slot, []).append(version)
    return {
        slot: versions for slot, versions in sorted(found.items()) if versions[0].status == "active" and versions[1:]
    }


def _is_current(session: Session, trial: ModelTrial) -> bool:
    """Whether both still are what they were; where a person was faster, what was proved is about other models."""
    active, challenger = model_versions.active(session, trial.slot), model_versions.find(session, trial.challenger)
    return active is not None and active.model_id == trial.incumbent and getattr(challenger, "status", "") == "shadow"


def _is_over(trial: ModelTrial | None) -> bool:
    """Whether a trial had its bars and shows nothing that could still become a promotion soon."""
    if trial is None:
        return False
    found = comparison_of(trial).for_second
    return found.n >= OVER_AFTER and found.value < 1.0
