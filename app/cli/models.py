"""Looking at trained models."""

from dataclasses import asdict

import click

from app.cli.model_name import model_named
from app.cli.output import json_option, open_current_store, print_json, print_table, start
from core.clock import KST
from core.store import model_versions


@click.group()
def models() -> None:
    """Trained models: what is a candidate, what serves, and what became of the others."""


@models.command("list")
@click.option("--limit", default=30, show_default=True, type=click.IntRange(1, 1_000), help="At most, newest first.")
@json_option
def models_list(limit: int, as_json: bool) -> None:
    """List trained models, newest first.

    \b
    xcrack models list --limit 100
    """
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
    """Show one model, every change of its status, and who said so. MODEL_ID may be its first 8 digits or more.

    \b
    xcrack models show 2c5a17f1
    """
    with open_current_store(start()).session() as session:
        version = model_versions.get(session, model_named(session, model_id))
        events = model_versions.events(session, version.model_id)
    if as_json:
        print_json({"model": version, "events": events})
        return
    print_table("", ("", ""), [(name, value) for name, value in asdict(version).items()], "")
    rows = [(f"{e.at.astimezone(KST):%Y-%m-%d %H:%M}", e.before, e.after, e.actor, e.reason) for e in events]
    print_table("Changes", ("at (KST)", "before", "after", "by", "why"), rows, "None.")
