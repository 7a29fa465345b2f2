"""Walks the ids from a trade to what was learnt of it, what was changed, and the trades after the change."""

from collections.abc import Iterator
from dataclasses import dataclass

from core.clock import kst_day, kst_day_bounds
from core.errors import UnknownName
from core.model.analysis import Analysis
from core.model.canary import Canary
from core.model.canonical import sha256_of
from core.model.dataset import DailyDataset
from core.model.proposal import Deployment, ParamVersion, Proposal
from core.model.slots import slots_of
from core.model.trade import Trade
from core.store import (
    Session,
    analyses,
    backtests,
    canaries,
    datasets,
    deployments,
    llm_calls,
    param_versions,
    prompts,
    proposals,
    signals,
    trades,
    verdicts,
)
from strategies.rollout.records import CANARY

LATER_TRADES = 3


@dataclass(frozen=True, slots=True)
class Link:
    """One station of the chain. `parent` is the id it follows from; `at` is ISO UTC, or empty."""

    station: int
    kind: str
    id: str
    parent: str | None
    at: str
    sha256: str


def trace_chain(session: Session, identifier: str) -> list[Link]:
    """Return the chain that `identifier` is part of, each link once. Raises UnknownName when nothing has that id."""
    seen: set[tuple[str, str]] = set()
    chain: list[Link] = []
    for link in _walk(session, identifier):
        if (link.kind, link.id) not in seen:
            seen.add((link.kind, link.id))
            chain.append(link)
    if not chain:
        remedy = "Give a trade, signal, proposal, canary, deployment, verdict, analysis or dataset id"
        raise UnknownName(f"nothing is stored under '{identifier[:80]}'", remedy)
    return chain


def _walk(session: Session, identifier: str) -> Iterator[Link]:
    if (trade := trades.find(session, identifier)) is not None:
        yield from _of_trade(session, trade)
    elif (proposal := proposals.find(session, identifier)) is not None:
        yield from _of_proposal(session, proposal)
    elif (deployment := deployments.find(session, identifier)) is not None:
        if deployment.proposal_id is None:
            yield from _of_deployment(session, deployment, None)
        else:
            yield from _of_proposal(session, proposals.get(session, deployment.proposal_id))
    elif (canary := canaries.find(session, identifier)) is not None:
        yield from _of_proposal(session, proposals.get(session, canary.proposal_id))
    elif (verdict := verdicts.find(session, identifier)) is not None:
        yield from _of_proposal(session, proposals.get(session, verdict.proposal_id))
    elif (analysis := analyses.find(session, identifier)) is not None:
        yield from _of_analysis(session, analysis)
    elif (dataset := datasets.find(session, identifier)) is not None:
        yield from _of_dataset(session, dataset)
    elif (signal := signals.find(session, identifier)) is not None:
        yield Link(1, "signal", signal.signal_id, None, signal.at.isoformat(), sha256_of(signal))


def _of_trade(session: Session, trade: Trade) -> Iterator[Link]:
    """What made the trade, then what was learnt on its day."""
    version = param_versions.get(session, trade.instance_id, trade.params_version)
    canary = canaries.find(session, version.origin.removeprefix(f"{CANARY}:"))
    made_by = proposals.find(session, version.origin if canary is None else canary.proposal_id)
    if made_by is not None:
        yield from _of_proposal(session, made_by)
    name, parent = _version_id(version), version.origin if canary is None else canary.canary_id
    yield Link(10, "params", name, parent, version.created_at.isoformat(), version.sha256)
    yield Link(1, "trade", trade.trade_id, name, trade.closed_at.isoformat(), sha256_of(trade))
    dataset = datasets.for_day(session, kst_day(trade.closed_at))
    if dataset is not None:
        yield Link(4, "dataset", dataset.dataset_id, trade.trade_id, dataset.context.at.isoformat(), dataset.sha256)
        yield from _of_dataset(session, dataset)


def _of_dataset(session: Session, dataset: DailyDataset) -> Iterator[Link]:
    context = dataset.context
    yield Link(3, "context", context.context_id, None, context.at.isoformat(), sha256_of(context))
    yield Link(4, "dataset", dataset.dataset_id, context.context_id, context.at.isoformat(), dataset.sha256)
    analysis = analyses.for_day(session, dataset.on, "daily_analysis")
    if analysis is not None and analysis.dataset_sha256 == dataset.sha256:
        yield from _of_analysis(session, analysis)


def _of_analysis(session: Session, analysis: Analysis) -> Iterator[Link]:
    yield from _study(session, analysis)
    for proposal in proposals.for_analysis(session, analysis.analysis_id):
        yield from _outcome(session, proposal)


def _of_proposal(session: Session, proposal: Proposal) -> Iterator[Link]:
    analysis = analyses.find(session, proposal.analysis_id)
    if analysis is not None:
        dataset = datasets.for_day(session, analysis.on)
        if dataset is not None and dataset.sha256 == analysis.dataset_sha256:
            context = dataset.context
            first = next(iter((*dataset.best, *dataset.worst)), None)
            if first is not None:
                yield Link(1, "trade", first.trade_id, None, first.closed_at.isoformat(), sha256_of(first))
            yield Link(3, "context", context.context_id, None, context.at.isoformat(), sha256_of(context))
            parent = context.context_id if first is None else first.trade_id
            yield Link(4, "dataset", dataset.dataset_id, parent, context.at.isoformat(), dataset.sha256)
        yield from _study(session, analysis)
    yield from _outcome(session, proposal)


def _study(session: Session, analysis: Analysis) -> Iterator[Link]:
    dataset = datasets.for_day(session, analysis.on)
    # A weekly study is of more than its last day.
    parent = None if dataset is None or dataset.sha256 != analysis.dataset_sha256 else dataset.dataset_id
    prompt = prompts.find(session, analysis.prompt_sha256) if analysis.prompt_sha256 else None
    if prompt is not None:
        yield Link(5, "prompt", f"{prompt.name} v{prompt.version}", parent, "", prompt.sha256)
        parent = f"{prompt.name} v{prompt.version}"
    for call_id in analysis.call_ids:
        call = llm_calls.get(session, call_id)
        yield Link(6, "call", call.call_id, parent, call.started_at.isoformat(), sha256_of(call.response_text))
        parent = call.call_id
    yield Link(6, "analysis", analysis.analysis_id, parent, analysis.created_at.isoformat(), sha256_of(analysis))


def _outcome(session: Session, proposal: Proposal) -> Iterator[Link]:
    created = proposal.created_at.isoformat()
    content = proposals.content_sha256(proposal)
    yield Link(6, "proposal", proposal.proposal_id, proposal.analysis_id, created, content)
    for run in backtests.for_proposal(session, proposal.proposal_id):
        yield Link(8, "backtest", run.backtest_id, proposal.proposal_id, run.at.isoformat(), sha256_of(run))
    parent = proposal.proposal_id
    for verdict in verdicts.for_proposal(session, proposal.proposal_id):
        station = 7 if verdict.stage == "admission" else 9
        yield Link(station, "verdict", verdict.verdict_id, parent, verdict.decided_at.isoformat(), sha256_of(verdict))
        parent = verdict.verdict_id
    canary = canaries.for_proposal(session, proposal.proposal_id)
    if canary is not None:
        yield Link(
            10, "canary", canary.canary_id, parent, kst_day_bounds(canary.started_on)[0].isoformat(), sha256_of(canary)
        )
        parent = canary.canary_id
        for deployment in _of_canary(session, canary):
            yield from _of_deployment(session, deployment, parent)
    for deployment in deployments.for_proposal(session, proposal.proposal_id):
        yield from _of_deployment(session, deployment, parent)


def _of_canary(session: Session, canary: Canary) -> Iterator[Deployment]:
    """Return what was sent to the instance and its slots for a canary, oldest first of each."""
    for name in (canary.instance_id, *slots_of(canary.instance_id)):
        made = {each.version: each for each in deployments.of_instance(session, name)}
        versions = (
            each for each in param_versions.history(session, name) if each.origin == f"{CANARY}:{canary.canary_id}"
        )
        yield from (made[each.version] for each in versions)


def _of_deployment(session: Session, deployment: Deployment, parent: str | None) -> Iterator[Link]:
    name = deployment.deployment_id
    yield Link(10, "deployment", name, parent, deployment.created_at.isoformat(), sha256_of(deployment))
    if deployment.acked_at is None:
        return
    ack = f"{name}:ack"
    yield Link(11, "ack", ack, name, deployment.acked_at.isoformat(), deployment.ack_sha256)
    for trade in trades.of_version(session, deployment.instance_id, deployment.version, LATER_TRADES):
        yield Link(1, "trade", trade.trade_id, ack, trade.closed_at.isoformat(), sha256_of(trade))


def _version_id(version: ParamVersion) -> str:
    return f"{version.instance_id} v{version.version}"
