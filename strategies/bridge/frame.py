"""Frames: JSON text with a MAC over everything that has an effect. The same rules as crate `bridge`."""

import hashlib
import hmac

import msgspec

from core.errors import BadInput
from core.model.generated import KINDS, Envelope, Message

PROTOCOL = 1
MAX_FRAME_BYTES = 1024 * 1024
MIN_SECRET_BYTES = 16

_decode_envelope = msgspec.json.Decoder(Envelope).decode
_decode_body = {kind: msgspec.json.Decoder(struct).decode for kind, struct in KINDS.items()}
_kind_of = {struct: kind for kind, struct in KINDS.items()}


class FrameError(BadInput):
    """A frame is too long, malformed, of an unknown kind, or not signed with our secret."""


def mac_of(secret: bytes, kind: str, seq: int, ack: int, body: str) -> str:
    """Return hex HMAC-SHA256 over `kind`, `seq`, `ack` and `body`, joined by line ends."""
    return hmac.new(secret, f"{kind}\n{seq}\n{ack}\n{body}".encode(), hashlib.sha256).hexdigest()


def seal(secret: bytes, kind: str, seq: int, ack: int, body: str) -> str:
    """Return the signed text of a frame; one over 1 MiB raises FrameError."""
    mac = mac_of(secret, kind, seq, ack, body)
    text = msgspec.json.encode(Envelope(kind=kind, seq=seq, ack=ack, body=body, mac=mac))
    if len(text) > MAX_FRAME_BYTES:
        raise FrameError(f"a '{kind}' frame of {len(text)} bytes is longer than {MAX_FRAME_BYTES}")
    return text.decode()


def open_frame(secret: bytes, text: str) -> Envelope:
    """Return the envelope in `text`, its MAC compared in constant time. Raises FrameError."""
    if len(text) > MAX_FRAME_BYTES:
        raise FrameError(f"a frame of {len(text)} characters is longer than {MAX_FRAME_BYTES}")
    try:
        frame = _decode_envelope(text)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise FrameError(f"not an envelope: {error}") from None
    expected = mac_of(secret, frame.kind, frame.seq, frame.ack, frame.body)
    if not hmac.compare_digest(expected.encode(), frame.mac.encode()):
        raise FrameError(
            f"the signature of a '{frame.kind[:40]}' frame is wrong", "Both sides must read the same secret file"
        )
    return frame


def parse_body(kind: str, body: str) -> Message:
    """Return the message of a verified frame; an unknown kind, or a body off its schema, raises FrameError."""
    decode = _decode_body.get(kind)
    if decode is None:
        raise FrameError(f"unknown kind '{kind[:40]}'")
    try:
        return decode(body)
    except msgspec.DecodeError as error:
        raise FrameError(f"a '{kind}' message is not what its schema says: {error}") from None


def kind_and_body(message: Message) -> tuple[str, str]:
    """Return the kind and the JSON text of a message."""
    return _kind_of[type(message)], msgspec.json.encode(message).decode()
