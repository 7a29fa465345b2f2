"""Whatever bytes an engine sends, the worker reads a value that can be written again, or refuses with `FrameError`.

Frames and packets of every kind are spoilt as fuzzers do it, the same ones for the same seed. What is only claimed, a
length of 4 GiB or nesting without end, takes no memory.
"""

import asyncio
import json
import random
import tracemalloc
import zlib
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from websockets.frames import Frame, Opcode

from core.model.generated import Heartbeat
from strategies.bridge.carriers.open_wires import OpenWires
from strategies.bridge.carriers.tcp import TcpWire
from strategies.bridge.carriers.ws import PATH, WsWire
from strategies.bridge.frame import (
    COMPRESSED,
    MAX_FRAME_BYTES,
    MAX_UNPACKED_BYTES,
    PACKED,
    FrameError,
    Opener,
    Sealer,
    handshake_key,
)
from strategies.bridge.handshake import opening, parse_opening
from strategies.bridge.packet import Codec, Encoding, parse_body

KEY = handshake_key(b"0123456789abcdef0123456789abcdef")
ENCODINGS: tuple[Encoding, Encoding] = ("json", "msgpack")
GOLDEN = Path(__file__).parents[2] / "contract" / "messages"
MESSAGES = {
    path.stem: parse_body(path.stem, json.dumps(json.loads(path.read_text())["body"]))
    for path in sorted(GOLDEN.glob("*.json"))
}
CLAIMS = (
    b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\xff" * 8, b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"18446744073709551616", b"-1e999", b"9" * 400,
)  # fmt: skip
"""Lengths and numbers that nothing behind them keeps."""
LEVELS = (b"[", b'{"a":', b"\x91", b"\x81\xa1a")
"""What opens one more level in JSON and in MessagePack."""
MOST_BYTES = 16 * MAX_FRAME_BYTES


def spoil(sample: bytes, other: bytes, dice: random.Random) -> bytes:
    """Return the sample after one to four changes; `other` is another sample to splice with."""
    data = bytearray(sample)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(data) + 1)
        match dice.randrange(10):
            case 0 | 1 | 2 | 3 if data:
                data[at % len(data)] ^= dice.randint(1, 255)
            case 4:
                del data[at:]
            case 5:
                data[at:at] = dice.randbytes(dice.randint(1, 64))
            case 6:
                del data[at : at + dice.randint(1, 300)]
            case 7:
                data[at:] = other[dice.randrange(len(other) + 1) :]
            case 8:
                claim = dice.choice(CLAIMS)
                data[at : at + dice.choice((0, len(claim)))] = claim
            case _:
                data[at:at] = dice.choice(LEVELS) * dice.choice((1, 30, 3_000, 30_000))
    return bytes(data)


def packets(encoding: Encoding) -> list[bytes]:
    """Return a packet for each kind of message, one with all of them and one with none."""
    codec = Codec(encoding)
    items = [codec.item(seq, message) for seq, message in enumerate(MESSAGES.values(), 1)]
    beat = Heartbeat(at_ns=1, echo_ns=0, held_ns=2, reached_ns=3, state="active")
    return [codec.packet((7, 2**64 - 1, 2, 3), beat, some, items[:1]) for some in (*([i] for i in items), items, [])]


def check_packet(codec: Codec, payload: bytes) -> bool:
    """Check that a payload is a packet that says the same again, or is refused; return whether it is one."""
    try:
        packet = codec.parse_packet(payload)
    except FrameError as error:
        assert str(error)
        return False
    numbers = (packet.ack, packet.credit, packet.signal_ack, packet.signal_credit)
    assert min(numbers) >= 0
    again = codec.packet(numbers, packet.heartbeat, list(packet.messages), list(packet.signals))
    assert codec.parse_packet(again) == packet
    for item in (*packet.messages, *packet.signals):
        assert isinstance(codec.text(item), str)
        try:
            message = codec.parse(item)
        except FrameError as error:
            assert str(error)
            continue
        assert repr(codec.parse(codec.item(item.seq, message))) == repr(message)
    return True


def check_signed(flags: int, payload: bytes, codec: Codec, may_unpack: bool) -> None:
    """Check a correctly signed frame around any payload."""
    try:
        frame = Sealer(KEY).seal(payload, flags)
        opened_flags, opened = Opener(KEY).open(frame, may_unpack=may_unpack)
    except FrameError:
        assert flags & COMPRESSED or len(payload) > MAX_FRAME_BYTES - 64
        return
    assert opened_flags == codec.flags and len(opened) <= MAX_UNPACKED_BYTES
    assert flags & COMPRESSED or opened == payload
    check_packet(codec, opened)


def spoil_frames(n_cases: int, seed: int) -> None:
    """Check so many spoilt frames: before they are signed, compressed, or after."""
    dice = random.Random(seed)
    samples = {encoding: packets(encoding) for encoding in ENCODINGS}
    for _ in range(n_cases):
        encoding = dice.choice(ENCODINGS)
        codec, sample = Codec(encoding), dice.choice(samples[encoding])
        other = dice.choice(samples[dice.choice(ENCODINGS)])
        match dice.randrange(4):
            case 0:
                check_signed(codec.flags, spoil(sample, other, dice), codec, dice.random() < 0.5)
            case 1:
                packed = zlib.compress(spoil(sample, other, dice), 1)
                check_signed(codec.flags | COMPRESSED, packed, codec, dice.random() < 0.9)
            case 2:
                packed = spoil(zlib.compress(sample, 1), zlib.compress(other, 1), dice)
                check_signed(codec.flags | COMPRESSED, packed, codec, dice.random() < 0.9)
            case _:
                frame = Sealer(KEY).seal(sample, codec.flags)
                spoilt = spoil(frame, other, dice)
                if spoilt != frame:
                    with pytest.raises(FrameError):
                        Opener(KEY).open(spoilt, may_unpack=True)


def spoil_openings(n_cases: int, seed: int) -> None:
    """Check so many spoilt frames of the handshake."""
    dice = random.Random(seed)
    samples = [opening(MESSAGES[kind]) for kind in ("challenge", "hello", "welcome")]
    for _ in range(n_cases):
        try:
            message = parse_opening(dice.choice((0, 0, 0, PACKED)), spoil(*dice.choices(samples, k=2), dice))
        except FrameError as error:
            assert str(error)
        else:
            assert parse_opening(0, opening(message)) == message


class Line:
    """What a wire writes to and what it brings, without a socket."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.written = b""
        self.is_closed = False

    def set_write_buffer_limits(self, high: int) -> None:
        """See asyncio.Transport."""

    def get_extra_info(self, name: str) -> "Line":
        """See asyncio.Transport."""
        return self

    def setsockopt(self, *option: int) -> None:
        """See socket."""

    def write(self, data: bytes) -> None:
        """See asyncio.Transport."""
        self.written += data

    def close(self) -> None:
        """See asyncio.Transport."""
        self.is_closed = True

    abort = close

    def is_closing(self) -> bool:
        """See asyncio.Transport."""
        return self.is_closed

    def on_frame(self, frame: bytes) -> None:
        """Take a frame."""
        self.frames.append(frame)

    def on_writable(self) -> None:
        """Go on sending."""

    def on_closed(self, reason: str) -> None:
        """Know that the wire is gone."""
        assert reason


def bring(wire_class: type[TcpWire] | type[WsWire], data: bytes, dice: random.Random) -> Line:
    """Return what a wire made of the bytes, cut anywhere; it is read until it closes or they end."""
    line = Line()
    wire = wire_class(lambda _: line, "test", OpenWires())
    wire.connection_made(cast(asyncio.Transport, line))
    while data and not line.is_closed:
        size = dice.choice((1, 3, 50, 700, 65_536))
        wire.data_received(data[:size])
        data = data[size:]
    if not line.is_closed:
        wire.eof_received()
    wire.connection_lost(None)
    return line


def spelt(data: bytes) -> tuple[list[bytes], bool]:
    """Return the frames that the bytes of a TCP stream spell, and whether one too long ends them."""
    frames = []
    while len(data) >= 4:
        length = int.from_bytes(data[:4], "big")
        if length > MAX_FRAME_BYTES or length > len(data) - 4:
            return frames, length > MAX_FRAME_BYTES
        frames.append(data[4 : 4 + length])
        data = data[4 + length :]
    return frames, False


def spoil_streams(n_cases: int, seed: int) -> None:
    """Check so many spoilt streams of frames over TCP."""
    dice = random.Random(seed)

    def stream() -> bytes:
        frames = [dice.randbytes(dice.randrange(300)) for _ in range(dice.randrange(1, 9))]
        return b"".join(len(frame).to_bytes(4, "big") + frame for frame in frames)

    for _ in range(n_cases):
        for data in (sound := stream(), spoil(sound, stream(), dice)):
            line = bring(TcpWire, data, dice)
            assert (line.frames, line.is_closed) == spelt(data)


def masked(opcode: Opcode, data: bytes, dice: random.Random, is_last: bool = True) -> bytes:
    """Return a client's frame; the library would mask it by chance that no seed decides."""
    mask = dice.randbytes(4)
    length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
    return bytes([is_last << 7 | opcode]) + length + mask + bytes(b ^ mask[n % 4] for n, b in enumerate(data))


def websocket(dice: random.Random) -> tuple[bytes, bytes, list[bytes]]:
    """Return the greeting of a client, what it sends then, and the frames among it."""
    headers = (
        f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    frames = [dice.randbytes(dice.randrange(300)) for _ in range(dice.randrange(1, 9))]
    sent = [masked(Opcode.BINARY, frame, dice) for frame in frames]
    return headers.encode(), b"".join(sent), frames


def spoil_websockets(n_cases: int, seed: int) -> None:
    """Check so many spoilt WebSockets, from the first line of their greeting on."""
    dice = random.Random(seed)
    strange = [
        masked(Opcode.TEXT, b"text", dice),
        masked(Opcode.CLOSE, b"\x03\xe8enough", dice),
        masked(Opcode.PING, b"?", dice),
        masked(Opcode.BINARY, b"piece", dice, is_last=False),
        Frame(Opcode.BINARY, b"bare").serialize(mask=False),
    ]
    for _ in range(n_cases):
        greeting, sent, frames = websocket(dice)
        assert bring(WsWire, greeting + sent, dice).frames == frames
        if dice.random() < 0.2:
            data = spoil(greeting + sent, greeting, dice)
        else:
            more = sent + dice.choice(strange) + sent
            data = greeting + spoil(more, dice.choice(strange), dice)
        line = bring(WsWire, data, dice)
        assert sum(map(len, line.frames)) <= len(data)


async def in_a_loop(check: Any, n_cases: int, seed: int) -> None:
    """Run a check where wires find their event loop, and forget the timers that they set."""
    check(n_cases, seed)


def within_bounds(check: Any, n_cases: int, seed: int) -> None:
    """Run a check; what Python holds at any moment stays far below what spoilt frames claim."""
    tracemalloc.start()
    try:
        asyncio.run(in_a_loop(check, n_cases, seed))
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
    finally:
        tracemalloc.stop()


CHECKS = [spoil_frames, spoil_openings, spoil_streams, spoil_websockets]


@pytest.mark.parametrize("check", CHECKS)
def test_what_is_spoilt_is_read_or_refused_and_takes_no_more_memory_than_it_has_bytes(check: Any) -> None:
    within_bounds(check, 300, 1)


@pytest.mark.soak
@pytest.mark.parametrize("check", CHECKS)
def test_many_spoilt_frames_are_read_or_refused(check: Any) -> None:
    for seed in range(2, 42):
        within_bounds(check, 1_000, seed)


@pytest.mark.parametrize("behind", [b"no frame", b"\x88\x80mask"], ids=["no frame", "farewell"])
@pytest.mark.parametrize("key", [b"Sec-WebSocket-Key", b"Sec-WebSocket-Ley"])
def test_what_comes_with_a_greeting_and_is_no_frame_ends_the_connection(behind: bytes, key: bytes) -> None:
    async def greet() -> Line:
        greeting, _, _ = websocket(random.Random(1))
        line = Line()
        wire = WsWire(lambda _: line, "ws", OpenWires())
        wire.connection_made(cast(asyncio.Transport, line))
        wire.data_received(greeting.replace(b"Sec-WebSocket-Key", key) + behind)
        return line

    line = asyncio.run(greet())
    assert line.is_closed and not line.frames


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_is_sent_is_read_as_it_was_written(encoding: Encoding) -> None:
    codec = Codec(encoding)
    for payload in packets(encoding):
        assert check_packet(codec, payload)
        assert all(codec.parse(item) == MESSAGES[item.kind] for item in codec.parse_packet(payload).messages)


@pytest.mark.parametrize("depth", [2_000, 300_000])
def test_nesting_without_end_is_refused_as_any_other_form(depth: int) -> None:
    nested = b"[" * depth + b"]" * depth
    head = b'{"ack":0,"credit":0,"signal_ack":0,"signal_credit":0,"heartbeat":null,"signals":[],"messages":'
    with pytest.raises(FrameError, match="not a packet"):
        Codec("json").parse_packet(head + b'[{"seq":1,"kind":"command","body":' + nested + b"}]}")
    with pytest.raises(FrameError, match="not a frame of the handshake"):
        parse_opening(0, b'{"kind":"hello","body":' + nested + b"}")
    codec = Codec("msgpack")
    item = msgspec.structs.replace(codec.item(1, MESSAGES["command"]), body=b"\x91" * depth + b"\xc0")
    assert codec.text(item) == (b"\x91" * depth + b"\xc0").hex(), "what cannot be read can be shown"
    with pytest.raises(FrameError, match="'command' message"):
        codec.parse(item)
