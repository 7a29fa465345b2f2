"""Waits for the engine's word on what was sent to it, so that a report tells what became of a change."""

from threading import Event

from core.log import get_logger
from core.store import Store, deployments

POLL_S = 0.02
LONGEST_WAIT_S = 10.0
"""An engine that is there answers in milliseconds. Without one a change stays on its way, and the report says that."""

_log = get_logger("feedback.cycles")


def await_acks(store: Store) -> bool:
    """Return whether the engine has answered every change on its way, waiting for it in real seconds."""
    for _ in range(round(LONGEST_WAIT_S / POLL_S)):
        if not _under_way(store):
            return True
        Event().wait(POLL_S)
    _log.warning("changes_not_acked", deployments=_under_way(store))
    return False


def _under_way(store: Store) -> list[str]:
    with store.session() as session:
        return [deployment.deployment_id for deployment in deployments.in_state(session, "pushed")]
