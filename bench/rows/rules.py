"""What it costs that a strategy is data: `sma_cross` as a rule set beside `sma_cross` written by hand.

One child plays both on the same bars and fails unless they ask for the same orders.
"""

import json
import subprocess
from pathlib import Path

from bench.measure import BenchError, Goal, Measure, Row, Size, build_row

WORKSPACE = Path(__file__).parent.parent.parent / "rust_engine"
COMMAND = ("cargo", "run", "--release", "--quiet", "-p", "strategies", "--example", "rules_overhead", "--")


def _overhead(folder: Path, size: Size) -> list[Row]:
    rules: list[float] = []
    by_hand: list[float] = []
    for _ in range(size.runs):
        done = subprocess.run([*COMMAND, str(size.n_bars)], cwd=WORKSPACE, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            last = done.stderr.strip().splitlines()[-1:] or ["no message"]
            raise BenchError(f"rules_overhead failed with {done.returncode}: {last[0]}")
        printed = json.loads(done.stdout)
        rules.append(printed["rules_ns"])
        by_hand.append(printed["by_hand_ns"])
    work = f"decisions of SMA 20/50 over {size.n_bars:,} bars"
    row = build_row("rules_overhead", work, "ns/bar", "by hand", (rules, by_hand), Goal(0.2), higher_is_better=False)
    return [row]


MEASUREMENTS: dict[tuple[str, ...], Measure] = {("rules_overhead",): _overhead}
"""The rows that come of a measurement, and the measurement."""
