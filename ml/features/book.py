"""What books and trades say of each bar: the best prices at its close, and what pressed on them during it."""

from dataclasses import dataclass

import numpy as np

from core.errors import BadInput
from market.candles import Floats, Integers
from ml.features.context import BOOK_INPUTS, BookBars


@dataclass(frozen=True, slots=True, eq=False)
class Quotes:
    """Best prices of one symbol after every change, in the order of receipt."""

    at_ms: Integers
    """Received, UTC milliseconds since 1970, ascending."""
    bid: Floats
    bid_qty: Floats
    """In base units."""
    ask: Floats
    ask_qty: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Prints:
    """Trades of one symbol, in the order of receipt."""

    at_ms: Integers
    """Received, ascending."""
    qty: Floats
    """In base units."""
    side: Integers
    """1 where the buyer crossed the spread, -1 where the seller did."""


def build_book_bars(quotes: Quotes, prints: Prints, opened_at_ms: Integers, interval_ms: int) -> BookBars:
    """Return the inputs of books and trades for bars that opened at these ascending times.

    A bar in which no quote came is unknown, not the last one's: a recording that paused says nothing. Raises BadInput
    for times out of order, and for quotes that are crossed or not above zero.
    """
    for name, times in [("quotes", quotes.at_ms), ("prints", prints.at_ms), ("bars", opened_at_ms)]:
        if bool(np.any(np.diff(times) < 0)):
            raise BadInput(f"the {name} are not in order of time")
    bad = np.flatnonzero(~((quotes.bid > 0) & (quotes.ask > quotes.bid) & (quotes.bid_qty > 0) & (quotes.ask_qty > 0)))
    if len(bad):
        raise BadInput(f"{len(bad)} quotes are crossed or empty, the first at {int(quotes.at_ms[bad[0]])} ms")
    values = np.full((len(opened_at_ms), len(BOOK_INPUTS)), np.nan)
    first, past = _span(quotes.at_ms, opened_at_ms, interval_ms)
    known = past > first
    last = past[known] - 1
    flow = np.concatenate([[0.0], np.cumsum(order_flow(quotes))])
    for place, column in enumerate([quotes.bid, quotes.ask, quotes.bid_qty, quotes.ask_qty]):
        values[known, place] = column[last]
    values[known, 4] = flow[past[known]] - flow[first[known]]
    first, past = _span(prints.at_ms, opened_at_ms, interval_ms)
    for place, counted in enumerate(
        [
            np.where(prints.side > 0, prints.qty, 0.0),
            np.where(prints.side < 0, prints.qty, 0.0),
            np.ones(len(prints.qty)),
        ],
        start=5,
    ):
        total = np.concatenate([[0.0], np.cumsum(counted)])
        values[known, place] = (total[past] - total[first])[known]
    return BookBars(opened_at_ms, values)


def order_flow(quotes: Quotes) -> Floats:
    """Return, for each quote, what its change added to the bid less what it added to the ask, in base units.

    Cont, Kukanov and Stoikov (2014), equation 10; zero for the first quote.
    """
    bid, ask = quotes.bid, quotes.ask
    added = np.where(bid[1:] >= bid[:-1], quotes.bid_qty[1:], 0.0) - np.where(
        bid[1:] <= bid[:-1], quotes.bid_qty[:-1], 0.0
    )
    pressed = np.where(ask[1:] <= ask[:-1], quotes.ask_qty[1:], 0.0) - np.where(
        ask[1:] >= ask[:-1], quotes.ask_qty[:-1], 0.0
    )
    return np.concatenate([np.zeros(min(1, len(bid))), added - pressed])


def _span(at_ms: Integers, opened_at_ms: Integers, interval_ms: int) -> tuple[Integers, Integers]:
    """Return where the events of each bar begin and end; an event at the close belongs to the next bar."""
    first = np.searchsorted(at_ms, opened_at_ms, side="left")
    past = np.searchsorted(at_ms, opened_at_ms + interval_ms, side="left")
    return first.astype(np.int64), past.astype(np.int64)
