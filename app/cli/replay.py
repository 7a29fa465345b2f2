"""Replay: recorded bars through the whole loop, or a stretch of an installation's own time once more."""

from pathlib import Path

import click

from app import demo as demo_run
from app.cli.output import json_option, parse_time, print_json, print_table, say, start
from app.cli.progress import ProgressLine, print_summary, seed_option
from app.home import Home
from app.replay import empty_home, plan_run, replay_object, run_in_loop, symbol_of
from app.window import Window, WindowRun, run_window
from core.clock import KST, SystemClock
from core.errors import BadInput
from core.settings import Settings
from market.bars import BarArchive
from market.importer import import_ohlcv
from market.synthetic import write_fixed_rate

MAX_DAYS = 36_500
"""A hundred years: dates end soon after, and no candles are older."""


@click.command()
@click.option(
    "--bars", "files", multiple=True, type=click.Path(path_type=Path), metavar="FILE...",
    help="CSV or Parquet candles whose name ends in the symbol; repeat the option, or list files after it.",
)  # fmt: skip
@click.argument("more_files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--symbols", help="Comma-separated; only these.")
@click.option("--history", default=910, show_default=True, type=click.IntRange(0, MAX_DAYS), metavar="DAYS",
              help="Days that become sealed and seen before day one, with the embargo.")  # fmt: skip
@click.option("--days", type=click.IntRange(1, MAX_DAYS), metavar="N", help="Simulate at most so many days.")
@click.option("--from", "from_text", metavar="ISO", help="Without --bars: show the installation's own time again, from")
@click.option("--to", "to_text", metavar="ISO", help="to here, such as 2025-07-13T08:45Z.")
@click.option("--instance", "instance_id", metavar="ID", help="With --from: only this instance.")
@seed_option
@click.option(
    "--home", "home_path", type=click.Path(path_type=Path), help="Where to keep the run.  [default: <home>/replay]"
)
@click.option(
    "--context", "context", type=click.Path(path_type=Path, exists=True), metavar="PATH",
    help="Recorded market context, a Parquet file or a folder of them.  [default: settings sources.file]",
)  # fmt: skip
@click.option("--language", type=click.Choice(["ko", "en"]), help="Language of the briefs.")
@json_option
def replay(
    files: tuple[Path, ...], more_files: tuple[Path, ...], symbols: str | None, history: int, days: int | None,
    from_text: str | None, to_text: str | None, instance_id: str | None,
    seed: int, home_path: Path | None, context: Path | None, language: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Run the loop on a virtual clock over recorded bars: engine, worker and cycles as in production.

    With --from and --to instead of --bars, a stretch of this installation's time runs again with the parameters of
    then, and its signals and trades are listed. Reports print the arguments for what was missed.

    \b
    xcrack replay --bars binance_1h_BTCUSDT.parquet binance_1h_ETHUSDT.parquet --days 90
    xcrack replay --from 2025-07-13T08:00Z --to 2025-07-13T20:00Z --instance mm-1
    """
    base = start(is_quiet=True)
    path = (home_path or base.home / "replay").resolve()
    settings = demo_run.virtual_settings(base, path)
    settings = settings.model_copy(update={"mode": "replay", "language": language or base.language})
    wanted = tuple(name.strip().upper() for name in symbols.split(",")) if symbols else ()
    if files:
        if from_text or to_text or instance_id:
            raise BadInput("--from, --to and --instance do not go with --bars", "Use --history and --days with files")
        recorded = context or base.sources.file
        if recorded is not None:
            sources = settings.sources.model_copy(update={"file": recorded})
            settings = settings.model_copy(update={"sources": sources})
        _replay_files(settings, (*files, *more_files), wanted, history, days, seed, as_json)
        return
    if more_files or not from_text or not to_text:
        raise BadInput("there is nothing to replay", "Name files with --bars, or a time with --from and --to")
    window = Window(wanted, parse_time(from_text), parse_time(to_text), instance_id)
    _replay_window(base, settings, window, seed, as_json)


def _replay_files(
    settings: Settings, files: tuple[Path, ...], wanted: tuple[str, ...], history: int, days: int | None, seed: int,
    as_json: bool,
) -> None:  # fmt: skip
    chosen = [file for file in files if not wanted or symbol_of(file) in wanted]
    if missing := set(wanted) - {symbol_of(file) for file in chosen}:
        raise BadInput(f"no file holds {', '.join(sorted(missing))}", "Name its file with --bars")
    for file in chosen:
        if not file.is_file():
            raise BadInput(f"there is no file {file}", "Correct --bars")
    home = empty_home(settings)
    archive = _import(home, chosen)
    plan = plan_run(settings, archive, archive.symbols(), seed, history, days)
    say(f"replay: {plan.n_days} days of {', '.join(plan.symbols)}, {plan.history_days} days of history before them")
    if settings.sources.file == home.context:
        rate = settings.advisor.fallback_krw_per_usd
        say(f"replay: no recorded context; the won rate is taken as {rate:g} (settings advisor.fallback_krw_per_usd)")
        write_fixed_rate(home.context, rate, plan.start_at, plan.n_days + 1)
    line = ProgressLine()
    summary = run_in_loop(settings, home, plan, line.show)
    line.end()
    if as_json:
        print_json(replay_object(summary))
    else:
        print_summary(summary)


def _import(home: Home, files: list[Path]) -> BarArchive:
    archive = BarArchive(home.bars, SystemClock())
    for file in files:
        report = import_ohlcv(archive, file, symbol_of(file))
        noted = ", ".join(f"{finding.n} {finding.kind}" for finding in report.findings) or "nothing to remark"
        say(f"import: {report.symbol} {report.interval}, {report.n_kept:,} of {report.n_rows:,} rows kept; {noted}")
    return archive


def _replay_window(base: Settings, settings: Settings, window: Window, seed: int, as_json: bool) -> None:
    if settings.home == base.home.resolve():
        raise BadInput(f"{settings.home} is the installation itself", "Name another directory with --home")
    empty_home(settings)
    run = run_window(base, settings, window, seed, lambda _: None)
    if as_json:
        print_json(run)
    else:
        _show(run)


def _show(run: WindowRun) -> None:
    print(
        f"{run.start_at.astimezone(KST):%Y-%m-%d %H:%M} to {run.end_at.astimezone(KST):%Y-%m-%d %H:%M} KST, "
        f"{', '.join(run.symbols)}, {', '.join(run.instances)}; from a flat start\n"
    )
    signal_rows = [
        (
            f"{s.at.astimezone(KST):%m-%d %H:%M}",
            s.instance_id,
            s.symbol,
            s.side,
            f"{s.strength:.2f}",
            s.price,
            s.outcome,
        )
        for s in run.signals
    ]
    signal_columns = ("at (KST)", "instance", "symbol", "side", "strength", "price", "outcome")
    print_table("Signals", signal_columns, signal_rows, "No signal.")
    trade_rows = [
        (t.trade_id, t.instance_id, t.symbol, t.side, f"{t.entry.filled_at.astimezone(KST):%m-%d %H:%M}",
         f"{t.closed_at.astimezone(KST):%m-%d %H:%M}", f"{t.net_pnl_usd:+,.2f}", t.exit_reason)
        for t in run.trades
    ]  # fmt: skip
    print()
    trade_columns = ("id", "instance", "symbol", "side", "opened (KST)", "closed", "net P&L USD", "exit")
    print_table("Trades", trade_columns, trade_rows, "No trade was closed.")
