"""The trades with what was known when they were decided."""

from flask import render_template, request
from pydantic import ValidationError

from app.api.trades import TradeQuery, load_page, view_of
from app.problems import explain_validation
from app.rooms import rooms
from core.errors import BadInput
from core.store import param_versions, trades

_FILTERS = ("instance_id", "symbol", "from", "to", "cursor")


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
        trades=[view_of(trade) for trade in page.trades],
        next_cursor=page.next_cursor,
        kept=kept,
        instances=instances,
        total=total,
        page="trades",
    )
