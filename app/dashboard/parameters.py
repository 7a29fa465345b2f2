"""What runs, beside what, how it came to run, and the way back."""

from dataclasses import dataclass
from typing import cast

from flask import Response, flash, g, redirect, render_template, request, url_for

from app.api.requests import MAX_REASON, ask_rollback, find_way_back
from app.auth import page_caller, require_page_scope
from app.canaries import changed
from app.dashboard.lineage import Lineage, read_lineage
from app.rooms import rooms
from core.errors import BadInput, Conflict, UnknownName
from core.model.canary import Canary
from core.model.proposal import Deployment, ParamVersion
from core.model.slots import SLOT_MODES, Slot, slot_id
from core.store import Session, canaries, deployments, param_versions
from strategies.program_text import tell_program_change
from strategies.rollout import share_in_force
from strategies.schema import ParamSpec, load_param_specs, strategy_names

Edits = tuple[tuple[str, float | None, float], ...]


@dataclass(frozen=True, slots=True)
class VersionLine:
    """A version, what it changed, how it came to be, and the deployment that brought it."""

    version: ParamVersion
    edits: Edits
    rules: tuple[str, ...]
    """What goes and comes of the rule set."""
    lineage: Lineage
    deployment: Deployment | None


@dataclass(frozen=True, slots=True)
class SlotLine:
    """What stands beside a live instance, and how it differs from it."""

    slot: Slot | None
    """None for the live instance itself."""
    version: int
    share: float
    edits: Edits
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InstanceParams:
    """An instance with its slots and its versions, newest first."""

    active: ParamVersion
    history: tuple[VersionLine, ...]
    slots: tuple[SlotLine, ...]
    canary: Canary | None
    """The open one."""
    specs: dict[str, ParamSpec]
    can_go_back: bool


def show() -> str:
    """Render the page."""
    with rooms().store.session() as session:
        lines = [_read(session, active) for active in param_versions.all_active(session)]
    caller = page_caller()
    may_roll_back = bool(caller.key_id) and caller.may("admin")
    return render_template("parameters.html", lines=lines, may_roll_back=may_roll_back, page="parameters")


def confirm_rollback(instance_id: str) -> str:
    """Render what going back will change, with the form that does it. Raises UnknownName when nothing leads back."""
    require_page_scope("admin")
    with rooms().store.session() as session:
        active = param_versions.active(session, instance_id)
        canary = canaries.open_of(session, instance_id)
        former = find_way_back(session, active)
    if former is None and canary is None:
        raise UnknownName(f"nothing leads back from version {active.version} of {instance_id}", "See its versions")
    back = active.params if former is None else former.params
    back_rules = active.rules if former is None else former.rules
    if canary is not None:
        back = canary.incumbent_params if canary.stage == "promoted" else active.params
        back_rules = canary.incumbent_rules if canary.stage == "promoted" else active.rules
    return render_template(
        "rollback.html",
        active=active,
        canary=canary,
        former=None if canary is not None else former,
        edits=changed(active.params, back),
        rules=tell_program_change(active.rules, back_rules),
        seen=_way_back_id(active, canary),
        max_reason=MAX_REASON,
        page="parameters",
    )


def rollback(instance_id: str) -> Response:
    """Store the wish to undo the deployment in force, or the open canary."""
    caller = require_page_scope("admin")
    reason = request.form.get("reason", "").strip()
    if len(reason) > MAX_REASON:
        raise BadInput(f"the reason has {len(reason)} characters, {MAX_REASON} are allowed", "Shorten it")
    here = rooms()
    with here.store.session() as session:
        now_there = _way_back_id(param_versions.active(session, instance_id), canaries.open_of(session, instance_id))
        if request.form.get("seen", now_there) != now_there:
            raise Conflict(f"{instance_id} has changed since the page was shown", "Look again at what would change")
        ask_rollback(session, here.clock.now(), caller, instance_id, reason)
    flash(here.catalogue.text(g.language, "parameters.asked"))
    return cast(Response, redirect(url_for("pages.parameters"), 303))


def _way_back_id(active: ParamVersion, canary: Canary | None) -> str:
    """Return what going back would undo: what a person confirmed must still be what happens."""
    return canary.canary_id if canary is not None else f"v{active.version}"


def _read(session: Session, active: ParamVersion) -> InstanceParams:
    canary = canaries.open_of(session, active.instance_id)
    return InstanceParams(
        active=active,
        history=_history(session, active.instance_id),
        slots=_slots(session, active),
        canary=canary,
        specs=dict(load_param_specs(active.strategy)) if active.strategy in strategy_names() else {},
        can_go_back=canary is not None or find_way_back(session, active) is not None,
    )


def _history(session: Session, instance_id: str) -> tuple[VersionLine, ...]:
    versions = param_versions.history(session, instance_id)
    brought = {each.version: each for each in deployments.of_instance(session, instance_id)}
    lines = []
    for number, version in enumerate(versions):
        made = brought.get(version.version)
        # What it replaced, which need not be the number before: a refused version never was in force.
        base_number = None if made is None else made.rollback_to
        base = next((each for each in versions[:number] if each.version == base_number), None)
        before = base or (versions[number - 1] if number else None)
        edits = () if before is None else changed(before.params, version.params)
        rules = () if before is None else tell_program_change(before.rules, version.rules)
        lines.append(VersionLine(version, edits, rules, read_lineage(session, version, made), made))
    return tuple(reversed(lines))


def _slots(session: Session, live: ParamVersion) -> tuple[SlotLine, ...]:
    lines = [SlotLine(None, live.version, share_in_force(session, live.instance_id), ())]
    for slot in SLOT_MODES:
        name = slot_id(live.instance_id, slot)
        runs = param_versions.find_active(session, name)
        if runs is not None:
            share = share_in_force(session, name)
            rules = tell_program_change(live.rules, runs.rules)
            lines.append(SlotLine(slot, runs.version, share, changed(live.params, runs.params), rules))
    return tuple(lines)
