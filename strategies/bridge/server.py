"""The socket the engine dials: one engine at a time, on this machine only.

Reading, committing and sending are three tasks of one connection; the database is only touched in threads. Whatever
ends one of them ends the connection, and the engine comes back: the session resumes from what is committed.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from core.clock import Clock, to_ns
from core.errors import Conflict, XcrackError
from core.log import get_logger
from core.model.generated import AdvanceTo, Envelope, Heartbeat, Hello, Message, Reached, Welcome
from core.store import Session, Store, frames
from strategies.bridge.frame import (
    MAX_FRAME_BYTES,
    PROTOCOL,
    FrameError,
    kind_and_body,
    open_frame,
    parse_body,
    seal,
)
from strategies.bridge.inbox import Committed, Handler, Inbox

PATH = "/ai_bridge"
HELLO_TIMEOUT_S = 5.0
HEARTBEAT_S = 1.0
SILENCE_S = 15.0
BATCH_FRAMES = 512
REFUSED = 1008
"""Close code for a peer that broke a rule."""


class BridgeServer:
    """Serves the bridge. `send` and `wake` may be called from any thread, everything else from the event loop."""

    def __init__(
        self,
        store: Store,
        secret: bytes,
        handlers: Mapping[str, Handler],
        clock: Clock,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        on_hello: Callable[[Session, Hello], None] | None = None,
        on_alert: Callable[[str], None] | None = None,
    ) -> None:
        self._log = get_logger("bridge")
        self._store = store
        self._secret = secret
        self._clock = clock
        self._address = (host, port)
        self._on_hello = on_hello
        self._inbox = Inbox(store, clock, handlers, on_alert or (lambda text: self._log.error("alert", text=text)))
        self._server: Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._link: _Link | None = None
        self._progress = asyncio.Condition()
        self._acked_seq = 0
        self._reached: Reached | None = None
        self.last_hello: Hello | None = None
        self.last_heartbeat: Heartbeat | None = None
        self._latency_ms: float | None = None

    @property
    def connected(self) -> bool:
        """Whether an engine is connected and past its handshake."""
        return self._link is not None

    @property
    def latency_ms(self) -> float | None:
        """How long the last heartbeat took from the engine's clock to ours, in milliseconds; None without an engine.

        Both are on this machine, so it is one clock. It means nothing on a virtual clock.
        """
        return self._latency_ms if self.connected else None

    @property
    def port(self) -> int:
        """The port in use, known after start()."""
        if self._server is None:
            raise RuntimeError("the bridge is not started")
        return int(next(iter(self._server.sockets)).getsockname()[1])

    async def start(self) -> None:
        """Listen. A port in use raises OSError."""
        self._loop = asyncio.get_running_loop()
        with self._store.session() as session:
            self._acked_seq = frames.acked_seq(session)
        host, port = self._address
        self._server = await serve(
            self._serve, host, port, max_size=MAX_FRAME_BYTES, compression=None, ping_interval=None
        )

    async def stop(self) -> None:
        """Close the connection and the socket; what is not acknowledged stays in the store."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def send(self, session: Session, message: Message) -> int:
        """Add a message to the caller's transaction and return its number; it leaves once that is committed."""
        kind, body = kind_and_body(message)
        return frames.append_outbound(session, kind, body, self._clock.now(), self.wake)

    def wake(self) -> None:
        """Have the sender look into the store now. Safe from any thread, and before start()."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake_link)

    async def wait_acked(self, seq: int) -> None:
        """Return when the engine has made message `seq` durable, across reconnects. Bound it with asyncio.timeout."""
        async with self._progress:
            await self._progress.wait_for(lambda: self._acked_seq >= seq)

    async def wait_connected(self) -> Hello:
        """Return the hello of the connected engine, waiting for one."""
        async with self._progress:
            await self._progress.wait_for(lambda: self.connected)
        assert self.last_hello is not None
        return self.last_hello

    async def advance_to(self, at: datetime) -> Reached:
        """Grant time up to `at`; return when everything up to it is processed and its effects are committed here."""
        to_ns_ = to_ns(at)

        def append() -> int:
            with self._store.session() as session:
                return self.send(session, AdvanceTo(to_ns=to_ns_))

        self._reached = None
        await asyncio.to_thread(append)
        async with self._progress:
            await self._progress.wait_for(lambda: self._reached is not None and self._reached.to_ns >= to_ns_)
        assert self._reached is not None
        return self._reached

    def _wake_link(self) -> None:
        if self._link is not None:
            self._link.outbound_due = True
            self._link.wake.set()

    async def _serve(self, socket: ServerConnection) -> None:
        try:
            link = await self._handshake(socket)
        except (XcrackError, TimeoutError, ConnectionClosed) as error:
            self._log.warning("engine refused", error=str(error) or type(error).__name__)
            await socket.close(REFUSED, _reason(error))
            return
        self._log.info("engine connected", engine_id=link.engine_id)
        try:
            await self._run(link)
        finally:
            self._link = None
            self._log.info("engine disconnected", engine_id=link.engine_id)

    async def _handshake(self, socket: ServerConnection) -> "_Link":
        if socket.request is None or socket.request.path != PATH:
            raise FrameError(f"the bridge is at {PATH}")
        async with asyncio.timeout(HELLO_TIMEOUT_S):
            text = await socket.recv()
        hello = self._read_hello(text)
        if self._link is not None:
            raise Conflict(
                f"engine {self._link.engine_id} is connected already", "Stop it before starting a second one"
            )
        # Taken before the first await, so that two engines cannot pass the check above together.
        link = self._link = _Link(socket, hello.engine_id)
        try:
            link.received_seq, resume_seq = await asyncio.to_thread(self._inbox.admit, hello, self._on_hello)
            link.cursor = resume_seq - 1
            welcome = Welcome(
                protocol=PROTOCOL, nonce=hello.nonce, received_seq=link.received_seq, resume_seq=resume_seq
            )
            kind, body = kind_and_body(welcome)
            await socket.send(seal(self._secret, kind, 0, link.received_seq, body))
        except BaseException:
            self._link = None
            raise
        link.told_seq = link.received_seq
        self.last_hello = hello
        await self._advance(max(self._acked_seq, hello.received_seq), None)
        return link

    def _read_hello(self, text: str | bytes) -> Hello:
        if isinstance(text, bytes):
            raise FrameError("frames are text")
        frame = open_frame(self._secret, text)
        message = parse_body(frame.kind, frame.body)
        if not isinstance(message, Hello) or frame.seq != 0:
            raise FrameError(f"the first frame must be 'hello', not '{frame.kind[:40]}'")
        if message.protocol != PROTOCOL:
            raise FrameError(
                f"the engine speaks protocol {message.protocol}, this worker {PROTOCOL}", "Build both from one version"
            )
        return message

    async def _run(self, link: "_Link") -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read(link))
                tasks.create_task(self._commit(link))
                tasks.create_task(self._write(link))
        except* (ConnectionClosed, TimeoutError):
            pass  # the engine went away; it dials again
        except* Exception as group:
            self._log.error("link dropped", errors=[repr(e) for e in group.exceptions])
        with suppress(ConnectionClosed):
            await link.socket.close()

    async def _read(self, link: "_Link") -> None:
        while True:
            async with asyncio.timeout(SILENCE_S):
                text = await link.socket.recv()
            if isinstance(text, bytes):
                raise FrameError("frames are text")
            await link.inbound.put(open_frame(self._secret, text))

    async def _commit(self, link: "_Link") -> None:
        while True:
            batch = [await link.inbound.get()]
            while len(batch) < BATCH_FRAMES and not link.inbound.empty():
                batch.append(link.inbound.get_nowait())
            if all(frame.seq == 0 and frame.ack <= self._acked_seq for frame in batch):
                self.last_heartbeat = _heartbeat(batch[-1])
                self._latency_ms = (to_ns(self._clock.now()) - self.last_heartbeat.at_ns) / 1e6
                continue  # nothing to make durable
            commit = asyncio.ensure_future(asyncio.to_thread(self._inbox.commit, link.engine_id, batch))
            try:
                done = await asyncio.shield(commit)
            except asyncio.CancelledError:
                # The thread goes on after a lost link, and the engine will not repeat what it commits.
                await self._take_over(link, await commit)
                raise
            await self._take_over(link, done)

    async def _take_over(self, link: "_Link", done: Committed) -> None:
        link.received_seq = done.received_seq
        self.last_heartbeat = done.heartbeat or self.last_heartbeat
        link.wake.set()
        await self._advance(max(self._acked_seq, done.acked_seq), done.reached)

    async def _advance(self, acked_seq: int, reached: Reached | None) -> None:
        async with self._progress:
            self._acked_seq = acked_seq
            self._reached = reached or self._reached
            self._progress.notify_all()

    async def _write(self, link: "_Link") -> None:
        while True:
            if link.outbound_due:
                link.outbound_due = False
                await self._write_outbound(link)
            if link.told_seq < link.received_seq or link.idle:
                await self._send(link, 0, Heartbeat(at_ns=to_ns(self._clock.now()), reached_ns=0, state="active"))
            link.idle = False
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await link.wake.wait()
            except TimeoutError:
                link.idle = True
            link.wake.clear()

    async def _write_outbound(self, link: "_Link") -> None:
        def load() -> tuple[frames.OutboundFrame, ...]:
            with self._store.session() as session:
                return frames.unacked_after(session, link.cursor)

        while waiting := await asyncio.to_thread(load):
            for frame in waiting:
                told = link.received_seq
                await link.socket.send(seal(self._secret, frame.kind, frame.seq, told, frame.body))
                link.cursor, link.told_seq = frame.seq, told

    async def _send(self, link: "_Link", seq: int, message: Message) -> None:
        kind, body = kind_and_body(message)
        told = link.received_seq
        await link.socket.send(seal(self._secret, kind, seq, told, body))
        link.told_seq = told


class _Link:
    """State of one connection."""

    def __init__(self, socket: ServerConnection, engine_id: str) -> None:
        self.socket = socket
        self.engine_id = engine_id
        self.inbound: asyncio.Queue[Envelope] = asyncio.Queue(maxsize=2 * BATCH_FRAMES)
        self.wake = asyncio.Event()
        self.outbound_due = True
        self.idle = False
        self.cursor = 0
        self.received_seq = 0
        self.told_seq = 0


def _heartbeat(frame: Envelope) -> Heartbeat:
    message = parse_body(frame.kind, frame.body)
    if not isinstance(message, Heartbeat):
        raise FrameError(f"an unsequenced '{frame.kind[:40]}' frame is not allowed here")
    return message


def _reason(error: BaseException) -> str:
    return (str(error) or "no hello in time").encode()[:120].decode(errors="ignore")
