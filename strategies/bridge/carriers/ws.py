"""Frames over WebSocket, one binary message each. The library's protocol without its coroutines."""

import asyncio
import socket
import ssl
from typing import cast

from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from strategies.bridge.carriers.base import Accept, Receiver
from strategies.bridge.carriers.open_wires import CLOSE_TIMEOUT_S, OpenWires
from strategies.bridge.carriers.tcp import WRITE_HIGH_BYTES, bound_port, shown_host
from strategies.bridge.frame import MAX_FRAME_BYTES

PATH = "/ai_bridge"
OPEN_TIMEOUT_S = 5.0
"""A connection that has not become a WebSocket by then is cut off."""
MAX_REASON_BYTES = 120


class WsWire(asyncio.Protocol):
    """One WebSocket, with or without TLS."""

    def __init__(self, accept: Accept, carrier: str, wires: OpenWires) -> None:
        self.carrier = carrier
        self._accept, self._wires = accept, wires
        self._protocol = ServerProtocol(max_size=MAX_FRAME_BYTES)
        self._transport: asyncio.Transport | None = None
        self._receiver: Receiver | None = None
        self._is_full = False
        self._last_word = ""

    @property
    def is_full(self) -> bool:
        """Whether more waits to be written than is reasonable."""
        return self._is_full

    def send(self, frame: bytes) -> None:
        """Write the frame as one binary message."""
        if self._transport is not None and self._protocol.state is State.OPEN:
            self._protocol.send_binary(frame)
            self._write()

    def close(self, reason: str) -> None:
        """Begin the closing handshake with the reason; a peer that does not answer it is cut off."""
        self._last_word = self._last_word or reason
        if self._transport is None:
            return
        if self._protocol.state is State.OPEN:
            short = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
            self._protocol.send_close(CloseCode.POLICY_VIOLATION, short)
            self._write()
            asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, self._transport.abort)
        elif self._protocol.state is not State.CLOSING:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES)
        self._transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._wires.add(self, self._transport)
        asyncio.get_running_loop().call_later(OPEN_TIMEOUT_S, self._give_up)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._upgrade(event)
            elif self._receiver is not None and isinstance(event, Frame):
                self._take(self._receiver, event)
        self._write()

    def eof_received(self) -> None:
        """See asyncio.Protocol."""
        self._protocol.receive_eof()
        self._write()

    def pause_writing(self) -> None:
        """See asyncio.Protocol."""
        self._is_full = True

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        self._is_full = False
        if self._receiver is not None:
            self._receiver.on_writable()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._transport = None
        self._wires.remove(self)
        if self._receiver is not None:
            theirs = self._protocol.close_rcvd.reason if self._protocol.close_rcvd else ""
            said = f"the engine closed the connection: {theirs}" if theirs else "the engine closed the connection"
            self._receiver.on_closed(self._last_word or (str(exc) if exc else said))

    def _give_up(self) -> None:
        if self._receiver is None and self._transport is not None:
            self._transport.abort()

    def _upgrade(self, request: Request) -> None:
        if self._protocol.eof_sent:
            return  # what came with the greeting was no frame, or a farewell: there is nobody to answer
        if request.path != PATH:
            self._protocol.send_response(self._protocol.reject(404, f"the bridge is at {PATH}\n"))
            return
        self._protocol.send_response(self._protocol.accept(request))
        if self._protocol.state is State.OPEN:
            self._write()
            self._receiver = self._accept(self)

    def _take(self, receiver: Receiver, frame: Frame) -> None:
        if frame.opcode is Opcode.BINARY and frame.fin:
            receiver.on_frame(bytes(frame.data))
        elif frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            self.close("a frame is one binary message in one piece")

    def _write(self) -> None:
        if self._transport is None:
            return
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
            else:
                self._transport.close()  # the library's sign for the end of what we send


class WsListener:
    """Listens for WebSockets at `/ai_bridge`."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._host, self._port, self._tls = host, port, tls
        self._scheme = "wss" if tls else "ws"
        self._server: asyncio.Server | None = None
        self._wires = OpenWires()

    @property
    def address(self) -> str:
        """The address, with the real port once it is started."""
        return f"{self._scheme}://{shown_host(self._host)}:{bound_port(self._server, self._port)}{PATH}"

    async def start(self, accept: Accept) -> None:
        """Listen. A port in use raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: WsWire(accept, self._scheme, self._wires), self._host, self._port, ssl=self._tls
        )

    async def stop(self) -> None:
        """Stop listening, and close what is still open."""
        if self._server is not None:
            self._server.close()
        await self._wires.close("the worker stopped")
