"""Frames over TCP: a length of four bytes, big-endian, then the frame. A protocol, not streams: it is faster."""

import asyncio
import socket
import ssl
from typing import cast

from strategies.bridge.carriers.base import Accept, Receiver
from strategies.bridge.carriers.open_wires import OpenWires
from strategies.bridge.frame import MAX_FRAME_BYTES

_LENGTH_BYTES = 4
WRITE_HIGH_BYTES = 1024 * 1024


class TcpWire(asyncio.Protocol):
    """One TCP connection, with or without TLS."""

    def __init__(self, accept: Accept, carrier: str, wires: OpenWires) -> None:
        self.carrier = carrier
        self._accept, self._wires = accept, wires
        self._transport: asyncio.Transport | None = None
        self._receiver: Receiver | None = None
        self._unread = b""
        self._is_full = False
        self._last_word = "the engine closed the connection"

    @property
    def is_full(self) -> bool:
        """Whether more waits to be written than is reasonable."""
        return self._is_full

    def send(self, frame: bytes) -> None:
        """Write the frame, straight into the socket when nothing else waits."""
        if self._transport is not None:
            self._transport.write(len(frame).to_bytes(_LENGTH_BYTES, "big") + frame)

    def close(self, reason: str) -> None:
        """Close after what was written; TCP cannot carry the reason."""
        self._last_word = reason
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES)
        self._transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._wires.add(self, self._transport)
        self._receiver = self._accept(self)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        assert self._receiver is not None
        if self._unread:
            data = self._unread + data
        at = 0
        while len(data) - at >= _LENGTH_BYTES:
            length = int.from_bytes(data[at : at + _LENGTH_BYTES], "big")
            if length > MAX_FRAME_BYTES:
                self.close(f"a frame of {length} bytes was announced; at most {MAX_FRAME_BYTES} are allowed")
                return
            end = at + _LENGTH_BYTES + length
            if end > len(data):
                break
            self._receiver.on_frame(data[at + _LENGTH_BYTES : end])
            if self._transport is None or self._transport.is_closing():
                return
            at = end
        self._unread = data[at:] if at else data

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
            self._receiver.on_closed(str(exc) if exc else self._last_word)


class TcpListener:
    """Listens for TCP connections."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._host, self._port, self._tls = host, port, tls
        self._scheme = "tcps" if tls else "tcp"
        self._server: asyncio.Server | None = None
        self._wires = OpenWires()

    @property
    def address(self) -> str:
        """The address, with the real port once it is started."""
        return f"{self._scheme}://{shown_host(self._host)}:{bound_port(self._server, self._port)}"

    async def start(self, accept: Accept) -> None:
        """Listen. A port in use raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: TcpWire(accept, self._scheme, self._wires), self._host, self._port, ssl=self._tls
        )

    async def stop(self) -> None:
        """Stop listening, and close what is still open."""
        if self._server is not None:
            self._server.close()
        await self._wires.close("the worker stopped")


def shown_host(host: str) -> str:
    """Return a host as addresses write it: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def bound_port(server: asyncio.Server | None, configured: int) -> int:
    """Return the port in use, the configured one before the start."""
    if server is None or not server.sockets:
        return configured
    return int(server.sockets[0].getsockname()[1])
