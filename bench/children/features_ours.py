"""Our side of the columns: `python features_ours.py DATA.npz update|batch N` prints one JSON line."""

import json
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from core.native_features import FeatureBars, FeatureStream, features_batch, load_feature_schema

MINUTE_MS = 60_000
PASSES = 3


def main() -> None:
    """Work out all raw indicators and print how long each pass took and the last row."""
    data, work, n = np.load(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    names = [indicator["name"] for indicator in load_feature_schema()["indicators"]]
    columns = [np.ascontiguousarray(data[name][:n]) for name in ("open", "high", "low", "close", "volume")]
    bars = FeatureBars(np.ascontiguousarray(data["opened_at_ns"][:n] // 1_000_000), *columns)
    rows = list(zip(bars.opened_at_ms.tolist(), *(column.tolist() for column in columns), strict=True))
    seconds = []
    for _ in range(PASSES):
        if work == "update":
            update = FeatureStream(names, MINUTE_MS).update
            started = time.perf_counter()
            for opened_at_ms, open_, high, low, close, volume in rows:
                last = update(opened_at_ms, open_, high, low, close, volume)
            seconds.append(time.perf_counter() - started)
        else:
            started = time.perf_counter()
            values = features_batch(names, MINUTE_MS, bars).values
            seconds.append(time.perf_counter() - started)
            last = values[-1]
    values = dict(zip((name.removeprefix("raw.") for name in names), last.tolist(), strict=True))
    print(json.dumps({"seconds": seconds, "last": values}))


main()
