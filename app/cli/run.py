"""What runs: demo, replay, and the processes of an installation."""

import sys
from pathlib import Path

import click

from app import demo as demo_run
from app.cli.output import json_option, print_json, say, start
from app.home import Home
from app.replay import Summary, demo_object, empty_home, plan_run, run_in_loop, symbol_of
from app.virtual import Progress
from core.clock import KST, SystemClock
from core.errors import BadInput
from market.bars import BarArchive
from market.importer import import_ohlcv

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
    """Run the whole loop on a made market: no key, no network, under two minutes.

    The market has a planted optimum, so that there is something to find. A rule analyzer studies every simulated day,
    proposals are tested on sealed history, and what passes is deployed to the running engine.
    """
    base = start()
    path = (home_path or base.home / "demo").resolve()
    settings = demo_run.demo_settings(base, path)
    done = demo_run.finished(path) if serve else None
    if done is None:
        home = Home(path).create() if resume else empty_home(settings)
        line = ProgressLine()
        say(f"demo: {days} simulated days, seed {seed}, in {path}")
        done = demo_run.run_demo(settings, home, seed, days, line.show, resume)
        line.end()
    if as_json:
        print_json(demo_object(done))
    else:
        print_summary(done)
    if serve:
        from app.web import serve_forever

        serve_forever(settings, demo_run.clock_at_end(path))


@click.command()
@click.option(
    "--bars", "files", multiple=True, required=True, type=click.Path(path_type=Path), metavar="FILE...",
    help="CSV or Parquet candles whose name ends in the symbol; repeat the option, or list files after it.",
)  # fmt: skip
@click.argument("more_files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--symbols", help="Comma-separated; only these.")
@click.option("--history", default=910, show_default=True, type=click.IntRange(0), metavar="DAYS",
              help="Days that become sealed and seen before day one, with the embargo.")  # fmt: skip
@click.option("--days", type=click.IntRange(1), metavar="N", help="Simulate at most so many days.")
@seed_option
@click.option(
    "--home", "home_path", type=click.Path(path_type=Path), help="Where to keep the run.  [default: <home>/replay]"
)
@click.option("--language", type=click.Choice(["ko", "en"]), help="Language of the briefs.")
@json_option
def replay(
    files: tuple[Path, ...], more_files: tuple[Path, ...], symbols: str | None, history: int, days: int | None,
    seed: int, home_path: Path | None, language: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Run the loop on a virtual clock over recorded bars: engine, worker and cycles as in production."""
    base = start()
    path = (home_path or base.home / "replay").resolve()
    settings = demo_run.demo_settings(base, path)
    settings = settings.model_copy(update={"mode": "replay", "language": language or base.language})
    wanted = tuple(name.strip().upper() for name in symbols.split(",")) if symbols else ()
    chosen = [file for file in (*files, *more_files) if not wanted or symbol_of(file) in wanted]
    if missing := set(wanted) - {symbol_of(file) for file in chosen}:
        raise BadInput(f"no file holds {', '.join(sorted(missing))}", "Name its file with --bars")
    home = empty_home(settings)
    archive = _import(home, chosen)
    plan = plan_run(settings, archive, archive.symbols(), seed, history, days)
    say(f"replay: {plan.n_days} days of {', '.join(plan.symbols)}, {plan.history_days} days of history before them")
    line = ProgressLine()
    summary = run_in_loop(settings, home, plan, line.show)
    line.end()
    if as_json:
        print_json(summary)
    else:
        print_summary(summary)


def _import(home: Home, files: list[Path]) -> BarArchive:
    archive = BarArchive(home.bars, SystemClock())
    for file in files:
        report = import_ohlcv(archive, file, symbol_of(file))
        noted = ", ".join(f"{finding.n} {finding.kind}" for finding in report.findings) or "nothing to remark"
        say(f"import: {report.symbol} {report.interval}, {report.n_kept:,} of {report.n_rows:,} rows kept; {noted}")
    return archive


def print_summary(summary: Summary) -> None:
    """Print what a run did, for people."""
    counts = ", ".join(f"{n} {state}" for state, n in summary.proposals.items() if n) or "none"
    print(f"simulated days   {summary.simulated_days}  (seed {summary.seed}, {summary.bars:,} bars)")
    print(f"trades           {summary.trades}")
    print(f"proposals        {counts}")
    print(f"deployments      {summary.deployments} acknowledged by the engine, {summary.rollbacks} rollbacks")
    sha = summary.report_sha256[:16]
    print(f"reports          {summary.daily_reports} daily, {summary.weekly_reports} weekly, sha256 {sha}")
    print(f"wall time        {summary.wall_s:.1f} s")


@click.command()
@click.option(
    "--mode", type=click.Choice(["demo"]), default="demo", show_default=True, help="Which market the engine plays."
)
def up(mode: str) -> None:
    """Start engine, worker and web under one supervisor, until Ctrl-C.

    The market is the made one, played in real time. A process that dies is started again; after five deaths in a minute
    the supervisor gives up and says which one.
    """
    from app.supervisor import run_supervisor

    sys.exit(run_supervisor(start().model_copy(update={"mode": mode})))


@click.command()
def worker() -> None:
    """Run the worker: bridge, logger, collectors, advisor, schedule and cycles. Exactly one per store."""
    from app.worker import run_worker

    run_worker(start())


@click.command()
@click.option("--host", help="Address to listen on.  [default: settings web.host]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port.  [default: settings web.port]")
def web(host: str | None, port: int | None) -> None:
    """Serve dashboard and API from the store."""
    from app.web import serve_forever

    settings = start()
    update = {k: v for k, v in {"host": host, "port": port}.items() if v is not None}
    serve_forever(settings.model_copy(update={"web": settings.web.model_copy(update=update)}))
