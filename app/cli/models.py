"""Looking at trained models."""

from dataclasses import asdict

import click

from app.cli.output import json_option, open_current_store, print_json, print_table, start
from core.clock import KST
from core.errors import UnknownName
from core.store import model_versions


@click.group()
def models() -> None:
    """Trained models: what is a candidate, what serves, and what became of the others."""


@models.command("list")
@click.option("--limit", default=30, show_default=True, type=click.IntRange(1, 1_000), help="At most, newest first.")
@json_option
def models_list(limit: int, as_json: bool) -> None:
    """List trained models, newest first."""
    with open_current_store(start()).session() as session:
        found = model_versions.latest(session, limit)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            v.model_id[:16],
            v.slot,
            v.status,
            ", ".join(v.symbols),
            f"{v.created_at.astimezone(KST):%Y-%m-%d %H:%M}",
            v.reason,
        )
        for v in found
    ]
    print_table(
        "Models", ("id", "answers", "status", "symbols", "trained (KST)", ""), rows, "No model was trained yet."
    )


@models.command("show")
@click.argument("model_id")
@json_option
def models_show(model_id: str, as_json: bool) -> None:
    """Show one model, every change of its status, and who said so. MODEL_ID may be its first 8 digits or more."""
    with open_current_store(start()).session() as session:
        known = [v for v in model_versions.latest(session, 100_000) if v.model_id.startswith(model_id)]
        if len(known) != 1 or len(model_id) < 8:
            raise UnknownName(
                f"{len(known)} models begin with '{model_id[:64]}'", "List them with `xcrack models list`"
            )
        events = model_versions.events(session, known[0].model_id)
    if as_json:
        print_json({"model": known[0], "events": events})
        return
    print_table("", ("", ""), [(name, value) for name, value in asdict(known[0]).items()], "")
    rows = [(f"{e.at.astimezone(KST):%Y-%m-%d %H:%M}", e.before, e.after, e.actor, e.reason) for e in events]
    print_table("Changes", ("at (KST)", "before", "after", "by", "why"), rows, "None.")
