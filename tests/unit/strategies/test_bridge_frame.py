import os
import zlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import BadInput
from core.model.generated import AdvanceTo, Reached
from strategies.bridge.frame import (
    MAX_FRAME_BYTES,
    MAX_UNPACKED_BYTES,
    PACKED,
    FrameError,
    Opener,
    Sealer,
    handshake_key,
    link_key,
)
from strategies.bridge.packet import Codec, kind_and_body, parse_body
from strategies.bridge.secret import load_secret

KEY = handshake_key(b"0123456789abcdef0123456789abcdef")


def test_a_sealed_frame_opens_with_the_same_key_only():
    frame = Sealer(KEY).seal(b"payload", PACKED)
    assert Opener(KEY).open(frame) == (PACKED, b"payload")
    with pytest.raises(FrameError, match="signature of frame 0"):
        Opener(handshake_key(b"another secret of length")).open(frame)


def test_every_changed_byte_breaks_the_signature():
    frame = Sealer(KEY).seal(b"payload")
    for at in range(len(frame)):
        changed = bytearray(frame)
        changed[at] ^= 1
        with pytest.raises(FrameError, match="signature"):
            Opener(KEY).open(bytes(changed))


def test_a_frame_that_is_repeated_left_out_or_comes_early_is_refused():
    sealer = Sealer(KEY)
    first, second, third = (sealer.seal(b"%d" % n) for n in range(3))
    repeated, skipping = Opener(KEY), Opener(KEY)
    repeated.open(first)
    with pytest.raises(FrameError, match="frame 1"):
        repeated.open(first)
    repeated.open(second)
    with pytest.raises(FrameError, match="frame 0"):
        skipping.open(third)


def test_a_link_has_a_key_for_each_direction_and_each_pair_of_nonces():
    keys = {
        link_key(KEY, *parts) for parts in [("up", "a", "b"), ("down", "a", "b"), ("up", "b", "a"), ("up", "a", "c")]
    }
    assert len(keys | {KEY}) == 5


def test_compression_is_undone_and_only_where_it_was_agreed_on():
    frame = Sealer(KEY).seal(b"x" * 5000, compress=True)
    assert len(frame) < 100
    assert Opener(KEY).open(frame, may_unpack=True) == (0, b"x" * 5000)
    with pytest.raises(FrameError, match="not agreed on"):
        Opener(KEY).open(frame)


def test_short_payloads_and_those_that_do_not_shrink_stay_as_they_are():
    noise = os.urandom(1000)
    sealer, opener = Sealer(KEY), Opener(KEY)
    for payload in (b"x" * 255, noise):
        assert opener.open(sealer.seal(payload, compress=True)) == (0, payload)


@pytest.mark.parametrize(
    "packed",
    [
        zlib.compress(b"x" * (MAX_UNPACKED_BYTES + 1)),
        zlib.compress(b"x" * 1000)[:-4],
        zlib.compress(b"x") + b"more",
        b"no zlib",
    ],
    ids=["bomb", "cut short", "more behind it", "other bytes"],
)
def test_what_does_not_unpack_cleanly_is_refused(packed):
    frame = Sealer(KEY).seal(packed, flags=2)
    with pytest.raises(FrameError, match="compressed frame"):
        Opener(KEY).open(frame, may_unpack=True)


def test_unknown_flags_and_impossible_lengths_are_refused():
    with pytest.raises(FrameError, match="0x04"):
        Opener(KEY).open(Sealer(KEY).seal(b"", flags=4), may_unpack=True)
    for length in (0, 16, MAX_FRAME_BYTES + 1):
        with pytest.raises(FrameError, match="bytes"):
            Opener(KEY).open(b"x" * length)
    sealer = Sealer(KEY)
    with pytest.raises(FrameError, match="longer"):
        sealer.seal(b"x" * MAX_FRAME_BYTES)
    assert Opener(KEY).open(sealer.seal(b"next")) == (0, b"next")


@settings(max_examples=300, derandomize=True)
@given(st.binary(max_size=200), st.sampled_from(["json", "msgpack"]))
def test_no_payload_breaks_the_decoder_in_another_way_than_with_its_own_error(payload, encoding):
    with pytest.raises(FrameError):
        Codec(encoding).parse_packet(payload)


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
def test_a_body_of_an_unknown_kind_or_form_is_refused_and_can_still_be_shown(encoding):
    codec = Codec(encoding)
    item = codec.item(1, AdvanceTo(to_ns=5))
    strange = msgspec.structs.replace(item, kind="dance")
    with pytest.raises(FrameError, match="unknown kind 'dance'"):
        codec.parse(strange)
    with pytest.raises(FrameError, match="'reached' message"):
        codec.parse(msgspec.structs.replace(item, kind="reached"))
    assert msgspec.json.decode(codec.text(strange)) == {"to_ns": 5}
    assert codec.text(msgspec.structs.replace(item, body=b"\xc1")) in ("c1", "\N{REPLACEMENT CHARACTER}")


def test_a_text_of_an_unknown_kind_or_with_a_foreign_field_is_refused():
    with pytest.raises(FrameError, match="unknown kind"):
        parse_body("dance", "{}")
    with pytest.raises(FrameError, match="extra"):
        parse_body("advance_to", '{"to_ns":1,"extra":2}')
    with pytest.raises(FrameError):
        parse_body("advance_to", "\ud800")


def test_messages_survive_their_text_and_are_frozen():
    message = Reached(to_ns=1, bars=2, feed_ended=False, actions_sha256="ab")
    assert parse_body(*kind_and_body(message)) == message
    with pytest.raises(AttributeError):
        message.bars = 3
    assert msgspec.json.decode(kind_and_body(AdvanceTo(to_ns=5))[1]) == {"to_ns": 5}


def test_the_secret_is_made_once_and_only_for_its_owner(tmp_path):
    path = tmp_path / "state" / "bridge.secret"
    first = load_secret(path)
    assert len(first) == 64 and load_secret(path) == first
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_secret_that_others_may_read_or_that_is_too_short_is_refused(tmp_path):
    path = tmp_path / "bridge.secret"
    load_secret(path)
    path.chmod(0o644)
    with pytest.raises(BadInput, match="chmod 600"):
        load_secret(path)
    path.chmod(0o600)
    path.write_text("short\n")
    with pytest.raises(BadInput, match="5 bytes"):
        load_secret(path)
