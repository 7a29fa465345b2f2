import msgspec
import pytest

from core.errors import BadInput
from core.model.generated import AdvanceTo, Reached
from strategies.bridge.frame import MAX_FRAME_BYTES, FrameError, kind_and_body, open_frame, parse_body, seal
from strategies.bridge.secret import load_secret

SECRET = b"0123456789abcdef0123456789abcdef"


def test_a_sealed_frame_opens_with_the_same_secret_only():
    text = seal(SECRET, "advance_to", 3, 7, '{"to_ns":1}')
    assert open_frame(SECRET, text).body == '{"to_ns":1}'
    with pytest.raises(FrameError, match="signature"):
        open_frame(b"another secret of length", text)


@pytest.mark.parametrize(
    "change", [("advance_to", "command"), ('"seq":3', '"seq":4'), ('"ack":7', '"ack":8'), ("to_ns", "t0_ns")]
)
def test_every_changed_field_breaks_the_signature(change):
    text = seal(SECRET, "advance_to", 3, 7, '{"to_ns":1}')
    assert text.replace(*change) != text
    with pytest.raises(FrameError, match="signature"):
        open_frame(SECRET, text.replace(*change))


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"kind":1}', "x" * (MAX_FRAME_BYTES + 1), "\ud800"])
def test_what_is_no_frame_is_refused_without_a_traceback(text):
    with pytest.raises(FrameError):
        open_frame(SECRET, text)


def test_a_frame_over_one_mebibyte_is_not_sent():
    with pytest.raises(FrameError, match="longer"):
        seal(SECRET, "command", 1, 0, "x" * MAX_FRAME_BYTES)


def test_a_body_of_an_unknown_kind_or_with_a_foreign_field_is_refused():
    with pytest.raises(FrameError, match="unknown kind"):
        parse_body("dance", "{}")
    with pytest.raises(FrameError, match="extra"):
        parse_body("advance_to", '{"to_ns":1,"extra":2}')


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
