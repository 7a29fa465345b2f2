"""The schema's revision: bring a database up to date, or refuse one that does not fit this version of the program."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from core.errors import Refused
from core.store.session import Store, errors_in_words

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"


def migrate(store: Store) -> str:
    """Run the missing migrations in one transaction and return the revision. Raises Refused on a newer database."""
    with errors_in_words(), store.engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            # Two programs that start together take turns; the second finds nothing left to do.
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('migrations'))"))
        _refuse_unknown(_current(connection))
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        command.upgrade(config, "head")
    return head_revision()


def require_current(store: Store) -> None:
    """Return when the schema is the one this program was written for. Raises Refused on an older or newer one."""
    found = revision(store)
    _refuse_unknown(found)
    if found != head_revision():
        raise Refused(
            f"the database is at revision {found or 'none'} and this program needs {head_revision()}",
            "Stop every xcrack process, back the database up and start `xcrack up`, which migrates it",
        )


def revision(store: Store) -> str | None:
    """Return the revision that the database is at, or None before the first migration."""
    with errors_in_words(), store.engine.connect() as connection:
        return _current(connection)


def head_revision() -> str:
    """Return the revision that this program was written for."""
    head = _scripts().get_current_head()
    if head is None:
        raise Refused(f"there are no migrations in {MIGRATIONS}", "Install the program again")
    return head


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(MIGRATIONS))


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _refuse_unknown(found: str | None) -> None:
    known = {script.revision for script in _scripts().walk_revisions()}
    if found is not None and found not in known:
        raise Refused(
            f"the database is at revision {found}, which is newer than this program; it knows up to {head_revision()}",
            "Run the newer version of xcrack, or restore a backup made before it was installed",
        )
