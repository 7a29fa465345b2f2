"""Training models: what is asked for, and what came of it."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.cli.output import json_option, open_current_store, print_json, print_table, say, start
from app.home import Home
from core.clock import SystemClock
from core.errors import BadInput, Unavailable
from core.settings import Settings
from market.candles import interval_name, ms_of

if TYPE_CHECKING:
    from core.store import Store
    from ml.train.plan import TrainPlan

TASKS = {"sign": 0.0, "big_move": 0.02, "move_over_sigma": 1.0, "pays_long": 0.002, "pays_short": 0.002}
"""Question, and the threshold that it has without `--threshold`."""
UNSERVED = {
    "triple_barrier": "its label hangs on the highs and lows on the way, and what serves settles by one later close",
    "meta_label": "a strategy's own signals come after the bar, and what serves has the bar alone",
}
"""Questions that `ml.labels` can label and that no bundle is made of: nobody could say what became of its answers."""
MODELS = ("lstm", "gru", "transformer", "tcn", "mlp", "logistic", "random_forest", "xgboost")
MAX_LOOKAHEAD = 500
DEVICES = ("auto", "cpu", "cuda")
_ABOVE_ZERO = click.FloatRange(min=0, min_open=True)
_COUNT = click.IntRange(1, 1_000)


@click.command()
@click.option("--data", "files", multiple=True, type=click.Path(path_type=Path), help="Candle files; repeatable.")
@click.option("--symbols", help="Instead of files: symbols of the bar archive, with commas.")
@click.option("--exchange", help="Download what the archive lacks of the symbols first; a ccxt exchange id.")
@click.option("--interval", default="1h", show_default=True, help="Length of the archive's candles.")
@click.option("--start-date", metavar="YYYY-MM-DD", help="First UTC day; all there is without it.")
@click.option("--end-date", metavar="YYYY-MM-DD", help="First UTC day that is left out; up to now without it.")
@click.option("--task", default="sign", show_default=True, help=f"What is predicted: {', '.join(TASKS)}.")
@click.option("--lookahead", type=click.IntRange(1, MAX_LOOKAHEAD), help="Horizon in bars; 1 without it.")
@click.option("--horizon", help="The same as a time, such as 5h.")
@click.option(
    "--threshold", type=_ABOVE_ZERO, help="Of a big move (0.02), in sigmas (1), or what a side costs (0.002)."
)
@click.option("--model-type", default=",".join(MODELS), show_default=True, help="Models, with commas.")
@click.option("--sequence-length", type=click.IntRange(2, 512), help="Rows that LSTM, GRU and Transformer read.")
@click.option("--epochs", default=30, show_default=True, type=click.IntRange(1, 10_000), help="At most.")
@click.option("--batch-size", default=256, show_default=True, type=click.IntRange(1, 65_536), help="Rows a step.")
@click.option("--learning-rate", default=1e-3, show_default=True, type=_ABOVE_ZERO, help="Of AdamW; at most 1.")
@click.option("--early-stopping-patience", default=5, show_default=True, type=_COUNT, help="Epochs without gain.")
@click.option("--trials", default=0, show_default=True, type=click.IntRange(0, 500), help="Fits to search a net with.")
@click.option("--device", type=click.Choice(DEVICES), default="auto", show_default=True, help="auto: a GPU if any.")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(1, 256), help="CPU threads.")
@click.option("--memory-mb", type=click.IntRange(min=64), help="Most memory; beyond it only the training fails.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Copy the finished bundle into this folder too."
)
@click.option(
    "--seed", default=7, show_default=True, type=click.IntRange(0, 2**31 - 1), help="Same seed, same weights."
)
@click.option("--resume", is_flag=True, help="Go on at the checkpoints of an interrupted run of the same training.")
@json_option
def train(**options: Any) -> None:
    """Train models on recorded candles, calibrate and measure them on later ones, and write what can be served.

    \b
    xcrack train --data BTCUSDT_1h.parquet --model-type gru,xgboost --lookahead 1
    xcrack train --symbols BTCUSDT,ETHUSDT --exchange binance --start-date 2023-01-01 --task big_move --horizon 5h

    Nothing that serves changes: the result is a candidate. An interrupted run goes on with --resume.
    """
    from ml.train.parent import require_trainer

    _require_task(options["task"])
    require_trainer()
    # Imported here: they load the compiled engine, and the list of options needs none of it.
    from app.cli.train_data import load_series
    from app.cli.train_progress import TrainProgress
    from app.training import build_tables
    from app.training import train as run

    as_json = bool(options["as_json"])
    settings = start(as_json)
    clock, home = SystemClock(), Home(settings.home).create()
    _require_place(options["out"])
    series, interval_ms = load_series(options, home, clock)
    plan = _plan(options, interval_ms, clock)
    store = _store(settings)
    if store is None and not as_json:
        say(
            f"there is no store in {home.path}: the bundle is only written, and its trials are not counted; "
            "a model that is to serve is trained where `xcrack up` has run"
        )
    if not as_json:
        say(f"building features of {', '.join(series)}: {sum(map(len, series.values())):,} bars")
    tables = build_tables(series, interval_ms)
    with TrainProgress(quiet=as_json) as bars:
        trained = run(home, store, clock, plan, tables, bars.show, options["resume"])
    outcome = trained.outcome
    if outcome.is_cancelled:
        raise click.Abort
    if not outcome.is_done:
        wrong = BadInput if outcome.last.is_input else Unavailable
        raise wrong(outcome.last.reason, outcome.last.remedy)
    _report(home, outcome.last.sha256, tables[0].schema_sha256, options["out"], as_json)


def _require_place(out: Path | None) -> None:
    """Make the folder now: a training of hours must not end for want of it. Raises BadInput."""
    try:
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{out} cannot be made: {error.strerror}", "Name another folder with --out") from None


def _require_task(task: str) -> None:
    if task in UNSERVED:
        raise BadInput(f"no model is trained for {task}: {UNSERVED[task]}", "Ask for pays_long or pays_short")
    if task not in TASKS:
        raise BadInput(f"'{task[:40]}' is no question", f"Ask for one of {', '.join(TASKS)}")


def _plan(options: Mapping[str, Any], interval_ms: int, clock: SystemClock) -> "TrainPlan":
    from ml.train.plan import TrainPlan
    from strategies.installed import read_installed

    names = tuple(dict.fromkeys(name.strip() for name in options["model_type"].split(",")))
    for name in names:
        if name not in MODELS:
            raise BadInput(f"'{name[:40]}' is no model", f"Use some of {', '.join(MODELS)}")
    task = options["task"]
    for name in ("threshold", "learning_rate"):
        if options[name] is not None and not math.isfinite(options[name]):
            raise BadInput(f"--{name.replace('_', '-')} {options[name]} is no number", "Give a finite one")
    if options["learning_rate"] > 1:
        raise BadInput(f"a learning rate of {options['learning_rate']:g} learns nothing", "Give at most 1")
    if task == "sign" and options["threshold"] is not None:
        raise BadInput("a sign has no threshold", "Leave --threshold out, or ask for --task big_move")
    return TrainPlan(
        tables=(),
        work="",
        bundles="",
        task=task,
        horizon_bars=_horizon_bars(options["lookahead"], options["horizon"], interval_ms),
        threshold=TASKS[task] if options["threshold"] is None else float(options["threshold"]),
        models=names,
        code_sha256=read_installed().code_sha256,
        trained_at_ms=ms_of(clock.now()),
        seed=options["seed"],
        sequence_length=options["sequence_length"],
        epochs=options["epochs"],
        batch_size=options["batch_size"],
        learning_rate=options["learning_rate"],
        patience=options["early_stopping_patience"],
        trials=options["trials"],
        device=options["device"],
        threads=options["threads"],
        memory_mb=options["memory_mb"],
    )


def _horizon_bars(lookahead: int | None, horizon: str | None, interval_ms: int) -> int:
    if horizon is None:
        return lookahead or 1
    units = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
    number, unit = horizon[:-1], units.get(horizon[-1:])
    if unit is None or not re.fullmatch(r"[0-9]{1,6}", number) or int(number) * unit % interval_ms or not int(number):
        raise BadInput(
            f"'{horizon[:20]}' is no whole number of {interval_name(interval_ms)} bars", "Write a time such as 5h"
        )
    bars = int(number) * unit // interval_ms
    if bars > MAX_LOOKAHEAD:
        raise BadInput(f"--horizon {horizon} is {bars} bars", f"At most {MAX_LOOKAHEAD}")
    if lookahead not in (None, bars):
        raise BadInput(f"--horizon {horizon} is {bars} bars and --lookahead says {lookahead}", "Give one of them")
    return bars


def _store(settings: Settings) -> "Store | None":
    if settings.store.url or (settings.home / "xcrack.db").is_file():
        return open_current_store(settings)
    return None


def _report(home: Home, sha256: str, schema_sha256: str, out: Path | None, as_json: bool) -> None:
    from ml.bundle import load_bundle, write_bundle

    bundle = load_bundle(home.models / sha256, sha256, schema_sha256)
    folder = home.models / sha256 if out is None else write_bundle(out, bundle.card, bundle.files)
    if as_json:
        print_json({"sha256": sha256, "folder": str(folder), "card": bundle.card})
        return
    rows = []
    for name, metrics in (("all together", bundle.card.metrics), *((e.name, e.metrics) for e in bundle.card.experts)):
        by_name = {measure.name: measure.interval for measure in metrics}
        rows.append((name, *(_figure(by_name.get(metric)) for metric in ("log_loss", "accuracy", "brier"))))
    print_table(f"Model {sha256[:16]}", ("expert", "log loss", "accuracy", "Brier"), rows, "")
    print(f"{folder}: a candidate; {bundle.card.trials} recipes were tried for this question")


def _figure(interval: Any) -> str:
    return "too few weeks" if interval is None else f"{interval.value:.4f} [{interval.low:.4f}, {interval.high:.4f}]"
