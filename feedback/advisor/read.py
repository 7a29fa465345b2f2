"""The advisor's figures as reports, pages, API and command line show them."""

from datetime import datetime, timedelta

from core.clock import kst_day
from core.model.advisor import AdvisorValue
from core.store import Session, advice
from feedback.advisor_value import value_of_advisor

DAYS = 30


def load_value(session: Session, until: datetime, n_days: int = DAYS) -> AdvisorValue:
    """Return the figures of the answers of the last days before `until`."""
    since = until - timedelta(days=n_days)
    records = advice.between(session, since, until)
    outcomes = advice.outcomes_between(session, since, until)
    return value_of_advisor(records, outcomes, kst_day(since), until)
