"""backtesting.py's side of one measurement: `python backtestingpy.py DATA.npz event` prints one JSON line."""

import json
import resource
import sys
import time
import warnings

import numpy as np
import pandas as pd
from backtesting import Backtest, Strategy


def average(values: "np.ndarray", n: int) -> "np.ndarray":
    """Return the simple moving average, NaN until the window is full."""
    return pd.Series(values).rolling(n).mean().to_numpy()


class SmaCross(Strategy):
    """Long one unit while the fast average is above the slow one."""

    fast = 20
    slow = 50

    def init(self) -> None:
        """Prepare both averages."""
        self.fast_line = self.I(average, self.data.Close, self.fast)
        self.slow_line = self.I(average, self.data.Close, self.slow)

    def next(self) -> None:
        """Decide at a close; the order fills at the next open."""
        above = self.fast_line[-1] > self.slow_line[-1]
        if above and not self.position:
            self.buy(size=1)
        elif not above and self.position:
            self.position.close()


def main() -> None:
    """Measure one backtest and print what it took and what came out."""
    warnings.filterwarnings("ignore")
    data = np.load(sys.argv[1])
    frame = pd.DataFrame(
        {"Open": data["open"], "High": data["high"], "Low": data["low"], "Close": data["close"], "Volume": 1.0},
        index=pd.to_datetime(data["opened_at_ns"]),
    )
    SmaCross.fast, SmaCross.slow = (int(n) for n in data["windows"])
    commission = float(data["fee_bps"]) / 1e4
    started = time.perf_counter()
    stats = Backtest(frame, SmaCross, cash=1_000_000, commission=commission).run()
    seconds = time.perf_counter() - started
    trades = stats["_trades"]
    pnl = float((trades["Size"] * (trades["ExitPrice"] - trades["EntryPrice"])).sum())
    rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "trades": len(trades), "pnl": pnl, "rss_mb": rss_mb}))


main()
