"""Wishes of people: checked before they are kept, carried out once, and told when they fail."""

import pytest

from app.requests import build_request, carry_out, place_request
from core.clock import VirtualClock
from core.errors import BadInput, Refused, UnknownName
from core.model.operations import Request
from core.store import Session, Store, requests
from tests.conftest import START


def _place(store: Store, clock: VirtualClock, kind: str = "halt", subject: str = "engine", nonce: str = "1") -> Request:
    return place_request(store, clock, kind, subject, "ann", "cli", "why", nonce)


def test_the_same_click_is_one_request(store: Store, clock: VirtualClock) -> None:
    assert _place(store, clock) == _place(store, clock)
    with store.session() as session:
        assert len(requests.open(session)) == 1


@pytest.mark.parametrize(
    ("kind", "subject", "reason", "what"),
    [
        ("sell_everything", "engine", "", "not a request"),
        ("halt", "", "", "id"),
        ("halt", "a\nb", "", "id"),
        ("halt", "engine", "x" * 501, "501 characters"),
        ("daily_cycle", "yesterday", "", "not a date"),
        ("daily_cycle", "2026-03-03", "", "has not come"),
        ("weekly_cycle", "2026-02-28", "", "no Sunday"),
    ],
)
def test_a_wrong_request_is_refused_with_what_is_wrong(kind: str, subject: str, reason: str, what: str) -> None:
    with pytest.raises(BadInput, match=what):
        build_request(kind, subject, "ann", "cli", reason, START, "1")


@pytest.mark.parametrize("by", ["", "  "])
def test_a_request_of_nobody_is_refused(by: str) -> None:
    with pytest.raises(BadInput, match="name of who"):
        build_request("stop_canary", "canary-1", by, "cli", "why", START, "1")


@pytest.mark.parametrize("kind", ["approve", "reject", "rollback"])
def test_a_request_about_nothing_is_not_kept(store: Store, clock: VirtualClock, kind: str) -> None:
    with pytest.raises(UnknownName, match="nothing waits|is no instance"):
        _place(store, clock, kind, "proposal-404")
    with store.session() as session:
        assert requests.open(session) == []


def test_a_refused_request_ends_as_failed_and_the_next_is_carried_out(store: Store, clock: VirtualClock) -> None:
    refused, done = _place(store, clock, nonce="1"), _place(store, clock, "resume", nonce="2")

    def no(_: Session, __: Request) -> str:
        raise Refused("the engine is being serviced", "Wait")

    def yes(_: Session, request: Request) -> str:
        return f"{request.kind} is done"

    assert carry_out(store, {"halt": no, "resume": yes}, {}) == 2
    assert carry_out(store, {"halt": yes, "resume": yes}, {}) == 0
    with store.session() as session:
        first, second = requests.get(session, refused.request_id), requests.get(session, done.request_id)
    assert (first.state, first.result) == ("failed", "the engine is being serviced. Wait")
    assert (second.state, second.result) == ("done", "resume is done")


def test_an_errand_runs_outside_a_transaction_and_its_result_is_kept(store: Store, clock: VirtualClock) -> None:
    request = _place(store, clock, "daily_cycle", "2026-03-02")

    def study(_: Request) -> str:
        with store.session() as session:
            assert requests.open(session)
        return "report report-1"

    carry_out(store, {}, {"daily_cycle": study})
    with store.session() as session:
        assert requests.get(session, request.request_id).result == "report report-1"


def test_a_request_that_meets_a_defect_ends_as_failed_and_keeps_no_other_waiting(
    store: Store, clock: VirtualClock
) -> None:
    broken, done = _place(store, clock, nonce="1"), _place(store, clock, "resume", nonce="2")

    def defect(_: Session, __: Request) -> str:
        raise ZeroDivisionError("deep inside")

    def yes(_: Session, request: Request) -> str:
        return f"{request.kind} is done"

    assert carry_out(store, {"halt": defect, "resume": yes}, {}) == 2
    with store.session() as session:
        first, second = requests.get(session, broken.request_id), requests.get(session, done.request_id)
    assert (first.state, second.state) == ("failed", "done")
    assert "ZeroDivisionError" in first.result
