"""A scripted chat server that streams, in the caller's event loop: one mode a request, the last one from then on.

Its pauses are those of the loop's own clock, virtual or real.
"""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

Mode = str
"""`yes`, `no`, `unsure`, `neither`, `bare_yes`, `bare_no`, `split`, `spaced`, `prose`, `blank`, `late` (3 s), `slow`
(0.75 s), `laggard` (0.4 s), `hang`, `drip`, `trickle`, `reset`, `mid_reset`, `html200`, `error200`, `in_stream_error`,
`402`, `429` (Retry-After 60), `500`, `broken`, `bad_logprob`, `babble`, `list_models`."""
_STATUS = {"402": "Insufficient Balance", "429": "busy", "500": "upstream"}
DRIP_S = 0.05


@dataclass(slots=True)
class StreamServer:
    """Requests as they came, and how many connections a client has closed before the server was done."""

    modes: list[Mode]
    requests: list[dict[str, Any]] = field(default_factory=list)
    asked_at: list[float] = field(default_factory=list)
    n_pings: int = 0
    n_connections: int = 0
    n_hung_up: int = 0
    n_open: int = 0
    port: int = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.n_connections += 1
        self.n_open += 1
        try:
            while (head := await _read_head(reader)) is not None:
                method, length = head
                body = await reader.readexactly(length)
                if method == "GET":
                    self.n_pings += 1
                    _send(writer, 200, "application/json", '{"data":[]}')
                    await writer.drain()
                    continue
                request = json.loads(body)
                self.requests.append(request)
                self.asked_at.append(asyncio.get_running_loop().time())
                mode = self.modes[min(len(self.requests), len(self.modes)) - 1]
                if not await self._answer(mode, request, reader, writer):
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            self.n_hung_up += 1
        finally:
            self.n_open -= 1
            with suppress(ConnectionError):
                writer.close()

    async def _answer(
        self, mode: Mode, request: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer in a mode; return whether the connection can be used again."""
        if mode in _STATUS:
            headers = {"retry-after": "60"} if mode == "429" else {}
            _send(writer, int(mode), "application/json", json.dumps({"error": {"message": _STATUS[mode]}}), headers)
            return True
        if mode == "html200":
            _send(writer, 200, "text/html", "<html><body>proxy</body></html>")
            return True
        if mode == "error200":
            _send(writer, 200, "application/json", '{"error":{"message":"upstream failed"}}')
            return True
        if mode == "reset":
            _reset(writer)
            return False
        if mode == "hang":
            await self._until_gone(reader)
            return False
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        await asyncio.sleep({"late": 3.0, "slow": 0.75, "laggard": 0.4}.get(mode, 0.0))
        if mode in ("drip", "trickle", "babble"):
            await self._for_ever(mode, request, reader, writer)
            return False
        for event in _events(mode, request):
            _chunk(writer, event)
            await writer.drain()
        if mode == "mid_reset":
            _reset(writer)
            return False
        _chunk(writer, b"data: [DONE]\n\n")
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    async def _for_ever(
        self, mode: Mode, request: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Send what keeps a connection alive and says nothing, until the client hangs up."""
        gone = asyncio.ensure_future(self._until_gone(reader))
        words = iter("this is no answer " * 10_000)
        while not gone.done():
            if mode == "drip":
                _chunk(writer, b": keep-alive\n\n")
            elif mode == "trickle":
                # A valid event, one byte at a time.
                _chunk(writer, b"d")
            else:
                _chunk(writer, b"data: " + json.dumps({"choices": [], "pad": next(words) * 2_000}).encode() + b"\n\n")
            await writer.drain()
            await asyncio.wait({gone}, timeout=0.0 if mode == "babble" else DRIP_S)
        await gone

    async def _until_gone(self, reader: asyncio.StreamReader) -> None:
        with suppress(ConnectionError):
            if await reader.read(1) == b"":
                pass
        self.n_hung_up += 1


@asynccontextmanager
async def streaming_llm(*modes: Mode) -> AsyncIterator[StreamServer]:
    """Yield a server on a free loopback port of the running loop; it is gone afterwards."""
    made = StreamServer(list(modes))
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(asyncio.CancelledError):
            await made.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**20)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _read_head(reader: asyncio.StreamReader) -> tuple[str, int] | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return None
    lines = head.split("\r\n")
    lengths = [line.split(":")[1] for line in lines if line.lower().startswith("content-length:")]
    return lines[0].split()[0], int(lengths[0]) if lengths else 0


def _send(
    writer: asyncio.StreamWriter, status: int, kind: str, text: str, headers: dict[str, str] | None = None
) -> None:
    raw = text.encode()
    lines = {"content-type": kind, "content-length": str(len(raw)), **(headers or {})}
    head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    writer.write(head.encode() + b"\r\n" + raw)


def _chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


def _reset(writer: asyncio.StreamWriter) -> None:
    # Linger 0 turns the close into a reset.
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def odds(*pairs: tuple[str, float]) -> dict[str, Any]:
    """The log probabilities of one place, the chosen token first, given as (token, natural logarithm)."""
    top = [{"token": token, "logprob": value, "bytes": None} for token, value in pairs]
    return {"content": [{**top[0], "top_logprobs": top}]}


# ln 0.9, ln 0.05, ln 0.45, ln 0.1
_YES = (("YES", -0.105361), ("NO", -2.995732), (" yes", -4.60517))
_NO = (("NO", -0.105361), ("YES", -2.995732))
_EVENTS: dict[Mode, Sequence[tuple[str, Sequence[tuple[str, float]] | None]]] = {
    "no": [("NO", _NO)],
    "unsure": [("YES", (("YES", -0.798508), ("NO", -0.798508)))],
    "neither": [("Maybe", (("Maybe", -0.105361), ("YES", -2.995732)))],
    "bare_yes": [("YES", None)],
    "bare_no": [("NO", None)],
    "split": [("Y", None), ("ES", None)],
    "spaced": [(" ", ((" ", -0.01),)), ("YES", _YES)],
    "prose": [("Certainly", None)],
    "blank": [("", None), ("  ", None)],
    "mid_reset": [("", None)],
    "bad_logprob": [("YES", (("YES", 3.0),))],
}


def _events(mode: Mode, request: dict[str, Any]) -> list[bytes]:
    if mode == "in_stream_error":
        return [b'data: {"error":{"message":"overloaded"}}\n\n']
    if mode == "broken":
        return [b'data: {"choices":[{"delta":{"content":\n\n']
    if mode == "nested":
        return [b'data: {"error":' + b"[" * 60_000 + b"]" * 60_000 + b"}\n\n"]
    role = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}
    made: list[dict[str, Any]] = [role]
    for text, pairs in _EVENTS.get(mode, [("YES", _YES)]):
        choice: dict[str, Any] = {"index": 0, "delta": {"content": text}, "logprobs": odds(*pairs) if pairs else None}
        made.append({"choices": [choice]})
    head = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": f"{request['model']}-1017"}
    return [b"data: " + json.dumps({**head, **event}).encode() + b"\n\n" for event in made]
