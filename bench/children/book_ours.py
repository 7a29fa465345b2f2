"""Our side of a book row: `python book_ours.py DATA.npz QUEUE RUNS [FILLS.npy]` prints one JSON line.

The grid's numbers are those of `book_hftbacktest.py`; `FILLS.npy` gets the fills.
"""

import json
import resource
import sys
import time
from decimal import Decimal
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from core.native import Costs
from core.native_book import BookEvents, BookVenue, Grid, book_backtest

GRID = Grid(
    qty_lots=1,
    layers=5,
    half_spread_ticks=1,
    interval_ticks=1,
    skew_half_ticks=1,
    cap_quotes=20,
    settle_ns=2_000_000,
)


def main() -> None:
    """Play the grid so many times and print the seconds and what came out."""
    data = np.load(sys.argv[1])
    power = None if sys.argv[2] == "risk_averse" else 3.0
    venue = BookVenue(order_latency_us=1000, answer_latency_us=1000, queue_power=power, swept="whole")
    names = ("at_ns", "exch_at_ns", "kind", "side", "price_e8", "qty_e8")
    events = BookEvents(**{name: data[name] for name in names})
    seconds = []
    for _ in range(int(sys.argv[3])):
        started = time.perf_counter()
        facts = book_backtest("BTCUSDT", Decimal("0.1"), Decimal("0.001"), events, GRID, venue, Costs(2.0, 5.0, 0.0))
        seconds.append(time.perf_counter() - started)
    fills = facts.fills
    if len(sys.argv) > 4:
        columns = [fills["exch_at_ns"], fills["side"], fills["price_e8"] // 10_000_000, fills["qty_e8"] // 100_000]
        np.save(sys.argv[4], np.column_stack([column.astype(np.int64) for column in columns]))
    made = {"events": facts.n_events, "fills": len(fills), "orders": facts.n_orders, "cancels": facts.n_cancels}
    rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, **made, "rss_mb": rss_mb}))


main()
