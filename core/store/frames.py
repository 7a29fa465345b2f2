"""Frames of the bridge: what is to be sent until the engine has it, and how far the engine's own frames are in."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, func, insert, select, text, update
from sqlalchemy.orm import Session

from core.store.once import is_changed
from core.store.session import after_commit
from core.store.tables import bridge_inbound, bridge_outbound, dead_letter

# Asked with every frame, and built once: putting a statement together takes longer than carrying it out.
_MADE_SEQ = select(func.max(bridge_outbound.c.seq))
_APPEND = insert(bridge_outbound)
_UNACKED_AFTER = (
    select(bridge_outbound.c.seq, bridge_outbound.c.kind, bridge_outbound.c.body)
    .where(bridge_outbound.c.seq > bindparam("after"), bridge_outbound.c.acked_at.is_(None))
    .order_by(bridge_outbound.c.seq)
    .limit(bindparam("at_most"))
)
_ACK_THROUGH = (
    update(bridge_outbound)
    .where(bridge_outbound.c.seq <= bindparam("through"), bridge_outbound.c.acked_at.is_(None))
    .values(acked_at=bindparam("durable_at"))
)
_RECEIVED_SEQ = select(bridge_inbound.c.received_seq).where(bridge_inbound.c.engine_id == bindparam("engine"))
_SET_RECEIVED_SEQ = (
    update(bridge_inbound)
    .where(bridge_inbound.c.engine_id == bindparam("engine"))
    .values(received_seq=bindparam("received"))
)
_SET_REACHED = (
    update(bridge_inbound)
    .where(bridge_inbound.c.engine_id == bindparam("engine"))
    .values(reached_at=bindparam("reached"))
)


@dataclass(frozen=True, slots=True)
class OutboundFrame:
    """A message for the engine. `body` is the exact JSON text that is signed and sent."""

    seq: int
    kind: str
    body: str


def append_outbound(
    session: Session, kind: str, body: str, at: datetime, on_commit: Callable[[], None] | None = None
) -> int:
    """Add a message and return its number; `on_commit` is called when the caller's transaction is committed.

    Numbers have no gaps, which a sequence of PostgreSQL could not promise after a rollback.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("LOCK TABLE bridge_outbound IN SHARE ROW EXCLUSIVE MODE"))
    seq = made_seq(session) + 1
    session.execute(_APPEND, {"seq": seq, "kind": kind, "body": body, "created_at": at, "acked_at": None})
    if on_commit is not None:
        after_commit(session, on_commit)
    return seq


def made_seq(session: Session) -> int:
    """Return the highest number given so far, 0 before the first."""
    return session.scalar(_MADE_SEQ) or 0


def acked_seq(session: Session) -> int:
    """Return the highest number that the engine has made durable, 0 before the first."""
    newest = select(func.max(bridge_outbound.c.seq)).where(bridge_outbound.c.acked_at.is_not(None))
    return session.scalar(newest) or 0


def unacked_after(session: Session, seq: int, limit: int = 200) -> tuple[OutboundFrame, ...]:
    """Return at most `limit` messages above `seq` that are not acknowledged, in order."""
    rows = session.execute(_UNACKED_AFTER, {"after": seq, "at_most": limit})
    return tuple(OutboundFrame(row.seq, row.kind, row.body) for row in rows)


def ack_through(session: Session, seq: int, at: datetime) -> None:
    """Mark every message up to `seq` as durable at the engine."""
    session.execute(_ACK_THROUGH, {"through": seq, "durable_at": at})


def received_seq(session: Session, engine_id: str) -> int | None:
    """Return the last frame of this engine whose effect is committed, None for an engine never seen."""
    return session.scalar(_RECEIVED_SEQ, {"engine": engine_id})


def set_received_seq(session: Session, engine_id: str, seq: int) -> None:
    """Remember that every frame of this engine up to `seq` is committed, in the transaction of their effects."""
    if not is_changed(session, _SET_RECEIVED_SEQ, {"engine": engine_id, "received": seq}):
        session.execute(insert(bridge_inbound).values(engine_id=engine_id, received_seq=seq, reached_at=None))


def reached_at(session: Session, engine_id: str) -> datetime | None:
    """Return the market time up to which this engine reported to be done, None before its first report."""
    return session.scalar(select(bridge_inbound.c.reached_at).where(bridge_inbound.c.engine_id == engine_id))


def set_reached(session: Session, engine_id: str, at: datetime) -> None:
    """Remember the market time this engine reported; the engine must have been seen before."""
    session.execute(_SET_REACHED, {"engine": engine_id, "reached": at})


def add_dead_letter(session: Session, channel: str, kind: str, body: str, error: str, at: datetime) -> None:
    """Keep a message that could not be taken, with the reason."""
    session.execute(insert(dead_letter).values(channel=channel, kind=kind, body=body, error=error, at=at))
