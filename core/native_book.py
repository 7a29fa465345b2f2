"""The compiled engine on books and prints: events in as columns, fills and best prices out as columns.

The second half of `core.native`, under the same rules. Prices, quantities and times are exact integers.
"""

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal

import numpy as np
import trading_engine
from numpy.typing import NDArray

from core.errors import BadInput
from core.native import Costs, Ints

UNITS: Final = 100_000_000
"""Units in one: prices and quantities in columns are integers of 1e-8."""
LEVEL: Final = 0
"""`kind` of a row: a level of a difference of the book."""
SNAPSHOT: Final = 1
"""`kind` of a row: a level of a snapshot, which replaces the book."""
TRADE: Final = 2
"""`kind` of a row: a print."""

BOOK_FILL_DTYPE: Final = np.dtype(
    [
        ("exch_at_ns", "<i8"),
        ("at_ns", "<i8"),
        ("side", "i1"),
        ("maker", "?"),
        ("price_e8", "<i8"),
        ("qty_e8", "<i8"),
    ]
)
"""One fill: made at the exchange, known here; `side` is 1 for a buy and -1 for a sell."""


@dataclass(frozen=True, slots=True, eq=False)
class BookEvents:
    """Levels and prints of one symbol as columns of equal length, in the order of receipt.

    Rows of one kind, other than prints, with equal `at_ns` are one message of the exchange.
    """

    at_ns: Ints
    """Received, nanoseconds since 1970, UTC."""
    exch_at_ns: Ints
    """Made by the exchange."""
    kind: NDArray[np.uint8]
    """LEVEL, SNAPSHOT or TRADE."""
    side: NDArray[np.int8]
    """1 for a bid or a buyer who crossed the spread, -1 for an ask or a seller."""
    price_e8: Ints
    qty_e8: Ints
    """What rests at a level now, zero for nothing; what a print traded."""

    def __len__(self) -> int:
        return len(self.at_ns)


@dataclass(frozen=True, slots=True)
class Grid:
    """Post-only quotes on both sides, looked at again on every event; see `engine::book_backtest::BookGrid`."""

    qty_lots: int = 1
    layers: int = 5
    half_spread_ticks: int = 1
    interval_ticks: int = 1
    skew_half_ticks: int = 1
    """How far one quote's inventory moves the centre, in half ticks."""
    cap_quotes: int = 20
    """Inventory, in quotes, at which one side stops."""
    settle_ns: int = 0
    """How long a quote is left alone: until its arrival must have been answered."""


@dataclass(frozen=True, slots=True)
class BookVenue:
    """The simulated exchange; see `sim::BookVenue`."""

    order_latency_us: int = 0
    answer_latency_us: int = 0
    queue_power: float | None = None
    """Exponent of the probabilistic queue; None is the risk-averse one."""
    swept: Literal["offered", "whole"] = "offered"
    """What a price beyond ours fills of our order."""
    max_messages_per_s: int = 0
    """Zero is no bound."""


@dataclass(frozen=True, slots=True, eq=False)
class BookFacts:
    """What came out of a run."""

    fills: NDArray[Any]
    """BOOK_FILL_DTYPE, in the order in which they were known."""
    n_events: int
    """Messages of the exchange, each of which was decided on."""
    n_orders: int
    n_cancels: int
    n_ended: int
    """Orders that ended unfilled, asked for or not."""
    n_refused: int
    n_refused_levels: int
    position: Decimal
    cash_usd: Decimal
    """Fees paid."""
    fees_usd: Decimal


@dataclass(frozen=True, slots=True, eq=False)
class BestPrices:
    """The best prices after every message of a book; zero where a side is empty."""

    at_ns: Ints
    bid_e8: Ints
    bid_qty_e8: Ints
    ask_e8: Ints
    ask_qty_e8: Ints
    uncrossed: int
    """Levels that were removed because the other side crossed them."""


def book_backtest(
    symbol: str, tick: Decimal, lot: Decimal, events: BookEvents, grid: Grid, venue: BookVenue, costs: Costs
) -> BookFacts:
    """Return what the grid made of the events. Raises BadInput for events, numbers or a venue that are refused."""
    queue: dict[str, object] = {"type": "risk_averse"}
    if venue.queue_power is not None:
        queue = {"type": "prob_power", "power": venue.queue_power}
    request = {
        "symbol": {"name": symbol, "tick": format(tick, "f"), "lot": format(lot, "f")},
        "costs": {
            "maker_fee_bps": costs.maker_fee_bps,
            "taker_fee_bps": costs.taker_fee_bps,
            "slippage_bps": costs.slippage_bps,
        },
        "venue": {
            "model": "book",
            "order_latency_us": venue.order_latency_us,
            "feed_latency_us": venue.answer_latency_us,
            "queue": queue,
            "swept": venue.swept,
            "max_messages_per_s": venue.max_messages_per_s,
        },
        "qty_lots": grid.qty_lots,
        "layers": grid.layers,
        "half_spread_ticks": grid.half_spread_ticks,
        "interval_ticks": grid.interval_ticks,
        "skew_half_ticks": grid.skew_half_ticks,
        "cap_quotes": grid.cap_quotes,
        "settle_ns": grid.settle_ns,
    }
    try:
        raw = trading_engine.book_backtest(json.dumps(request, allow_nan=False), _columns(events))
    except ValueError as error:
        raise BadInput(f"book backtest of {symbol}: {error}") from error
    return BookFacts(
        fills=raw["fills"].view(BOOK_FILL_DTYPE),
        n_events=raw["n_events"],
        n_orders=raw["n_orders"],
        n_cancels=raw["n_cancels"],
        n_ended=raw["n_ended"],
        n_refused=raw["n_refused"],
        n_refused_levels=raw["n_refused_levels"],
        position=Decimal(raw["position"]),
        cash_usd=Decimal(raw["cash"]),
        fees_usd=Decimal(raw["fees"]),
    )


def best_prices(tick: Decimal, events: BookEvents, form: Literal["array", "tree"] = "array") -> BestPrices:
    """Return the best prices after every message of levels, by either form of the book; prints are passed over.

    Nothing that trades needs it: it proves both forms on recorded captures and measures them (`bench`, rows
    `book_forms`). Raises BadInput for events that are refused.
    """
    try:
        return BestPrices(**trading_engine.book_best(format(tick, "f"), form, _columns(events)))
    except ValueError as error:
        raise BadInput(f"replay of a book: {error}") from error


def _columns(events: BookEvents) -> "trading_engine.EventArrays":
    return {
        "at_ns": np.ascontiguousarray(events.at_ns, dtype=np.int64),
        "exch_at_ns": np.ascontiguousarray(events.exch_at_ns, dtype=np.int64),
        "kind": np.ascontiguousarray(events.kind, dtype=np.uint8),
        "side": np.ascontiguousarray(events.side, dtype=np.int8),
        "price_e8": np.ascontiguousarray(events.price_e8, dtype=np.int64),
        "qty_e8": np.ascontiguousarray(events.qty_e8, dtype=np.int64),
    }
