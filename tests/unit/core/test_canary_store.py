"""Canaries, their days and decisions come back as they were kept, on both databases."""

from dataclasses import replace
from datetime import timedelta

import pytest

from core.errors import Conflict, UnknownName
from core.model.canary import CanaryDecision, GuardFigures
from core.store import Store, canaries
from tests.canaries import STARTED_ON, canary, day

FIGURES = GuardFigures(n_days=1, sum_usd=-3.25, statistic=None, drift=None, fired="")
DECISION = CanaryDecision(
    "canary-1", STARTED_ON + timedelta(days=1), "shadow", -1, 0.0, False, False, "1 of 3", FIGURES
)


def test_a_canary_comes_back_and_only_an_open_one_is_open(any_store: Store) -> None:
    open_one, over = canary(), canary(canary_id="canary-0", stage="confirmed", started_on=STARTED_ON - timedelta(9))
    with any_store.session() as session:
        assert canaries.add(session, over) and canaries.add(session, open_one)
        assert not canaries.add(session, open_one)
    with any_store.session() as session:
        assert canaries.get(session, "canary-1") == open_one
        assert canaries.all_open(session) == [canaries.open_of(session, "mm-1")] == [open_one]
        assert canaries.latest(session, 9) == canaries.latest(session, 9, "mm-1") == [open_one, over]
        assert canaries.latest(session, 9, "sma-1") == [] and canaries.open_of(session, "sma-1") is None
        assert canaries.for_proposal(session, "proposal-1") is not None


def test_what_became_of_a_canary_is_written_over_it(any_store: Store) -> None:
    with any_store.session() as session:
        canaries.add(session, canary())
        over = canary(stage="rolled_back", ended_on=STARTED_ON + timedelta(days=4), reason="loss budget")
        canaries.put(session, over)
        assert canaries.get(session, "canary-1") == over
        assert canaries.all_open(session) == []
        with pytest.raises(UnknownName, match="canary list"):
            canaries.put(session, canary(canary_id="canary-9"))


def test_a_day_and_its_decision_are_kept_once(any_store: Store) -> None:
    first, unknown = day(canary(), STARTED_ON, -3.25), day(canary(), STARTED_ON + timedelta(1), None, fault="gap")
    with any_store.session() as session:
        assert canaries.add_day(session, unknown) and canaries.add_day(session, first)
        assert not canaries.add_day(session, first)
        assert canaries.days(session, "canary-1") == [first, unknown]
        with pytest.raises(Conflict):
            canaries.add_day(session, replace(first, candidate_usd=0.0))
        assert canaries.add_decision(session, DECISION) and not canaries.add_decision(session, DECISION)
        assert canaries.decisions(session, "canary-1") == [DECISION]
        with pytest.raises(Conflict):
            canaries.add_decision(session, replace(DECISION, stage="canary", is_move=True))
