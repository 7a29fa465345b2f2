"""What the language model cost, beside its caps, and what came of it."""

from flask import render_template

from app.rooms import rooms
from feedback.costs import load_costs


def show() -> str:
    """Render the page."""
    here = rooms()
    with here.store.session() as session:
        costs = load_costs(session, here.clock.now(), here.settings.analyzer)
    return render_template("costs.html", c=costs, page="costs")
