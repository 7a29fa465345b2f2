"""Deployments: a change on its way to, or in, the engine."""

from typing import Any

from sqlalchemy import Select, select, update

from core.errors import UnknownName
from core.model.proposal import Deployment, DeploymentState
from core.model.slots import SLOT_MARK
from core.store.once import add_value, value_or_none, values_of
from core.store.session import Session
from core.store.tables import deployment as table


def add(session: Session, deployment: Deployment) -> bool:
    """Return True when stored, False when it was there. Raises Conflict for other content under the same id."""
    return add_value(session, table, deployment, _row(deployment))


def put(session: Session, deployment: Deployment) -> None:
    """Write the deployment's present state over the stored one; an unknown id raises UnknownName."""
    get(session, deployment.deployment_id)
    values = _row(deployment)
    session.execute(
        update(table).where(table.c.deployment_id == values.pop("deployment_id")).values(**values, detail=deployment)
    )


def find(session: Session, deployment_id: str) -> Deployment | None:
    """Return the deployment, or None."""
    return value_or_none(
        session, select(table.c.detail).where(table.c.deployment_id == deployment_id), Deployment, table
    )


def get(session: Session, deployment_id: str) -> Deployment:
    """Return the deployment; an unknown id raises UnknownName."""
    found = find(session, deployment_id)
    if found is None:
        raise UnknownName(f"there is no deployment {deployment_id}", "See what is deployed with `xcrack params show`")
    return found


def latest(session: Session, limit: int) -> list[Deployment]:
    """Return up to `limit` deployments to live instances, newest first; those to a slot are asked for by its id."""
    query = select(table.c.detail).where(~table.c.instance_id.contains(SLOT_MARK, autoescape=True))
    return _read(session, query.order_by(table.c.created_at.desc(), table.c.deployment_id).limit(limit))


def in_state(session: Session, state: DeploymentState) -> list[Deployment]:
    """Return every deployment in `state`, oldest first."""
    return _read(
        session,
        select(table.c.detail).where(table.c.state == state).order_by(table.c.created_at, table.c.deployment_id),
    )


def for_proposal(session: Session, proposal_id: str) -> list[Deployment]:
    """Return the deployments of one proposal, oldest first."""
    return _read(
        session,
        select(table.c.detail).where(table.c.proposal_id == proposal_id).order_by(table.c.created_at, table.c.version),
    )


def of_instance(session: Session, instance_id: str) -> list[Deployment]:
    """Return the deployments of one instance, oldest first."""
    return _read(session, select(table.c.detail).where(table.c.instance_id == instance_id).order_by(table.c.version))


def _row(deployment: Deployment) -> dict[str, Any]:
    return {
        "deployment_id": deployment.deployment_id,
        "proposal_id": deployment.proposal_id,
        "instance_id": deployment.instance_id,
        "version": deployment.version,
        "state": deployment.state,
        "created_at": deployment.created_at,
    }


def _read(session: Session, query: Select[Any]) -> list[Deployment]:
    return values_of(session, query, Deployment, table)
