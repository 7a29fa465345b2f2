"""One link: between a wire and the session, from the challenge to the reason why it ended.

Packets are read, answered and written in the event loop, in the call that brings them: a signal waits for no task,
thread or database. What must be durable is committed and loaded by two tasks whose work is done in threads.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from core.errors import XcrackError
from core.log import get_logger
from core.model.generated import Heartbeat, Hello
from core.store import Session as StoreSession
from core.store import Store, frames
from strategies.bridge.carriers import Wire
from strategies.bridge.frame import FrameError
from strategies.bridge.handshake import Handshake
from strategies.bridge.inbox import Committed, Inbox
from strategies.bridge.packet import Codec, Item
from strategies.bridge.session import Outbound, Session

HELLO_TIMEOUT_S = 5.0
HEARTBEAT_S = 1.0
SILENCE_S = 15.0
BATCH_MESSAGES = 512
GATHER_S = 0.1
"""So long after a commit further messages are gathered for the next one, unless somebody waits or there are enough."""
URGENT_KINDS = frozenset({"reached", "advice_request", "params_ack", "command_ack"})


@dataclass(frozen=True, slots=True)
class LinkRooms:
    """What every link of a server works with."""

    secret: bytes
    store: Store
    inbox: Inbox
    session: Session
    now_ns: Callable[[], int]
    on_hello: Callable[[StoreSession, Hello], None] | None


class LinkOwner(Protocol):
    """The server, as a link sees it."""

    def claim(self, link: "Link", hello: Hello) -> None:
        """Give this link the session; raises Conflict when another has it."""
        ...

    def opened(self, link: "Link", hello: Hello) -> None:
        """Know that the handshake is over."""
        ...

    def released(self, link: "Link") -> None:
        """Take the session back."""
        ...

    def heard(self, heartbeat: Heartbeat) -> None:
        """Keep the last heartbeat."""
        ...

    def committed(self, acked_seq: int, done: Committed) -> None:
        """Know what is durable now."""
        ...

    def signals_acked(self) -> None:
        """Know that the engine has acted on more signals."""
        ...


class LinkOver(Exception):
    """Ends the tasks of a link."""


class Link:
    """One connection of an engine."""

    def __init__(self, owner: LinkOwner, rooms: LinkRooms, wire: Wire) -> None:
        self._owner, self._rooms, self._wire = owner, rooms, wire
        self._session, self._counts = rooms.session, rooms.session.monitor.counts
        self._loop = asyncio.get_running_loop()
        self._log = get_logger("bridge")
        self._handshake = Handshake(rooms.secret)
        self._codec: Codec | None = None
        self._compress = False
        self._is_up = False
        self._inbound: deque[Item] = deque()
        self._commit_due = asyncio.Event()
        self._is_urgent = asyncio.Event()
        self._load_due = asyncio.Event()
        self._committed_ack = 0
        self._committed_at = float("-inf")
        self._heard_at = self._loop.time()
        self._over: asyncio.Future[str] = self._loop.create_future()
        self._task: asyncio.Task[None] | None = None
        self._patience = self._loop.call_later(HELLO_TIMEOUT_S, self.end, f"no hello within {HELLO_TIMEOUT_S:g} s")
        self.engine_id = ""
        self.carrier = wire.carrier
        self._send(self._handshake.challenge())

    @property
    def encoding(self) -> str:
        """The encoding that the engine chose, empty before."""
        return "" if self._codec is None else self._codec.encoding

    @property
    def is_over(self) -> bool:
        """Whether it ended and all its work is done."""
        return self._over.done() and (self._task is None or self._task.done())

    def end(self, reason: str) -> None:
        """End the link. The first reason counts."""
        if self._over.done():
            return
        self._patience.cancel()
        self._over.set_result(reason)
        self._wire.close(reason)
        if self._task is None:
            self._counts.links_refused += 1
            self._log.warning("engine refused", carrier=self.carrier, error=reason)

    async def finished(self) -> None:
        """Return when all work of the link is done."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    def wake(self) -> None:
        """Look into the store for messages to send."""
        self._load_due.set()

    def flush(self) -> None:
        """Send what is due."""
        if not self._is_up or self._codec is None:
            return
        while self._session.is_due and not self._wire.is_full:
            payload = self._session.transmit(self._rooms.now_ns())
            if payload is None:
                return
            self._send(self._handshake.sealer.seal(payload, self._codec.flags, compress=self._compress))

    def on_writable(self) -> None:
        """See Receiver."""
        self.flush()

    def on_closed(self, reason: str) -> None:
        """See Receiver."""
        self.end(reason)

    def on_frame(self, frame: bytes) -> None:
        """See Receiver. Whatever is wrong with the frame ends the link, never the process."""
        if self._over.done():
            return
        self._heard_at = self._loop.time()
        self._counts.frames_received += 1
        self._counts.bytes_received += len(frame)
        try:
            if self._is_up:
                self._take_packet(frame)
            elif self._task is None:
                self._take_hello(frame)
            else:
                raise FrameError("a frame came before the welcome")
        except XcrackError as error:
            self.end(str(error))
        except Exception as error:
            self._log.exception("the bridge met a defect")
            self.end(f"the worker met a defect: {error!r}")

    def _take_hello(self, frame: bytes) -> None:
        hello = self._handshake.read_hello(frame)
        self._owner.claim(self, hello)
        self._patience.cancel()
        self.engine_id = hello.engine_id
        self._codec, self._compress = self._handshake.codec(hello), hello.compression == "zlib"
        self._task = self._loop.create_task(self._run(hello, self._codec))

    def _take_packet(self, frame: bytes) -> None:
        codec = self._codec
        assert codec is not None
        flags, payload = self._handshake.opener.open(frame, may_unpack=self._compress)
        if flags != codec.flags:
            raise FrameError(f"the engine chose {codec.encoding} and sent another encoding")
        received = self._session.receive(codec.parse_packet(payload), self._rooms.now_ns())
        if received.signals:
            raise FrameError("an engine has no signals to send")
        if received.heartbeat is not None:
            self._owner.heard(received.heartbeat)
        if received.messages or received.messages_acked:
            self._inbound.extend(received.messages)
            self._commit_due.set()
            is_enough = len(self._inbound) >= BATCH_MESSAGES
            if is_enough or received.messages_acked or any(m.kind in URGENT_KINDS for m in received.messages):
                self._is_urgent.set()
        if received.messages_acked:
            self._load_due.set()
        if received.signals_acked:
            self._owner.signals_acked()
        self.flush()

    def _send(self, frame: bytes) -> None:
        self._counts.frames_sent += 1
        self._counts.bytes_sent += len(frame)
        self._wire.send(frame)

    async def _run(self, hello: Hello, codec: Codec) -> None:
        try:
            await self._welcome(hello, codec)
            async with asyncio.TaskGroup() as tasks:
                for work in (self._commit(codec), self._load(), self._beat(), self._watch()):
                    tasks.create_task(work)
        except* LinkOver:
            pass
        except* XcrackError as group:
            self.end("; ".join(str(error) for error in group.exceptions))
        except* Exception as group:
            self._log.error("link dropped", errors=[repr(error) for error in group.exceptions])
            self.end(f"the worker failed: {group.exceptions[0]!r}")
        finally:
            self.end("the worker stopped")
            self._is_up = False
            self._session.link_down()
            self._counts.links_broken += 1
            self._log.info("engine disconnected", engine_id=self.engine_id, reason=self._over.result())
            self._owner.released(self)

    async def _welcome(self, hello: Hello, codec: Codec) -> None:
        session = self._session
        received_seq, resume_seq = await asyncio.to_thread(self._rooms.inbox.admit, hello, self._rooms.on_hello)
        if self._over.done():
            raise LinkOver
        signals_seq = session.signals.resume(hello.epoch == session.epoch, hello.signals_received)
        self._send(self._handshake.welcome(hello, received_seq, resume_seq, session.epoch, signals_seq))
        session.link_up(codec, received_seq, resume_seq)
        self._committed_ack = resume_seq - 1
        self._is_up = True
        self._counts.links_opened += 1
        self._log.info("engine connected", engine_id=self.engine_id, carrier=self.carrier, encoding=codec.encoding)
        self._owner.opened(self, hello)
        self._load_due.set()
        self.flush()

    async def _watch(self) -> None:
        await asyncio.shield(self._over)  # else the end of a sibling would cancel the reason itself
        raise LinkOver

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            if self._loop.time() - self._heard_at > SILENCE_S:
                raise FrameError(f"the engine was silent for {SILENCE_S:g} s")
            self._session.beat(self._rooms.now_ns())
            self.flush()

    async def _commit(self, codec: Codec) -> None:
        while True:
            await self._commit_due.wait()
            self._commit_due.clear()
            await self._gather()
            while self._inbound or self._session.acked_seq > self._committed_ack:
                batch = [self._inbound.popleft() for _ in range(min(BATCH_MESSAGES, len(self._inbound)))]
                acked = self._session.acked_seq
                work = asyncio.to_thread(self._rooms.inbox.commit, self.engine_id, codec, batch, acked)
                commit = asyncio.ensure_future(work)
                try:
                    done = await asyncio.shield(commit)
                except asyncio.CancelledError:
                    # The thread goes on after a lost link, and the engine will not repeat what it commits.
                    self._take_over(acked, await commit)
                    raise
                self._take_over(acked, done)

    async def _gather(self) -> None:
        """Let a stream of messages that nobody waits for be committed ten times a second, not a thousand.

        Commits compete with signals for the interpreter and with everybody else for the database.
        """
        left_s = self._committed_at + GATHER_S - self._loop.time()
        if left_s > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._is_urgent.wait()
        self._is_urgent.clear()

    def _take_over(self, acked: int, done: Committed) -> None:
        self._committed_ack = acked
        self._committed_at = self._loop.time()
        self._counts.messages_refused += done.n_refused
        self._session.confirm(done.received_seq)
        self._owner.committed(acked, done)
        if not self._over.done():
            self.flush()

    async def _load(self) -> None:
        def load(after: int, limit: int) -> tuple[Outbound, ...]:
            with self._rooms.store.session() as session:
                found = frames.unacked_after(session, after, limit)
                return tuple(Outbound(frame.seq, frame.kind, frame.body) for frame in found)

        while True:
            await self._load_due.wait()
            self._load_due.clear()
            while (room := self._session.room) > 0:
                waiting = await asyncio.to_thread(load, self._session.loaded_seq, room)
                if not waiting:
                    break
                self._session.load(waiting)
                self.flush()
