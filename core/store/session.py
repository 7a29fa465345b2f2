"""Opening the database, and transactions.

SQLite older than 3.51.3 can corrupt a write-ahead log under several connections, so SQLite runs here with a rollback
journal, `synchronous=FULL` and `BEGIN IMMEDIATE`: slower, and safe. PostgreSQL comes by URL.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, DisconnectionError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool

from core.errors import BadInput, Corrupt, StoreUnavailable

__all__ = ["Session", "Store", "is_store_failure", "open_store"]

BUSY_TIMEOUT_MS = 2_000
"""So long a transaction waits for its turn."""


class Store:
    """A database. `session()` is one transaction: committed on leaving, rolled back on an exception.

    Of one SQLite store, threads take turns. The file has one writer at a time anyway, but its own way of waiting is to
    sleep and look again, up to 100 ms at a time, and whoever looks at the right moment goes first; a lock wakes the
    next one at once. Other processes are waited for as before.
    """

    def __init__(self, engine: Engine, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> None:
        self.engine = engine
        self._busy_timeout_s = busy_timeout_ms / 1000
        # Re-entrant: what is called after a commit, in the same thread, may begin a transaction of its own.
        self._turn = threading.RLock() if self.is_sqlite else None

    @property
    def is_sqlite(self) -> bool:
        """Whether this is SQLite."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Yield a session inside one write transaction, never within another one on the same thread.

        Raises StoreUnavailable when the database is down or locked, Corrupt when its file is damaged.
        """
        with self._in_turn():
            session = Session(self.engine, expire_on_commit=False)
            try:
                with errors_in_words(), session.begin():
                    yield session
            finally:
                session.close()

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        if self._turn is None:
            yield
            return
        if not self._turn.acquire(timeout=self._busy_timeout_s):
            raise StoreUnavailable(
                "the database did not answer: another transaction of this program holds it", "Try again in a moment"
            )
        try:
            yield
        finally:
            self._turn.release()

    def dispose(self) -> None:
        """Close every connection."""
        self.engine.dispose()


@contextmanager
def errors_in_words() -> Iterator[None]:
    """Turn the driver's failures into StoreUnavailable, and into Corrupt for a damaged file."""
    try:
        yield
    except OperationalError as error:
        raise StoreUnavailable(
            f"the database did not answer: {_first_line(error)}",
            "Check that it runs and that no other program holds it",
        ) from error
    except PoolTimeout as error:
        raise StoreUnavailable("every database connection is in use", "Try again in a moment") from error
    except DatabaseError as error:
        # The driver uses the bare class only for a damaged file; its subclasses mean something else.
        if type(error) is not DatabaseError:
            raise
        raise Corrupt(f"the database file is damaged: {_first_line(error)}", "Restore it from a backup") from error


def after_commit(session: Session, call: Callable[[], None]) -> None:
    """Have `call` called once the caller's transaction is committed, in the thread that commits it."""
    # The end of a savepoint comes as a commit too, and what was added is not to be seen outside yet.
    event.listen(session, "after_commit", lambda done: None if done.in_nested_transaction() else call())


def is_store_failure(error: BaseException) -> bool:
    """Whether the driver says that the database is down, locked, full or damaged: no fault of what was asked of it."""
    return isinstance(error, (OperationalError, PoolTimeout)) or type(error) is DatabaseError


def open_store(url: str, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> Store:
    """Return the store at `url` without touching its schema; see `core.store.schema.migrate` and `require_current`."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # The reader's own words may quote a part of the URL, and that part may be the password.
        raise BadInput(
            "the store URL is not one SQLAlchemy can read",
            "Use sqlite:///PATH or postgresql://…, with @ : / in a password written as %40 %3A %2F",
        ) from None
    if "@" in (parsed.host or ""):
        # What the driver would print as an unknown host is the end of the password.
        raise BadInput("the password in the store URL holds an '@'", "Write it as %40")
    openers = {"sqlite": _sqlite, "postgresql": _postgres}
    backend = parsed.get_backend_name()
    if backend not in openers:
        raise BadInput(f"the store URL asks for {backend}", "Use sqlite:///PATH or postgresql://…")
    return Store(openers[backend](parsed, busy_timeout_ms), busy_timeout_ms)


def _sqlite(url: URL, busy_timeout_ms: int) -> Engine:
    if not url.database or url.database == ":memory:":
        raise BadInput(f"the store URL {url} names no file, and what is kept must outlive the program", "Name a file")
    Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    # One connection for all threads, since they take turns; what begins after a commit may need a second for a moment.
    engine = create_engine(
        url, poolclass=QueuePool, pool_size=1, max_overflow=8, connect_args={"timeout": busy_timeout_ms / 1000}
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, record: Any) -> None:
        record.info["pid"] = os.getpid()
        # The driver's own transaction control would begin a deferred transaction behind our back.
        connection.isolation_level = None
        for pragma in ("journal_mode=DELETE", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={busy_timeout_ms}"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "checkout")
    def _refuse_inherited(_: Any, record: Any, lent: Any) -> None:
        # SQLite's locks do not survive a fork: used here, a connection of the parent could damage the file.
        if record.info["pid"] != os.getpid():
            record.dbapi_connection = lent.dbapi_connection = None
            raise DisconnectionError("the connection is the parent process's")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _postgres(url: URL, timeout_ms: int) -> Engine:
    options = f"-c statement_timeout=30000 -c lock_timeout={timeout_ms} -c timezone=UTC"
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_pre_ping=True,
        isolation_level="READ COMMITTED",
        connect_args={"connect_timeout": 5, "options": options},
    )


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).splitlines()[0] if error.orig is not None else type(error).__name__
