"""The gate's reading and writing: facts for admission, rows of the trial ledger, and the state a verdict leads to."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from core.errors import Conflict, Refused
from core.model.canonical import canonical_json, short_id
from core.model.proposal import (
    PLACEBO,
    WAS_IN_FORCE,
    BacktestRun,
    ParamVersion,
    Proposal,
    ProposalState,
    Stage,
    Verdict,
)
from core.settings_sections import CostSettings, GateSettings
from core.store import Session, backtests, canaries, deployments, ledger, param_versions, proposals, verdicts
from strategies.gate.admission import AdmissionFacts
from strategies.gate.budget import BudgetState, read_budget
from strategies.gate.program_checks import PROGRAM
from strategies.programs import identify_program

IN_FLIGHT = ("awaiting_approval", "pushed")


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with the backtests behind it, to be saved together."""

    verdict: Verdict
    backtests: tuple[BacktestRun, ...] = ()
    budget: BudgetState | None = None
    """The budget a sealed test was judged under; None when nothing was spent."""


def verdict_id(proposal_id: str, stage: Stage) -> str:
    """Return the id of the one verdict that this stage gives on this proposal."""
    return short_id("verdict", proposal_id, stage)


def load_admission_facts(session: Session, proposal: Proposal, now: datetime) -> AdmissionFacts:
    """Return what admission needs to know about the proposal's instance."""
    versions = param_versions.history(session, proposal.instance_id)
    active = param_versions.find_active(session, proposal.instance_id)
    twins = proposals.by_content(session, proposals.content_sha256(proposal))
    moving = [each for each in deployments.of_instance(session, proposal.instance_id) if each.state in IN_FLIGHT]
    mates = proposals.for_analysis(session, proposal.analysis_id)
    earlier = [each for each in mates if each.state == "pending" and _order(each) < _order(proposal)]
    waiting = [*proposals.in_state(session, "queued"), *earlier]
    canary = canaries.open_of(session, proposal.instance_id)
    return AdmissionFacts(
        active=active,
        evidenced=_evidenced_params(session, versions, active),
        # What became of a placebo tells no proposer anything. Each lane has one place in the queue of an instance: what
        # an analyzer proposed must not keep out what a search finds, and the champion is the better of them.
        refuted=[each for each in twins if each.is_placebo <= proposal.is_placebo and _was_tried(session, each)],
        queued=[
            each
            for each in waiting
            if each.instance_id == proposal.instance_id
            and each.proposal_id != proposal.proposal_id
            and each.lane == proposal.lane
        ],
        on_the_way=[each.deployment_id for each in moving if each.proposal_id != proposal.proposal_id],
        touched_at=_touched_at(session, proposal.instance_id, versions),
        now=now,
        canary_id="" if canary is None else canary.canary_id,
        programs={} if proposal.rules is None else _known_programs(session, proposal, versions),
    )


def save_verdict(session: Session, proposal: Proposal, judgement: Judgement, state: ProposalState) -> bool:
    """Store verdict, backtests, ledger rows and the proposal's state; False and no effect when it was saved before.

    Raises Conflict when the error budget has moved on since a sealed test was judged, Refused for a placebo's.
    """
    verdict = judgement.verdict
    if verdicts.find(session, verdict.verdict_id) is not None:
        return False
    at = verdict.decided_at
    if judgement.budget is not None:
        if proposals.get(session, proposal.proposal_id).is_placebo:
            raise Refused(f"{proposal.proposal_id} is a placebo", "It spends nothing of the error budget")
        _spend(session, proposal, verdict, judgement.budget)
    for run in judgement.backtests:
        if backtests.add(session, run):
            ledger.append(session, at, "backtest", run.strategy, run.proposal_id, trial_payload(run))
    verdicts.add(session, verdict)
    ledger.append(session, at, "verdict", proposal.strategy, proposal.proposal_id, _decision(verdict))
    proposals.set_state(session, proposal.proposal_id, state)
    return True


def register(session: Session, proposal: Proposal, at: datetime, data_until: datetime) -> None:
    """Write down what will be tried, before it is tried: content, parent, data cut-off, source and what is expected."""
    payload = {
        "content_sha256": proposals.content_sha256(proposal),
        "instance_id": proposal.instance_id,
        "base_version": proposal.base_version,
        "base_sha256": proposal.base_sha256,
        "edits": [asdict(edit) for edit in proposal.edits],
        "program": None if proposal.rules is None else identify_program(proposal.rules),
        "expected_effect": asdict(proposal.expected_effect),
        "source": proposal.source,
        "analysis_id": proposal.analysis_id,
        "data_until": data_until,
    }
    ledger.append(session, at, "preregistration", proposal.strategy, proposal.proposal_id, payload)


def record_thresholds(session: Session, at: datetime, settings: GateSettings, costs: CostSettings) -> bool:
    """Write the thresholds in force when they differ from the last ones on record; tells whether they did."""
    text = thresholds_text(settings, costs)
    row = ledger.last(session, "thresholds")
    if row is not None and row.payload == text:
        return False
    ledger.append(session, at, "thresholds", "", None, json.loads(text))
    return True


def thresholds_text(settings: GateSettings, costs: CostSettings) -> str:
    """Return the thresholds as the ledger keeps them."""
    return canonical_json({"gate": settings.model_dump(mode="json"), "costs": costs.model_dump(mode="json")})


def missing_record(session: Session, proposal: Proposal, settings: GateSettings, costs: CostSettings) -> str:
    """Return which ledger row is missing or does not fit, so that nothing may be judged; empty when all is there."""
    thresholds = ledger.last(session, "thresholds")
    if thresholds is None or thresholds.payload != thresholds_text(settings, costs):
        return "the thresholds in force are not on the ledger"
    registered = ledger.rows(session, "preregistration", proposal_id=proposal.proposal_id)
    if not registered:
        return "there is no pre-registration on the ledger"
    if json.loads(registered[-1].payload)["content_sha256"] != proposals.content_sha256(proposal):
        return "the pre-registration on the ledger is of another change"
    return ""


def screen_statistic(session: Session, proposal: Proposal, name: str) -> float | None:
    """Return the number of the check `name` in the screen's verdict, or None."""
    verdict = verdicts.find(session, verdict_id(proposal.proposal_id, "screen"))
    checks = verdict.checks if verdict is not None else ()
    return next((check.value for check in checks if check.name == name), None)


def _spend(session: Session, proposal: Proposal, verdict: Verdict, judged_under: BudgetState) -> None:
    at = verdict.decided_at
    present = read_budget(
        session,
        at,
        GateSettings(alpha_quarter=judged_under.alpha_quarter, tests_per_quarter=judged_under.tests_per_quarter),
    )
    if present != judged_under:
        raise Conflict("the error budget has moved on since this sealed test was judged", "Judge the champion again")
    payload = {"level": judged_under.level, "quarter": judged_under.quarter, "outcome": verdict.outcome}
    ledger.append(session, at, "sealed_test", proposal.strategy, proposal.proposal_id, payload)
    if verdict.outcome == "accepted":
        ledger.append(session, at, "promotion", proposal.strategy, proposal.proposal_id, {"deciding": verdict.deciding})


def _evidenced_params(
    session: Session, versions: list[ParamVersion], active: ParamVersion | None
) -> Mapping[str, float] | None:
    if active is None:
        return None
    proven: dict[str, ParamVersion] = {}
    latest: ParamVersion | None = None
    for version in versions:
        if version.version > active.version:
            break
        if _has_evidence(session, version) or (version.origin.startswith("rollback:") and version.sha256 in proven):
            proven[version.sha256] = latest = version
    return latest.params if latest is not None else None


def _has_evidence(session: Session, version: ParamVersion) -> bool:
    if version.origin == "initial":
        return True
    proposal = proposals.find(session, version.origin)
    if proposal is None or proposal.state == "rolled_back":
        return False
    verdict = verdicts.find(session, verdict_id(proposal.proposal_id, "sealed"))
    return verdict is not None and verdict.outcome == "accepted"


def _was_tried(session: Session, proposal: Proposal) -> bool:
    # A change refused for a cool-down or a stale base, or that met too little history, was not refuted by anything.
    if proposal.state == "refused":
        return verdicts.find(session, verdict_id(proposal.proposal_id, "screen")) is not None
    if proposal.state == "inconclusive":
        kinds = ("sealed_test", "placebo_test")
        return any(ledger.rows(session, kind, proposal_id=proposal.proposal_id) for kind in kinds)
    return proposal.state in ("queued", "accepted", "deployed", "rolled_back")


def _known_programs(session: Session, proposal: Proposal, versions: list[ParamVersion]) -> dict[str, str]:
    """Return what the instance followed, and what was registered for it, by what it does; placebos tell nobody."""
    known: dict[str, str] = {}
    for row in ledger.rows(session, "preregistration", strategy=proposal.strategy):
        payload, name = json.loads(row.payload), row.proposal_id or ""
        is_known = payload["instance_id"] == proposal.instance_id and payload.get("program") is not None
        if is_known and name != proposal.proposal_id and (proposal.is_placebo or payload["source"] != PLACEBO):
            known.setdefault(payload["program"], name)
    followed = {identify_program(each.rules): f"version {each.version}" for each in versions if each.rules is not None}
    return known | followed


def _touched_at(session: Session, instance_id: str, versions: list[ParamVersion]) -> dict[str, datetime]:
    by_number = {version.version: version for version in versions}
    touched: list[tuple[str, datetime]] = []
    for deployment in deployments.of_instance(session, instance_id):
        if deployment.state in WAS_IN_FORCE:
            new, old = by_number[deployment.version], by_number[deployment.rollback_to]
            at = deployment.acked_at or deployment.created_at
            touched += [(name, at) for name in new.params if new.params[name] != old.params.get(name)]
            touched += [(PROGRAM, at)] if new.rules != old.rules else []
    for row in ledger.rows(session, "sealed_test"):
        proposal = proposals.find(session, row.proposal_id or "")
        if proposal is not None and proposal.instance_id == instance_id:
            touched += [(edit.param, row.at) for edit in proposal.edits]
            touched += [(PROGRAM, row.at)] if proposal.rules is not None else []
    return {name: max(at for each, at in touched if each == name) for name, _ in touched}


def _order(proposal: Proposal) -> tuple[datetime, str]:
    return proposal.created_at, proposal.proposal_id


def trial_payload(run: BacktestRun) -> dict[str, Any]:
    """Return what the ledger keeps of a backtest."""
    return {
        "backtest_id": run.backtest_id,
        "window": run.window,
        "role": run.role,
        "params_sha256": run.params_sha256,
        "start_at": run.start_at,
        "end_at": run.end_at,
        "cost_multiple": run.cost_multiple,
    }


def _decision(verdict: Verdict) -> dict[str, Any]:
    return {
        "verdict_id": verdict.verdict_id,
        "stage": verdict.stage,
        "outcome": verdict.outcome,
        "failed": sorted({check.name for check in verdict.checks if check.veto and not check.passed}),
    }
