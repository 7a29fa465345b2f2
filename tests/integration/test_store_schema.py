import sqlite3
import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from core.errors import BadInput, Corrupt, Refused, StoreUnavailable
from core.store import open_store, schema, work_tables


def set_revision(store, revision):
    with store.session() as session:
        session.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})


def test_the_migrations_make_exactly_the_tables_that_the_code_names(any_store):
    with any_store.engine.connect() as connection:
        migration = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(migration, work_tables.metadata) == []
        tables = set(inspect(connection).get_table_names())
    assert tables == {*work_tables.metadata.tables, "alembic_version"}


def test_migrating_a_current_database_changes_nothing(any_store):
    assert schema.migrate(any_store) == schema.head_revision()
    schema.require_current(any_store)


def test_an_empty_database_is_refused_with_the_command_that_creates_it(tmp_path):
    empty = open_store(f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(Refused, match="at revision none.*xcrack up"):
        schema.require_current(empty)


def test_an_older_database_is_refused_and_both_revisions_are_named(any_store):
    set_revision(any_store, "0001")
    with pytest.raises(Refused, match=f"0001.*{schema.head_revision()}"):
        schema.require_current(any_store)


@pytest.mark.parametrize("act", [schema.require_current, schema.migrate])
def test_a_newer_database_is_refused_and_both_revisions_are_named(any_store, act):
    set_revision(any_store, "9999")
    with pytest.raises(Refused, match=f"9999, which is newer.*up to {schema.head_revision()}"):
        act(any_store)


def test_a_migration_that_fails_half_way_leaves_nothing_behind(tmp_path):
    path = tmp_path / "half.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE setting_fact (x)")
    connection.close()
    broken = open_store(f"sqlite:///{path}")
    with pytest.raises(StoreUnavailable, match="setting_fact already exists"):
        schema.migrate(broken)
    assert inspect(broken.engine).get_table_names() == ["setting_fact"]
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE setting_fact")
    connection.close()
    assert schema.migrate(broken) == schema.head_revision()


def test_two_programs_that_migrate_at_once_both_end_at_the_head(tmp_path):
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    outcomes = []
    threads = [threading.Thread(target=lambda: outcomes.append(schema.migrate(open_store(url)))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [schema.head_revision()] * 2


def test_an_exception_rolls_the_whole_transaction_back(any_store):
    with pytest.raises(RuntimeError), any_store.session() as session:
        session.execute(text("DELETE FROM alembic_version"))
        raise RuntimeError
    assert schema.revision(any_store) == schema.head_revision()


def test_a_locked_sqlite_file_is_unavailable_within_the_busy_timeout(store):
    hasty = open_store(str(store.engine.url), busy_timeout_ms=100)
    with store.session() as holder:
        holder.execute(text("SELECT 1"))
        with pytest.raises(StoreUnavailable, match="locked"), hasty.session() as session:
            session.execute(text("SELECT 1"))


def test_a_damaged_file_is_named_as_damaged(tmp_path):
    path = tmp_path / "damaged.db"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(Corrupt, match="damaged"), open_store(f"sqlite:///{path}").session() as session:
        session.execute(text("SELECT 1"))


def test_a_dead_server_is_unavailable():
    with pytest.raises(StoreUnavailable), open_store("postgresql://x@127.0.0.1:1/x").session() as session:
        session.execute(text("SELECT 1"))


@pytest.mark.parametrize("url", ["nonsense", "sqlite://", "sqlite:///:memory:", "mysql://x/y"])
def test_a_url_that_keeps_nothing_is_refused(url):
    with pytest.raises(BadInput):
        open_store(url)


def test_sqlite_writes_survive_power_loss_by_its_settings(store):
    with open_store(str(store.engine.url)).engine.connect() as connection:
        pragmas = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
    assert pragmas == ["delete", 2]


@pytest.mark.parametrize("url", ["postgresql://canary:h", "postgresql://ann:x@canary@h/x", "postgresql//ann:canary@h"])
def test_a_store_url_that_cannot_be_read_is_refused_without_its_password(url):
    with pytest.raises(BadInput, match="%40") as refused:
        open_store(url)
    assert "canary" not in str(refused.value)
