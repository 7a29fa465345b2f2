"""What the language model cost, and what came of it."""

import click

from app.cli.output import json_option, open_current_store, print_json, print_table, start
from core.clock import SystemClock
from feedback.costs import CostRow, load_costs

COLUMNS = ("USD", "calls", "failed", "not made", "input", "cached", "output")


@click.command()
@json_option
def cost(as_json: bool) -> None:
    """Tell what the language model cost in the last 30 days, by day, task and model, beside its caps.

    Reservations count as spent. A call that does not fit under a cap is not made, and the rules answer instead.
    """
    settings = start()
    store = open_current_store(settings)
    with store.session() as session:
        costs = load_costs(session, SystemClock().now(), settings.analyzer)
    if as_json:
        print_json(costs)
        return
    print(f"month  {costs.month_usd:.4f} of {costs.month_cap_usd} USD")
    print(f"today  {costs.day_usd:.4f} of {costs.day_cap_usd} USD")
    forecast = "too early to tell" if costs.forecast_usd is None else f"{costs.forecast_usd:.2f} USD"
    print(f"month at this pace  {forecast}")
    each = "none accepted" if costs.per_accepted_usd is None else f"{costs.per_accepted_usd:.4f} USD each"
    print(f"the model's proposals  accepted {costs.n_accepted} of {costs.n_proposals} ({each})")
    rate = "no numbers yet" if costs.fabricated_per_100 is None else f"{costs.fabricated_per_100:.1f} per 100"
    print(f"numbers that no fact supports  {rate}")
    for title, rows in (("By task", costs.by_task), ("By model", costs.by_model), ("By day (KST)", costs.by_day)):
        print_table(title, ("name", *COLUMNS), [_cells(row) for row in rows], "")
    if not costs.by_day:
        print("No call to a language model in 30 days.")


def _cells(row: CostRow) -> tuple[object, ...]:
    counts = (row.n_calls, row.n_failed, row.n_refused, row.input_tokens, row.cached_tokens, row.output_tokens)
    return (row.name, f"{row.cost_usd:.4f}", *counts)
