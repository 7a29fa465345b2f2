"""`/api/canaries`: accepted changes on their way to the whole capital.

A proposer can read the API. So it tells where a canary stands and what either side made on lived days, and nothing that
rests on sealed ones: neither promise, scale and d, nor the guard's limits and the reasons that quote them. People see
those on the dashboard.
"""

from datetime import date
from typing import Annotated, Any

from pydantic import Field

from app.api.insights_model import EditView
from app.api.operations import Answer, Asked, Operation, operation
from app.api.requests import RequestView, ask_stop, view_of
from app.auth import Caller
from app.canaries import CanaryFacts, EndedBy, PlaceState, facts_of, load_canary
from app.rooms import rooms
from core.model.canary import CanaryStage, DayFault
from core.store import canaries as rows
from strategies.program_text import tell_program_change


class CanaryQuery(Asked):
    """Which canaries."""

    open: Annotated[bool, Field(description="Only those on their way or under watch")] = False
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class PlaceView(Answer):
    """One place on the way to the whole capital."""

    stage: CanaryStage
    share: float
    n_days: Annotated[int, Field(description="Whole and sound days spent there")]
    n_needed: int
    state: PlaceState


class CanaryView(Answer):
    """An accepted change and where it stands."""

    canary_id: str
    proposal_id: str
    instance_id: str
    strategy: str
    stage: CanaryStage
    share: Annotated[float, Field(description="Of the instance's capital, on the candidate")]
    n_days: Annotated[int, Field(description="Whole and sound days where it stands")]
    n_needed: int
    incumbent_version: int
    edits: tuple[EditView, ...]
    rules_change: Annotated[tuple[str, ...], Field(description="What goes (-) and comes (+) of the rule set")]
    started_on: date
    changed_on: date
    ended_on: date | None
    ended_by: Annotated[EndedBy, Field(description="Empty while it is open, and when it was confirmed")]
    is_open: bool


class CanaryPage(Answer):
    """The newest canaries first."""

    items: tuple[CanaryView, ...]


class CanaryDayView(Answer):
    """One KST day, in USD as if either side had the whole capital; null is not known."""

    on: date
    stage: CanaryStage
    share: float
    candidate_usd: float | None
    incumbent_usd: float | None
    fault: Annotated[DayFault, Field(description="Why the day does not count; empty when it does")]


class CanaryMove(Answer):
    """A day on which stage or step changed."""

    on: date
    stage: CanaryStage
    share: float


class CanaryDetail(CanaryView):
    """The canary with its way, its days and its moves, oldest first."""

    way: tuple[PlaceView, ...]
    days: tuple[CanaryDayView, ...]
    moves: tuple[CanaryMove, ...]


class StopBody(Asked):
    """Why, for the audit trail."""

    reason: Annotated[str, Field(min_length=1, max_length=280)]


@operation(Operation(summary="Canaries, newest first", answer=CanaryPage, scope="read", query=CanaryQuery))
def list_canaries(caller: Caller, query: CanaryQuery) -> CanaryPage:
    """Answer with the newest canaries."""
    with rooms().store.session() as session:
        found = rows.all_open(session) if query.open else rows.latest(session, query.limit)
        newest = sorted(found, key=lambda each: each.started_on, reverse=True)[: query.limit]
        return CanaryPage(items=tuple(CanaryView(**_fields(facts_of(session, each))) for each in newest))


@operation(Operation(summary="One canary with its way, days and moves", answer=CanaryDetail, scope="read"))
def show_canary(caller: Caller, canary_id: str) -> CanaryDetail:
    """Answer with one canary."""
    with rooms().store.session() as session:
        facts = load_canary(session, canary_id)
    return CanaryDetail(
        **_fields(facts),
        way=tuple(
            PlaceView(stage=p.stage, share=p.share, n_days=p.n_days, n_needed=p.n_needed, state=p.state)
            for p in facts.way
        ),
        days=tuple(
            CanaryDayView(
                on=day.on,
                stage=day.stage,
                share=day.share,
                candidate_usd=day.candidate_usd,
                incumbent_usd=day.incumbent_usd,
                fault=day.fault,
            )
            for day in facts.days
        ),
        moves=tuple(CanaryMove(on=one.on, stage=one.stage, share=one.share) for one in facts.decisions if one.is_move),
    )


@operation(
    Operation(
        summary="Ask the worker to take the canary back",
        answer=RequestView,
        scope="approve",
        body=StopBody,
        status=202,
        errors=(409,),
    )
)
def stop_canary(caller: Caller, canary_id: str, body: StopBody) -> RequestView:
    """Store the wish and answer with it."""
    here = rooms()
    with here.store.session() as session:
        return view_of(ask_stop(session, here.clock.now(), caller, canary_id, body.reason))


def _fields(facts: CanaryFacts) -> dict[str, Any]:
    canary, place = facts.canary, facts.here
    return {
        "canary_id": canary.canary_id,
        "proposal_id": canary.proposal_id,
        "instance_id": canary.instance_id,
        "strategy": canary.strategy,
        "stage": canary.stage,
        "share": canary.share,
        "n_days": place.n_days,
        "n_needed": place.n_needed,
        "incumbent_version": canary.incumbent_version,
        "edits": tuple(EditView(param=name, from_value=old, to_value=new) for name, old, new in facts.edits),
        "rules_change": tell_program_change(canary.incumbent_rules, canary.candidate_rules),
        "started_on": canary.started_on,
        "changed_on": canary.changed_on,
        "ended_on": canary.ended_on,
        "ended_by": facts.ended_by,
        "is_open": canary.is_open,
    }
