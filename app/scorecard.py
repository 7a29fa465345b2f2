"""The scorecard as pages, API, bot and command line show it: that of the last daily cycle."""

from core.clock import Clock
from core.model.scorecard import Scorecard
from core.settings import Settings
from core.store import Session, scorecards
from feedback.scorecard import load_scorecard


def read_card(session: Session, clock: Clock, settings: Settings) -> Scorecard:
    """Return the newest card; before the first cycle, when there is next to nothing to check, one made now."""
    kept = scorecards.latest(session)
    return load_scorecard(session, clock.now(), settings.gate) if kept is None else kept
