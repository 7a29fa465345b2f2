"""vectorbt's side of one measurement: `python vectorbt.py DATA.npz event|sweep|proposal:N` prints one JSON line.

A proposal is N pairs of windows here: vectorbt has no other strategy in common with us.
"""

import json
import resource
import sys
import time
import warnings
from pathlib import Path

# This file has the peer's name; without this its folder would shadow the peer.
sys.path = [place for place in sys.path if Path(place or ".").resolve() != Path(__file__).parent.resolve()]

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import vectorbt as vbt  # noqa: E402

COLUMNS = 10
"""Parameter sets a chunk: more at once takes more memory than it saves time."""


def play(close: "pd.Series", opened: "pd.Series", windows: "np.ndarray", fee: float) -> "vbt.Portfolio":
    """Return the portfolio of all pairs of windows: decided at a close, filled at the next open."""
    fast = vbt.MA.run(close, window=[int(w[0]) for w in windows], short_name="fast")
    slow = vbt.MA.run(close, window=[int(w[1]) for w in windows], short_name="slow")
    # One pair of windows comes back as a series, several as a frame.
    fast_line, slow_line = (line.ma.to_numpy().reshape(len(close), -1) for line in (fast, slow))
    above, below = fast_line > slow_line, fast_line <= slow_line
    above, below = (np.vstack([np.zeros((1, len(windows)), bool), side[:-1]]) for side in (above, below))
    return vbt.Portfolio.from_signals(
        close, above, below, price=opened, size=1.0, fees=fee, init_cash=1_000_000.0, freq="1min"
    )


def main() -> None:
    """Measure the named work, after a run that compiles, and print what it took and what came out."""
    warnings.filterwarnings("ignore")
    data = np.load(sys.argv[1])
    index = pd.to_datetime(data["opened_at_ns"])
    close, opened = pd.Series(data["close"], index=index), pd.Series(data["open"], index=index)
    fee = float(data["fee_bps"]) / 1e4
    work, _, count = sys.argv[2].partition(":")
    is_sweep = work != "event"
    windows = data["sweep"] if is_sweep else data["windows"][None, :]
    if work == "proposal":
        windows = np.resize(windows, (int(count), 2))
    warm = play(close[:2000], opened[:2000], windows[:COLUMNS], fee)
    _ = warm.trades.closed.count(), warm.total_profit(), warm.value()
    trades, pnl = 0, 0.0
    started = time.perf_counter()
    for at in range(0, len(windows), COLUMNS):
        portfolio = play(close, opened, windows[at : at + COLUMNS], fee)
        if is_sweep:
            trades += int(np.sum(portfolio.trades.closed.count()))
            pnl += float(np.sum(portfolio.total_profit()))
        else:
            records = portfolio.trades.closed.records
            portfolio.value()
            trades = len(records)
            pnl = float((records["size"] * (records["exit_price"] - records["entry_price"])).sum())
    seconds = time.perf_counter() - started
    rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "trades": trades, "pnl": pnl, "rss_mb": rss_mb}))


main()
