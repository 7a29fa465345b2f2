"""Our side of one measurement: `python ours.py DATA.npz event|sweep|proposal:N` prints one JSON line."""

import json
import resource
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from core import native

CAPITAL_USD = Decimal(1_000_000)


def load_bars(data: Any) -> native.Bars:
    """Return the columns of the file as bars of one symbol."""
    n = len(data["close"])
    return native.Bars(
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


def sma_params(windows: Any) -> dict[str, float]:
    """Return the parameters of one pair of windows."""
    return {"fast": float(windows[0]), "slow": float(windows[1]), "size": 1.0}


def momentum_candidates(n: int) -> list[dict[str, float]]:
    """Return `n` parameter sets of `momentum_scalping` over what a proposal may ask for, the same in every run."""
    rng = np.random.default_rng(20_260_102)
    properties = native.load_schemas()["momentum_scalping"]["properties"]
    defaults = {name: float(spec["default"]) for name, spec in properties.items()}
    return [
        defaults
        | {
            "entry_threshold": round(0.1 * int(rng.integers(8, 41)), 1),
            "stop_loss": round(0.1 * int(rng.integers(10, 51)), 1),
            "take_profit": round(0.1 * int(rng.integers(10, 81)), 1),
            "atr_window": float(rng.integers(7, 43)),
            "lookback": float(rng.integers(1, 25)),
        }
        for _ in range(n)
    ]


def main() -> None:
    """Measure the work named on the command line and print what it took and what came out."""
    data = np.load(sys.argv[1])
    work, _, count = sys.argv[2].partition(":")
    bars = load_bars(data)
    costs = native.Costs(float(data["fee_bps"]), float(data["fee_bps"]), 0.0)
    if work == "event":
        params = sma_params(data["windows"])
        started = time.perf_counter()
        facts = native.backtest("sma_cross", params, bars, costs, CAPITAL_USD)
        seconds = time.perf_counter() - started
        trades, pnl = facts.n_trades, float(facts.trades["gross_pnl_usd"].sum())
    else:
        strategy = "sma_cross" if work == "sweep" else "momentum_scalping"
        candidates = [sma_params(w) for w in data["sweep"]] if work == "sweep" else momentum_candidates(int(count))
        started = time.perf_counter()
        swept = native.sweep(strategy, candidates, bars, costs, CAPITAL_USD)
        seconds = time.perf_counter() - started
        trades, pnl = sum(f.n_trades for f in swept), sum(f.net_pnl_usd for f in swept)
    rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "trades": trades, "pnl": pnl, "rss_mb": rss_mb}))


main()
