"""Messages taken in: what counts against a message, what does not, and what a dead letter leaves behind."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from core.clock import VirtualClock
from core.errors import StoreUnavailable
from core.model.generated import Message
from core.store import Session, Store, frames, open_store
from core.store.tables import bridge_outbound, dead_letter, metadata
from strategies.bridge.inbox import HANDLED_KINDS, MAX_TRIES, Inbox
from strategies.bridge.packet import Codec
from tests.unit.strategies.bridge_peer import START, state_changed

CODEC = Codec("json")
ENGINE = "engine-1"


class Faulty:
    """A handler that writes, then fails as it is told to; `rung` counts the calls of its doorbell."""

    def __init__(self) -> None:
        self.fail: Callable[[Session], None] | None = None
        self.n_tries = 0
        self.rung = 0

    def __call__(self, session: Session, message: Message) -> None:
        self.n_tries += 1
        frames.append_outbound(session, "command", "{}", START, self._ring)
        if self.fail is not None:
            self.fail(session)

    def _ring(self) -> None:
        self.rung += 1


def broken(_: Session) -> None:
    raise RuntimeError("this handler is broken")


def disk_full(session: Session) -> None:
    session.execute(text("PRAGMA max_page_count = 1"))
    session.execute(text("CREATE TABLE filler AS SELECT randomblob(1000000)"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = open_store(f"sqlite:///{tmp_path}/inbox.db")
    metadata.create_all(store.engine)
    return store


@pytest.fixture
def handler() -> Faulty:
    return Faulty()


@pytest.fixture
def alerts() -> list[str]:
    return []


@pytest.fixture
def inbox(store: Store, handler: Faulty, alerts: list[str]) -> Inbox:
    clock = VirtualClock(datetime(2026, 3, 1, tzinfo=UTC))
    return Inbox(store, clock, dict.fromkeys(HANDLED_KINDS, handler), lambda _, told: alerts.append(told))


def take(inbox: Inbox) -> int:
    """Offer the engine's first message, and return how many of its messages are durable here."""
    return inbox.commit(ENGINE, CODEC, [CODEC.item(1, state_changed(1))], 0).received_seq


def fail_often(inbox: Inbox, handler: Faulty, fail: Callable[[Session], None], raised: type[Exception], n: int) -> None:
    handler.fail = fail
    for _ in range(n):
        with pytest.raises(raised, match="broken|full|not answer"):
            take(inbox)


def kept(store: Store) -> tuple[int, int, int]:
    """Return the messages received, the dead letters, and what the handler wrote."""
    with store.session() as session:
        count = [session.scalar(select(func.count()).select_from(t)) or 0 for t in (dead_letter, bridge_outbound)]
        return frames.received_seq(session, ENGINE) or 0, count[0], count[1]


def test_a_database_that_fails_never_counts_against_the_message(inbox: Inbox, handler: Faulty, store: Store) -> None:
    fail_often(inbox, handler, disk_full, StoreUnavailable, 3 * MAX_TRIES)
    assert kept(store) == (0, 0, 0)
    handler.fail = None
    assert take(inbox) == 1 and kept(store) == (1, 0, 1)


def test_a_database_that_fails_in_the_last_try_buries_nothing(inbox: Inbox, handler: Faulty, store: Store) -> None:
    fail_often(inbox, handler, broken, RuntimeError, MAX_TRIES)
    fail_often(inbox, handler, disk_full, StoreUnavailable, 3)
    assert kept(store) == (0, 0, 0)


def test_a_fault_that_was_mended_meanwhile_loses_no_message(
    inbox: Inbox, handler: Faulty, store: Store, alerts: list[str]
) -> None:
    fail_often(inbox, handler, broken, RuntimeError, MAX_TRIES)
    handler.fail = None
    assert take(inbox) == 1 and kept(store) == (1, 0, 1)
    assert alerts == [] and handler.rung == 1


def test_a_message_that_fails_once_more_is_set_aside_without_what_its_handler_wrote(
    inbox: Inbox, handler: Faulty, store: Store, alerts: list[str]
) -> None:
    fail_often(inbox, handler, broken, RuntimeError, MAX_TRIES)
    assert take(inbox) == 1 and kept(store) == (1, 1, 0)
    assert handler.n_tries == MAX_TRIES + 1 and "failed 6 times" in alerts[0]


def test_a_message_is_set_aside_only_together_with_its_alert(store: Store, handler: Faulty) -> None:
    def undelivered(session: Session, told: str) -> None:
        frames.append_outbound(session, "command", told[:1], START)
        raise StoreUnavailable("the database did not answer")

    inbox = Inbox(store, VirtualClock(START), dict.fromkeys(HANDLED_KINDS, handler), undelivered)
    fail_often(inbox, handler, broken, RuntimeError, MAX_TRIES)
    fail_often(inbox, handler, broken, StoreUnavailable, 2)
    assert kept(store) == (0, 0, 0)
