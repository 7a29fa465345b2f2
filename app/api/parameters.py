"""`/api/parameters` and `/api/deployments`: what runs, how it came to run, and the way back."""

from typing import Annotated

from pydantic import Field

from app.api.operations import Answer, Asked, Operation, operation
from app.api.requests import ReasonBody, RequestView, ask_rollback, view_of
from app.auth import Caller
from app.rooms import rooms
from core.errors import UnknownName
from core.model.proposal import Deployment, DeploymentState, ParamVersion
from core.store import deployments as deployment_rows
from core.store import param_versions as rows


class ParameterList(Answer):
    """One version in force for each instance."""

    items: tuple[ParamVersion, ...]


class ParameterHistory(Answer):
    """Every version of one instance, newest first."""

    instance_id: str
    items: tuple[ParamVersion, ...]


class DeploymentQuery(Asked):
    """Which deployments."""

    state: DeploymentState | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class DeploymentPage(Answer):
    """The newest deployments first."""

    items: tuple[Deployment, ...]


@operation(Operation(summary="The parameters in force", answer=ParameterList, scope="read"))
def list_parameters(caller: Caller) -> ParameterList:
    """Answer with the version in force of every instance."""
    with rooms().store.session() as session:
        return ParameterList(items=tuple(rows.all_active(session)))


@operation(Operation(summary="Every version of one instance", answer=ParameterHistory, scope="read"))
def show_history(caller: Caller, instance_id: str) -> ParameterHistory:
    """Answer with the versions of an instance."""
    with rooms().store.session() as session:
        history = rows.history(session, instance_id)
    if not history:
        raise UnknownName(f"there is no instance '{instance_id[:80]}'", "See /api/parameters")
    return ParameterHistory(instance_id=instance_id, items=tuple(reversed(history)))


@operation(
    Operation(
        summary="Ask the worker to undo the deployment in force on the instance",
        answer=RequestView,
        scope="admin",
        body=ReasonBody,
        status=202,
        errors=(409,),
    )
)
def rollback(caller: Caller, instance_id: str, body: ReasonBody) -> RequestView:
    """Store the wish and answer with it."""
    here = rooms()
    with here.store.session() as session:
        return view_of(ask_rollback(session, here.clock.now(), caller, instance_id, body.reason))


@operation(Operation(summary="Deployments, newest first", answer=DeploymentPage, scope="read", query=DeploymentQuery))
def list_deployments(caller: Caller, query: DeploymentQuery) -> DeploymentPage:
    """Answer with the newest deployments."""
    with rooms().store.session() as session:
        if query.state is None:
            return DeploymentPage(items=tuple(deployment_rows.latest(session, query.limit)))
        found = deployment_rows.in_state(session, query.state)
    return DeploymentPage(items=tuple(found[::-1][: query.limit]))
