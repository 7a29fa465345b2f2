"""What a run on a virtual clock shows while it lasts and at its end."""

import sys
from decimal import Decimal

import click

from app.replay import Summary
from app.virtual import Progress
from core.clock import KST

seed_option = click.option(
    "--seed", default=7, show_default=True, type=click.IntRange(0, 2**31), help="Same seed, same bytes."
)


class ProgressLine:
    """One line on stderr that tells how far a run is; plain lines where stderr is no terminal."""

    def __init__(self) -> None:
        self._day = ""

    def show(self, progress: Progress) -> None:
        """Print a new day, or rewrite the line on a terminal."""
        day = f"{progress.at.astimezone(KST):%Y-%m-%d}"
        if day == self._day:
            return
        self._day = day
        text = f"{progress.share:4.0%}  {day} KST  {progress.bars:,} bars"
        click.echo(f"\r{text}" if sys.stderr.isatty() else text, err=True, nl=not sys.stderr.isatty())

    def end(self) -> None:
        """Leave the line."""
        if sys.stderr.isatty():
            click.echo("", err=True)


def _signed(usd: Decimal) -> str:
    return f"{'-' if usd < 0 else '+'}${abs(usd):,.2f}"


def print_summary(summary: Summary) -> None:
    """Print what a run did, for people."""
    counts = ", ".join(f"{n} {state}" for state, n in summary.proposals.items() if n) or "none"
    print(f"simulated days   {summary.simulated_days}  (seed {summary.seed}, {summary.bars:,} bars)")
    print(f"trades           {summary.trades}")
    print(f"proposals        {counts}")
    print(f"deployments      {summary.deployments} acknowledged by the engine, {summary.rollbacks} rollbacks")
    stages = ", ".join(f"{n} {stage.replace('_', ' ')}" for stage, n in summary.canaries.items()) or "none"
    print(f"canaries         {stages}")
    if summary.predictions:
        print(f"predictions      {summary.predictions:,} of the models; `xcrack ml status`")
    if (order := summary.stopped) is not None:
        asked = f"a {order.side} of {order.symbol} for ${order.notional_usd:,.0f}, {order.reason}"
        print(f"advisor          stopped {asked}: it would have made {_signed(order.full_usd)}; `xcrack advisor value`")
    sha = summary.report_sha256[:16]
    print(f"reports          {summary.daily_reports} daily, {summary.weekly_reports} weekly, sha256 {sha}")
    print(f"wall time        {summary.wall_s:.1f} s")
