"""An engine's side of the bridge for tests: speaks frames, remembers what it received, can die at any moment."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from websockets.asyncio.client import connect

from core.clock import VirtualClock
from core.model.generated import Heartbeat, Hello, Message, StateChanged
from core.store import Session, open_store
from core.store.tables import metadata
from strategies.bridge import BridgeServer
from strategies.bridge.frame import kind_and_body, open_frame, parse_body, seal
from strategies.bridge.inbox import HANDLED_KINDS

SECRET = b"0123456789abcdef0123456789abcdef"
START = datetime(2026, 3, 1, tzinfo=UTC)


def state_changed(n: int) -> StateChanged:
    return StateChanged(state="active", at_ns=n, by="test", reason=f"number {n}")


class Peer:
    """A fake engine. `made` is its durable outbox, `received` what it got in order."""

    def __init__(self, engine_id: str = "engine-1") -> None:
        self.engine_id = engine_id
        self.made: list[Message] = []
        self.received: list[Message] = []
        self.first_seq: int | None = None
        self.acked = 0
        self.received_seq = 0

    @asynccontextmanager
    async def dial(self, port: int, secret: bytes = SECRET, protocol: int = 1):
        async with connect(f"ws://127.0.0.1:{port}/ai_bridge", compression=None) as socket:
            self.socket, self.secret = socket, secret
            hello = Hello(
                protocol=protocol, engine_id=self.engine_id, build="test", nonce="n1", received_seq=self.received_seq,
                sent_seq=len(self.made), reached_ns=0, instances=[], state="active",
            )  # fmt: skip
            await self.write(0, hello)
            frame = open_frame(secret, await socket.recv())
            self.welcome = parse_body(frame.kind, frame.body)
            if self.received_seq == 0:
                self.received_seq = self.welcome.resume_seq - 1
            yield self

    async def write(self, seq: int, message: Message) -> None:
        kind, body = kind_and_body(message)
        await self.socket.send(seal(self.secret, kind, seq, self.received_seq, body))

    async def send_from(self, first: int) -> None:
        for seq in range(first, len(self.made) + 1):
            await self.write(seq, self.made[seq - 1])

    async def beat(self) -> None:
        await self.write(0, Heartbeat(at_ns=1, reached_ns=0, state="active"))

    async def read(self) -> Message:
        """Return the next message of the worker; heartbeats only update `acked`."""
        while True:
            frame = open_frame(self.secret, await self.socket.recv())
            self.acked = frame.ack
            message = parse_body(frame.kind, frame.body)
            if frame.seq:
                self.received_seq = frame.seq
                self.received.append(message)
                return message

    async def read_until_acked(self, seq: int) -> None:
        while self.acked < seq:
            self.acked = open_frame(self.secret, await self.socket.recv()).ack


class Worker:
    """A server on its store whose handlers write down what they saw."""

    def __init__(self, folder) -> None:
        self.store = open_store(f"sqlite:///{folder}/bridge.db")
        metadata.create_all(self.store.engine)
        self.clock = VirtualClock(START)
        self.seen: list[Message] = []
        self.alerts: list[str] = []
        self.broken: set[int] = set()
        self.server = self.make()

    def make(self) -> BridgeServer:
        handlers = {kind: self._note for kind in HANDLED_KINDS}
        return BridgeServer(self.store, SECRET, handlers, self.clock, on_alert=self.alerts.append)

    def _note(self, session: Session, message: Message) -> None:
        if getattr(message, "at_ns", None) in self.broken:
            raise RuntimeError("this handler is broken")
        self.seen.append(message)

    @asynccontextmanager
    async def serving(self):
        self.server = self.make()
        await self.server.start()
        try:
            async with asyncio.timeout(20):
                yield self.server
        finally:
            await self.server.stop()
