"""The conversations in `frames.json`, written by crate `bridge`, as this side reads and answers them."""

import json
from pathlib import Path

import msgspec
import pytest

from core.model.generated import Challenge, Hello, Welcome
from strategies.bridge.frame import COMPRESSED, FrameError, Opener, Sealer, handshake_key, link_key
from strategies.bridge.handshake import Handshake, parse_opening
from strategies.bridge.packet import Codec
from strategies.bridge.session import Session

FILE = json.loads((Path(__file__).parent / "frames.json").read_text())
SECRET = FILE["secret"].encode()
TALKS = FILE["conversations"]
N_OPENING = 3


def frames_of(talk: dict) -> list[tuple[str, bytes]]:
    return [(frame["from"], bytes.fromhex(frame["hex"])) for frame in talk["frames"]]


def name(talk: dict) -> str:
    return f"{talk['encoding']}-{talk['compression']}"


def payloads(talk: dict):
    """Yield who spoke, flags and payload of every frame, opened and sealed again to the same bytes."""
    key = handshake_key(SECRET)
    openers, sealers = ({"worker": kind(key), "engine": kind(key)} for kind in (Opener, Sealer))
    nonces: list[str] = []
    for n, (speaker, frame) in enumerate(frames_of(talk)):
        if n == N_OPENING:
            for side, direction in (("worker", "down"), ("engine", "up")):
                openers[side].rekey(link_key(SECRET, direction, *nonces))
                sealers[side].rekey(link_key(SECRET, direction, *nonces))
        flags, payload = openers[speaker].open(frame, may_unpack=n >= N_OPENING)
        again = sealers[speaker].seal(payload, flags, compress=bool(frame[0] & COMPRESSED))
        # Two builds of zlib may pack the same payload to other bytes, so a packed frame is only read.
        assert again == frame or frame[0] & COMPRESSED
        if n < N_OPENING - 1:
            nonces.append(parse_opening(flags, payload).nonce)
        yield speaker, flags, payload


@pytest.mark.parametrize("talk", TALKS, ids=name)
def test_every_golden_frame_opens_and_says_the_same_again(talk):
    codec = Codec(talk["encoding"])
    kinds = set()
    for n, (_, flags, payload) in enumerate(payloads(talk)):
        if n < N_OPENING:
            assert type(parse_opening(flags, payload)) is (Challenge, Hello, Welcome)[n]
            continue
        assert flags == codec.flags
        packet = codec.parse_packet(payload)
        again = codec.packet(
            (packet.ack, packet.credit, packet.signal_ack, packet.signal_credit),
            packet.heartbeat, [*packet.messages], [*packet.signals],
        )  # fmt: skip
        assert plain(codec.parse_packet(again), codec) == plain(packet, codec)
        for item in [*packet.messages, *packet.signals]:
            kinds.add(item.kind)
            assert codec.parse(codec.item(item.seq, codec.parse(item))) == codec.parse(item)
    assert {"gap_fill", "prediction"} <= kinds


def plain(packet, codec) -> dict:
    """Return a packet as it reads, whatever the order of its fields."""
    fields = {f: getattr(packet, f) for f in ("ack", "credit", "signal_ack", "signal_credit", "heartbeat")}
    items = [[(i.seq, codec.parse(i)) for i in lane] for lane in (packet.messages, packet.signals)]
    return fields | {"items": items}


@pytest.mark.parametrize("talk", TALKS, ids=name)
def test_this_side_opens_the_golden_link_and_takes_what_the_engine_says(talk):
    said = list(payloads(talk))
    frames = frames_of(talk)
    ours = Handshake(SECRET, parse_opening(*said[0][1:]).nonce)
    reader = Opener(handshake_key(SECRET))
    assert parse_opening(*reader.open(ours.challenge())) == parse_opening(*said[0][1:])
    hello = ours.read_hello(frames[1][1])
    golden = parse_opening(*said[2][1:])
    welcome = ours.welcome(hello, golden.received_seq, golden.resume_seq, golden.epoch, golden.signals_resume_seq)
    assert parse_opening(*reader.open(welcome)) == golden
    session, codec = Session(golden.epoch), ours.codec(hello)
    session.link_up(codec, golden.received_seq, golden.resume_seq)
    first = next(frame for speaker, frame in frames[N_OPENING:] if speaker == "engine")
    flags, payload = ours.opener.open(first, may_unpack=hello.compression == "zlib")
    assert flags == codec.flags
    session.receive(codec.parse_packet(payload), 1)
    first_of_ours = codec.parse_packet(session.transmit(1))
    assert first_of_ours.credit == golden.received_seq + 1024 and first_of_ours.signal_credit == 0


@pytest.mark.parametrize("talk", TALKS, ids=name)
def test_a_golden_frame_with_one_byte_changed_is_refused(talk):
    for at in range(0, len(frames_of(talk)[0][1]), 7):
        frame = bytearray(frames_of(talk)[0][1])
        frame[at] ^= 1
        with pytest.raises(FrameError):
            Opener(handshake_key(SECRET)).open(bytes(frame))
    with pytest.raises(FrameError, match="signature"):
        Opener(handshake_key(b"another secret of length")).open(frames_of(talk)[0][1])
    assert msgspec.json.decode(Opener(handshake_key(SECRET)).open(frames_of(talk)[0][1])[1])["kind"] == "challenge"
