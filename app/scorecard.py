"""The scorecard as pages, API, bot and command line show it: as of the last daily cycle, which keeps it up to date.

By that and not by the wall clock, because a demo or a replay lived in another time.
"""

from core.clock import Clock
from core.settings import Settings
from core.store import Session, reports
from feedback.scorecard_facts import ScorecardFacts, read_scorecard_facts


def read_facts(session: Session, clock: Clock, settings: Settings) -> ScorecardFacts:
    """Return the facts at the last daily cycle, or now before the first one."""
    newest = reports.latest(session, "daily", settings.language)
    now = clock.now()
    return read_scorecard_facts(session, now if newest is None else min(now, newest.created_at), settings.gate)
