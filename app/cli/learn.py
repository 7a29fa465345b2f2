"""What the loop proposes, decides and says. Reads the store; writes only notes and requests to the worker."""

import getpass
import uuid
from typing import get_args

import click

from app.cli.output import json_option, open_current_store, parse_date, print_json, print_table, start
from app.cli.requests import print_stored
from app.home import Home
from app.requests import place_request
from app.trace import trace_chain
from core.clock import KST, SystemClock
from core.errors import UnknownName
from core.model.operations import Request
from core.model.proposal import Proposal, ProposalState
from core.store import param_versions, reports, verdicts
from core.store import proposals as proposal_rows
from feedback import notes
from strategies.program_text import tell_program, tell_program_change


def _user() -> str:
    return getpass.getuser()


@click.group()
def cycle() -> None:
    """Ask the worker for a cycle now, instead of at its hour."""


def _cycle_command(kind: str, name: str, hint: str) -> click.Command:
    summary = f"Study {hint} now. The running worker does it; a finished run is not repeated."

    @click.command(name, help=f"{summary}\n\n\b\nxcrack cycle {name} --for 2025-07-13")
    @click.option(
        "--for", "due", required=True, metavar="YYYY-MM-DD", help=f"KST date on which the {name} cycle was due."
    )
    def command(due: str) -> None:
        _request(kind, parse_date(due).isoformat(), "asked on the command line")

    return command


cycle.add_command(_cycle_command("daily_cycle", "daily", "the KST day before that date"))
cycle.add_command(_cycle_command("weekly_cycle", "weekly", "the 30 days before that date"))


@click.command()
@click.option("--on", "on_text", metavar="YYYY-MM-DD", help="KST day the report is about; the newest one without it.")
@click.option("--weekly", is_flag=True, help="The weekly report instead of the daily one.")
@click.option("--language", type=click.Choice(["ko", "en"]), help="Default: the settings' language.")
@click.option("--html", is_flag=True, help="HTML instead of Markdown.")
@json_option
def report(on_text: str | None, weekly: bool, language: str | None, html: bool, as_json: bool) -> None:
    """Print a report that a cycle wrote.

    \b
    xcrack report --language ko
    xcrack report --weekly --on 2025-07-13 --html > week.html
    """
    settings = start()
    store = open_current_store(settings)
    kind, tongue = "weekly" if weekly else "daily", language or settings.language
    with store.session() as session:
        found = (
            reports.get(session, kind, parse_date(on_text), tongue)
            if on_text
            else reports.latest(session, kind, tongue)
        )
    if found is None:
        about = f"for {on_text}" if on_text else "yet"
        raise UnknownName(
            f"there is no {kind} report {about}", "The daily one is written at 00:05 KST, the weekly on Sunday 00:30"
        )
    if as_json:
        print_json(found)
    else:
        print(found.html if html else found.markdown, end="")


@click.group()
def proposals() -> None:
    """Proposed parameter changes: what became of them and why."""


@proposals.command("list")
@click.option("--state", type=click.Choice(get_args(ProposalState)), help="Only this state.")
@click.option(
    "--limit", default=30, show_default=True, type=click.IntRange(1, 1000), help="At most so many, newest first."
)
@json_option
def proposals_list(state: ProposalState | None, limit: int, as_json: bool) -> None:
    """List proposals, newest first.

    \b
    xcrack proposals list --limit 10
    """
    store = open_current_store(start())
    with store.session() as session:
        found = proposal_rows.latest(session, limit, state)
    if as_json:
        print_json(found)
        return
    rows = [
        (p.proposal_id, p.instance_id, ", ".join(_brief(p)), p.state, p.source,
         f"{p.created_at.astimezone(KST):%Y-%m-%d %H:%M}")
        for p in found
    ]  # fmt: skip
    print_table("Proposals", ("id", "instance", "change", "state", "from", "made (KST)"), rows, "No proposal matches.")


@proposals.command("show")
@click.argument("proposal_id")
@json_option
def proposals_show(proposal_id: str, as_json: bool) -> None:
    """Show one proposal with every verdict and the numbers that decided it.

    \b
    xcrack proposals show proposal-c4364c252d4e
    """
    store = open_current_store(start())
    with store.session() as session:
        proposal = proposal_rows.get(session, proposal_id)
        judged = verdicts.for_proposal(session, proposal_id)
    if as_json:
        print_json({"proposal": proposal, "verdicts": judged})
        return
    print(f"{proposal.proposal_id}  {proposal.instance_id}  {proposal.state}  from {proposal.source}")
    for edit in proposal.edits:
        print(f"  {edit.param}: {proposal.base_params.get(edit.param, float('nan')):g} -> {edit.value:g}")
    for line in tell_program_change(proposal.base_rules, proposal.program):
        print(f"  {line}")
    effect = proposal.expected_effect
    print(f"  expected: {effect.metric} {effect.direction} {effect.magnitude:g} within {effect.horizon_days} days")
    for verdict in judged:
        print(f"\n{verdict.stage}: {verdict.outcome} - {verdict.deciding}")
        for check in verdict.checks:
            mark = "ok  " if check.passed else "FAIL" if check.veto else "note"
            print(f"  {mark} {check.name}: {check.detail}")


@proposals.command("approve")
@click.argument("proposal_id")
@click.option("--reason", default="", help="Kept in the audit chain.")
def proposals_approve(proposal_id: str, reason: str) -> None:
    """Approve a deployment that waits for a person.

    \b
    xcrack proposals approve proposal-c4364c252d4e --reason "small, and the shadow agrees"
    """
    _request("approve", proposal_id, reason)


@proposals.command("reject")
@click.argument("proposal_id")
@click.option("--reason", required=True, help="Kept in the audit chain.")
def proposals_reject(proposal_id: str, reason: str) -> None:
    """Reject a deployment that waits for a person.

    \b
    xcrack proposals reject proposal-c4364c252d4e --reason "not before the halving"
    """
    _request("reject", proposal_id, reason)


@click.group()
def params() -> None:
    """Parameters in force, their history, and the way back."""


@params.command("show")
@click.argument("instance_id", required=False)
@json_option
def params_show(instance_id: str | None, as_json: bool) -> None:
    """Show the parameters in force, of one instance or of all.

    \b
    xcrack params show mm-1
    """
    store = open_current_store(start())
    with store.session() as session:
        found = [param_versions.active(session, instance_id)] if instance_id else param_versions.all_active(session)
    if as_json:
        print_json(found)
        return
    rows = [(v.instance_id, v.version, name, f"{value:g}", v.origin) for v in found for name, value in v.params.items()]
    print_table(
        "Parameters in force", ("instance", "version", "parameter", "value", "origin"), rows, "Nothing runs yet."
    )
    for version in found:
        if version.rules is not None:
            print(f"\nRule set of {version.instance_id} v{version.version}")
            print("\n".join(f"  {line}" for line in tell_program(version.rules)))


@params.command("diff")
@click.argument("instance_id")
@click.argument("older", type=int)
@click.argument("newer", type=int)
@json_option
def params_diff(instance_id: str, older: int, newer: int, as_json: bool) -> None:
    """Show what changed between two versions of an instance.

    \b
    xcrack params diff mm-1 1 2
    """
    store = open_current_store(start())
    with store.session() as session:
        before = param_versions.get(session, instance_id, older)
        after = param_versions.get(session, instance_id, newer)
    changed: list[dict[str, object]] = [
        {"param": name, "older": before.params.get(name), "newer": value}
        for name, value in after.params.items()
        if before.params.get(name) != value
    ]
    is_other = before.rules != after.rules
    if as_json:
        rules = {"param": "rules", "older": before.rules, "newer": after.rules}
        print_json([*changed, *([rules] if is_other else [])])
        return
    rows = [(c["param"], c["older"], c["newer"]) for c in changed]
    nothing = "The same numbers." if is_other else "No difference."
    print_table(f"{instance_id} v{older} to v{newer}", ("parameter", f"v{older}", f"v{newer}"), rows, nothing)
    for line in tell_program_change(before.rules, after.rules):
        print(line)


@params.command("rollback")
@click.argument("target")
@click.option("--reason", required=True, help="Kept in the audit chain.")
def params_rollback(target: str, reason: str) -> None:
    """Go back to the parameters before the newest deployment of TARGET, an instance or a deployment id.

    \b
    xcrack params rollback mm-1 --reason "worse since Tuesday"
    """
    _request("rollback", target, reason)


@click.command()
@click.argument("identifier", metavar="ID")
@json_option
def trace(identifier: str, as_json: bool) -> None:
    """Print the chain of ID: trade, dataset, prompt, call, proposal, backtests, verdict, deployment, ack, later trades.

    ID is a trade, signal, proposal, deployment, dataset, analysis or verdict.

    \b
    xcrack trace engine-1:momentum-1-17
    xcrack trace proposal-c4364c252d4e --json
    """
    store = open_current_store(start())
    with store.session() as session:
        links = trace_chain(session, identifier)
    if as_json:
        print_json(links)
        return
    rows = [(k.station, k.kind, k.id, k.parent or "", k.at, k.sha256[:12]) for k in links]
    print_table(f"Trace of {identifier}", ("station", "kind", "id", "parent", "at", "sha256"), rows, "Nothing found.")


@click.command()
@click.argument("text")
@click.option(
    "--tag", "tags", multiple=True, help="good, bad, hold, risky, too_early, too_late, wrong_size, false_signal."
)
@click.option(
    "--on", "target", default="general", help="trade:ID, proposal:ID, strategy:ID or general.", show_default=True
)
def feedback(text: str, tags: tuple[str, ...], target: str) -> None:
    """Leave a note. Tag and target enter the next analysis as counts; the text itself never does.

    \b
    xcrack feedback "bought into the news" --tag too_early --on trade:engine-1:momentum-1-17
    """
    settings = start()
    store = open_current_store(settings)
    kind, _, target_id = target.partition(":")
    with store.session() as session:
        note = notes.leave_note(session, SystemClock().now(), _user(), kind, target_id, tags, text)
    print(f"saved as {note.note_id}: {notes.describe_effect(note, settings.language)}")


def _brief(proposal: Proposal) -> list[str]:
    rules = [] if proposal.rules is None else ["another rule set"]
    return [*(f"{edit.param} → {edit.value:g}" for edit in proposal.edits), *rules]


def _request(kind: str, subject: str, reason: str) -> None:
    settings = start()
    store = open_current_store(settings)
    request: Request = place_request(store, SystemClock(), kind, subject, _user(), "cli", reason, uuid.uuid4().hex)
    print_stored(request)
    if not (Home(settings.home).path / "worker.lock").exists():
        print("no worker has run here yet: start one with `xcrack up`")
