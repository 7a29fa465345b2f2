"""Real servers for tests, started from installed binaries on a free loopback port and thrown away afterwards."""

import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def end_with_tests() -> None:
    """For `preexec_fn`: the system kills the new process once the one that started it is gone, however it died."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@contextmanager
def running_postgres(binaries: Path) -> Iterator[str]:
    """Yield the URL of a fresh PostgreSQL's maintenance database. The server refuses root, so it runs as another."""
    user = _unprivileged()
    home = Path(tempfile.mkdtemp(prefix="xcrack-pg-"))
    try:
        if user:
            os.chown(home, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
        initdb = [binaries / "initdb", "-D", home / "data", "-U", "xcrack", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run([*initdb, "--locale=C"], check=True, stdout=subprocess.DEVNULL, cwd=home, **_as(user))
        port = free_port()
        options = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={home}", "-c", "fsync=off"]
        start = [binaries / "postgres", "-D", home / "data", "-p", str(port), *options]
        url = f"postgresql://xcrack@127.0.0.1:{port}/postgres"
        with _running(start, home, user, lambda: psycopg.connect(url).close()):
            yield url
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def running_redis(binary: str) -> Iterator[str]:
    """Yield the URL of a fresh redis-server that keeps nothing on disk."""
    with tempfile.TemporaryDirectory(prefix="xcrack-redis-") as home:
        port = free_port()
        start = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", home]
        client = redis.Redis(port=port, retry=Retry(NoBackoff(), 0), socket_timeout=0.5)
        with client, _running(start, Path(home), None, client.ping):
            yield f"redis://127.0.0.1:{port}/0"


def postgres_binaries() -> Path | None:
    """Return the newest installed PostgreSQL's folder of programs, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


def free_port() -> int:
    """Return a loopback port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _running(command: list, home: Path, user: str | None, ping: Callable[[], object]) -> Iterator[None]:
    with (home / "server.log").open("w") as log:
        server = subprocess.Popen(command, cwd=home, stdout=log, stderr=log, preexec_fn=end_with_tests, **_as(user))
    try:
        _wait_until_up(server, home / "server.log", ping)
        yield
    finally:
        server.kill()
        server.wait()


def _wait_until_up(server: subprocess.Popen, log: Path, ping: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            ping()
            return
        except (psycopg.OperationalError, redis.RedisError) as error:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the test server did not come up: {log.read_text()}") from error
            time.sleep(0.05)


def _unprivileged() -> str | None:
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


def _as(user: str | None) -> dict:
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
