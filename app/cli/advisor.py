"""What the advisor answered, how fast, and what that was worth."""

from typing import cast

import click

from app.cli.output import json_option, open_current_store, print_json, print_table, start
from core.clock import KST, SystemClock
from core.model.advice import AdviceOutcome
from core.model.language import Language
from core.store import advice
from feedback.advisor.read import AHEAD, load_value
from feedback.advisor_text import advisor_lines
from feedback.report import load_texts


@click.group()
def advisor() -> None:
    """The advisor on large and strong orders: its answers, and their value."""


@advisor.command("log")
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True, help="Newest first.")
@json_option
def show_log(limit: int, as_json: bool) -> None:
    """List answers: what was asked, what became of it, who decided, and how long that took.

    A source `policy` means that the language model gave no answer; the reason says why, and the settings under
    advisor.medium_on_failure and advisor.large_on_failure say what then happens. `in full` is what the whole order made
    or would have made after costs, and by what that is told.

    \b
    xcrack advisor log --limit 10
    """
    store = open_current_store(start())
    with store.session() as session:
        records = advice.latest(session, limit)
        ids = [record.advice_id for record in records]
        notes, outcomes = advice.notes_of(session, ids), advice.outcomes_of(session, ids)
    if as_json:
        print_json(
            [{"advice": r, "note": notes.get(r.advice_id), "outcome": outcomes.get(r.advice_id)} for r in records]
        )
        return
    rows = (
        (
            f"{record.asked_at.astimezone(KST):%m-%d %H:%M:%S}",
            record.advice_id,
            f"{record.side} {record.symbol}",
            record.size_class or "",
            ("late" if record.is_late else f"{100 * record.size_factor:.0f} %") if record.approve else "stopped",
            record.reason,
            record.source,
            "" if record.p_yes is None else f"{record.p_yes:.2f}",
            "" if record.latency_ms is None else f"{record.latency_ms:.0f}",
            _made(outcomes.get(record.advice_id)),
            notes[record.advice_id].text if record.advice_id in notes else "",
        )
        for record in records
    )
    columns = (
        "asked (KST)",
        "id",
        "order",
        "size",
        "let through",
        "reason",
        "source",
        "p(yes)",
        "ms",
        "in full",
        "in its words",
    )
    print_table("Advice", columns, rows, "No order was asked about yet.")


@advisor.command("value")
@click.option("--days", type=click.IntRange(1, 366), default=30, show_default=True, help="How far back.")
@click.option("--language", type=click.Choice(["ko", "en"]), help="Default: the settings' language.")
@json_option
def show_value(days: int, language: str | None, as_json: bool) -> None:
    """Tell what the advisor was worth: the result with it less the result without it, after costs.

    An order that was stopped or shrunk is followed in shadow: by a simulated companion of its instance that decided
    the same at the same moment, else by the bars of the hour after. "Too few to tell" is an answer.

    \b
    xcrack advisor value --days 90
    """
    settings = start()
    store = open_current_store(settings)
    with store.session() as session:
        newest = advice.latest(session, 1)
        # A demo's clock stood elsewhere than the wall's when it ended.
        now = SystemClock().now() if not newest else min(SystemClock().now(), newest[0].asked_at + AHEAD)
        value = load_value(session, now, days)
    if as_json:
        print_json(value)
        return
    for line in advisor_lines(value, load_texts(cast(Language, language or settings.language))):
        print(line)


def _made(outcome: AdviceOutcome | None) -> str:
    return "" if outcome is None else f"{outcome.full_usd:+.2f} ({outcome.method})"
