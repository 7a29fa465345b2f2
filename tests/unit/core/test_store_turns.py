"""Threads of one SQLite store take turns at a lock, which wakes the next one, in place of looking again and again."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event, text

from core.errors import StoreUnavailable
from core.store import Store, open_store
from core.store.session import after_commit


def test_a_thread_that_waits_for_its_turn_has_not_touched_the_file(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_lent, is_waiting = [0], threading.Event()
    event.listen(store.engine, "checkout", lambda *_: n_lent.__setitem__(0, n_lent[0] + 1))
    turn = store._turn
    assert turn is not None

    class Seen:
        def acquire(self, timeout: float) -> bool:
            is_waiting.set()
            return turn.acquire(timeout=timeout)

        def release(self) -> None:
            turn.release()

    def ask() -> int:
        with store.session() as session:
            return session.execute(text("select 7")).scalar_one()

    with ThreadPoolExecutor(1) as pool:
        with store.session() as session:
            session.execute(text("select 1"))
            monkeypatch.setattr(store, "_turn", Seen())
            other = pool.submit(ask)
            assert is_waiting.wait(10)
            assert n_lent == [1]
            monkeypatch.setattr(store, "_turn", turn)
        assert other.result(10) == 7
    assert n_lent == [2]


def test_a_turn_that_does_not_come_is_a_database_that_does_not_answer(store: Store) -> None:
    hasty = open_store(str(store.engine.url), busy_timeout_ms=1)

    def ask() -> None:
        with hasty.session():
            pytest.fail("two transactions at once")

    said = pytest.raises(StoreUnavailable, match="did not answer: another transaction of this program")
    with hasty.session(), ThreadPoolExecutor(1) as pool, said:
        pool.submit(ask).result(10)


def test_what_follows_a_commit_may_begin_a_transaction_of_its_own(store: Store) -> None:
    seen: list[int] = []

    def look() -> None:
        with store.session() as session:
            seen.append(session.execute(text("select 7")).scalar_one())

    with store.session() as session:
        after_commit(session, look)
        session.execute(text("select 1"))
    assert seen == [7]


def test_a_connection_is_kept_between_transactions_and_not_used_by_a_forked_process(store: Store) -> None:
    def ask() -> int:
        with store.session() as session:
            return session.execute(text("select 7")).scalar_one()

    n_opened: list[int] = []
    event.listen(store.engine, "connect", lambda *_: n_opened.append(os.getpid()))
    assert [ask(), ask()] == [7, 7]
    assert len(n_opened) <= 1
    child = os.fork()
    if child == 0:  # leaves by _exit, whatever comes: the tests are the parent's
        is_new = False
        try:
            n_opened.clear()
            is_new = ask() == 7 and n_opened == [os.getpid()]
        finally:
            os._exit(0 if is_new else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert ask() == 7
