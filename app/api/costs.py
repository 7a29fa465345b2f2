"""`/api/costs`: what the language model cost, beside its caps, and what came of it."""

from app.api.operations import Answer, Operation, operation
from app.auth import Caller
from app.rooms import rooms
from feedback.costs import Costs, load_costs


class CostsView(Answer):
    """Amounts in USD; times in UTC, days in KST."""

    costs: Costs


@operation(
    Operation(
        summary="Language model spending by day, task and model, with caps, forecast and cost per accepted proposal",
        answer=CostsView,
        scope="read",
    )
)
def show_costs(caller: Caller) -> CostsView:
    """Answer with the costs of the last 30 days."""
    here = rooms()
    with here.store.session() as session:
        return CostsView(costs=load_costs(session, here.clock.now(), here.settings.analyzer))
