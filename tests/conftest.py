"""What every test may use: databases, servers, a clock; and what none may: the network and a person's settings."""

import os
import shutil
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
import structlog
from sqlalchemy import event

from core.clock import VirtualClock
from core.store import Store, open_store, schema
from tests.ray_cluster import RayCluster, running_ray
from tests.servers import postgres_binaries, running_postgres, running_redis

START = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
"""When tests begin: a Monday, 12:00 KST."""
_FOR_TESTS = {"XCRACK_DATA_DIR", "XCRACK_SHOTS"}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the settings of the person who runs the tests."""
    for name in os.environ:
        if (name.startswith("XCRACK_") and name not in _FOR_TESTS) or name == "DEEPSEEK_API_KEY":
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Undo what a command configured: the stderr it logs to is closed with the test."""
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test that reaches for another machine, even where the code under test forgives network errors."""
    for name in ("connect", "connect_ex", "sendto"):
        original = getattr(socket.socket, name)

        def guarded(self: socket.socket, *arguments: Any, original: Any = original) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6):
                _require_loopback(arguments[-1][0])
            return original(self, *arguments)

        monkeypatch.setattr(socket.socket, name, guarded)
    look_up = socket.getaddrinfo

    def guarded_look_up(host: Any, *arguments: Any, **options: Any) -> Any:
        _require_loopback(host)
        return look_up(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", guarded_look_up)


def _require_loopback(host: Any) -> None:
    name = host.decode() if isinstance(host, bytes) else host
    if name not in (None, "", "localhost", "::1", "0.0.0.0", "::") and not str(name).startswith("127."):
        pytest.fail(f"a test reached for {name}; tests stay on this machine")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file to copy: migrating once is enough."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    template = open_store(f"sqlite:///{path}")
    schema.migrate(template)
    template.dispose()
    return path


@pytest.fixture
def store(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Store]:
    """A migrated, empty SQLite store. It survives a killed process, and not a power cut, which no test can make."""
    shutil.copyfile(migrated_sqlite, tmp_path / "xcrack.db")
    store = open_store(f"sqlite:///{tmp_path / 'xcrack.db'}")
    event.listen(store.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
    yield store
    store.dispose()


@pytest.fixture
def other_store(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Store]:
    """A second one, for what is done twice."""
    shutil.copyfile(migrated_sqlite, tmp_path / "other.db")
    other = open_store(f"sqlite:///{tmp_path / 'other.db'}")
    event.listen(other.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
    yield other
    other.dispose()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A running PostgreSQL with a migrated database `template_xcrack` to copy."""
    binaries = postgres_binaries()
    if binaries is None:
        _skip_or_fail("PostgreSQL is not installed under /usr/lib/postgresql")
    with running_postgres(binaries) as url:
        _admin(url, "CREATE DATABASE template_xcrack")
        template = open_store(_database(url, "template_xcrack"))
        schema.migrate(template)
        template.dispose()
        yield url


_numbers = count(1)


@pytest.fixture
def pg_store(postgres_url: str) -> Iterator[Store]:
    """A migrated, empty PostgreSQL store."""
    name = f"test_{next(_numbers)}"
    _admin(postgres_url, f"CREATE DATABASE {name} TEMPLATE template_xcrack")
    store = open_store(_database(postgres_url, name))
    yield store
    store.dispose()
    _admin(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def any_store(request: pytest.FixtureRequest) -> Store:
    """Each test that asks for it runs on both databases."""
    return request.getfixturevalue("store" if request.param == "sqlite" else "pg_store")


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The URL of a redis-server of our own. Tests share it, so each uses keys of its own."""
    binary = shutil.which("redis-server")
    if binary is None:
        _skip_or_fail("redis-server is not installed")
    with running_redis(binary) as url:
        yield url


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[RayCluster]:
    """A Ray cluster of two nodes with one core each. A test that adds a node takes it away again."""
    if find_spec("ray") is None:
        _skip_or_fail("ray is not installed: pip install 'xcrack[scale]'")
    with running_ray() as cluster:
        yield cluster


def _skip_or_fail(reason: str) -> None:
    """Skip on a person's machine; where everything must be installed, a missing server is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _admin(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


def _database(url: str, name: str) -> str:
    return url.rsplit("/", 1)[0] + "/" + name
