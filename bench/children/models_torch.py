"""The usual stack's side: `python models_torch.py FOLDER N` prints one JSON line.

Torch eager over the whole window, scikit-learn, xgboost, one thread each.
"""

import json
import resource
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
import xgboost
from sklearn.ensemble import RandomForestClassifier

from bench.children.models_nets import SEQUENCE, a_lstm, a_transformer


def main() -> None:
    """Ask all four about one bar after another, each net about the window of the last rows."""
    folder, n = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    data = np.load(folder / "rows.npz")
    rows = data["rows"]
    nets = {"lstm": a_lstm(), "transformer": a_transformer()}
    for name, net in nets.items():
        net.load_state_dict(torch.load(folder / f"{name}.weights", weights_only=True))
    forest = RandomForestClassifier(100, max_depth=10, random_state=3, n_jobs=1).fit(rows, data["y"])
    booster = xgboost.Booster({"nthread": 1}, model_file=str(folder / "booster.json"))

    def ask(at: int) -> list[float]:
        window = torch.from_numpy(rows[at - SEQUENCE + 1 : at + 1])[None]
        row = rows[at : at + 1]
        with torch.inference_mode():
            answers = [float(torch.sigmoid(net(window))[0]) for net in nets.values()]
        return [*answers, float(forest.predict_proba(row)[0, 1]), float(booster.inplace_predict(row)[0])]

    # The first whole window is what a state carried from nothing has seen as well.
    answers = ask(SEQUENCE - 1)
    for at in range(SEQUENCE, SEQUENCE + 20):
        ask(at)
    seconds = []
    for at in range(SEQUENCE + 20, SEQUENCE + 20 + n):
        started = time.perf_counter()
        ask(at)
        seconds.append(time.perf_counter() - started)
    ordered = sorted(seconds)
    rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told = {"p50_us": 1e6 * statistics.median(seconds), "p99_us": 1e6 * ordered[int(0.99 * n)], "rss_mb": rss_mb}
    print(json.dumps({**told, "answers": answers}))


main()
