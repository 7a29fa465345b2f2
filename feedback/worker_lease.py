"""The worker's lease: exactly one worker on a database, and a quick start after a kill."""

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from core.clock import Clock
from core.errors import Conflict, Refused, StoreUnavailable
from core.log import get_logger
from core.store import Store, leases

LEASE_NAME = "worker"
WORKER_LEASE = timedelta(seconds=30)
RENEW_EVERY_S = 10.0

_log = get_logger("feedback.worker_lease")


def require_no_worker(home: Path) -> None:
    """Raise Refused when a worker, demo or replay of this machine is at work in `home`."""
    try:
        with _file_lock(home):
            return
    except Timeout:
        raise Refused(
            f"something is at work in {home}: a worker, a demo or a replay", "Stop it, or name another directory"
        ) from None


def _file_lock(home: Path) -> FileLock:
    return FileLock(
        home / "worker.lock", timeout=0, thread_local=False, fallback_to_soft=False, preserve_lock_file=True
    )


class WorkerLease:
    """Held for the worker's whole life and renewed by a thread of its own.

    The clock is the wall's, even where the market's time is virtual.

    The file lock in the installation's home dies with its process. With SQLite, which lives on this machine, holding it
    proves that the former worker is gone. PostgreSQL may serve several machines: there the former lease must run out.
    """

    def __init__(self, store: Store, clock: Clock, home: Path, owner: str, on_lost: Callable[[str], None]) -> None:
        self._store = store
        self._clock = clock
        self._owner = owner
        self._on_lost = on_lost
        home.mkdir(parents=True, exist_ok=True)
        self._lock = _file_lock(home)
        self._token = 0
        self._ended = threading.Event()
        self._keeper: threading.Thread | None = None

    def __enter__(self) -> "WorkerLease":
        """Take the lease. Raises Refused naming the holder."""
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the lease back."""
        self.release()

    def acquire(self) -> int:
        """Take the lease, keep renewing it and return its token. Raises Refused naming the holder and its end."""
        try:
            self._lock.acquire()
        except Timeout:
            raise self._refusal() from None
        try:
            with self._store.session() as session:
                token = leases.acquire(
                    session, LEASE_NAME, self._owner, self._clock.now(), WORKER_LEASE, take_over=self._store.is_sqlite
                )
        except BaseException:
            self._lock.release()
            raise
        if token is None:
            self._lock.release()
            raise self._refusal()
        self._token = token
        self._ended.clear()
        self._keeper = threading.Thread(target=self._keep, name="worker-lease", daemon=True)
        self._keeper.start()
        return token

    def renew(self) -> None:
        """Prolong the lease. Raises Conflict when another worker has it."""
        with self._store.session() as session:
            leases.renew(session, LEASE_NAME, self._token, self._clock.now(), WORKER_LEASE)

    def release(self) -> None:
        """Give the lease back; one that was lost, or a database that is down, is only logged."""
        self._ended.set()
        if self._keeper is not None:
            self._keeper.join()
        try:
            with self._store.session() as session:
                leases.release(session, LEASE_NAME, self._token, self._clock.now())
        except (Conflict, StoreUnavailable) as error:
            _log.warning("worker_lease_not_released", error=str(error))
        finally:
            self._lock.release()

    def _keep(self) -> None:
        while not self._ended.wait(RENEW_EVERY_S):
            try:
                self.renew()
            except Conflict as error:
                self._on_lost(str(error))
                return
            except StoreUnavailable as error:
                _log.warning("worker_lease_not_renewed", error=str(error))

    def _refusal(self) -> Refused:
        with self._store.session() as session:
            held = leases.holder(session, LEASE_NAME)
        if held is None:
            return Refused("another worker is starting here", f"It holds {self._lock.lock_file}; stop it or use it")
        return Refused(
            f"a worker runs already: {held.owner} holds the lease until {held.until.isoformat()}",
            "Stop it first; after a crash on another machine wait until that time",
        )
