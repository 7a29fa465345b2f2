"""The gate itself under test: how often it lets nothing through, and how often something."""

import os
import platform
import sys
from pathlib import Path
from typing import Any, get_args

import click
import numpy as np

from app.cli.cluster import ray_option
from app.cli.output import json_option, print_json, print_table, say, show_progress, start
from core.clock import SystemClock
from core.errors import BadInput
from core.model.canonical import sha256_of
from core.settings import data_folder
from strategies.gate.evaluation import FULL, QUICK, GateEvaluation, PeerDays, RuleFigures, Share, evaluate
from strategies.gate.evaluation.results import MixedYear
from strategies.installed import read_installed
from strategies.ray_tasks import RayRunner
from strategies.tasks import LocalRunner, ResultFolder, TaskRunner

MAX_WORKERS = 256


@click.group()
def gate() -> None:
    """The promotion gate itself: how often it is wrong."""


@gate.command("evaluate")
@click.option("--quick", is_flag=True, help="Fewer worlds: within a minute instead of several, with wider intervals.")
@click.option("--seed", default=7, show_default=True, type=click.IntRange(0, 2**31), help="Same seed, same figures.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
    help="Write SVG plots and the results of each piece of work into this folder.",
)  # fmt: skip
@click.option("--resume", is_flag=True, help="Take up the results that are in --out already, from the same code.")
@click.option(
    "--workers", type=click.IntRange(1, MAX_WORKERS), metavar="N", help="Processes here; one per core without it."
)
@ray_option
@click.option(
    "--peer-days", type=click.Choice(get_args(PeerDays)), default="seen", show_default=True,
    help="Days the other rules search and judge on: the 180 seen ones, or the 730 sealed ones as well.",
)  # fmt: skip
@click.option(
    "--recorded", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
    help="Recorded candles below DIR/ohlcv, for nulls of real returns; XCRACK_DATA_DIR without it.",
)  # fmt: skip
@json_option
def gate_evaluate(
    quick: bool,
    seed: int,
    out: Path | None,
    resume: bool,
    workers: int | None,
    ray_address: str | None,
    peer_days: PeerDays,
    recorded: Path | None,
    as_json: bool,
) -> None:
    """Let the gate and the rules of others decide in made worlds of which the truth is known.

    Prints who lets how much through, and whether the gate keeps its pass lines; ends with 1 when it misses one.

    \b
    xcrack gate evaluate --quick
    xcrack gate evaluate --out var/gate --json > gate.json
    """
    settings = start(is_quiet=True)
    if resume and out is None:
        raise BadInput("--resume needs the folder that the results are in", "Name it with --out")
    if workers is not None and ray_address:
        raise BadInput("--workers counts processes of this machine, --ray asks a cluster", "Give one of them")
    _require_folders(out, recorded := recorded or data_folder())
    address = ray_address if ray_address is not None else "" if workers else settings.scale.ray_address
    clock = SystemClock()
    began, n_workers = clock.monotonic(), workers or os.cpu_count() or 1
    results = (
        None if out is None else ResultFolder(out / "results", sha256_of(list(read_installed())), is_taken_up=resume)
    )
    runner: TaskRunner = RayRunner(address, results) if address else LocalRunner(n_workers, results)
    found = evaluate(
        runner,
        seed,
        QUICK if quick else FULL,
        peer_days,
        recorded,
        show_progress,
    )
    duration_s = clock.monotonic() - began
    if out is not None:
        from app.cli.gate_plots import write_plots

        for path in write_plots(out, found):
            say(f"drawn: {path}")
    if as_json:
        print_json(_document(found, address or n_workers, duration_s))
    else:
        _print(found, duration_s)
    if not all(line.is_met for line in found.lines):
        sys.exit(1)


def _require_folders(out: Path | None, recorded: Path | None) -> None:
    """Raise BadInput for a folder that the evaluation would miss only at its end, some minutes from now."""
    if recorded is not None and not (recorded / "ohlcv").is_dir():
        raise BadInput(f"there is no folder {recorded / 'ohlcv'}", "Correct --recorded or XCRACK_DATA_DIR")
    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"cannot write into {out}: {error.strerror}", "Name a writable folder with --out") from None


def _document(found: GateEvaluation, workers: int | str, duration_s: float) -> dict[str, Any]:
    ours = found.rules[0]
    return {
        "seed": found.seed,
        "peer_days": found.peer_days,
        "rules": [_rule(rule) for rule in found.rules],
        "e3": {name: _mixed(year) for name, year in ours.mixed.items()},
        "e5": {
            str(ir): {
                "taken_back": _share(watched.taken_back),
                "by_boundary": _share(watched.by_boundary),
                "median_day": watched.median_day,
            }
            for ir, watched in found.canary.items()
        },
        "e6": {
            "one_bit": _share(ours.hill_climb_false),
            "told_sealed_scores": _share(ours.hill_climb_scores_false),
            "saw_sealed_days": None if ours.sealed_seen is None else _share(ours.sealed_seen),
        },
        "e7": _share(ours.trend_accept),
        "recorded": {name: _share(share) for name, share in found.recorded.items()},
        "penny_picker_passes_stress": found.penny_picker_passes_stress,
        "pass_lines": [
            {"test": line.test, "what": line.what, "value": line.value, "limit": line.limit, "met": line.is_met}
            for line in found.lines
        ],
        "machine": {
            "platform": platform.platform(),
            "python": platform.python_version(),
            "numpy": np.__version__,
            "cores": os.cpu_count(),
            "workers": workers,
        },
        "duration_s": duration_s,
    }


def _rule(rule: RuleFigures) -> dict[str, Any]:
    return {
        "rule": rule.rule,
        "label": rule.label,
        "null_accept": rule.null_accept.value,
        "null_accept_ci": rule.null_accept.interval,
        "any_false_per_quarter": rule.any_false_per_quarter.value,
        "any_false_per_quarter_ci": rule.any_false_per_quarter.interval,
        "false_per_year": rule.false_per_year,
        "any_false_by_quarter": rule.any_false_by_quarter,
        "power": {str(ir): share.value for ir, share in rule.power.items()},
        "power_ci": {str(ir): share.interval for ir, share in rule.power.items()},
        "hill_climb_false": rule.hill_climb_false.value,
        "hill_climb_false_ci": rule.hill_climb_false.interval,
        "trend_accept": rule.trend_accept.value,
        "attacks": {name: share.value for name, share in rule.attacks.items()},
        "mixed": {name: _mixed(year) for name, year in rule.mixed.items()},
    }


def _share(share: Share) -> dict[str, Any]:
    return {"value": share.value, "ci": share.interval, "n": share.n}


def _mixed(year: MixedYear) -> dict[str, Any]:
    return {
        "gain": year.gain,
        "worst_5pct": year.worst_gain,
        "below_start": _share(year.below_start),
        "switches": year.switches,
        "false_share": year.false_share,
    }


def _print(found: GateEvaluation, duration_s: float) -> None:
    rows = [
        (
            rule.label,
            _interval(rule.null_accept),
            _interval(rule.any_false_per_quarter),
            *(f"{rule.power[ir].value:.2f}" for ir in (2, 3, 4)),
            f"{rule.hill_climb_false.value:.2f}",
            *(f"{year.gain:+.2f} / {year.worst_gain:+.2f}" for year in rule.mixed.values()),
        )
        for rule in found.rules
    ]
    columns = ("rule", "null goes live", "any false a quarter", "IR 2", "IR 3", "IR 4", "climber",
               *(f"{name} year: gain / worst 5 %" for name in found.rules[0].mixed))  # fmt: skip
    print_table("What goes live, with 90 % intervals", columns, rows, "")
    for name, share in found.recorded.items():
        print(f"nulls of recorded returns rejected {name}: {_interval(share)}")
    print()
    lines = [
        (line.test, line.what, f"{line.value:.4f}", f"{'<=' if line.at_most else '>='} {line.limit:.4f}",
         "met" if line.is_met else "MISSED")
        for line in found.lines
    ]  # fmt: skip
    print_table("Pass lines of the gate", ("test", "what", "measured", "line", ""), lines, "")
    print(f"\nseed {found.seed}, {duration_s:.0f} s")


def _interval(share: Share) -> str:
    low, high = share.interval
    return f"{share.value:.2%} ({low:.2%} to {high:.2%})"
