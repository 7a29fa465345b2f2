"""`xcrack ml evaluate`: the models judged on candle files of anybody."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import click

from app.cli.candle_files import read_candles
from app.cli.output import json_option, open_current_store, print_json, print_table, say, start
from core.clock import Clock, SystemClock
from core.errors import BadInput, Refused
from core.settings import Settings
from core.store import Store
from ml.evaluate import locked
from ml.evaluate.files import CandleFile, build_table, require_one_set
from ml.evaluate.leak_run import measure_leaks
from ml.evaluate.lineup import build_lineup, find_models
from ml.evaluate.locked import Subject, recipes_of, save_trials
from ml.evaluate.report import FEE_BPS, EvaluationRow, Progress, Run, evaluate_task
from ml.evaluate.spread import measure_spread
from ml.evaluate.tasks import Task, find_tasks
from ml.features.table import FeatureTable
from ml.models.protocol import Expert

_PROTOCOL = "purged walk-forward, 91-day tests, 24-bar embargo, platt on settled, bayes"


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the options say, checked."""

    tasks: Sequence[Task]
    models: Sequence[str]
    select: int | None
    seed: int
    fee_bps: float
    threads: int
    is_locked: bool
    is_spread: bool


@click.command("evaluate")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--symbol", help="Symbol of the candles; without it the end of the file's name.")
@click.option(
    "--peer", "peers", multiple=True, type=click.Path(path_type=Path), metavar="FILE",
    help="Candles of another symbol, for features only; may be given several times.",
)  # fmt: skip
@click.option("--tasks", help="Comma-separated, such as sign,big_move or sign:5; all but move_over_sigma without it.")
@click.option("--models", help="Comma-separated, beside the baselines: logistic,random_forest,xgboost without it.")
@click.option(
    "--select", type=click.IntRange(1), metavar="K",
    help="Give logistic, random_forest and xgboost K columns, chosen from the training rows of each fold; all without.",
)  # fmt: skip
@click.option("--seed", default=7, show_default=True, type=click.IntRange(0, 2**31), help="Same seed, same figures.")
@click.option("--fee-bps", default=FEE_BPS, show_default=True, type=click.FloatRange(0), help="Of both ways together.")
@click.option("--threads", default=2, show_default=True, type=click.IntRange(1, 64))
@click.option(
    "--open-locked", is_flag=True,
    help="Judge the last 91 days, which nothing else reads: once a release, written into the ledger first.",
)  # fmt: skip
@click.option(
    "--spread", is_flag=True,
    help="Also give each model's range of skill over combinatorial purged splits: up to three times the time, no nets.",
)  # fmt: skip
@click.option("--leaks", is_flag=True, help="Run the leak meter instead: five checks, each proven to see its leak.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Write SVG plots into this folder."
)
@json_option
def evaluate(
    files: tuple[Path, ...],
    symbol: str | None,
    peers: tuple[Path, ...],
    tasks: str | None,
    models: str | None,
    select: int | None,
    seed: int,
    fee_bps: float,
    threads: int,
    open_locked: bool,
    spread: bool,
    leaks: bool,
    out: Path | None,
    as_json: bool,
) -> None:
    """Judge the models on candle FILES (CSV or Parquet) by purged walk-forward, beside the baselines.

    Several files give each other features of other symbols, as known at the time. Each row holds for what a file says
    of itself; the last 91 days (or a tenth) are locked. Nothing is promised of profit: net figures are after fees.

    \b
    xcrack ml evaluate binance_1h_BTCUSDT.parquet
    xcrack ml evaluate *_1h_BTCUSDT.csv *_1h_ETHUSDT.csv --tasks sign,big_move --json > rows.json
    """
    if symbol and len(files) > 1:
        raise BadInput("--symbol names one symbol, and several files were given", "Evaluate them one by one")
    if not math.isfinite(fee_bps):
        raise BadInput(f"--fee-bps {fee_bps} is no number", "Give the cost of both ways, such as 20")
    if spread:
        _require_alone(leaks, open_locked)
    settings, clock = start(is_quiet=True), SystemClock()
    asked = _Asked(find_tasks(tasks), find_models(models), select, seed, fee_bps, threads, open_locked, spread)
    _require_folder(out)
    loaded = [read_candles(file, symbol, clock.now()) for file in files]
    beside = [*loaded, *(read_candles(file, None, clock.now()) for file in peers)]
    require_one_set(beside)
    if leaks:
        _leaks(loaded, beside, asked, as_json)
        return
    store = _store(settings, is_needed=open_locked)
    rows: list[EvaluationRow] = []
    for file in loaded:
        if open_locked and store is not None:
            _open(store, clock, file)
        rows += _judge(file, beside, asked, store, clock)
    if out is not None:
        from app.cli.ml_plots import write_plots

        for path in write_plots(out, rows):
            say(f"drawn: {path}")
    if as_json:
        print_json(rows)
    else:
        _print(rows)


def _require_alone(leaks: bool, open_locked: bool) -> None:
    """Raise BadInput for what --spread does not go with."""
    if leaks:
        raise BadInput("--leaks judges no model, so there is no --spread", "Ask for one of them")
    if open_locked:
        raise BadInput("--spread would learn from the locked period", "Ask for it without --open-locked")


def _judge(
    file: CandleFile, files: Sequence[CandleFile], asked: _Asked, store: Store | None, clock: Clock
) -> list[EvaluationRow]:
    """Return a row a task; trials are counted before anything is judged."""
    table, plan = build_table(file, files, asked.is_locked)
    experts = build_lineup(table.names, asked.models, asked.select)
    trials = {task.key: _count(store, clock, file, task, table, experts) for task in asked.tasks}
    say(f"{file.symbol}: {len(table):,} bars, {len(table.names)} features, scored from bar {plan.first_scored:,} on")
    progress = _progress(file.symbol)
    run = Run(
        plan, experts, asked.seed, trials, store is not None, asked.is_locked, asked.fee_bps, asked.select,
        asked.threads, progress,
    )  # fmt: skip
    rows = []
    for task in asked.tasks:
        row = evaluate_task(table, task, run)
        say(f"{file.symbol}: {_line(row)}")
        rows.append(replace(row, spread=measure_spread(table, task, run)) if asked.is_spread else row)
    return rows


def _progress(symbol: str) -> Progress:
    def show(what: str, n_done: int, n_all: int) -> None:
        if n_done * 4 // n_all != (n_done - 1) * 4 // n_all:
            say(f"{symbol} {what}: {n_done / n_all:4.0%}, {n_done} of {n_all} fits")

    return show


def _count(
    store: Store | None, clock: Clock, file: CandleFile, task: Task, table: FeatureTable, experts: Sequence[Expert]
) -> int:
    """Return how many recipes the task was judged with; without a store, in this run."""
    recipes = recipes_of(experts, table.schema_sha256, _PROTOCOL)
    if store is None:
        return len(recipes)
    with store.session() as session:
        return save_trials(session, clock.now(), Subject(file.symbol, file.interval_ms, task.key), recipes, file.sha256)


def _store(settings: Settings, is_needed: bool) -> Store | None:
    """Return the installation's store, or None where there is none. Raises Refused where it is needed."""
    if settings.store.url or (settings.home / "xcrack.db").is_file():
        return open_current_store(settings)
    if is_needed:
        raise Refused(
            f"there is no store in {settings.home} to write the opening into",
            "Run `xcrack up` or `xcrack demo` once, or set XCRACK_HOME to an installation",
        )
    return None


def _open(store: Store, clock: Clock, file: CandleFile) -> None:
    with store.session() as session:
        locked.open_locked(session, clock.now(), version("xcrack"), file.symbol, file.interval_ms, file.sha256)
    say(f"{file.symbol}: the locked period is open, and the ledger says so")


def _leaks(files: Sequence[CandleFile], beside: Sequence[CandleFile], asked: _Asked, as_json: bool) -> None:
    found = {
        file.symbol: measure_leaks(file, beside, asked.models, asked.seed, asked.threads, asked.select)
        for file in files
    }
    if as_json:
        print_json([{"symbol": symbol, "findings": findings} for symbol, findings in found.items()])
    else:
        lines = [
            (symbol, finding.check, "LEAK" if finding.is_leak else "none", f"{finding.measured:.4g}",
             f"{finding.limit:g}", finding.message)
            for symbol, findings in found.items()
            for finding in findings
        ]  # fmt: skip
        print_table("Leak meter", ("symbol", "check", "leak", "measured", "limit", ""), lines, "")
    if any(finding.is_leak for findings in found.values() for finding in findings):
        raise click.exceptions.Exit(1)


def _require_folder(out: Path | None) -> None:
    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"cannot write into {out}: {error.strerror}", "Name a writable folder with --out") from None


def _line(row: EvaluationRow) -> str:
    return f"{row.task} {row.horizon}: accuracy {row.accuracy:.4f}, log-loss skill {row.log_loss_skill or 0:+.2%}"


def _print(rows: Sequence[EvaluationRow]) -> None:
    columns = ("symbol", "task", "horizon", "n", "eff. n", "accuracy", "top tenth", "majority", "bal. acc.", "MCC",
               "AUC", "log-loss skill", "best baseline", "ECE", "gross bps", "net bps", "trials", "")  # fmt: skip
    print_table("Out of sample, purged walk-forward, 95 % intervals by weeks", columns, map(_cells, rows), "")
    for row in rows:
        if row.task == "two_percent":
            print(f"two_percent {row.symbol}: always saying `flat` is right {row.base_rates['0']:.1%} of the time")
    if rows[0].spread:
        _print_spread(rows)
    chosen = "" if rows[0].n_selected is None else f"; {rows[0].n_selected} columns chosen at each fit"
    print(f"\nfees {rows[0].fee_bps:g} bps for both ways; seed {rows[0].seed}{chosen}")


def _print_spread(rows: Sequence[EvaluationRow]) -> None:
    lines = [
        (row.symbol, row.task, row.horizon, one.name, _share(one.low), _share(one.median), _share(one.high))
        for row in rows
        for one in row.spread
    ]
    title = f"Log-loss skill over {rows[0].spread[0].n_paths} paths of combinatorial purged splits, not calibrated"
    print_table(title, ("symbol", "task", "horizon", "expert", "lowest", "median", "highest"), lines, "")


def _cells(row: EvaluationRow) -> tuple[object, ...]:
    covered = row.coverage_10
    best = max(row.baselines.values(), key=lambda figures: figures.log_loss_skill or 0.0)
    return (
        row.symbol, row.task, row.horizon, f"{row.n:,}", f"{row.n_effective:,}",
        _interval(row.accuracy, row.accuracy_ci), f"{_interval(covered.accuracy, covered.ci)} ({covered.n:,})",
        _share(row.majority), _share(row.balanced_accuracy), _number(row.mcc, 3), _number(row.auc, 3),
        _share(row.log_loss_skill), f"{best.name} {_share(best.log_loss_skill)}", _number(row.ece, 4),
        _number(row.gross_bps, 1), _number(row.net_bps, 1), row.trials, "" if row.skill == "skill" else row.skill,
    )  # fmt: skip


def _interval(value: float | None, ci: tuple[float, float] | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1%}" + (f" [{ci[0]:.1%}, {ci[1]:.1%}]" if ci else "")


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2%}"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
