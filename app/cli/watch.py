"""Looking on: where the processes stand, and what they say."""

import sys
import threading

import click

from app.cli.output import json_option, print_json, print_table, start
from app.logs import PROCESSES

POLL_S = 0.3


@click.command()
@json_option
def status(as_json: bool) -> None:
    """Say where supervisor, engine, worker and web stand.

    Each is asked by its own means, so this works with any of them dead. Exit code 0 when all four work, else 1.
    """
    from app.status import look_round
    from core.clock import SystemClock

    found = look_round(start(is_quiet=True), SystemClock())
    if as_json:
        print_json({s.name: {"state": s.state, "pid": s.pid, "detail": s.detail, **s.facts} for s in found})
    else:
        rows = [(s.name, s.state, s.pid or "", s.detail) for s in found]
        print_table("", ("process", "state", "pid", "detail"), rows, "")
    sys.exit(0 if all(s.ok for s in found) else 1)


@click.command()
@click.option("-f", "--follow", "is_following", is_flag=True, help="Go on as lines are said, until Ctrl-C.")
@click.option(
    "-n", "--lines", "n", type=click.IntRange(0, 100_000), default=20, show_default=True, help="Of each process."
)
@click.option("--process", "only", type=click.Choice(PROCESSES), multiple=True, help="Only this one; repeatable.")
def logs(is_following: bool, n: int, only: tuple[str, ...]) -> None:
    """Print what the processes of `xcrack up` said, oldest first, each line after the name of its process."""
    from app.home import Home
    from app.logs import LogLine, follow, last_lines

    folder = Home(start(is_quiet=True).home).logs
    chosen = only or PROCESSES

    def show(line: LogLine) -> None:
        click.echo(f"{line.process:<10} {line.text}")

    for line in last_lines(folder, chosen, n):
        show(line)
    if is_following:
        pause = threading.Event()
        for line in follow(folder, chosen, lambda: pause.wait(POLL_S)):
            show(line)
