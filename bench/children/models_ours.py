"""Our side of the serving rows: `python models_ours.py FOLDER N` prints one JSON line.

A bar here is everything: scaling, experts, calibration, the mixture with its labels, the conformal set, five reasons.
"""

import json
import resource
import statistics
import sys
import time
from pathlib import Path

import numpy as np

from ml.bundle import load_bundle
from ml.serve import BarRow, ModelDesk

SEQUENCE = 60
SCHEMA = "b" * 64


def main() -> None:
    """Feed one bar after another."""
    folder, n = Path(sys.argv[1]), int(sys.argv[2])
    bundle = next((folder / "models").iterdir())
    began = time.perf_counter()
    loaded = load_bundle(bundle, bundle.name, SCHEMA)
    desk = ModelDesk(loaded.card.features, keep_rows=64)
    desk.install(loaded)
    start_s = time.perf_counter() - began
    rows = np.load(folder / "rows.npz")["rows"].astype(np.float64)
    close = 100 + np.random.default_rng(1).normal(size=len(rows)).cumsum() * 0.01
    bars = [BarRow((at + 1) * 60_000, float(close[at]), 0, rows[at]) for at in range(len(rows))]
    answers: list[float | None] = []
    for at in range(SEQUENCE + 20):
        said = desk.feed("BTCUSDT", bars[at])
        if at == SEQUENCE - 1 and said is not None:
            answers = [member.probability for member in said.members[:4]]
    seconds = []
    for at in range(SEQUENCE + 20, SEQUENCE + 20 + n):
        started = time.perf_counter()
        desk.feed("BTCUSDT", bars[at])
        seconds.append(time.perf_counter() - started)
    ordered = sorted(seconds)
    forms = {e.name: sorted(e.files) for e in loaded.card.experts if e.files}
    rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told = {"p50_us": 1e6 * statistics.median(seconds), "p99_us": 1e6 * ordered[int(0.99 * n)], "rss_mb": rss_mb}
    print(json.dumps({**told, "answers": answers, "start_s": start_s, "forms": forms}))


main()
