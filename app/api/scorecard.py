"""`/api/scorecard`: how good suggestions, changes and the gate were."""

from datetime import timedelta

from app.api.insights_model import ScorecardInsight
from app.api.operations import Operation, operation
from app.auth import Caller
from app.rooms import rooms
from app.scorecard import read_card
from core.model.canonical import short_id
from core.store import Session

STALE_AFTER = timedelta(hours=36)


@operation(
    Operation(
        summary="Accuracy by arm less placebos, improvement over the do-nothing twin, and whether the gate is honest",
        answer=ScorecardInsight,
        scope="read",
    )
)
def show_scorecard(caller: Caller) -> ScorecardInsight:
    """Answer with the scorecard."""
    with rooms().store.session() as session:
        return load_insight(session)


def load_insight(session: Session) -> ScorecardInsight:
    """Return the scorecard with where it comes from. No number of a single sealed test is in it."""
    here = rooms()
    card = read_card(session, here.clock, here.settings)
    return ScorecardInsight(
        id=short_id("scorecard", card.as_of.isoformat()),
        evidence="/api/scorecard",
        model="code",
        generated_at=card.as_of,
        data_as_of=card.as_of,
        stale=here.clock.now() - card.as_of > STALE_AFTER,
        card=card,
    )
