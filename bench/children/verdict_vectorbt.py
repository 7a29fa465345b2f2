"""vectorbt's side of a verdict: `python verdict_vectorbt.py DATA.npz...` plays both sides on each symbol."""

import json
import sys
import time
import warnings
from pathlib import Path

# A file beside this one has the peer's name and would shadow it.
sys.path = [place for place in sys.path if Path(place or ".").resolve() != Path(__file__).parent.resolve()]

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import vectorbt as vbt  # noqa: E402

WINDOWS = ((20, 50), (25, 50))


def play(close: "pd.Series", opened: "pd.Series", windows: tuple[int, int], fee: float) -> float:
    """Return the profit of one pair of windows, by day: decided at a close, filled at the next open."""
    fast, slow = (vbt.MA.run(close, window=window).ma.to_numpy() for window in windows)
    above, below = fast > slow, fast <= slow
    above, below = (np.concatenate([[False], side[:-1]]) for side in (above, below))
    portfolio = vbt.Portfolio.from_signals(
        close, above, below, price=opened, size=1.0, fees=fee, init_cash=1_000_000.0, freq="1min"
    )
    return float(portfolio.value().resample("1D").last().diff().sum())


def main() -> None:
    """Measure both backtests on every symbol, after a run that compiles."""
    warnings.filterwarnings("ignore")
    markets = []
    for path in sys.argv[1:]:
        data = np.load(Path(path))
        index = pd.to_datetime(data["opened_at_ns"])
        bars = pd.Series(data["close"], index=index), pd.Series(data["open"], index=index)
        markets.append((*bars, float(data["fee_bps"]) / 1e4))
    close, opened, fee = markets[0]
    play(close[:2000], opened[:2000], WINDOWS[0], fee)
    started = time.perf_counter()
    pnl = sum(play(close, opened, windows, fee) for close, opened, fee in markets for windows in WINDOWS)
    print(json.dumps({"seconds": time.perf_counter() - started, "pnl": pnl}))


main()
