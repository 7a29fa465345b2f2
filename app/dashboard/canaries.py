"""Accepted changes on their way to the whole capital: where each stands, what its days say, and how to stop it.

Promise, scale and the guard's limits rest on sealed days. They, and d which needs the scale, are for people who may
approve and for readers on this machine; others see the way, the days that were lived and what ended it.
"""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import cast

from flask import Response, flash, g, redirect, render_template, request, url_for

from app.api.requests import MAX_REASON, ask_stop
from app.api.tables import csv_line
from app.auth import may_see_sealed, page_caller, require_page_scope
from app.canaries import CanaryFacts, facts_of, load_canary
from app.dashboard.canary_charts import GuardCharts, guard_charts
from app.rooms import rooms
from core.errors import BadInput
from core.model.canary import CanaryDecision
from core.model.operations import Request
from core.model.proposal import Proposal
from core.store import Session, canaries, proposals, requests
from strategies.rollout.path import GuardPoint

N_LISTED = 100
N_REQUESTS = 100
N_SHOWN_DAYS = 14
_PROGRESS = re.compile(r"(\d+) of (\d+) whole days(?=;|$)")


@dataclass(frozen=True, slots=True)
class DayLine:
    """A day, and what was decided from it on the next one."""

    point: GuardPoint
    decision: CanaryDecision | None


@dataclass(frozen=True, slots=True)
class CanaryPage:
    """All that the page of one canary shows."""

    facts: CanaryFacts
    proposal: Proposal | None
    lines: tuple[DayLine, ...]
    """Newest first."""
    moves: tuple[CanaryDecision, ...]
    requests: tuple[Request, ...]
    charts: GuardCharts | None
    """None for those who may not see what rests on sealed days."""


def show_list() -> str:
    """Render the list: open ones with their way, then those that are over."""
    with rooms().store.session() as session:
        found = [facts_of(session, each) for each in canaries.latest(session, N_LISTED)]
    return render_template(
        "canaries.html",
        open=[each for each in found if each.canary.is_open],
        over=[each for each in found if not each.canary.is_open],
        shows_sealed=may_see_sealed(),
        said=_said,
        page="canaries",
    )


def show_one(canary_id: str) -> str:
    """Render the page of one canary."""
    with rooms().store.session() as session:
        page = _load(session, canary_id)
    return render_template(
        "canary.html",
        p=page,
        c=page.facts.canary,
        n_shown=N_SHOWN_DAYS,
        shows_sealed=may_see_sealed(),
        said=_said,
        may_stop=page.facts.canary.is_open and _may_stop(),
        page="canaries",
    )


def export_days(canary_id: str) -> Response:
    """Answer with the days behind the charts as CSV; what rests on sealed days is left out for those not let in."""
    with rooms().store.session() as session:
        facts = load_canary(session, canary_id)
    names = ["day_kst", "stage", "share", "candidate_usd", "incumbent_usd", "fault"]
    sealed = ["d_usd", "sum_usd", "low_usd", "high_usd", "promised_usd", "floor_usd", "t", "drift"]
    is_whole = may_see_sealed()
    lines = [csv_line([*names, *sealed] if is_whole else names)]
    for p in facts.path:
        lived = [p.day.on, p.day.stage, p.day.share, p.day.candidate_usd, p.day.incumbent_usd, p.day.fault]
        guarded = [p.d_usd, p.sum_usd, p.low_usd, p.high_usd, p.promised_usd, p.floor_usd, p.statistic, p.drift]
        lines.append(csv_line([*lived, *guarded] if is_whole else lived))
    response = Response("".join(lines), mimetype="text/csv")
    response.headers["Content-Disposition"] = 'attachment; filename="canary-days.csv"'
    return response


def confirm_stop(canary_id: str) -> str:
    """Render what stopping will do, with the form that does it."""
    require_page_scope("approve")
    with rooms().store.session() as session:
        facts = load_canary(session, canary_id)
    return render_template("canary_stop.html", f=facts, c=facts.canary, max_reason=MAX_REASON, page="canaries")


def stop(canary_id: str) -> Response:
    """Store the wish to take the canary back, and show its page again."""
    caller = require_page_scope("approve")
    reason = request.form.get("reason", "").strip()
    if not reason or len(reason) > MAX_REASON:
        raise BadInput(f"the reason has {len(reason)} characters", f"Write why, in 1 to {MAX_REASON} characters")
    here = rooms()
    with here.store.session() as session:
        ask_stop(session, here.clock.now(), caller, canary_id, reason)
    flash(here.catalogue.text(g.language, "canary.asked"))
    return cast(Response, redirect(url_for("pages.canary", canary_id=canary_id), 303))


def _load(session: Session, canary_id: str) -> CanaryPage:
    facts = load_canary(session, canary_id)
    decided: dict[date, CanaryDecision] = {each.on: each for each in facts.decisions}
    lines = (DayLine(point, decided.get(point.day.on + timedelta(days=1))) for point in reversed(facts.path))
    return CanaryPage(
        facts=facts,
        proposal=proposals.find(session, facts.canary.proposal_id),
        lines=tuple(lines),
        moves=tuple(each for each in facts.decisions if each.is_move),
        requests=tuple(each for each in requests.latest(session, N_REQUESTS) if each.subject_id == canary_id),
        charts=guard_charts(facts) if may_see_sealed() else None,
    )


def _said(reason: str) -> str:
    """Return a reason with the progress it may begin with in the reader's language; the rest stands as it is kept."""
    progress = _PROGRESS.match(reason)
    if progress is None:
        return reason
    days = rooms().catalogue.text(g.language, "canary.days_of", n=progress[1], needed=progress[2])
    return days + reason[progress.end() :]


def _may_stop() -> bool:
    caller = page_caller()
    return bool(caller.key_id) and caller.may("approve")
