"""Command line of the benchmarks."""

import argparse
import dataclasses
import json
import sys
import tempfile
from pathlib import Path

from bench.measure import BenchError, Row, Size
from bench.rows import MEASUREMENTS

FULL = Size(n_bars=1_000_000, n_year_bars=525_600, n_candidates=1_000, runs=5)
QUICK = Size(n_bars=100_000, n_year_bars=52_560, n_candidates=100, runs=2)
MIN_CANDIDATES = 10

EXPLANATION = """\
Each row compares one piece of work with a peer. Both sides run in turns as child processes on the same data, and a
ratio is printed only when both made the same trades and the same profit. Trust the ratios, not the absolute figures.

A peer that is not installed gives no ratio and does not fail the run; `make bench-deps` installs all of them under
.bench/, each in an environment of its own.

examples:
  python -m bench --quick                    a table in about a minute
  python -m bench --json                     one JSON object a line
  python -m bench --only bars_event          the rows whose name starts so
  python -m bench --only proposal --candidates 200
                                             a proposal of fewer parameter sets; the time grows with their number

exit status: 0 when every bar is met or has no peer, 1 when one is missed or a measurement fails, 2 for bad options
"""


def arguments() -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Speed and memory against peers.",
        epilog=EXPLANATION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of a table")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK.n_bars:,} bars and {QUICK.runs} runs")
    parser.add_argument(
        "--candidates",
        metavar="N",
        type=_candidates,
        help=f"parameter sets of a proposal (default {FULL.n_candidates:,})",
    )
    parser.add_argument("--only", metavar="PREFIX", default="", help="measure only rows whose name starts with PREFIX")
    chosen = parser.parse_args()
    if not any(name.startswith(chosen.only) for names in MEASUREMENTS for name in names):
        known = ", ".join(name for names in MEASUREMENTS for name in names)
        parser.error(f"no row starts with '{chosen.only}'; rows: {known}")
    return chosen


def _candidates(text: str) -> int:
    if not text.isdecimal() or int(text) < MIN_CANDIDATES:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from {MIN_CANDIDATES} on")
    return int(text)


def show(row: Row, as_json: bool) -> None:
    """Print one row."""
    if as_json:
        print(json.dumps(dataclasses.asdict(row)), flush=True)
        return
    absent = "not installed" if row.peer else ""
    peer = absent if row.peer_value is None else f"{row.peer_value:,.0f}"
    ratio = "" if row.ratio is None else f"{row.ratio:,.1f}x"
    print(
        f"{row.name:26} {row.ours:>14,.0f} {row.unit:16} {row.peer:14} {peer:>13} {ratio:>9}  {verdict(row)}",
        flush=True,
    )


def verdict(row: Row) -> str:
    """Return how the row stands to its bar and its aim, in words."""
    if row.bar is None:
        return ""
    wanted = f"at least {row.bar:g}x" if row.goal_of == "ratio" else f"at most {row.bar:g} {row.unit}"
    if row.met is None:
        return f"needs {wanted}: no peer"
    if row.missed_by_pct is not None:
        return f"needs {wanted}: MISSED by {row.missed_by_pct:.0f} %"
    aim = "" if row.aim is None else f", aim {row.aim:g} {'met' if row.aim_met else 'not met'}"
    return f"needs {wanted}: met{aim}"


def main() -> int:
    """Measure the chosen rows; returns the exit status."""
    chosen = arguments()
    size = QUICK if chosen.quick else FULL
    if chosen.candidates is not None:
        size = dataclasses.replace(size, n_candidates=chosen.candidates)
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for names, measure in MEASUREMENTS.items():
            if not any(name.startswith(chosen.only) for name in names):
                continue
            try:
                rows = measure(Path(folder), size)
            except BenchError as error:
                print(f"bench: {error}", file=sys.stderr)
                failed = True
                continue
            for row in rows:
                if row.name.startswith(chosen.only):
                    show(row, chosen.json)
                    failed = failed or row.met is False
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
