"""Alerts: open ones with what to do, and those that are over."""

from flask import render_template

from app.rooms import rooms
from core.store import alerts

N_LISTED = 100


def show() -> str:
    """Render the page."""
    with rooms().store.session() as session:
        still_open = alerts.open(session)
        over = [alert for alert in alerts.latest(session, N_LISTED) if alert.resolved_at is not None]
    rank = {"critical": 0, "warning": 1, "info": 2}
    still_open.sort(key=lambda alert: rank[alert.severity])
    return render_template("alerts.html", open=still_open, resolved=over, page="alerts")
