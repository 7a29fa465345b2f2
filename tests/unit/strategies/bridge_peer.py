"""An engine and a worker for tests: the engine dials, remembers what it received, can die at any moment."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from websockets.asyncio.client import connect

from core.clock import VirtualClock
from core.model.generated import Message, Prediction, StateChanged
from core.store import Session, open_store
from core.store.tables import metadata
from strategies.bridge import BridgeServer
from strategies.bridge.frame import Sealer, handshake_key
from strategies.bridge.handshake import opening
from strategies.bridge.inbox import HANDLED_KINDS
from tests.unit.strategies.bridge_engine import SECRET, EngineHalf

START = datetime(2026, 3, 1, tzinfo=UTC)
START_NS = int(START.timestamp()) * 10**9


def state_changed(n: int) -> StateChanged:
    return StateChanged(state="active", at_ns=n, by="test", reason=f"number {n}")


def prediction(n: int, symbol: str = "BTCUSDT", ttl_ms: int = 10_000, at_ns: int = START_NS) -> Prediction:
    return Prediction(
        prediction_id=f"p{n}", at_ns=at_ns, symbol=symbol, direction=0.5, confidence=0.6, expected_move_bps=4.0,
        expected_volatility_bps=None, horizon_ms=60_000, expires_at_ns=at_ns + ttl_ms * 10**6, model="lstm",
        model_sha256="ab", feature_schema="cd", recommended_strategy="twap", regime=None, reasons=[("rsi", 0.5)],
        strategy_params={"slices": 4.0},
    )  # fmt: skip


class TcpPipe:
    """Frames over a stream, as the TCP carrier has them."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, frame: bytes) -> None:
        self.writer.write(len(frame).to_bytes(4, "big") + frame)
        await self.writer.drain()

    async def recv(self) -> bytes:
        return await self.reader.readexactly(int.from_bytes(await self.reader.readexactly(4), "big"))


@asynccontextmanager
async def pipe_to(address: str, ssl: object = None):
    """Connect to an address of the server; gives `send` and `recv` of frames."""
    if address.startswith("ws"):
        async with connect(address, compression=None, ssl=ssl) as socket:
            yield socket
        return
    host, port = address.split("://")[1].rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port), ssl=ssl)
    try:
        yield TcpPipe(reader, writer)
    finally:
        writer.close()


class Peer(EngineHalf):
    """A fake engine on a socket."""

    @asynccontextmanager
    async def dial(self, address: int | str, signs_with: bytes = SECRET, ssl: object = None, **hello: object):
        url = address if isinstance(address, str) else f"ws://127.0.0.1:{address}/ai_bridge"
        async with pipe_to(url, ssl) as self.pipe:
            frame = self.hello(await self.pipe.recv(), **hello)
            if signs_with != SECRET:
                frame = Sealer(handshake_key(signs_with)).seal(opening(self.hello_said))
            await self.pipe.send(frame)
            await self.pipe.send(self.welcome(await self.pipe.recv()))
            self._unread: list[Message] = []
            while self.credit == 0:
                self._unread += self.take(await self.pipe.recv())
            yield self

    async def send_from(self, first: int) -> None:
        await self.pipe.send(self.packet((first, len(self.made))))

    async def beat(self) -> None:
        await self.pipe.send(self.packet(beat=True))

    async def read(self) -> Message:
        """Return the next message of the worker."""
        while not self._unread:
            self._unread += self.take(await self.pipe.recv())
        return self._unread.pop(0)

    async def read_until_acked(self, seq: int) -> None:
        while self.acked < seq:
            self._unread += self.take(await self.pipe.recv())

    async def read_signals(self, n: int) -> list[tuple[int, Message]]:
        """Return the first `n` signals or gaps, waiting for them, and acknowledge them."""
        while len(self.signals) < n:
            self._unread += self.take(await self.pipe.recv())
        await self.pipe.send(self.packet())
        return self.signals[:n]


class Worker:
    """A server on its store whose handlers write down what they saw."""

    def __init__(self, folder, **options) -> None:
        self.store = open_store(f"sqlite:///{folder}/bridge.db")
        metadata.create_all(self.store.engine)
        self.clock = VirtualClock(START)
        self.options = options
        self.seen: list[Message] = []
        self.alerts: list[str] = []
        self.broken: set[int] = set()
        self.signals_acked: list[int] = []
        self.server = self.make()

    def make(self) -> BridgeServer:
        handlers = {kind: self._note for kind in HANDLED_KINDS}
        return BridgeServer(
            self.store, SECRET, handlers, self.clock,
            on_alert=lambda _, text: self.alerts.append(text), on_signals_acked=self.signals_acked.append,
            **self.options,
        )  # fmt: skip

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
