"""Looking on: where the processes stand, and what they say."""

import sys
import threading
from typing import TYPE_CHECKING, Any

import click
import msgspec

from app.cli.output import json_option, print_json, print_table, start
from app.logs import PROCESSES

if TYPE_CHECKING:
    from app.feeds import FeedReading
    from app.status import ProcessStatus

POLL_S = 0.3


@click.command()
@json_option
def status(as_json: bool) -> None:
    """Say where supervisor, engine, worker and web stand, and how each feed of a live market goes.

    A feed is stale when nothing changed for market.stale_after_s; the engine then opens nothing on it. Each process
    is asked by its own means, so this works with any of them dead. Exit code 0 when all four work, else 1.
    """
    from app.status import look_round
    from core.clock import SystemClock

    found = look_round(start(is_quiet=True), SystemClock())
    if as_json:
        print_json({s.name: _told(s) for s in found})
    else:
        rows = [(s.name, s.state, s.pid or "", s.detail) for s in found]
        print_table("", ("process", "state", "pid", "detail"), rows, "")
        feeds = [_feed_row(feed) for s in found for feed in s.feeds]
        if feeds:
            print_table("", FEED_COLUMNS, feeds, "")
    sys.exit(0 if all(s.ok for s in found) else 1)


def _told(status: "ProcessStatus") -> dict[str, Any]:
    told = {"state": status.state, "pid": status.pid, "detail": status.detail, **status.facts}
    if status.feeds:
        told["feeds"] = [{**msgspec.to_builtins(feed), "state": feed.state} for feed in status.feeds]
    return told


FEED_COLUMNS = ("feed", "symbol", "state", "last message", "lag", "gaps", "late candles", "lost candles", "reconnects")


def _feed_row(feed: "FeedReading") -> tuple[object, ...]:
    seen = "none yet" if feed.seen_at is None else f"{feed.seen_at:%H:%M:%S} UTC"
    lag = "" if feed.lag_ms is None else f"{feed.lag_ms:.0f} ms"
    counts = feed.n_gaps, feed.n_missed_candles, _lost(feed), feed.n_reconnects
    return feed.venue, feed.symbol, feed.state, seen, lag, *counts


def _lost(feed: "FeedReading") -> str:
    if feed.last_lost is None:
        return "0"
    begins, ends = feed.last_lost
    return f"{feed.n_lost_candles}, last {begins:%Y-%m-%d %H:%M} to {ends:%Y-%m-%d %H:%M} UTC"


@click.command()
@click.option("-f", "--follow", "is_following", is_flag=True, help="Go on as lines are said, until Ctrl-C.")
@click.option(
    "-n", "--lines", "n", type=click.IntRange(0, 100_000), default=20, show_default=True, help="Of each process."
)
@click.option("--process", "only", type=click.Choice(PROCESSES), multiple=True, help="Only this one; repeatable.")
def logs(is_following: bool, n: int, only: tuple[str, ...]) -> None:
    """Print what the processes of `xcrack up` said, oldest first, each line after the name of its process.

    \b
    xcrack logs -f --process worker --process engine
    """
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
