"""Parameter versions: immutable, and exactly one of an instance is active."""

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import select, update

from core.errors import Conflict, UnknownName
from core.model.proposal import ParamVersion
from core.model.slots import is_slot
from core.store.once import fields_of, insert_new
from core.store.session import Session
from core.store.tables import param_version as table


def add(session: Session, version: ParamVersion) -> bool:
    """Return True when stored, False when it was there. Raises Conflict for other parameters under the same version."""
    if insert_new(session, table, asdict(version)):
        return True
    stored = get(session, version.instance_id, version.version)
    if (stored.strategy, stored.sha256, stored.origin) != (version.strategy, version.sha256, version.origin):
        raise Conflict(
            f"instance {version.instance_id} has another version {version.version}, of origin {stored.origin}",
            "Nothing was changed; read the versions again",
        )
    return False


def find_active(session: Session, instance_id: str) -> ParamVersion | None:
    """Return the version in force, or None."""
    row = session.execute(
        select(table).where(table.c.instance_id == instance_id, table.c.active.is_(True))
    ).one_or_none()
    return None if row is None else fields_of(row, ParamVersion)


def active(session: Session, instance_id: str) -> ParamVersion:
    """Return the version in force; an instance without one raises UnknownName."""
    found = find_active(session, instance_id)
    if found is None:
        raise UnknownName(
            f"there is no instance {instance_id} with parameters in force", "List them with `xcrack params show`"
        )
    return found


def get(session: Session, instance_id: str, version: int) -> ParamVersion:
    """Return one version; an unknown one raises UnknownName."""
    row = session.execute(
        select(table).where(table.c.instance_id == instance_id, table.c.version == version)
    ).one_or_none()
    if row is None:
        raise UnknownName(f"instance {instance_id} has no parameter version {version}")
    return fields_of(row, ParamVersion)


def history(session: Session, instance_id: str) -> list[ParamVersion]:
    """Return every version of the instance, oldest first."""
    query = select(table).where(table.c.instance_id == instance_id).order_by(table.c.version)
    return [fields_of(row, ParamVersion) for row in session.execute(query)]


def all_active(session: Session) -> list[ParamVersion]:
    """Return the version in force of every live instance, by instance id; slots are asked for by their own ids."""
    query = select(table).where(table.c.active.is_(True)).order_by(table.c.instance_id)
    found = [fields_of(row, ParamVersion) for row in session.execute(query)]
    return [version for version in found if not is_slot(version.instance_id)]


def fill_rules(session: Session, instance_ids: Sequence[str], rules: str) -> None:
    """Give versions that were made before versions knew their rule set this one."""
    missing = update(table).where(table.c.instance_id.in_(instance_ids), table.c.rules.is_(None))
    session.execute(missing.values(rules=rules))


def activate(session: Session, instance_id: str, version: int) -> ParamVersion:
    """Return the version, now the only active one of its instance; an unknown one raises UnknownName."""
    get(session, instance_id, version)
    session.execute(
        update(table)
        .where(table.c.instance_id == instance_id, table.c.version != version, table.c.active.is_(True))
        .values(active=False)
    )
    session.execute(
        update(table).where(table.c.instance_id == instance_id, table.c.version == version).values(active=True)
    )
    return get(session, instance_id, version)
