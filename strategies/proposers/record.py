"""What searches leave behind: a ledger row for every backtest, and what became of each arm's earlier proposals."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

from core.model.canonical import short_id
from core.model.proposal import ANALYZERS, ParamVersion, arm_of
from core.store import Session, aftermaths, ledger, proposals, verdicts
from strategies.proposers.bandit import ArmCounts
from strategies.proposers.fresh import Retest, SeenParts
from strategies.proposers.protocol import LLM, Score, Trial
from strategies.proposers.space import Space

CONFIRMED_DAYS = 30
"""Lived days after which a proposal counts as confirmed, or not, by its sign."""
Role = Literal["incumbent", "searched", "retested"]


@dataclass(frozen=True, slots=True)
class SearchedWindow:
    """What the backtests of one search share."""

    search_id: str
    parts: SeenParts
    cost_multiple: float


def load_screened(session: Session, space: Space, regime: str) -> tuple[Trial, ...]:
    """Return what the screen has judged around the running version as trials without a score: not to be found again."""
    running, outcomes = space.running, verdicts.outcomes(session, "screen")
    judged = [
        each
        for each in proposals.of_instance(session, running.instance_id)
        if each.base_sha256 == running.sha256 and each.proposal_id in outcomes and not each.is_placebo
    ]
    without = Score(None, 0, 0, "the screen has judged it")
    about = (running.strategy, regime, running.sha256)
    return tuple(
        Trial(*about, each.params, space.identify(each.params, each.rules), each.source, without, each.rules)
        for each in judged
    )


def load_record(session: Session) -> dict[str, ArmCounts]:
    """Return by arm what became of its proposals: let through by the screen or not, borne out by 30 lived days or not.

    What could not be judged counts for nothing. Placebos are no arm.
    """
    counts: dict[str, Counter[bool]] = {}
    screened = {"queued": True, "refused": False}
    outcomes = verdicts.outcomes(session, "screen")
    borne_out = {each.proposal_id: each.is_better for each in aftermaths.all_of(session, CONFIRMED_DAYS)}
    for proposal in proposals.latest(session, 100_000):
        if proposal.is_placebo:
            continue
        source = arm_of(proposal.source)
        passed = screened.get(outcomes.get(proposal.proposal_id, ""))
        arm = counts.setdefault(LLM if source in ANALYZERS else source, Counter())
        arm.update(good for good in (passed, borne_out.get(proposal.proposal_id)) if good is not None)
    return {name: ArmCounts(each[True], each[False]) for name, each in counts.items()}


def save_backtests(
    session: Session,
    at: datetime,
    running: ParamVersion,
    window: SearchedWindow,
    trials: Sequence[Trial],
    retests: Sequence[Retest],
) -> None:
    """Write a ledger row for every backtest of a search: the running version on both parts, trials, retests."""
    parts = window.parts
    searched = (parts.search_start_at, parts.search_end_at)
    fresh = (parts.fresh_start_at, parts.fresh_end_at)
    for span in (searched, fresh):
        _append(session, at, running.strategy, window, "incumbent", running.sha256, span, {})
    for trial in trials:
        more = {"trial": asdict(trial)}
        _append(session, at, running.strategy, window, "searched", trial.params_sha256, searched, more)
    for each in retests:
        more = {"score": asdict(each.fresh)}
        _append(session, at, running.strategy, window, "retested", each.trial.params_sha256, fresh, more)


def _append(
    session: Session,
    at: datetime,
    strategy: str,
    window: SearchedWindow,
    role: Role,
    params_sha256: str,
    span: tuple[datetime, datetime],
    more: Mapping[str, object],
) -> None:
    payload = {
        "backtest_id": short_id("backtest", window.search_id, role, params_sha256, span[0].isoformat()),
        "search_id": window.search_id,
        "window": "seen",
        "role": role,
        "params_sha256": params_sha256,
        "start_at": span[0],
        "end_at": span[1],
        "cost_multiple": window.cost_multiple,
        **more,
    }
    ledger.append(session, at, "backtest", strategy, None, payload)
