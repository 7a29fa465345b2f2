"""The book through Python: the recorded captures, price by price, and the grid on a market made by hand."""

import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from core.errors import BadInput
from core.native import Costs
from core.native_book import LEVEL, SNAPSHOT, TRADE, UNITS, BookEvents, BookVenue, Grid, best_prices, book_backtest

CAPTURES = {
    "usdm_btcusdt": Decimal("0.1"),
    "usdm_ethusdt": Decimal("0.01"),
    "spot_btcusdt": Decimal("0.01"),
    "spot_ethusdt": Decimal("0.01"),
}
"""Tick by capture."""
START_NS = 1_700_000_000_000_000_000


@pytest.fixture(scope="module")
def ticks_dir() -> Path:
    """The recorded order books; their place is named by XCRACK_DATA_DIR."""
    named = os.environ.get("XCRACK_DATA_DIR", "")
    if named:
        return Path(named) / "ticks"
    if os.environ.get("CI") == "true":
        pytest.fail("XCRACK_DATA_DIR names no folder of recorded data")
    pytest.skip("XCRACK_DATA_DIR is not set: no recorded data to test with")


def read(path: Path) -> dict[str, Any]:
    table = pq.read_table(path)
    return {name: table[name].to_numpy() for name in table.column_names}


def units(values: Any) -> Any:
    return np.rint(values * UNITS).astype(np.int64)


def recorded_messages(depth: dict[str, Any]) -> tuple[BookEvents, Any]:
    """Return the snapshot and the differences after it as events, and the update number of each message."""
    is_snapshot = depth["is_snapshot"].astype(bool)
    reached = depth["update_id"][is_snapshot][0]
    kept = np.concatenate([np.flatnonzero(is_snapshot), np.flatnonzero(~is_snapshot & (depth["update_id"] > reached))])
    numbers = depth["update_id"][kept]
    starts = np.concatenate([[True], numbers[1:] != numbers[:-1]])
    # The number of the message stands for its time, so that each is one message whatever its stamps are.
    events = BookEvents(
        at_ns=np.cumsum(starts),
        exch_at_ns=np.cumsum(starts),
        kind=np.where(is_snapshot[kept], SNAPSHOT, LEVEL).astype(np.uint8),
        side=depth["side"][kept].astype(np.int8),
        price_e8=units(depth["price"][kept]),
        qty_e8=units(depth["qty"][kept]),
    )
    return events, numbers[starts]


@pytest.mark.parametrize("form", ["array", "tree"])
@pytest.mark.parametrize("capture", CAPTURES)
def test_a_replay_gives_the_recorded_best_prices_after_every_message(ticks_dir: Path, capture: str, form: Any) -> None:
    events, numbers = recorded_messages(read(ticks_dir / f"binance_{capture}_20240808_depth.parquet"))
    bbo = read(ticks_dir / f"binance_{capture}_20240808_bbo.parquet")

    best = best_prices(CAPTURES[capture], events, form)

    # The last best prices that the exchange sent at or before the number that a message reaches.
    order = np.argsort(bbo["update_id"], kind="stable")
    row = np.searchsorted(bbo["update_id"][order], numbers, side="right") - 1
    known = row >= 0
    said = order[row[known]]
    assert known.mean() > 0.99
    assert len(numbers) > 3000
    for name, column in (
        ("bid_e8", "bid"),
        ("bid_qty_e8", "bid_qty"),
        ("ask_e8", "ask"),
        ("ask_qty_e8", "ask_qty"),
    ):
        differs = np.flatnonzero(getattr(best, name)[known] != units(bbo[column][said]))
        assert len(differs) == 0, f"{name}: {len(differs)} of {known.sum()} differ, first at message {differs[:1]}"
    assert (best.bid_e8 < best.ask_e8).all()


def snapshot_messages(book: dict[str, Any], n_levels: int) -> BookEvents:
    """Return snapshots of so many levels a side, one message each, the number of the message for its time."""
    columns: dict[str, list[Any]] = {"side": [], "price": [], "size": []}
    for level in range(n_levels):
        for name, side in (("bid", 1), ("ask", -1)):
            columns["price"].append(book[f"{name}_price_{level}"])
            columns["size"].append(book[f"{name}_size_{level}"])
            columns["side"].append(np.full(len(book["exch_ms"]), side, dtype=np.int8))
    at = np.repeat(np.arange(1, len(book["exch_ms"]) + 1), 2 * n_levels)
    flat = {name: np.stack(values, axis=1).ravel() for name, values in columns.items()}
    kind = np.full(len(at), SNAPSHOT, dtype=np.uint8)
    return BookEvents(at, at, kind, flat["side"], units(flat["price"]), units(flat["size"]))


@pytest.mark.parametrize("form", ["array", "tree"])
def test_snapshots_of_another_exchange_give_the_best_prices_that_it_told_apart(ticks_dir: Path, form: Any) -> None:
    book, told = (read(ticks_dir / f"hyperliquid_ETH_{name}.parquet") for name in ("book20", "bbo"))
    found = best_prices(Decimal("0.1"), snapshot_messages(book, 20), form)
    assert len(found.at_ns) == len(book["exch_ms"]) == 1_245 and found.uncrossed == 0
    mine = {"bid": (found.bid_e8, found.bid_qty_e8), "ask": (found.ask_e8, found.ask_qty_e8)}
    n_same = 0
    for side, (price, qty) in mine.items():
        best = {int(at): n for n, at in enumerate(book["exch_ms"])}
        rows = [n for n, at in enumerate(told["exch_ms"]) if told["side"][n] == side and int(at) in best]
        places = [best[int(told["exch_ms"][n])] for n in rows]
        assert (price[places] == units(told["price"][rows])).all() and (qty[places] == units(told["size"][rows])).all()
        n_same += len(rows)
    assert n_same == 1_716, "best prices that bear the time of a snapshot"


def made_events(rows: list[tuple[int, int, int, int, int]]) -> BookEvents:
    """Return events of (milliseconds, kind, side, ticks of 0.1, lots of 0.001)."""
    table = np.array(rows, dtype=np.int64)
    at_ns = START_NS + table[:, 0] * 1_000_000
    return BookEvents(
        at_ns=at_ns,
        exch_at_ns=at_ns - 1_000,
        kind=table[:, 1].astype(np.uint8),
        side=table[:, 2].astype(np.int8),
        price_e8=table[:, 3] * 10_000_000,
        qty_e8=table[:, 4] * 100_000,
    )


def test_the_grid_fills_behind_the_queue_and_pays_its_fees() -> None:
    rows = [
        (0, SNAPSHOT, 1, 1000, 5),
        (0, SNAPSHOT, -1, 1002, 5),
        (10, LEVEL, 1, 999, 4),
        (20, TRADE, -1, 1000, 5),
        (30, TRADE, -1, 1000, 1),
        (40, LEVEL, 1, 998, 2),
    ]
    venue = BookVenue(order_latency_us=1000, answer_latency_us=1000)

    facts = book_backtest("AAA", Decimal("0.1"), Decimal("0.001"), made_events(rows), Grid(layers=1), venue, Costs())

    assert facts.n_events == 5
    assert facts.fills[["side", "maker", "price_e8", "qty_e8"]].tolist() == [(1, True, 100 * UNITS, UNITS // 1000)]
    assert facts.fills["exch_at_ns"].tolist() == [START_NS + 30_000_000 - 1_000]
    assert facts.position == Decimal("0.001")
    assert facts.fees_usd == Decimal("0.00002")
    assert facts.cash_usd == Decimal("-0.10002")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": np.array([0, 3], dtype=np.uint8)}, "kind 3"),
        ({"side": np.array([1, 0], dtype=np.int8)}, "side 0"),
        ({"at_ns": np.array([5, 4])}, "before the row above"),
        ({"price_e8": np.array([10, 0])}, "price must be above zero"),
        ({"qty_e8": np.array([10])}, "qty_e8"),
    ],
)
def test_events_that_are_none_are_refused_by_row(change: dict[str, Any], says: str) -> None:
    columns = {
        "at_ns": np.array([4, 5]),
        "exch_at_ns": np.array([4, 5]),
        "kind": np.array([0, 2], dtype=np.uint8),
        "side": np.array([1, -1], dtype=np.int8),
        "price_e8": np.array([UNITS, UNITS]),
        "qty_e8": np.array([UNITS, UNITS]),
    }
    with pytest.raises(BadInput, match=says):
        best_prices(Decimal("0.1"), BookEvents(**(columns | change)))


def test_a_grid_that_cannot_be_quoted_is_refused() -> None:
    events = made_events([(0, SNAPSHOT, 1, 1000, 5)])
    with pytest.raises(BadInput, match="cannot be quoted"):
        book_backtest("AAA", Decimal("0.1"), Decimal("0.001"), events, Grid(interval_ticks=0), BookVenue(), Costs())
