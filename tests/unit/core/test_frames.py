from datetime import timedelta

import pytest
from sqlalchemy import select

from core.store import frames
from core.store.tables import dead_letter
from tests.conftest import START


def append(store, *bodies: str) -> list[int]:
    with store.session() as session:
        return [frames.append_outbound(session, "command", body, START) for body in bodies]


def test_numbers_have_no_gaps_even_after_a_rollback(any_store):
    assert append(any_store, "a", "b") == [1, 2]
    with pytest.raises(RuntimeError), any_store.session() as session:
        frames.append_outbound(session, "command", "lost", START)
        raise RuntimeError("rolled back")
    assert append(any_store, "c") == [3]
    with any_store.session() as session:
        assert [f.body for f in frames.unacked_after(session, 0)] == ["a", "b", "c"]
        assert frames.made_seq(session) == 3


def test_what_is_acknowledged_is_not_sent_again(any_store):
    append(any_store, "a", "b", "c", "d")
    with any_store.session() as session:
        frames.ack_through(session, 2, START + timedelta(seconds=1))
        assert frames.acked_seq(session) == 2
        assert [f.seq for f in frames.unacked_after(session, 0, limit=1)] == [3]
        assert [f.seq for f in frames.unacked_after(session, 3)] == [4]


def test_the_doorbell_rings_after_the_commit_and_never_after_a_rollback(any_store):
    rung: list[int] = []
    with any_store.session() as session:
        frames.append_outbound(session, "command", "a", START, lambda: rung.append(1))
        assert rung == []
    assert rung == [1]
    with pytest.raises(RuntimeError), any_store.session() as session:
        frames.append_outbound(session, "command", "b", START, lambda: rung.append(2))
        raise RuntimeError("rolled back")
    assert rung == [1]


def test_the_doorbell_of_a_savepoint_rings_with_the_commit_of_the_whole(any_store):
    rung: list[int] = []
    with any_store.session() as session:
        with session.begin_nested():
            frames.append_outbound(session, "command", "a", START, lambda: rung.append(1))
        assert rung == []
    assert rung == [1]


def test_each_engine_has_its_own_place(any_store):
    with any_store.session() as session:
        assert frames.received_seq(session, "engine-1") is None
        assert frames.reached_at(session, "engine-1") is None
        frames.set_received_seq(session, "engine-1", 4)
        frames.set_received_seq(session, "engine-1", 7)
        frames.set_received_seq(session, "engine-2", 1)
        frames.set_reached(session, "engine-1", START)
    with any_store.session() as session:
        assert (frames.received_seq(session, "engine-1"), frames.received_seq(session, "engine-2")) == (7, 1)
        assert (frames.reached_at(session, "engine-1"), frames.reached_at(session, "engine-2")) == (START, None)


def test_a_dead_letter_keeps_the_message_and_the_reason(any_store):
    with any_store.session() as session:
        frames.add_dead_letter(session, "bridge", "trade_event", "{}", "broken", START)
        assert session.execute(select(dead_letter.c.body, dead_letter.c.error)).all() == [("{}", "broken")]
