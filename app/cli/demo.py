"""The demo: everything on a made market."""

import os
import sys
from pathlib import Path

import click

from app import demo as demo_run
from app.cli.output import json_option, print_json, say, start
from app.cli.progress import ProgressLine, print_summary, seed_option
from app.home import Home
from app.replay import demo_object, empty_home
from core.errors import BadInput


@click.command()
@seed_option
@click.option("--days", default=demo_run.DAYS, show_default=True, type=click.IntRange(1, 365), help="Simulated days.")
@click.option(
    "--home", "home_path", type=click.Path(path_type=Path), help="Where to keep the run.  [default: <home>/demo]"
)
@click.option("--resume", is_flag=True, help="Go on with a run that was killed.")
@click.option("--serve", is_flag=True, help="Reuse a finished demo, then serve its dashboard until Ctrl-C.")
@json_option
def demo(seed: int, days: int, home_path: Path | None, resume: bool, serve: bool, as_json: bool) -> None:
    """Run the whole loop on a made market: no key, no network, one to five minutes.

    The market has a planted optimum, so that there is something to find. A rule analyzer studies every simulated day,
    proposals are tested on sealed history, and what passes is deployed to the running engine.

    \b
    xcrack demo --serve
    xcrack demo --days 3 --seed 11 --home /tmp/short
    """
    base = start(is_quiet=True)
    path = (home_path or base.home / "demo").resolve()
    settings = demo_run.demo_settings(base, path)
    done = demo_run.finished(path) if serve else None
    if done is None:
        if resume and not demo_run.is_begun(path):
            raise BadInput(f"there is no demo to go on with in {path}", "Leave --resume out")
        home = Home(path).create() if resume else empty_home(settings)
        line = ProgressLine()
        say(f"demo: {days} simulated days, seed {seed}, in {path}")
        done = demo_run.run_demo(settings, home, seed, days, line.show, resume)
        line.end()
        if serve:
            _serve_afresh(path, as_json)
    if as_json:
        print_json(demo_object(done))
    else:
        print_summary(done)
    if serve:
        from app.web import serve_forever

        serve_forever(settings, demo_run.clock_at_end(path))


def _serve_afresh(path: Path, as_json: bool) -> None:
    """Go on as the command for a demo that is finished, in place of this process.

    The server forks, and what a demo leaves in its process, libraries with threads of their own, is not made for that.
    """
    sys.stdout.flush()
    command = [
        sys.executable,
        "-m",
        "app.cli",
        "demo",
        "--serve",
        "--home",
        str(path),
        *(["--json"] if as_json else []),
    ]
    os.execv(sys.executable, command)
