"""The proposals, and the evidence on one of them.

People who may decide, and readers on this machine, also see the numbers of the sealed test. They are written on this
page alone and never into anything that a proposer reads.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from flask import Response, g, redirect, render_template, request, url_for

from app.api.insights import verdict_outcome
from app.api.insights_model import VerdictOutcome
from app.api.proposals import SEALED, STATES
from app.api.requests import MAX_REASON, ask_decision
from app.api.tables import csv_line
from app.auth import may_see_sealed, page_caller, require_page_scope
from app.dashboard.charts import Chart, Series, build_chart
from app.rooms import rooms
from core.errors import BadInput, UnknownName
from core.model.analysis import Analysis
from core.model.canary import Canary
from core.model.operations import FeedbackNote, Request
from core.model.proposal import Deployment, Proposal, ProposalState, Verdict
from core.store import Session, analyses, canaries, deployments, feedback_notes, requests, verdicts
from core.store import proposals as rows
from strategies.schema import ParamSpec, load_param_specs, strategy_names

N_LISTED = 100
N_REQUESTS = 100
_DECISIONS: Mapping[str | None, Literal["approve", "reject"]] = {"approve": "approve", "reject": "reject"}


@dataclass(frozen=True, slots=True)
class ListLine:
    """One proposal in the list."""

    proposal: Proposal
    verdict: VerdictOutcome | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known about one proposal."""

    proposal: Proposal
    analysis: Analysis | None
    verdicts: tuple[Verdict, ...]
    deployments: tuple[Deployment, ...]
    requests: tuple[Request, ...]
    notes: tuple[FeedbackNote, ...]
    canary: Canary | None

    @property
    def overlay(self) -> Verdict | None:
        """The last verdict on seen data that has both equity curves."""
        return next((one for one in reversed(self.verdicts) if one.stage != SEALED and len(one.equity_days) > 1), None)

    @property
    def waits(self) -> bool:
        """Whether a change of it waits for a person."""
        return any(one.state == "awaiting_approval" for one in self.deployments)


def show_list() -> str:
    """Render the list."""
    state = request.args.get("state", "")
    if state and state not in STATES:
        raise BadInput(f"there is no proposal state '{state[:40]}'", f"Use one of {', '.join(STATES)}")
    with rooms().store.session() as session:
        found = rows.latest(session, N_LISTED, cast(ProposalState, state) if state else None)
        lines = [ListLine(one, verdict_outcome(verdicts.for_proposal(session, one.proposal_id))) for one in found]
    return render_template("proposals.html", lines=lines, state=state, states=STATES, specs=_specs, page="proposals")


def show_one(proposal_id: str) -> str:
    """Render the evidence page."""
    with rooms().store.session() as session:
        evidence = _load(session, proposal_id)
    caller = page_caller()
    return render_template(
        "proposal.html",
        e=evidence,
        p=evidence.proposal,
        specs=_specs(evidence.proposal.strategy),
        chart=_overlay(evidence.overlay),
        shows_sealed=may_see_sealed(),
        may_decide=bool(caller.key_id) and caller.may("approve"),
        page="proposals",
    )


def export_overlay(proposal_id: str) -> Response:
    """Answer with the series behind the evidence chart as CSV. Raises UnknownName when there is none."""
    with rooms().store.session() as session:
        overlay = _load(session, proposal_id).overlay
    if overlay is None:
        raise UnknownName(f"proposal {proposal_id} has no equity curves on seen data")
    days = zip(overlay.equity_days, overlay.equity_incumbent, overlay.equity_candidate, strict=True)
    lines = [csv_line(["day_kst", "incumbent_usd", "candidate_usd"]), *(csv_line(values) for values in days)]
    response = Response("".join(lines), mimetype="text/csv")
    response.headers["Content-Disposition"] = 'attachment; filename="proposal.csv"'
    return response


def decide(proposal_id: str) -> Response:
    """Store the wish to approve or reject, and show the page again."""
    caller = require_page_scope("approve")
    wish, reason = request.form.get("decision"), request.form.get("reason", "").strip()
    if wish not in _DECISIONS:
        raise BadInput("the form sent neither approve nor reject", "Press one of its two buttons")
    decision = _DECISIONS[wish]
    if len(reason) > MAX_REASON:
        raise BadInput(f"the reason has {len(reason)} characters, {MAX_REASON} are allowed", "Shorten it")
    here = rooms()
    with here.store.session() as session:
        ask_decision(session, here.clock.now(), caller, decision, proposal_id, reason)
    return cast(Response, redirect(url_for("pages.proposal", proposal_id=proposal_id), 303))


def _load(session: Session, proposal_id: str) -> Evidence:
    proposal = rows.get(session, proposal_id)
    made = deployments.for_proposal(session, proposal_id)
    ids = {one.deployment_id for one in made}
    return Evidence(
        proposal=proposal,
        analysis=analyses.find(session, proposal.analysis_id),
        verdicts=tuple(verdicts.for_proposal(session, proposal_id)),
        deployments=tuple(made),
        requests=tuple(one for one in requests.latest(session, N_REQUESTS) if one.subject_id in ids),
        notes=tuple(feedback_notes.for_target(session, "proposal", proposal_id)),
        canary=canaries.for_proposal(session, proposal_id),
    )


def _specs(strategy: str) -> dict[str, ParamSpec]:
    # A proposal may be older than the removal of its strategy; then it is shown without units.
    return dict(load_param_specs(strategy)) if strategy in strategy_names() else {}


def _overlay(verdict: Verdict | None) -> Chart | None:
    if verdict is None:
        return None
    words = rooms().catalogue
    return build_chart(
        title=words.text(g.language, "proposal.chart_title"),
        description=words.text(g.language, "proposal.chart_description"),
        series=(
            Series(words.text(g.language, "proposal.incumbent"), "series-b", verdict.equity_incumbent),
            Series(words.text(g.language, "proposal.candidate"), "series-a", verdict.equity_candidate),
        ),
        labels=(verdict.equity_days[0], verdict.equity_days[-1]),
        csv_url=url_for("pages.proposal_csv", proposal_id=verdict.proposal_id),
    )
