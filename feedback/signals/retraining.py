"""Trainings that are asked for: by drift as it is found, and weekly where the settings say so.

The worker asks and starts none. A training takes the cores that the engine trades on for as long as it likes, its
libraries may not be there at all, and nothing that serves waits for it: a person or a timer runs the command that the
request names, beside this machine or on it, and what comes of it is a candidate that must prove itself in shadow.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from core.model.canonical import short_id
from core.model.drift import ModelWatch, RetrainingRequest, RetrainReason
from core.store import Session, model_versions, model_watches
from feedback.alerts import AlertDesk

MAX_VERSIONS = 1_000


@dataclass(frozen=True, slots=True)
class Retraining:
    """Who asks. With `models.online: frozen` nobody does."""

    alerts: AlertDesk
    is_online: bool
    is_weekly: bool
    has_trainer: Callable[[], bool]
    """Whether the trainer's libraries are installed here."""

    def ask(self, session: Session, watch: ModelWatch, reason: RetrainReason, at: datetime) -> RetrainingRequest | None:
        """Keep a request in the caller's transaction; None where an earlier one of the slot waits, or frozen."""
        if not self.is_online:
            return None
        request_id = short_id("retrain", watch.model_id, reason, at.isoformat())
        request = RetrainingRequest(request_id, watch.slot, watch.model_id, reason, at, watch.command)
        if not model_watches.ask(session, request):
            return None
        if not self.has_trainer():
            self.alerts.raise_once(session, "model_no_trainer", watch.slot, "info", {"reason": reason})
        return request

    def ask_weekly(self, session: Session, at: datetime) -> tuple[str, ...]:
        """Ask for each model that serves and is watched; returns the ids of the requests."""
        if not self.is_weekly:
            return ()
        active = [each for each in model_versions.latest(session, MAX_VERSIONS) if each.status == "active"]
        watches = [model_watches.find(session, each.model_id) for each in sorted(active, key=lambda each: each.slot)]
        asked = [self.ask(session, watch, "weekly", at) for watch in watches if watch is not None]
        return tuple(each.request_id for each in asked if each is not None)
