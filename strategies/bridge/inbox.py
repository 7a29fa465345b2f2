"""What the engine sent, committed once: frames, their effects and the sequence number are one transaction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from core.clock import Clock, from_ns
from core.errors import Conflict, Unavailable
from core.log import get_logger
from core.model.generated import Envelope, Heartbeat, Hello, Message, Reached
from core.store import Session, Store, frames
from strategies.bridge.frame import FrameError, parse_body

Handler = Callable[[Session, Message], None]

HANDLED_KINDS = frozenset(
    {
        "trade_event",
        "signal_event",
        "equity_mark",
        "performance_feedback",
        "params_ack",
        "command_ack",
        "advice_request",
        "state_changed",
    }
)
"""Kinds the engine sends that need a handler. `reached` is kept by the inbox itself; a handler for it is optional."""
MAX_TRIES = 5


@dataclass(frozen=True, slots=True)
class Committed:
    """What one batch changed, known to be durable."""

    received_seq: int
    acked_seq: int
    reached: Reached | None
    heartbeat: Heartbeat | None


class Inbox:
    """Takes verified frames of one engine at a time. All methods block and are meant for a thread."""

    def __init__(
        self, store: Store, clock: Clock, handlers: Mapping[str, Handler], on_alert: Callable[[str], None]
    ) -> None:
        missing = HANDLED_KINDS - handlers.keys()
        if missing:
            raise ValueError(f"the bridge has no handler for {', '.join(sorted(missing))}")
        self._store = store
        self._clock = clock
        self._handlers = handlers
        self._on_alert = on_alert
        self._failures: dict[tuple[str, int], list[str]] = {}
        self._log = get_logger("bridge")

    def admit(self, hello: Hello, on_hello: Callable[[Session, Hello], None] | None) -> tuple[int, int]:
        """Return (received_seq, resume_seq) for the welcome. Raises Conflict when one side has lost its state."""
        remedy = "Restore the lost state, or start the engine with a new engine_id and an empty state_dir"
        with self._store.session() as session:
            known = frames.received_seq(session, hello.engine_id)
            made, acked = frames.made_seq(session), frames.acked_seq(session)
            if hello.sent_seq < (known or 0):
                raise Conflict(
                    f"engine {hello.engine_id} has made {hello.sent_seq} messages but {known} were received", remedy
                )
            if hello.received_seq > made:
                raise Conflict(
                    f"engine {hello.engine_id} has {hello.received_seq} messages but this database made {made}", remedy
                )
            if known is not None and hello.received_seq < acked:
                raise Conflict(
                    f"engine {hello.engine_id} acknowledged {acked} messages and now has {hello.received_seq}", remedy
                )
            frames.ack_through(session, hello.received_seq, self._clock.now())
            frames.set_received_seq(session, hello.engine_id, known or 0)
            if on_hello is not None:
                on_hello(session, hello)
            return known or 0, max(hello.received_seq, acked) + 1

    def commit(self, engine_id: str, batch: Sequence[Envelope]) -> Committed:
        """Apply a batch in one transaction and return what is durable now.

        A frame whose handler fails rolls everything back and raises; after MAX_TRIES it becomes a dead letter.
        """
        reached: Reached | None = None
        heartbeat: Heartbeat | None = None
        dead: list[str] = []
        with self._store.session() as session:
            received = frames.received_seq(session, engine_id) or 0
            for frame in batch:
                if frame.seq == 0:
                    heartbeat = _heartbeat(frame)
                elif frame.seq > received + 1:
                    raise FrameError(f"message {frame.seq} came where {received + 1} was due")
                elif frame.seq == received + 1:
                    message = self._take(session, engine_id, frame, dead)
                    reached = message if isinstance(message, Reached) else reached
                    received = frame.seq
            acked = max((frame.ack for frame in batch), default=0)
            if acked > frames.made_seq(session):
                raise FrameError(f"engine {engine_id} acknowledges message {acked}, which was never made")
            frames.ack_through(session, acked, self._clock.now())
            frames.set_received_seq(session, engine_id, received)
            if reached is not None:
                frames.set_reached(session, engine_id, from_ns(reached.to_ns))
        for text in dead:
            self._on_alert(text)
        if dead:
            self._failures = {k: v for k, v in self._failures.items() if k[0] == engine_id and k[1] > received}
        return Committed(received, acked, reached, heartbeat)

    def _take(self, session: Session, engine_id: str, frame: Envelope, dead: list[str]) -> Message | None:
        errors = self._failures.setdefault((engine_id, frame.seq), [])
        if len(errors) >= MAX_TRIES:
            reason = f"failed {len(errors)} times, last with {errors[-1]}"
            frames.add_dead_letter(session, "bridge", frame.kind, frame.body, reason, self._clock.now())
            dead.append(f"message {frame.seq} ({frame.kind}) of engine {engine_id} was set aside: {reason}")
            return None
        try:
            message = self._effect(session, frame)
        except Unavailable:
            raise  # the database is down: no fault of the frame
        except Exception as error:
            errors.append(repr(error))
            self._log.error("frame failed", kind=frame.kind, seq=frame.seq, tries=len(errors), error=errors[-1])
            raise
        del self._failures[engine_id, frame.seq]
        return message

    def _effect(self, session: Session, frame: Envelope) -> Message:
        if frame.kind not in HANDLED_KINDS and frame.kind != "reached":
            raise FrameError(f"the engine may not send '{frame.kind[:40]}'")
        message = parse_body(frame.kind, frame.body)
        handler = self._handlers.get(frame.kind)
        if handler is not None:
            handler(session, message)
        return message


def _heartbeat(frame: Envelope) -> Heartbeat:
    message = parse_body(frame.kind, frame.body)
    if not isinstance(message, Heartbeat):
        raise FrameError(f"an unsequenced '{frame.kind[:40]}' frame is not allowed here")
    return message
