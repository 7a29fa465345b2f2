from datetime import timedelta

import pytest

from core.model.canonical import canonical_json
from core.model.proposal import Check, Edit, ProposalState, Stage
from core.store import Session, Store, proposals, verdicts
from feedback.memory import refuted_edits
from tests import factories
from tests.factories import NOON


def put(session: Session, name: str, state: ProposalState, stage: Stage = "screen", value: float = 1.75) -> None:
    created_at = NOON + timedelta(minutes=len(proposals.latest(session, 100)))
    one = factories.proposal(name, state, edits=(Edit("entry_threshold", value),), created_at=created_at)
    proposals.add(session, one)
    verdicts.add(session, factories.verdict(name, stage))


@pytest.mark.parametrize(
    ("state", "stage", "shown"),
    [("refused", "screen", "screen"), ("refused", "stress", "stress"), ("inconclusive", "sealed", "sealed")]
    + [("rolled_back", "sealed", "rollout"), ("expired", "screen", "queue")],
)
def test_a_failed_change_is_remembered_with_state_and_stage(
    store: Store, state: ProposalState, stage: Stage, shown: str
) -> None:
    with store.session() as session:
        put(session, "p", state, stage)
        [edit] = refuted_edits(session)
    assert (edit.strategy, edit.param, edit.from_value, edit.to_value) == (
        "momentum_scalping",
        "entry_threshold",
        1.5,
        1.75,
    )
    assert (edit.state, edit.stage) == (state, shown)


@pytest.mark.parametrize("state", ["pending", "queued", "accepted", "deployed", "narrowed"])
def test_a_change_that_did_not_fail_is_not_refuted(store: Store, state: ProposalState) -> None:
    with store.session() as session:
        put(session, "p", state)
        assert refuted_edits(session) == ()


def test_a_refusal_at_admission_refutes_nothing(store: Store) -> None:
    with store.session() as session:
        put(session, "p", "refused", "admission")
        assert refuted_edits(session) == ()


def test_the_same_change_is_listed_once_and_the_newest_first(store: Store) -> None:
    with store.session() as session:
        put(session, "a", "refused", value=1.75)
        put(session, "b", "inconclusive", value=1.25)
        put(session, "c", "rolled_back", value=1.75)
        found = refuted_edits(session)
        assert refuted_edits(session, limit=1) == found[:1]
    assert [(edit.to_value, edit.state) for edit in found] == [(1.75, "rolled_back"), (1.25, "inconclusive")]


def test_no_number_of_a_sealed_test_is_in_the_list(store: Store) -> None:
    with store.session() as session:
        proposals.add(session, factories.proposal("p", "inconclusive"))
        numbers = factories.verdict(
            "p", "sealed", deciding="p = 0.987654 > 0.0077", checks=(Check("p", False, 0.987654, 0.0077, ""),)
        )
        verdicts.add(session, numbers)
        text = canonical_json(refuted_edits(session))
    assert "0.987654" not in text
    assert "0.0077" not in text
