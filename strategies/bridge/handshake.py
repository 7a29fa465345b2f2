"""The three frames that open a link: challenge, hello, welcome. This is the worker's half of them."""

import secrets

import msgspec
from msgspec import Raw, Struct

from core.model.generated import Challenge, Hello, Message, Welcome
from strategies.bridge.frame import PROTOCOL, FrameError, Opener, Sealer, handshake_key, link_key
from strategies.bridge.packet import UNREADABLE, Codec, kind_and_body, parse_body

NONCE_BYTES = 16


class _Opening(Struct, frozen=True, forbid_unknown_fields=True):
    """A frame of the handshake."""

    kind: str
    body: Raw


_decode = msgspec.json.Decoder(_Opening).decode


def opening(message: Message) -> bytes:
    """Return the payload of a handshake frame."""
    kind, body = kind_and_body(message)
    return msgspec.json.encode(_Opening(kind, Raw(body.encode())))


def parse_opening(flags: int, payload: bytes) -> Message:
    """Return the message of a handshake frame. Raises FrameError."""
    if flags:
        raise FrameError("the frames of the handshake are JSON")
    try:
        frame = _decode(payload)
    except UNREADABLE as error:
        raise FrameError(f"not a frame of the handshake: {error}") from None
    return parse_body(frame.kind, bytes(frame.body))


class Handshake:
    """The worker's half, of one link. After `welcome` the sealer and the opener are ready for packets."""

    def __init__(self, secret: bytes, nonce: str | None = None) -> None:
        self._secret = secret
        self._nonce = nonce or secrets.token_hex(NONCE_BYTES)
        key = handshake_key(secret)
        self.sealer = Sealer(key)
        self.opener = Opener(key)

    def challenge(self) -> bytes:
        """Return the first frame of the link."""
        message = Challenge(
            protocol=PROTOCOL, nonce=self._nonce, encodings=["json", "msgpack"], compressions=["none", "zlib"]
        )
        return self.sealer.seal(opening(message))

    def read_hello(self, frame: bytes) -> Hello:
        """Return the engine's answer. Raises FrameError for any but an answer to this link's challenge."""
        message = parse_opening(*self.opener.open(frame))
        if not isinstance(message, Hello):
            raise FrameError("the first frame of an engine must be 'hello'")
        if message.protocol != PROTOCOL:
            raise FrameError(
                f"the engine speaks protocol {message.protocol}, this worker {PROTOCOL}", "Build both from one version"
            )
        if message.worker_nonce != self._nonce:
            raise FrameError("the hello answers the challenge of another link")
        if not message.nonce:
            raise FrameError("the hello has no nonce")
        return message

    def welcome(self, hello: Hello, received_seq: int, resume_seq: int, epoch: str, signals_resume_seq: int) -> bytes:
        """Return the last frame of the handshake and change over to the keys of the link."""
        message = Welcome(
            protocol=PROTOCOL,
            nonce=hello.nonce,
            received_seq=received_seq,
            resume_seq=resume_seq,
            epoch=epoch,
            signals_resume_seq=signals_resume_seq,
        )
        frame = self.sealer.seal(opening(message))
        self.sealer.rekey(link_key(self._secret, "down", self._nonce, hello.nonce))
        self.opener.rekey(link_key(self._secret, "up", self._nonce, hello.nonce))
        return frame

    @staticmethod
    def codec(hello: Hello) -> Codec:
        """Return the encoding that the engine chose."""
        return Codec(hello.encoding)
