from dataclasses import replace
from datetime import timedelta

import pytest

from core.errors import BadInput, Conflict, Corrupt, UnknownName
from core.model.canonical import sha256_of
from core.model.operations import Notification, Request
from core.store import api_keys, dead_letters, frames, idempotency, leases, notifications, requests, setting_facts
from tests.conftest import START

SECRET = "web secret"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def session(any_store):
    with any_store.session() as session:
        yield session


def wish(n: int, **changes) -> Request:
    made = Request(f"req-{n}", "approve", "proposal-1", "alice", "web", "looks right", START + n * MINUTE, "open", "")
    return replace(made, **changes)


def note(n: int, **changes) -> Notification:
    return replace(Notification(f"note-{n}", "daily_report", "info", f"text {n}", START, None), **changes)


# --- requests --------------------------------------------------------------------------------------------------------
def test_a_repeated_request_has_no_second_effect_even_after_it_was_carried_out(session):
    assert requests.add(session, wish(1))
    assert requests.finish(session, "req-1", "done", "deployed")
    assert not requests.add(session, wish(1, at=START + 9 * MINUTE))
    assert requests.open(session) == []
    assert requests.get(session, "req-1").result == "deployed"


def test_a_request_id_used_for_another_wish_is_a_conflict(session):
    requests.add(session, wish(1))
    with pytest.raises(Conflict, match="asks for something else"):
        requests.add(session, wish(1, kind="reject"))


def test_open_requests_come_oldest_first_and_the_latest_newest_first(session):
    for n in (2, 1, 3):
        requests.add(session, wish(n))
    requests.finish(session, "req-2", "failed", "no such proposal")
    assert requests.open(session) == [wish(1), wish(3)]
    assert [request.request_id for request in requests.latest(session, 2)] == ["req-3", "req-2"]


def test_a_request_ends_once(session):
    requests.add(session, wish(1))
    assert requests.finish(session, "req-1", "done", "deployed")
    assert not requests.finish(session, "req-1", "done", "deployed")
    with pytest.raises(Conflict, match="ended before as done"):
        requests.finish(session, "req-1", "failed", "lost")


def test_an_unknown_request_is_named(session):
    with pytest.raises(UnknownName, match="req-9"):
        requests.finish(session, "req-9", "done", "")


# --- notifications ---------------------------------------------------------------------------------------------------
def test_messages_are_delivered_in_the_order_they_were_written_even_at_the_same_time(session):
    for n in (3, 1, 2):
        assert notifications.add(session, note(n))
    notifications.mark_sent(session, "note-1", START)
    assert [kept.notification_id for kept in notifications.unsent(session, 9)] == ["note-3", "note-2"]
    assert [kept.notification_id for kept in notifications.latest(session, 2)] == ["note-2", "note-1"]


def test_a_repeated_message_is_kept_once_and_another_text_is_a_conflict(session):
    assert notifications.add(session, note(1))
    assert not notifications.add(session, note(1, created_at=START + MINUTE))
    with pytest.raises(Conflict):
        notifications.add(session, note(1, text="other"))


def test_attempts_are_counted_and_the_first_delivery_time_stays(session):
    notifications.add(session, note(1))
    assert [notifications.count_attempt(session, "note-1") for _ in range(2)] == [1, 2]
    notifications.mark_sent(session, "note-1", START + MINUTE)
    notifications.mark_sent(session, "note-1", START + 2 * MINUTE)
    assert notifications.latest(session, 1)[0].sent_at == START + MINUTE


def test_an_unknown_message_is_named(session):
    with pytest.raises(UnknownName, match="note-9"):
        notifications.mark_sent(session, "note-9", START)


# --- API keys --------------------------------------------------------------------------------------------------------
def test_a_key_opens_with_its_text_and_nothing_else(session):
    key, text = api_keys.create(session, "laptop", ["approve", "read"], SECRET, START)
    assert text.startswith(f"xck_{key.key_id}_")
    assert len(text) == len("xck_") + 8 + 1 + 43
    assert api_keys.verify(session, text, SECRET, START) == key
    altered = text[:-1] + ("A" if text[-1] != "A" else "B")
    for wrong in (altered, "", "xck_", text + "x", text.replace(key.key_id, "00000000"), "xck_zz_é"):
        assert api_keys.verify(session, wrong, SECRET, START) is None
    assert api_keys.verify(session, text, "another secret", START) is None


def test_the_stored_row_does_not_hold_the_key(session, any_store):
    _, text = api_keys.create(session, "laptop", ["read"], SECRET, START)
    stored = session.execute(api_keys.table.select()).one()
    assert text not in str(stored)
    assert text[-43:] not in str(stored)
    assert stored.sha256 != sha256_of(text)


def test_scopes_are_kept_in_their_order(session):
    key, _ = api_keys.create(session, "laptop", ["approve", "read"], SECRET, START)
    assert key.scopes == ("read", "approve")


def test_an_expired_or_revoked_key_opens_nothing(session):
    key, text = api_keys.create(session, "laptop", ["read"], SECRET, START, START + MINUTE)
    assert api_keys.verify(session, text, SECRET, START + MINUTE - timedelta(seconds=1)) is not None
    assert api_keys.verify(session, text, SECRET, START + MINUTE) is None
    api_keys.revoke(session, key.key_id, START)
    api_keys.revoke(session, key.key_id, START + MINUTE)
    assert api_keys.verify(session, text, SECRET, START) is None
    assert api_keys.get(session, key.key_id).revoked_at == START


def test_keys_are_listed_with_their_last_use(session):
    key, _ = api_keys.create(session, "laptop", ["read"], SECRET, START)
    api_keys.touch(session, key.key_id, START + MINUTE)
    assert api_keys.list_keys(session) == [replace(key, last_used_at=START + MINUTE)]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"scopes": ["root"]}, "unknown scope root"),
        ({"scopes": []}, "needs a scope"),
        ({"name": ""}, "1 to 80"),
        ({"secret_key": ""}, "web secret is empty"),
        ({"expires_at": START}, "past"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused(session, changes, reason):
    asked = {"name": "laptop", "scopes": ["read"], "secret_key": SECRET, "at": START} | changes
    with pytest.raises(BadInput, match=reason):
        api_keys.create(session, **asked)


def test_an_unknown_key_is_named(session):
    with pytest.raises(UnknownName, match="beef"):
        api_keys.revoke(session, "beef", START)


# --- idempotency -----------------------------------------------------------------------------------------------------
def test_the_first_answer_is_given_again(session):
    assert idempotency.begin(session, "feedback", "k", "body", START) is None
    idempotency.settle(session, "feedback", "k", 201, '{"id":1}')
    again = idempotency.begin(session, "feedback", "k", "body", START + MINUTE)
    assert again == idempotency.StoredAnswer(201, '{"id":1}')


def test_the_same_key_with_another_body_is_a_conflict(session):
    idempotency.begin(session, "feedback", "k", "body", START)
    idempotency.settle(session, "feedback", "k", 201, "")
    with pytest.raises(Conflict, match="another request"):
        idempotency.begin(session, "feedback", "k", "other", START)


def test_the_same_key_in_another_scope_is_another_key(session):
    assert idempotency.begin(session, "feedback", "k", "body", START) is None
    assert idempotency.begin(session, "approve", "k", "other", START) is None


def test_a_request_in_flight_is_a_conflict_and_after_a_minute_it_counts_as_given_up(session):
    idempotency.begin(session, "feedback", "k", "body", START)
    with pytest.raises(Conflict, match="still being answered"):
        idempotency.begin(session, "feedback", "k", "body", START + timedelta(seconds=59))
    assert idempotency.begin(session, "feedback", "k", "body", START + MINUTE) is None
    with pytest.raises(Conflict, match="still being answered"):
        idempotency.begin(session, "feedback", "k", "body", START + MINUTE)


def test_an_answer_to_nothing_is_refused(session):
    with pytest.raises(UnknownName):
        idempotency.settle(session, "feedback", "k", 200, "")


def test_a_rolled_back_effect_leaves_no_key(any_store):
    with pytest.raises(RuntimeError), any_store.session() as session:
        idempotency.begin(session, "feedback", "k", "body", START)
        raise RuntimeError
    with any_store.session() as session:
        assert idempotency.begin(session, "feedback", "k", "body", START) is None


# --- leases ----------------------------------------------------------------------------------------------------------
def test_a_lease_has_one_owner_until_it_ends_and_the_token_grows(session):
    assert leases.acquire(session, "worker", "a", START, MINUTE) == 1
    assert leases.acquire(session, "worker", "b", START, MINUTE) is None
    assert leases.acquire(session, "worker", "a", START, MINUTE) == 1
    assert leases.acquire(session, "worker", "b", START + MINUTE, MINUTE) == 2
    assert leases.holder(session, "worker") == leases.Lease("worker", "b", 2, START + 2 * MINUTE)


def test_a_stale_token_is_refused_everywhere(session):
    leases.acquire(session, "worker", "a", START, MINUTE)
    leases.acquire(session, "worker", "b", START, MINUTE, take_over=True)
    for act in (
        lambda: leases.check(session, "worker", 1),
        lambda: leases.renew(session, "worker", 1, START, MINUTE),
        lambda: leases.release(session, "worker", 1, START),
    ):
        with pytest.raises(Conflict, match="went to b"):
            act()
    leases.check(session, "worker", 2)


def test_a_renewed_lease_lasts_and_a_released_one_is_free_at_once(session):
    leases.acquire(session, "worker", "a", START, MINUTE)
    leases.renew(session, "worker", 1, START + MINUTE / 2, MINUTE)
    assert leases.acquire(session, "worker", "b", START + MINUTE, MINUTE) is None
    leases.release(session, "worker", 1, START + MINUTE)
    assert leases.acquire(session, "worker", "b", START + MINUTE, MINUTE) == 2


def test_a_lease_that_nobody_took_is_held_by_nobody(session):
    assert leases.holder(session, "worker") is None
    with pytest.raises(Conflict, match="nobody holds"):
        leases.check(session, "worker", 1)


# --- facts and dead letters ------------------------------------------------------------------------------------------
def test_a_fact_is_replaced_and_comes_back_with_its_type(session):
    assert setting_facts.get(session, "started_at", str) is None
    setting_facts.put(session, "started_at", START, START)
    setting_facts.put(session, "started_at", START + MINUTE, START)
    assert setting_facts.get(session, "started_at", type(START)) == START + MINUTE
    with pytest.raises(Corrupt, match="started_at"):
        setting_facts.get(session, "started_at", int)


def test_dead_letters_come_newest_first(session):
    for n in (1, 2, 3):
        frames.add_dead_letter(session, "bridge", "trade_event", f"body {n}", "refused", START)
    assert [letter.body for letter in dead_letters.latest(session, 2)] == ["body 3", "body 2"]
