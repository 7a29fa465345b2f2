"""The registry of models: which bundle is a candidate, shadows, serves or is retired, who said so, and what is kept.

Every change is one transaction: the row, its event, and a link of the audit chain. The files of a bundle come before
its row and go after it, so a kill between the two leaves files that nobody names, never a name without files.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from core.clock import Clock
from core.errors import Conflict, Refused, UnknownName
from core.model.canonical import short_id
from core.model.models import ModelEvent, ModelStatus, ModelVersion
from core.store import Session, Store, audit, model_versions
from market.candles import interval_name
from ml.bundle import Bundle, ModelCard, load_bundle

KEPT = 3
"""Versions of a slot whose files stay, beside what is active or waits."""
_MOVES: dict[ModelStatus, tuple[ModelStatus, ...]] = {
    "candidate": ("shadow", "active", "retired", "failed"),
    "shadow": ("active", "retired", "failed"),
    "active": ("retired", "failed"),
    "retired": ("active",),
    "failed": (),
}
_IN_USE = ("active", "shadow", "candidate")


def slot_name(task: str, horizon_bars: int, interval_ms: int) -> str:
    """Return the name of what a model answers, such as `sign:1:1h`."""
    return f"{task}:{horizon_bars}:{interval_name(interval_ms)}"


def slot_of(card: ModelCard) -> str:
    """Return the slot of a bundle."""
    return slot_name(card.task, card.horizon_bars, card.interval_ms)


@dataclass(frozen=True, slots=True)
class Question:
    """All that a model answers: its slot, and the threshold of its label, which the name of a slot leaves out."""

    slot: str
    threshold: float

    def other_than(self, serving: "Question") -> str:
        """Return in words how it differs from what the model that serves answers; empty where it does not."""
        if self == serving:
            return ""
        if self.slot != serving.slot:
            return f"answers another question: {self.slot}, the one that serves {serving.slot}"
        return f"answers another question: threshold {self.threshold:g}, the one that serves {serving.threshold:g}"


def question_of(card: ModelCard) -> Question:
    """Return what a bundle answers."""
    return Question(slot_of(card), card.threshold)


@dataclass(frozen=True, slots=True)
class ModelRegistry:
    """The versions in a store and their bundles in the folder `models`."""

    store: Store
    clock: Clock
    models: Path
    admit: Callable[[ModelCard], None] = lambda _: None
    """Raises Refused for a model that may not serve here, such as one of inputs that are not known here."""

    def add_candidate(self, model_id: str, feature_schema_sha256: str, actor: str) -> ModelVersion:
        """Enter a bundle that was written, after every check of its files; entered before, it stays as it is.

        Raises Corrupt or Refused as `ml.bundle.load_bundle`.
        """
        card = load_bundle(self.models / model_id, model_id, feature_schema_sha256).card
        version = ModelVersion(
            model_id, slot_of(card), "candidate", self.clock.now(), card.feature_schema_sha256, card.symbols, True
        )
        with self.store.session() as session:
            found = model_versions.find(session, model_id)
            if found is not None and found.has_files:
                return found
            if found is not None:
                # Trained again to the same bytes after its files were removed.
                version = replace(found, has_files=True)
                model_versions.put(session, version)
                self._note(session, version, found.status, actor, "trained again")
            else:
                model_versions.add(session, version)
                self._note(session, version, "", actor, "trained")
        return version

    def add_failed(self, slot: str, reason: str, actor: str) -> ModelVersion:
        """Enter a training that gave no bundle."""
        now = self.clock.now()
        version = ModelVersion(
            short_id("failed", slot, now.isoformat(), reason), slot, "failed", now, "", (), False, reason
        )
        with self.store.session() as session:
            if model_versions.add(session, version):
                self._note(session, version, "", actor, reason)
        return version

    def move(self, model_id: str, to: ModelStatus, actor: str, reason: str) -> ModelVersion:
        """Change a status; making one active retires the slot's active one in the same transaction.

        Raises UnknownName, Refused for a change that is not allowed, Corrupt before anything damaged becomes active.
        """
        if to == "active":
            self.require_sound(model_id)
        with self.store.session() as session:
            return self.move_within(session, model_id, to, actor, reason)

    def move_within(
        self,
        session: Session,
        model_id: str,
        to: ModelStatus,
        actor: str,
        reason: str,
        former: ModelStatus = "retired",
    ) -> ModelVersion:
        """Change a status in the caller's transaction, after `require_sound`; the one replaced becomes `former`."""
        version = model_versions.get(session, model_id)
        if version.status == to:
            return version
        if to not in _MOVES[version.status]:
            allowed = ", ".join(_MOVES[version.status]) or "nothing else"
            raise Refused(f"model {model_id[:12]} is {version.status} and cannot become {to}", f"It can be {allowed}")
        if to == "active":
            if not version.has_files:
                raise Conflict(f"the files of model {model_id[:12]} were removed meanwhile", "Train it again")
            before = model_versions.active(session, version.slot)
            if before is not None:
                self._set(session, before, former, actor, f"replaced by {model_id[:12]}")
        return self._set(session, version, to, actor, reason)

    def rollback(self, slot: str, actor: str, reason: str, once: str = "") -> ModelVersion:
        """Make the version active again that was active before the present one. Raises UnknownName if none is kept.

        `once` is the id of the wish: the same wish again, after a kill, does not go back a second time.
        """
        reason = f"{reason} ({once})" if once else reason
        with self.store.session() as session:
            present = model_versions.active(session, slot)
            if once and present is not None:
                last = model_versions.events(session, present.model_id)[-1]
                if (last.after, last.actor, last.reason) == ("active", actor, reason):
                    return present
            earlier = self.version_before(session, slot)
        return self.move(earlier, "active", actor, reason)

    def version_before(self, session: Session, slot: str) -> str:
        """Return the id of the version that a rollback brings back. Raises UnknownName if none is kept."""
        former = model_versions.former(session, slot)
        if former is None:
            present = model_versions.active(session, slot)
            name = f" before {present.model_id[:12]}" if present else ""
            raise UnknownName(f"no version of {slot} that served{name} is kept", "Train one")
        return former.model_id

    def load_active(self, slot: str, feature_schema_sha256: str) -> Bundle | None:
        """Return the slot's active bundle, every file checked against its hash, or None where nothing is active.

        Raises Corrupt or Refused as `ml.bundle.load_bundle`; whoever serves goes on with what it has then.
        """
        with self.store.session() as session:
            version = model_versions.active(session, slot)
        if version is None:
            return None
        return load_bundle(self.models / version.model_id, version.model_id, feature_schema_sha256)

    def prune(self, slot: str, actor: str) -> tuple[str, ...]:
        """Remove the files of all but the newest three versions, what is in use and what a rollback brings back.

        Returns whose were removed. Rows and events stay for ever. What a killed removal left goes with the next one.
        """
        with self.store.session() as session:
            with_files = [each for each in model_versions.of_slot(session, slot) if each.has_files]
            former = model_versions.former(session, slot)
            gone = [each for each in with_files[KEPT:] if each.status not in _IN_USE and each != former]
            for each in gone:
                model_versions.put(session, replace(each, has_files=False))
                self._note(session, each, each.status, actor, "files removed")
            nameless = [each.model_id for each in model_versions.of_slot(session, slot) if not each.has_files]
        for model_id in nameless:
            # One hidden name first: a folder with some of its files must not look like a bundle.
            folder, hidden = self.models / model_id, self.models / f".{model_id}.removed"
            if folder.is_dir():
                folder.rename(hidden)
            shutil.rmtree(hidden, ignore_errors=True)
        return tuple(each.model_id for each in gone)

    def require_sound(self, model_id: str) -> None:
        """Raise Corrupt or Refused for files that are not what they were, and for what `admit` refuses; UnknownName."""
        with self.store.session() as session:
            version = model_versions.get(session, model_id)
        if version.has_files:
            self.admit(load_bundle(self.models / model_id, model_id, version.feature_schema_sha256).card)

    def _set(self, session: Session, version: ModelVersion, to: ModelStatus, actor: str, reason: str) -> ModelVersion:
        changed = replace(version, status=to)
        model_versions.put(session, changed)
        self._note(session, changed, version.status, actor, reason)
        return changed

    def _note(self, session: Session, version: ModelVersion, before: str, actor: str, reason: str) -> None:
        now = self.clock.now()
        number = model_versions.next_number(session, version.model_id)
        event = ModelEvent(version.model_id, number, now, before, version.status, actor, reason)
        model_versions.add_event(session, event)
        audit.append(session, now, actor, "model", version.model_id, event_payload(event, version.slot))


def event_payload(event: ModelEvent, slot: str) -> dict[str, object]:
    """Return what the audit chain keeps of an event."""
    return {"slot": slot, "before": event.before, "after": event.after, "reason": event.reason, "number": event.number}
