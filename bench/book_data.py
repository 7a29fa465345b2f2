"""The event streams of the book rows: one made from a seed, one recorded, both as columns of `.npz` files.

A row is one level of a book or one print; `kind` 0 is a level of a difference, 1 a level of a snapshot, 2 a print.
Prices and quantities are integers of 1e-8. The exchange's stamp is the receipt less a constant, so that both sides see
the same order of events; no two messages have the same receipt.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

LEVEL, SNAPSHOT, TRADE = 0, 1, 2
FEED_NS = 1_000_000
"""From the exchange to us."""
SCALE = 100_000_000
START_NS = 1_700_000_000_000_000_000
DEPTH_TICKS = 40
"""How far from the best price the made book reaches."""


class NoCaptureError(Exception):
    """The recorded capture is not on this machine."""


def synthetic_file(folder: Path, n_events: int) -> Path:
    """Return the file with `n_events` made events in `folder`, written at the first call."""
    path = folder / f"book_{n_events}.npz"
    if not path.exists():
        np.savez(path, tick_e8=SCALE // 10, lot_e8=SCALE // 1000, **_made(n_events))
    return path


def recorded_file(folder: Path) -> Path:
    """Return the file with the recorded capture of Binance USD-M BTCUSDT; raises NoCaptureError without it."""
    home = os.environ.get("XCRACK_DATA_DIR")
    if home is None:
        raise NoCaptureError("XCRACK_DATA_DIR is not set: no recorded book")
    path = folder / "book_recorded.npz"
    if not path.exists():
        np.savez(path, tick_e8=SCALE // 10, lot_e8=SCALE // 1000, **_recorded(Path(home) / "ticks"))
    return path


class _Market:
    """A book that walks: levels change, prints eat the best level, and somebody steps into a wide spread."""

    def __init__(self) -> None:
        self.levels: dict[int, dict[int, int]] = {1: {}, -1: {}}
        """Lots by tick, by side."""
        self.best = {1: 600_000, -1: 600_001}
        self.rows: list[tuple[int, int, int, int]] = []
        """Kind, side, tick, lots."""
        self.due: list[tuple[int, int, int]] = []
        """Levels that the next rows must say: side, tick, lots."""
        for k in range(DEPTH_TICKS):
            for side in (1, -1):
                self.set(SNAPSHOT, side, self.best[side] - side * k, 50 + 7 * k)

    def set(self, kind: int, side: int, tick: int, lots: int) -> None:
        """Change one level; what has fallen behind the best price is deleted by the next rows."""
        book = self.levels[side]
        if lots:
            book[tick] = lots
        else:
            book.pop(tick, None)
        self.rows.append((kind, side, tick, lots))
        if not book:
            # A side that ran dry gets a level where its last one was.
            self.due.append((side, tick - side, 100))
            return
        self.best[side] = max(book) if side > 0 else min(book)
        if kind == LEVEL:
            for far in [t for t in book if abs(t - self.best[side]) > DEPTH_TICKS]:
                del book[far]
                self.due.append((side, far, 0))

    def print_at_best(self, side: int, share: float) -> None:
        """Let a print eat from the best level of `side`; the next row says what is left there."""
        tick = self.best[side]
        there = self.levels[side][tick]
        eaten = there if share < 0.2 else max(1, int(there * share * 0.8))
        self.rows.append((TRADE, -side, tick, eaten))
        self.due.append((side, tick, there - eaten))

    def change(self, side: int, choice: float, away: int, lots: int) -> None:
        """Set, delete or add one level of `side`."""
        tick = self.best[side] - side * (away - 1)
        if choice < 0.35 and tick != self.best[side]:
            lots = 0
        elif choice > 0.85 and self.best[-1] - self.best[1] > 1:
            tick = self.best[side] + side
        self.set(LEVEL, side, tick, lots)


def _made(n_events: int) -> dict[str, Any]:
    """Return the columns of a made stream: a snapshot, then one row an event."""
    rng = np.random.default_rng(20_260_103)
    choice = rng.random(n_events).tolist()
    away = rng.geometric(0.25, n_events).tolist()
    size = rng.integers(5, 400, n_events).tolist()
    sides = np.where(rng.random(n_events) < 0.5, 1, -1).tolist()
    share = rng.random(n_events).tolist()
    market = _Market()
    n_snapshot = len(market.rows)
    for n in range(n_events):
        if market.due:
            market.set(LEVEL, *market.due.pop(0))
        elif choice[n] < 0.15:
            market.print_at_best(sides[n], share[n])
        else:
            market.change(sides[n], choice[n], away[n], size[n])
    gaps = rng.integers(20_000, 400_000, n_events)
    at_ns = START_NS + np.concatenate([np.zeros(n_snapshot, dtype=np.int64), np.cumsum(gaps)])
    rows = np.array(market.rows, dtype=np.int64)
    return _columns(at_ns, rows[:, 0], rows[:, 1], rows[:, 2] * (SCALE // 10), rows[:, 3] * (SCALE // 1000))


def _columns(at_ns: Any, kind: Any, side: Any, price_e8: Any, qty_e8: Any) -> dict[str, Any]:
    return {
        "at_ns": np.asarray(at_ns, dtype=np.int64),
        "exch_at_ns": np.asarray(at_ns, dtype=np.int64) - FEED_NS,
        "kind": np.asarray(kind, dtype=np.uint8),
        "side": np.asarray(side, dtype=np.int8),
        "price_e8": np.asarray(price_e8, dtype=np.int64),
        "qty_e8": np.asarray(qty_e8, dtype=np.int64),
    }


def _recorded(ticks: Path) -> dict[str, Any]:
    """Return the columns of the recorded differences and prints from the snapshot on."""
    depth = _read(ticks / "binance_usdm_btcusdt_20240808_depth.parquet")
    trades = _read(ticks / "binance_usdm_btcusdt_20240808_trades.parquet")
    is_snapshot = depth["is_snapshot"].astype(bool)
    reached = depth["update_id"][is_snapshot][0]
    started = depth["local_ns"][is_snapshot][0]
    kept = is_snapshot | (depth["update_id"] > reached) & (depth["local_ns"] >= started)
    depth = {name: column[kept] for name, column in depth.items()}
    trades = {name: column[trades["local_ns"] >= started] for name, column in trades.items()}
    buyer = np.where(trades["buyer_is_maker"].astype(bool), -1, 1)
    at_ns = np.concatenate([depth["local_ns"], trades["local_ns"]])
    message = np.concatenate([depth["update_id"], -1 - np.arange(len(buyer))])
    kind = np.concatenate([np.where(depth["is_snapshot"].astype(bool), SNAPSHOT, LEVEL), np.full(len(buyer), TRADE)])
    side = np.concatenate([depth["side"], buyer])
    price = np.concatenate([depth["price"], trades["price"]])
    qty = np.concatenate([depth["qty"], trades["qty"]])
    order = np.argsort(at_ns, kind="stable")
    at_ns, message = at_ns[order], message[order]
    # Messages received in the same nanosecond are told apart by one nanosecond each.
    starts = np.flatnonzero(np.concatenate([[True], message[1:] != message[:-1]]))
    first = at_ns[starts]
    for n in range(1, len(first)):
        first[n] = max(first[n], first[n - 1] + 1)
    at_ns = np.repeat(first, np.diff(np.concatenate([starts, [len(at_ns)]])))
    units = [np.rint(values[order] * SCALE) for values in (price, qty)]
    return _columns(at_ns, kind[order], side[order], units[0], units[1])


def _read(path: Path) -> dict[str, Any]:
    table = pq.read_table(path)
    return {name: table[name].to_numpy() for name in table.column_names}
