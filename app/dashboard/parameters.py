"""What runs, how it came to run, and the way back."""

from dataclasses import dataclass
from typing import cast

from flask import Response, flash, g, redirect, render_template, request, url_for

from app.api.requests import ask_rollback
from app.auth import page_caller, require_page_scope
from app.rooms import rooms
from core.errors import BadInput
from core.model.proposal import Deployment, ParamVersion
from core.store import deployments, param_versions
from strategies.schema import ParamSpec, load_param_specs, strategy_names

MAX_REASON = 280


@dataclass(frozen=True, slots=True)
class InstanceParams:
    """An instance's versions, newest first, with the deployments that made them."""

    active: ParamVersion
    history: tuple[ParamVersion, ...]
    deployments: dict[int, Deployment]
    specs: dict[str, ParamSpec]

    @property
    def can_go_back(self) -> bool:
        """Whether a deployment made the version in force, so that there is one before it."""
        return self.active.version in self.deployments


def show() -> str:
    """Render the page."""
    with rooms().store.session() as session:
        lines = [
            InstanceParams(
                active=active,
                history=tuple(reversed(param_versions.history(session, active.instance_id))),
                deployments={one.version: one for one in deployments.of_instance(session, active.instance_id)},
                specs=dict(load_param_specs(active.strategy)) if active.strategy in strategy_names() else {},
            )
            for active in param_versions.all_active(session)
        ]
    caller = page_caller()
    may_roll_back = bool(caller.key_id) and caller.may("admin")
    return render_template("parameters.html", lines=lines, may_roll_back=may_roll_back, page="parameters")


def rollback(instance_id: str) -> Response:
    """Store the wish to undo the deployment in force."""
    caller = require_page_scope("admin")
    reason = request.form.get("reason", "").strip()
    if len(reason) > MAX_REASON:
        raise BadInput(f"the reason has {len(reason)} characters, {MAX_REASON} are allowed", "Shorten it")
    here = rooms()
    with here.store.session() as session:
        ask_rollback(session, here.clock.now(), caller, instance_id, reason)
    flash(here.catalogue.text(g.language, "parameters.asked"))
    return cast(Response, redirect(url_for("pages.parameters"), 303))
