"""Our side of one measurement: `python ours.py DATA.npz event|sweep` prints one JSON line."""

import json
import resource
import sys
import time
from decimal import Decimal
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from core import native

CAPITAL_USD = Decimal(1_000_000)


def main() -> None:
    """Measure the work named on the command line and print what it took and what came out."""
    data = np.load(sys.argv[1])
    n = len(data["close"])
    bars = native.Bars(
        symbols=("AAA",),
        ticks=(Decimal("0.00000001"),),
        lots=(Decimal("0.001"),),
        symbol=np.zeros(n, dtype=np.int16),
        opened_at_ns=data["opened_at_ns"],
        closed_at_ns=data["opened_at_ns"] + 60_000_000_000,
        open=data["open"],
        high=data["high"],
        low=data["low"],
        close=data["close"],
        volume=np.ones(n),
    )
    costs = native.Costs(float(data["fee_bps"]), float(data["fee_bps"]), 0.0)

    def params(windows: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> dict[str, float]:
        return {"fast": float(windows[0]), "slow": float(windows[1]), "size": 1.0}

    if sys.argv[2] == "event":
        started = time.perf_counter()
        facts = native.backtest("sma_cross", params(data["windows"]), bars, costs, CAPITAL_USD)
        seconds = time.perf_counter() - started
        trades, pnl = facts.n_trades, float(facts.trades["gross_pnl_usd"].sum())
    else:
        candidates = [params(windows) for windows in data["sweep"]]
        started = time.perf_counter()
        swept = native.sweep("sma_cross", candidates, bars, costs, CAPITAL_USD)
        seconds = time.perf_counter() - started
        trades, pnl = sum(f.n_trades for f in swept), sum(f.net_pnl_usd for f in swept)
    rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "trades": trades, "pnl": pnl, "rss_mb": rss_mb}))


main()
