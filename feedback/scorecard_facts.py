"""Gathers what the scorecard rests on: all that was registered, not what became known, and every row checked."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from core.model.aftermath import Aftermath
from core.model.analysis import PatternWeek
from core.model.proposal import WAS_IN_FORCE, arm_of
from core.model.scorecard import TwinDay
from core.settings_sections import GateSettings
from core.store import Session, aftermaths, deployments, ledger, pattern_weeks, proposals, twin_days
from strategies.gate.budget import BudgetState, read_budget
from strategies.gate.honesty import HonestyFacts, read_honesty_facts

N_PATTERN_WEEKS = 26
_FIRST = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Registered:
    """A proposal as it was registered, and whether it was ever in force or taken back."""

    proposal_id: str
    source: str
    at: datetime
    was_adopted: bool
    was_rolled_back: bool

    @property
    def arm(self) -> str:
        """The arm it belongs to."""
        return arm_of(self.source)


@dataclass(frozen=True, slots=True)
class ScorecardFacts:
    """All that a scorecard is made of."""

    as_of: datetime
    registered: tuple[Registered, ...]
    aftermaths: tuple[Aftermath, ...]
    honesty: HonestyFacts
    promoted_ids: tuple[str, ...]
    spent_levels: tuple[float, ...]
    budget: BudgetState
    twin_days: tuple[TwinDay, ...]
    pattern_weeks: tuple[PatternWeek, ...]
    confidence: dict[str, float] = field(default_factory=dict)
    """What each proposal stated, by its id."""


def read_scorecard_facts(session: Session, now: datetime, settings: GateSettings) -> ScorecardFacts:
    """Return the facts as the store has them at `now`."""
    return ScorecardFacts(
        as_of=now,
        registered=tuple(_registered(session)),
        aftermaths=tuple(aftermaths.all_of(session)),
        honesty=read_honesty_facts(session, now),
        promoted_ids=tuple(row.proposal_id or "" for row in ledger.rows(session, "promotion")),
        spent_levels=tuple(json.loads(row.payload)["level"] for row in ledger.rows(session, "sealed_test")),
        budget=read_budget(session, now, settings),
        twin_days=tuple(twin_days.all_of(session)),
        pattern_weeks=tuple(pattern_weeks.latest(session, N_PATTERN_WEEKS)),
        confidence={each.proposal_id: each.confidence for each in proposals.since(session, _FIRST)},
    )


def _registered(session: Session) -> Sequence[Registered]:
    in_force = {one.proposal_id for state in sorted(WAS_IN_FORCE) for one in deployments.in_state(session, state)}
    back = {proposal.proposal_id for proposal in proposals.in_state(session, "rolled_back")}
    return [
        Registered(
            proposal_id=row.proposal_id,
            # The ledger's word and not the row's: a source cannot be relabelled afterwards.
            source=json.loads(row.payload)["source"],
            at=row.at,
            was_adopted=row.proposal_id in in_force,
            was_rolled_back=row.proposal_id in back,
        )
        for row in ledger.rows(session, "preregistration")
        if row.proposal_id is not None
    ]
