"""Canaries: how far accepted changes are on their way to the whole capital, and how a person takes one back."""

import uuid

import click

from app.cli.output import json_option, open_current_store, print_json, print_table, start
from app.cli.requests import print_stored
from app.requests import place_request
from core.clock import SystemClock
from core.errors import Conflict
from core.model.canary import Canary, CanaryDecision
from core.store import canaries
from strategies.program_text import tell_program_change
from strategies.rollout.guard import difference_of
from strategies.rollout.stages import days_in_place, days_needed

SHOWN_DAYS = 10


@click.group()
def canary() -> None:
    """Accepted changes on their way to the whole capital: shadow, shares, promotion, watch."""


@canary.command("list")
@click.option("--all", "is_all", is_flag=True, help="Also those that are over.")
@click.option("--limit", default=30, show_default=True, type=click.IntRange(1, 1000), help="At most so many.")
@json_option
def canary_list(is_all: bool, limit: int, as_json: bool) -> None:
    """List canaries, newest first: stage, share of the capital, and what each waits for.

    \b
    xcrack canary list --all
    """
    store = open_current_store(start())
    with store.session() as session:
        found = [each for each in canaries.latest(session, limit) if is_all or each.is_open]
        progress = {each.canary_id: days_in_place(each, canaries.days(session, each.canary_id)) for each in found}
    if as_json:
        print_json(found)
        return
    rows = [
        (c.canary_id, c.instance_id, c.stage, f"{c.share:.0%}", f"{progress[c.canary_id]}/{days_needed(c)}", c.reason)
        for c in found
    ]
    empty = "No canary is open." if not is_all else "No change has passed the sealed test yet."
    print_table("Canaries", ("id", "instance", "stage", "share", "days", "why it stands there"), rows, empty)


@canary.command("show")
@click.argument("canary_id", metavar="ID")
@json_option
def canary_show(canary_id: str, as_json: bool) -> None:
    """Show one canary: its schedule, its guard, what was promised, its days and every decision.

    \b
    xcrack canary show canary-92dac2a600f9
    """
    store = open_current_store(start())
    with store.session() as session:
        found = canaries.get(session, canary_id)
        days, decisions = canaries.days(session, canary_id), canaries.decisions(session, canary_id)
    if as_json:
        print_json({"canary": found, "days": days, "decisions": decisions})
        return
    _print_head(found)
    rows = []
    for day in days[-SHOWN_DAYS:]:
        d = difference_of(found.promise, day)
        made = (_usd(day.candidate_usd), _usd(day.incumbent_usd), _usd(d))
        rows.append((day.on, day.stage, f"{day.share:.0%}", *made, day.fault))
    columns = ("day", "stage", "share", "candidate", "incumbent", "d", "does not count")
    print_table(f"The last {len(rows)} of {len(days)} days, USD at the whole capital", columns, rows, "No day yet.")
    moves = [each for each in decisions if each.is_move] + decisions[-1:]
    print_table("Decisions", ("on", "to", "share", "reason"), [_told(each) for each in moves], "None yet.")


@canary.command("stop")
@click.argument("canary_id", metavar="ID")
@click.option("--by", required=True, help="Who stops it; kept in the audit chain.")
@click.option("--reason", required=True, help="Kept in the audit chain.")
def canary_stop(canary_id: str, by: str, reason: str) -> None:
    """Take a canary back: its money returns to the old parameters first, then it is idle for good.

    \b
    xcrack canary stop canary-92dac2a600f9 --by ann --reason "the venue changes its fees"
    """
    store = open_current_store(start())
    with store.session() as session:
        found = canaries.get(session, canary_id)
    if not found.is_open:
        raise Conflict(f"canary {canary_id} is {found.stage}: nothing of it is on its way", "See `xcrack canary list`")
    made = place_request(store, SystemClock(), "stop_canary", canary_id, by, "cli", reason, uuid.uuid4().hex)
    print_stored(made)


def _print_head(found: Canary) -> None:
    terms, promise, schedule = found.terms, found.promise, found.schedule
    print(f"{found.canary_id}  {found.instance_id}  {found.stage}  {found.share:.0%} of the capital")
    print(f"  proposal {found.proposal_id}, since {found.started_on}: {found.reason}")
    for name, value in found.candidate_params.items():
        before = found.incumbent_params.get(name, float("nan"))
        if value != before:
            print(f"  {name}: {before:g} -> {value:g}")
    for line in tell_program_change(found.incumbent_rules, found.candidate_rules):
        print(f"  {line}")
    steps = ", ".join(f"{step.share:.0%} for {step.n_days} days" for step in schedule.steps)
    print(f"  schedule: {schedule.shadow_days} days of shadow, then {steps}; watched for {schedule.watch_days}")
    print(
        f"  guard: t above {-terms.boundary:.2f}, at most {terms.loss_budget_usd:,.2f} USD lost, "
        f"drift below {terms.drift_threshold:g}"
    )
    print(
        f"  promised on {promise.n_days} sealed days: {promise.mean_usd:+,.2f} USD a day more than the old parameters, "
        f"give or take {promise.sd_usd:,.2f} (annual IR {promise.annual_ir:.1f})"
    )


def _told(decision: CanaryDecision) -> tuple[object, ...]:
    return decision.on, decision.stage, f"{decision.share:.0%}", decision.reason


def _usd(value: float | None) -> str:
    return "" if value is None else f"{value:+,.2f}"
