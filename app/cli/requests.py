"""Requests: what people asked of the worker, and what became of it."""

import click

from app.cli.output import json_option, open_current_store, print_json, print_table, start
from core.model.operations import Request
from core.store import requests as stored


@click.group()
def requests() -> None:
    """What people asked of the worker by web, command line and Telegram, and what became of it."""


@requests.command("list")
@click.option("--limit", default=30, show_default=True, type=click.IntRange(1, 1000), help="At most so many.")
@json_option
def requests_list(limit: int, as_json: bool) -> None:
    """List requests, newest first: open, done or failed, and why.

    \b
    xcrack requests list --limit 5
    """
    with open_current_store(start()).session() as session:
        found = stored.latest(session, limit)
    if as_json:
        print_json(found)
        return
    print_table(
        "Requests", ("id", "at", "kind", "of", "by", "state", "result"), [_row(each) for each in found], "None."
    )


@requests.command("show")
@click.argument("request_id", metavar="ID")
@json_option
def requests_show(request_id: str, as_json: bool) -> None:
    """Show one request; exit status 3 when it failed.

    \b
    xcrack requests show ID
    """
    with open_current_store(start()).session() as session:
        found = stored.get(session, request_id)
    if as_json:
        print_json(found)
    else:
        print(f"{found.request_id}  {found.kind} {found.subject_id}, asked by {found.by} ({found.via}): {found.reason}")
        print(f"  {found.state}: {found.result or 'the worker has not come to it yet'}")
    if found.state == "failed":
        raise SystemExit(3)


def print_stored(request: Request) -> None:
    """Say that a request is stored, and where to see what becomes of it."""
    print(f"request {request.request_id} is stored; the worker carries it out within seconds")
    print(f"see what became of it: xcrack requests show {request.request_id}")


def _row(request: Request) -> tuple[object, ...]:
    at = f"{request.at:%Y-%m-%d %H:%M}"
    return request.request_id, at, request.kind, request.subject_id, request.by, request.state, request.result
