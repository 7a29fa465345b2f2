"""What the engine sent, committed once: messages, their effects and the sequence number are one transaction."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from core.clock import Clock, from_ns
from core.errors import Conflict, Unavailable
from core.log import get_logger
from core.model.generated import Hello, Message, Reached
from core.store import Session, Store, frames, is_store_failure
from strategies.bridge.frame import FrameError
from strategies.bridge.packet import Codec, Item

Handler = Callable[[Session, Message], None]
OnAlert = Callable[[Session, str], None]
"""Told of each message that was set aside, inside the transaction that does so."""

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
"""Kinds the engine sends that need a handler."""
OPTIONAL_KINDS = frozenset({"reached"})
"""Kinds whose handler may be missing: `reached` is kept by the inbox itself."""
MAX_TRIES = 5


@dataclass(frozen=True, slots=True)
class Committed:
    """What one batch changed, known to be durable."""

    received_seq: int
    reached: Reached | None
    n_refused: int
    """Messages of an unknown kind or form, kept as dead letters."""


class Inbox:
    """Takes verified messages of one engine at a time. All methods block and are meant for a thread."""

    def __init__(self, store: Store, clock: Clock, handlers: Mapping[str, Handler], on_alert: OnAlert) -> None:
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

    def commit(self, engine_id: str, codec: Codec, batch: Sequence[Item], acked: int) -> Committed:
        """Apply a batch in one transaction, with what the engine acknowledged, and return what is durable now.

        A message of an unknown kind or form becomes a dead letter at once: sending it again would not mend it.
        One whose handler fails rolls everything back and raises; when it failed MAX_TRIES times and fails once more, it
        becomes a dead letter too. A failure of the database is never counted against a message.
        """
        reached: Reached | None = None
        dead: list[str] = []
        n_refused = 0
        with self._store.session() as session:
            received = frames.received_seq(session, engine_id) or 0
            for item in batch:
                if item.seq > received + 1:
                    raise FrameError(f"message {item.seq} came where {received + 1} was due")
                if item.seq <= received:
                    continue
                message = self._read(session, engine_id, codec, item, dead)
                n_refused += message is None
                if message is not None and self._take(session, engine_id, codec, item, message, dead):
                    reached = message if isinstance(message, Reached) else reached
                received = item.seq
            frames.ack_through(session, acked, self._clock.now())
            frames.set_received_seq(session, engine_id, received)
            if reached is not None:
                frames.set_reached(session, engine_id, from_ns(reached.to_ns))
            for text in dead:
                self._on_alert(session, text)
        if dead:
            self._failures = {k: v for k, v in self._failures.items() if k[0] == engine_id and k[1] > received}
        return Committed(received, reached, n_refused)

    def _read(self, session: Session, engine_id: str, codec: Codec, item: Item, dead: list[str]) -> Message | None:
        try:
            if item.kind not in HANDLED_KINDS | OPTIONAL_KINDS:
                raise FrameError(f"the engine may not send '{item.kind[:40]}'")
            return codec.parse(item)
        except FrameError as error:
            self._bury(session, engine_id, codec, item, str(error), dead)
            return None

    def _take(
        self, session: Session, engine_id: str, codec: Codec, item: Item, message: Message, dead: list[str]
    ) -> bool:
        """Apply the message; return False when it failed so often that it was set aside."""
        handler = self._handlers.get(item.kind)
        if handler is None:
            return True
        key = (engine_id, item.seq)
        errors = self._failures.get(key, [])
        is_last_try = len(errors) >= MAX_TRIES
        try:
            # What the last try leaves behind when it fails must not be kept beside the dead letter.
            with session.begin_nested() if is_last_try else nullcontext():
                handler(session, message)
        except Exception as error:
            if isinstance(error, Unavailable) or is_store_failure(error):
                raise  # the database is down: no fault of the message
            errors = self._failures.setdefault(key, errors)
            errors.append(repr(error))
            self._log.error("message failed", kind=item.kind, seq=item.seq, tries=len(errors), error=errors[-1])
            if not is_last_try:
                raise
            self._bury(session, engine_id, codec, item, f"failed {len(errors)} times, last with {errors[-1]}", dead)
            return False
        self._failures.pop(key, None)
        return True

    def _bury(self, session: Session, engine_id: str, codec: Codec, item: Item, reason: str, dead: list[str]) -> None:
        kind = item.kind[:40]
        frames.add_dead_letter(session, "bridge", kind, codec.text(item), reason, self._clock.now())
        dead.append(f"message {item.seq} ({kind}) of engine {engine_id} was set aside: {reason}")
