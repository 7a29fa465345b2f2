from dataclasses import replace

import pytest

from core.model.proposal import Deployment
from core.store import Store, deployments
from feedback.cycles import acks
from feedback.cycles.acks import await_acks
from tests.conftest import START

ON_ITS_WAY = Deployment("d-1", None, "mm-1", 2, 1, "pushed", START, "gate", START, None, "", "because")


def test_with_nothing_on_its_way_nobody_waits(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acks, "Event", None)
    assert await_acks(store)


def test_it_returns_when_the_engine_has_answered(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with store.session() as session:
        deployments.add(session, ON_ITS_WAY)

    class Answering:
        """An engine that answers during the first pause."""

        def wait(self, _: float) -> None:
            with store.session() as session:
                deployments.put(session, replace(ON_ITS_WAY, state="active", acked_at=START, ack_sha256="a" * 64))

    monkeypatch.setattr(acks, "Event", Answering)
    assert await_acks(store)


def test_an_engine_that_is_away_holds_a_report_up_for_a_bounded_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.session() as session:
        deployments.add(session, ON_ITS_WAY)
    monkeypatch.setattr(acks, "LONGEST_WAIT_S", 0.1)
    assert not await_acks(store)
