"""The bridge, as the worker's rooms see it: one engine at a time, over any of the carriers it listens on."""

import asyncio
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from core.clock import Clock, ns_reader, to_ns
from core.errors import BadInput, Conflict
from core.log import get_logger
from core.model.generated import AdvanceTo, Heartbeat, Hello, Message, Reached
from core.store import Session, Store, frames
from strategies.bridge.carriers import Listener, Receiver, TlsFiles, Wire, listener_at
from strategies.bridge.carriers.ws import WsListener
from strategies.bridge.inbox import Committed, Handler, Inbox, OnAlert
from strategies.bridge.link import Link, LinkRooms
from strategies.bridge.monitor import BridgeFigures
from strategies.bridge.packet import MAX_BODY_BYTES, kind_and_body
from strategies.bridge.session import Session as BridgeSession
from strategies.bridge.signals import Signal

EPOCH_BYTES = 16
BUSY_SIGNALS = 32
"""From so many unanswered signals on, those of one turn of the loop leave together: the engine is busy in any case."""


class BridgeServer:
    """Serves the bridge. `send`, `send_signal`, `wake`, `figures` are for any thread, the rest for the loop."""

    def __init__(
        self,
        store: Store,
        secret: bytes,
        handlers: Mapping[str, Handler],
        clock: Clock,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        listen: Sequence[str] = (),
        tls: TlsFiles | None = None,
        on_hello: Callable[[Session, Hello], None] | None = None,
        on_alert: OnAlert | None = None,
        on_signals_acked: Callable[[int], None] | None = None,
    ) -> None:
        """Listen at `ws://host:port/ai_bridge` and at every address in `listen`.

        `on_signals_acked` is called in the loop with the last signal that the engine has acted on.
        """
        log = get_logger("bridge")
        self._store, self._clock, self._now_ns = store, clock, ns_reader(clock)
        self._session = BridgeSession(secrets.token_hex(EPOCH_BYTES))
        inbox = Inbox(store, clock, handlers, on_alert or (lambda _, text: log.error("alert", text=text)))
        self._rooms = LinkRooms(secret, store, inbox, self._session, self._now_ns, on_hello)
        self._on_signals_acked = on_signals_acked
        self._ws = WsListener(host, port)
        self._listen: list[Listener] = [self._ws, *(listener_at(address, tls) for address in listen)]
        self._is_started = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._flush_is_due = False
        self._link: Link | None = None
        self._links: set[Link] = set()
        self._progress: list[asyncio.Future[None]] = []
        self._acked_seq = 0
        self._reached: Reached | None = None
        self.last_hello: Hello | None = None
        self.last_heartbeat: Heartbeat | None = None

    @property
    def connected(self) -> bool:
        """Whether an engine is connected and past its handshake."""
        return self._session.is_up

    @property
    def latency_ms(self) -> float | None:
        """Round trip of the last heartbeat, None without an engine. It means nothing on a virtual clock."""
        ns = self._session.monitor.last_round_trip_ns
        return ns / 1e6 if ns is not None and self.connected else None

    @property
    def port(self) -> int:
        """The port of the WebSocket, known after start()."""
        if not self._is_started:
            raise RuntimeError("the bridge is not started")
        return int(self._ws.address.rsplit(":", 1)[1].split("/")[0])

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every address, with real ports after start()."""
        return tuple(listener.address for listener in self._listen)

    def figures(self) -> BridgeFigures:
        """Return what was measured and counted so far."""
        monitor, signals, link = self._session.monitor, self._session.signals.counts(), self._link
        trips, offset_ns = monitor.round_trips(), monitor.offset_ns
        settled = signals.acked + signals.expired + signals.refused
        return BridgeFigures(
            connected=self.connected,
            carrier=link.carrier if link else "",
            encoding=link.encoding if link else "",
            round_trip_p50_ms=trips.p50 if trips else None,
            round_trip_p90_ms=trips.p90 if trips else None,
            round_trip_p99_ms=trips.p99 if trips else None,
            clock_offset_ms=offset_ns / 1e6 if offset_ns is not None else None,
            success_rate=signals.acked / settled if settled else None,
            signals_made=signals.made,
            signals_acked=signals.acked,
            signals_expired=signals.expired,
            signals_conflated=signals.conflated,
            signals_held=signals.held,
            signals_refused=signals.refused,
            counts=monitor.counted(),
        )

    async def start(self) -> None:
        """Listen. A port in use raises OSError."""
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        with self._store.session() as session:
            self._acked_seq = frames.acked_seq(session)
        for listener in self._listen:
            await listener.start(self._accept)
        self._is_started = True

    async def stop(self) -> None:
        """Close the links and the sockets; what is not acknowledged stays in the store, signals are forgotten."""
        for link in tuple(self._links):
            link.end("the worker stopped")
        await asyncio.gather(*(listener.stop() for listener in self._listen))
        await asyncio.gather(*(link.finished() for link in tuple(self._links)))

    def send(self, session: Session, message: Message) -> int:
        """Add a message to the caller's transaction and return its number; it leaves once that is committed.

        One whose JSON text is too long for a frame raises BadInput.
        """
        kind, body = kind_and_body(message)
        if len(body) > MAX_BODY_BYTES:
            raise BadInput(f"a '{kind}' message of {len(body)} characters is longer than {MAX_BODY_BYTES}")
        return frames.append_outbound(session, kind, body, self._clock.now(), self.wake)

    def send_signal(self, signal: Signal) -> int:
        """Send a prediction or an opportunity at once, past the store, and return its number in this process's epoch.

        It waits for an engine as long as it is worth something. Raises SignalExpired, SignalsFull when 4,096 wait, and
        BadInput for one of more than 64 KiB, which would keep others waiting.
        """
        seq = self._session.signals.offer(signal, self._now_ns())
        if self._loop is None or self._flush_is_due:
            return seq
        in_loop = threading.get_ident() == self._thread
        if in_loop and self._session.signals.in_flight < BUSY_SIGNALS:
            self._flush()
        elif not self._loop.is_closed():
            self._flush_is_due = True
            self._loop.call_soon_threadsafe(self._flush)
        return seq

    def wake(self) -> None:
        """Have the sender look into the store now. Safe from any thread, and before start()."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake_link)

    async def wait_acked(self, seq: int) -> None:
        """Return when the engine has made message `seq` durable, across reconnects. Bound it with asyncio.timeout."""
        await self._wait_for(lambda: self._acked_seq >= seq)

    async def wait_signals_acked(self) -> None:
        """Return when every signal made so far is acted on, or dropped as too late. Bound it with asyncio.timeout."""
        made = self._session.signals.counts().made
        await self._wait_for(lambda: self._session.signals.acked_through >= made)

    async def wait_connected(self) -> Hello:
        """Return the hello of the connected engine, waiting for one."""
        await self._wait_for(lambda: self.connected)
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
        await self._wait_for(lambda: self._reached is not None and self._reached.to_ns >= to_ns_)
        assert self._reached is not None
        return self._reached

    def claim(self, link: Link, hello: Hello) -> None:
        """See LinkOwner. An engine that dials again has lost its older link, even where nobody noticed yet."""
        if self._link is None:
            self._link = link
            return
        if self._link.engine_id == hello.engine_id:
            self._link.end("the engine dialled again")
        raise Conflict(f"engine {self._link.engine_id} is connected already", "Stop it before starting a second one")

    def opened(self, link: Link, hello: Hello) -> None:
        """See LinkOwner."""
        self.last_hello = hello
        self._acked_seq = max(self._acked_seq, hello.received_seq)
        self._notify()

    def released(self, link: Link) -> None:
        """See LinkOwner."""
        if self._link is link:
            self._link = None

    def heard(self, heartbeat: Heartbeat) -> None:
        """See LinkOwner."""
        self.last_heartbeat = heartbeat

    def committed(self, acked_seq: int, done: Committed) -> None:
        """See LinkOwner."""
        self._acked_seq = max(self._acked_seq, acked_seq)
        self._reached = done.reached or self._reached
        self._notify()

    def signals_acked(self) -> None:
        """See LinkOwner."""
        if self._on_signals_acked is not None:
            self._on_signals_acked(self._session.signals.acked_through)
        self._notify()

    def _accept(self, wire: Wire) -> Receiver:
        link = Link(self, self._rooms, wire)
        self._links = {known for known in self._links if not known.is_over} | {link}
        return link

    def _flush(self) -> None:
        self._flush_is_due = False
        if self._link is not None:
            self._link.flush()

    def _wake_link(self) -> None:
        if self._link is not None:
            self._link.wake()

    def _notify(self) -> None:
        waiting, self._progress = self._progress, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def _wait_for(self, condition: Callable[[], bool]) -> None:
        while not condition():
            future = asyncio.get_running_loop().create_future()
            self._progress.append(future)
            await future
