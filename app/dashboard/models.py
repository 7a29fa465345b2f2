"""Trained models by what they answer: which serves, what was measured of each, and who changed what."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from flask import Response, flash, g, redirect, render_template, request, url_for

from app.ai_status import WatchView, read_drift, read_trials
from app.api.models import CardView, card_of
from app.api.requests import MAX_REASON, ask_model_rollback, ask_promotion
from app.auth import page_caller, require_page_scope
from app.rooms import rooms
from core.errors import BadInput, UnknownName
from core.model.drift import RetrainingRequest
from core.model.models import ModelEvent, ModelVersion
from core.model.operations import Request
from core.model.prediction import PredictionRecord
from core.store import Session, model_versions, model_watches, predictions, requests
from feedback.signals.market_facts import load_patterns, load_regimes
from feedback.signals.trial_steps import Standing

N_VERSIONS = 200
N_REQUESTS = 50
_KINDS = ("promote_model", "rollback_model")


@dataclass(frozen=True, slots=True)
class SlotPart:
    """All versions of one slot, newest first, and the version that a rollback would bring back."""

    slot: str
    versions: tuple[ModelVersion, ...]
    active: ModelVersion | None
    former: ModelVersion | None
    trials: tuple[Standing, ...]
    """Models in shadow beside what serves."""
    watch: WatchView | None
    request: RetrainingRequest | None
    """A training that was asked for and has no answer yet."""


@dataclass(frozen=True, slots=True)
class ModelPage:
    """All that the page of one model shows."""

    version: ModelVersion
    card: CardView | None
    fault: str
    events: tuple[ModelEvent, ...]
    requests: tuple[Request, ...]
    standing: tuple[PredictionRecord, ...]
    """Its newest prediction of every symbol, with the weights of its experts."""


def show_list() -> str:
    """Render the list."""
    with rooms().store.session() as session:
        found = model_versions.latest(session, N_VERSIONS)
        slots = sorted({version.slot for version in found})
        trials, asked = read_trials(session), model_watches.open_requests(session)
        parts = [_slot_part(session, slot, found, trials, asked) for slot in slots]
        patterns, regimes = load_patterns(session), load_regimes(session)
        wishes = [wish for wish in requests.latest(session, N_REQUESTS) if wish.kind in _KINDS]
    return render_template(
        "models.html",
        parts=parts,
        wishes=wishes,
        patterns=patterns,
        regimes=regimes,
        may_change=_may_change(),
        page="models",
    )


def _slot_part(
    session: Session,
    slot: str,
    versions: Sequence[ModelVersion],
    trials: Sequence[Standing],
    asked: Sequence[RetrainingRequest],
) -> SlotPart:
    active = model_versions.active(session, slot)
    watches = () if active is None else read_drift(session, (active.model_id,))
    return SlotPart(
        slot=slot,
        versions=tuple(version for version in versions if version.slot == slot),
        active=active,
        former=model_versions.former(session, slot),
        trials=tuple(trial for trial in trials if trial.slot == slot),
        watch=watches[0] if watches else None,
        request=next((each for each in asked if each.slot == slot), None),
    )


def show_one(model_id: str) -> str:
    """Render the page of one model."""
    here = rooms()
    with here.store.session() as session:
        version = model_versions.get(session, model_id)
        events = model_versions.events(session, model_id)
        wishes = [wish for wish in requests.latest(session, N_REQUESTS) if wish.subject_id == model_id]
        newest = [one for one in predictions.newest_of_each(session) if one.model_sha256 == model_id]
    card, fault = card_of(here.models.folder, version)
    page = ModelPage(version, card, fault, tuple(events), tuple(wishes), tuple(newest))
    return render_template(
        "model.html",
        m=page,
        v=version,
        may_promote=_may_change() and is_promotable(version),
        page="models",
    )


def confirm_promote(model_id: str) -> str:
    """Render what promoting will do, with the form that does it."""
    require_page_scope("approve")
    with rooms().store.session() as session:
        version = model_versions.get(session, model_id)
        replaced = model_versions.active(session, version.slot)
    return render_template(
        "model_change.html",
        slot=version.slot,
        then=version if is_promotable(version) else None,
        now_active=replaced,
        target=url_for("forms.promote_model", model_id=model_id),
        is_promotion=True,
        max_reason=MAX_REASON,
        page="models",
    )


def confirm_rollback(slot: str) -> str:
    """Render what rolling back will do, with the form that does it. Raises UnknownName for a slot without models."""
    require_page_scope("approve")
    with rooms().store.session() as session:
        if not model_versions.of_slot(session, slot):
            raise UnknownName(f"no model answers {slot[:80]}", "See the page Models")
        active, former = model_versions.active(session, slot), model_versions.former(session, slot)
    return render_template(
        "model_change.html",
        slot=slot,
        then=former,
        now_active=active,
        target=url_for("forms.rollback_model", slot=slot),
        is_promotion=False,
        max_reason=MAX_REASON,
        page="models",
    )


def promote(model_id: str) -> Response:
    """Store the wish to let a model serve, and show its page again."""
    caller, reason = require_page_scope("approve"), _reason()
    here = rooms()
    with here.store.session() as session:
        ask_promotion(session, here.clock.now(), caller, model_id, reason)
    flash(here.catalogue.text(g.language, "models.asked"))
    return cast(Response, redirect(url_for("pages.model", model_id=model_id), 303))


def rollback(slot: str) -> Response:
    """Store the wish to go back to the version before, and show the list again."""
    caller, reason = require_page_scope("approve"), _reason()
    here = rooms()
    with here.store.session() as session:
        ask_model_rollback(session, here.clock.now(), caller, slot, reason)
    flash(here.catalogue.text(g.language, "models.asked"))
    return cast(Response, redirect(url_for("pages.models"), 303))


def is_promotable(version: ModelVersion) -> bool:
    """Return whether the version may come to serve."""
    return version.has_files and version.status in ("candidate", "shadow", "retired")


def _reason() -> str:
    reason = request.form.get("reason", "").strip()
    if not reason or len(reason) > MAX_REASON:
        raise BadInput(f"the reason has {len(reason)} characters", f"Write why, in 1 to {MAX_REASON} characters")
    return reason


def _may_change() -> bool:
    caller = page_caller()
    return bool(caller.key_id) and caller.may("approve")
