"""The trades with what was known when they were decided."""

from dataclasses import dataclass
from decimal import Decimal

import msgspec
from flask import render_template, request
from pydantic import ValidationError

from app.api.trades import TradeQuery, TradeView, load_page, view_of
from app.problems import explain_validation
from app.rooms import rooms
from core.errors import BadInput
from core.model.trade import MISSING, Trade
from core.store import param_versions, trades

N_LEVELS = 3
_FILTERS = ("instance_id", "symbol", "from", "to", "cursor")


class _Book(msgspec.Struct, frozen=True):
    """The book at the decision, best first: price and quantity."""

    bids: list[tuple[Decimal, Decimal]]
    asks: list[tuple[Decimal, Decimal]]


@dataclass(frozen=True, slots=True)
class TradeLine:
    """A trade, and the book's first levels where one was recorded."""

    view: TradeView
    bids: tuple[tuple[Decimal, Decimal], ...] = ()
    asks: tuple[tuple[Decimal, Decimal], ...] = ()


def show() -> str:
    """Render one page of trades."""
    given = {name: request.args[name] for name in _FILTERS if request.args.get(name)}
    try:
        query = TradeQuery.model_validate(given)
    except ValidationError as error:
        raise BadInput(f"the filter is wrong at {explain_validation(error)}", "Correct it and try again") from None
    with rooms().store.session() as session:
        page = load_page(session, query, query.limit, query.cursor)
        instances = [version.instance_id for version in param_versions.all_active(session)]
        total = trades.count(session)
    kept = {name: value for name, value in given.items() if name != "cursor"}
    return render_template(
        "trades.html",
        trades=[line_of(trade) for trade in page.trades],
        next_cursor=page.next_cursor,
        kept=kept,
        instances=instances,
        total=total,
        page="trades",
    )


def line_of(trade: Trade) -> TradeLine:
    """Return what the page shows of a trade."""
    if trade.book == MISSING:
        return TradeLine(view_of(trade))
    book = msgspec.json.decode(trade.book, type=_Book)
    return TradeLine(view_of(trade), tuple(book.bids[:N_LEVELS]), tuple(book.asks[:N_LEVELS]))
