"""One form of the book over one stream: `python book_forms.py DATA.npz array|tree PASSES` prints one JSON line.

Every level is applied and the best prices are read after every message; prints are passed over.
"""

import json
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Literal

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from core.native_book import TRADE, UNITS, BookEvents, best_prices


def main(data: Path, form: Literal["array", "tree"], passes: int) -> None:
    """Play the stream so many times and print the seconds and what was played."""
    columns = np.load(data)
    names = ("at_ns", "exch_at_ns", "kind", "side", "price_e8", "qty_e8")
    events = BookEvents(**{name: columns[name] for name in names})
    seconds = []
    for _ in range(passes):
        started = time.perf_counter()
        best = best_prices(Decimal(int(columns["tick_e8"])) / UNITS, events, form)
        seconds.append(time.perf_counter() - started)
    last = [int(column[-1]) for column in (best.bid_e8, best.bid_qty_e8, best.ask_e8, best.ask_qty_e8)]
    levels = int(np.count_nonzero(events.kind != TRADE))
    print(json.dumps({"seconds": seconds, "rows": levels, "messages": len(best.at_ns), "last": last}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), "tree" if sys.argv[2] == "tree" else "array", int(sys.argv[3]))
