from collections.abc import Iterator
from pathlib import Path

import pytest

from core.clock import VirtualClock
from core.store import Store, audit, feedback_notes, param_versions, proposals, requests
from tests import factories
from tests.web_world import Web, fill, make_web

NOTE = {"target_kind": "proposal", "target_id": "proposal-waiting", "tags": ["risky"], "text": "look again"}


@pytest.fixture
def web(store: Store, clock: VirtualClock, tmp_path: Path) -> Iterator[Web]:
    fill(store, clock.now())
    yield make_web(store, clock, tmp_path)


def leave(web: Web, body: dict, key: str = "", scope: str = "feedback"):
    headers = {**web.bearer(scope), **({"Idempotency-Key": key} if key else {})}
    return web.client.post("/api/ai-feedback", json=body, headers=headers)


def count_notes(web: Web) -> int:
    with web.store.session() as session:
        return len(feedback_notes.latest(session, 100))


def test_a_note_is_stored_under_the_name_of_the_key_and_audited(web: Web) -> None:
    answer = leave(web, NOTE)
    assert answer.status_code == 201
    with web.store.session() as session:
        note = feedback_notes.get(session, answer.get_json()["note_id"])
        row = audit.latest(session, 1)[0]
    assert (note.author, note.tags, note.text) == ("feedback-key", ("risky",), "look again")
    assert row.action == "left_feedback" and note.note_id in row.payload


def test_the_tag_hold_makes_the_proposal_wait_and_the_answer_says_so_in_both_languages(web: Web) -> None:
    answer = leave(web, {**NOTE, "tags": ["hold"]})
    assert "approval" in answer.get_json()["effect"]["en"]
    assert "승인" in answer.get_json()["effect"]["ko"]
    with web.store.session() as session:
        assert proposals.get(session, "proposal-waiting").hold


def test_a_repeat_under_the_same_key_gets_the_same_answer_and_has_no_second_effect(web: Web) -> None:
    before = count_notes(web)
    first, again = leave(web, NOTE, key="one"), leave(web, NOTE, key="one")
    assert first.data == again.data and first.status_code == again.status_code == 201
    assert count_notes(web) == before + 1


def test_another_body_under_the_same_key_is_refused(web: Web) -> None:
    leave(web, NOTE, key="one")
    assert leave(web, {**NOTE, "text": "something else"}, key="one").status_code == 409


def test_the_same_key_of_two_callers_is_two_keys(web: Web) -> None:
    before = count_notes(web)
    assert leave(web, NOTE, key="one").status_code == 201
    assert leave(web, NOTE, key="one", scope="admin").status_code == 201
    assert count_notes(web) == before + 2


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"tags": ["nonsense"]}, 400),
        ({"tags": [], "text": ""}, 400),
        ({"target_id": "proposal-unknown"}, 404),
        ({"text": "x" * 2_001}, 400),
        ({"author": "somebody-else"}, 400),
        ({"target_kind": "instance"}, 400),
    ],
)
def test_a_note_that_breaks_a_rule_is_refused_and_leaves_nothing(web: Web, change: dict, status: int) -> None:
    before = count_notes(web)
    answer = leave(web, {**NOTE, **change})
    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"
    assert count_notes(web) == before


def test_approving_stores_one_request_for_the_worker_however_often_it_is_pressed(web: Web) -> None:
    path = "/api/proposals/proposal-waiting/approve"
    first = web.client.post(path, json={"reason": "fine"}, headers=web.bearer("approve"))
    again = web.client.post(path, json={"reason": "fine"}, headers=web.bearer("approve"))
    assert first.status_code == again.status_code == 202
    assert first.get_json() == again.get_json()
    with web.store.session() as session:
        waiting = requests.open(session)
    assert [(one.kind, one.subject_id, one.by, one.via) for one in waiting] == [
        ("approve", "deployment-2", "approve-key", "web")
    ]
    path = f"/api/requests/{first.get_json()['request_id']}"
    assert web.client.get(path).get_json()["state"] == "open"


def test_rejecting_after_approving_conflicts(web: Web) -> None:
    web.client.post("/api/proposals/proposal-waiting/approve", json={}, headers=web.bearer("approve"))
    answer = web.client.post("/api/proposals/proposal-waiting/reject", json={}, headers=web.bearer("approve"))
    assert answer.status_code == 409


def test_a_proposal_that_waits_for_nobody_cannot_be_approved(web: Web) -> None:
    answer = web.client.post("/api/proposals/proposal-no/approve", json={}, headers=web.bearer("approve"))
    assert answer.status_code == 409 and "refused" in answer.get_json()["detail"]
    answer = web.client.post("/api/proposals/nothing/approve", json={}, headers=web.bearer("approve"))
    assert answer.status_code == 404


def test_rolling_back_names_the_deployment_in_force(web: Web) -> None:
    answer = web.client.post("/api/parameters/mm-1/rollback", json={"reason": "worse"}, headers=web.bearer("admin"))
    assert answer.status_code == 202
    assert (answer.get_json()["kind"], answer.get_json()["subject_id"]) == ("rollback", "deployment-1")


def test_the_first_version_has_nothing_to_go_back_to(web: Web) -> None:
    with web.store.session() as session:
        param_versions.add(session, factories.param_version("fresh-1"))
    answer = web.client.post("/api/parameters/fresh-1/rollback", json={}, headers=web.bearer("admin"))
    assert answer.status_code == 409
