"""Frames: flags, MAC, payload. The same rules as crate `bridge`; docs/bridge.md has them in full."""

import hmac
import zlib

from core.errors import BadInput

PROTOCOL = 4
MAX_FRAME_BYTES = 1024 * 1024
MAX_UNPACKED_BYTES = 8 * 1024 * 1024
MIN_SECRET_BYTES = 16
COMPRESS_FROM_BYTES = 256
"""Shorter payloads seldom get smaller."""

PACKED = 1
"""Flag: the payload is MessagePack, else JSON."""
COMPRESSED = 2
"""Flag: the payload is compressed with zlib, after encoding."""

_MAC_BYTES = 16
_HEAD_BYTES = 1 + _MAC_BYTES
_LABEL = "xcrack bridge 3"


class FrameError(BadInput):
    """What the peer sent breaks a rule of the bridge, so the link ends."""


def handshake_key(secret: bytes) -> bytes:
    """Return the key of the three frames that open a link."""
    return hmac.digest(secret, _LABEL.encode(), "sha256")


def link_key(secret: bytes, direction: str, worker_nonce: str, engine_nonce: str) -> bytes:
    """Return the key of one direction of one link: `up` is towards the worker, `down` towards the engine."""
    return hmac.digest(secret, f"{_LABEL}\n{direction}\n{worker_nonce}\n{engine_nonce}".encode(), "sha256")


class Sealer:
    """Signs the frames of one direction of one link, in their order."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._n = 0

    def rekey(self, key: bytes) -> None:
        """Sign with `key` from now on; the count goes on."""
        self._key = key

    def seal(self, payload: bytes, flags: int = 0, *, compress: bool = False) -> bytes:
        """Return the next frame; one over 1 MiB raises FrameError and does not count.

        `compress` is a wish: a payload that is short or does not shrink stays as it is.
        """
        if compress and len(payload) >= COMPRESS_FROM_BYTES:
            packed = zlib.compress(payload, 1)
            if len(packed) < len(payload):
                payload, flags = packed, flags | COMPRESSED
        if len(payload) + _HEAD_BYTES > MAX_FRAME_BYTES:
            raise FrameError(f"a frame of {len(payload) + _HEAD_BYTES} bytes is longer than {MAX_FRAME_BYTES}")
        head = bytes((flags,))
        mac = hmac.digest(self._key, self._n.to_bytes(8, "big") + head + payload, "sha256")
        self._n += 1
        return head + mac[:_MAC_BYTES] + payload


class Opener:
    """Checks the frames of one direction of one link: each one once, whole and in its place."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._n = 0

    def rekey(self, key: bytes) -> None:
        """Expect `key` from now on; the count goes on."""
        self._key = key

    def open(self, frame: bytes, *, may_unpack: bool = False) -> tuple[int, bytes]:
        """Return the flags without COMPRESSED, and the payload, unpacked. Raises FrameError.

        A compressed frame is refused unless `may_unpack`: compression is agreed on in the handshake.
        """
        if not _HEAD_BYTES <= len(frame) <= MAX_FRAME_BYTES:
            raise FrameError(f"a frame has {len(frame)} bytes; {_HEAD_BYTES} to {MAX_FRAME_BYTES} are allowed")
        flags = frame[0]
        signed = self._n.to_bytes(8, "big") + frame[:1] + frame[_HEAD_BYTES:]
        mac = hmac.digest(self._key, signed, "sha256")
        if not hmac.compare_digest(mac[:_MAC_BYTES], frame[1:_HEAD_BYTES]):
            raise FrameError(
                f"the signature of frame {self._n} is wrong",
                "Both sides must read the same secret file, and nothing between them may change, drop or repeat frames",
            )
        if flags & ~(PACKED | COMPRESSED if may_unpack else PACKED):
            raise FrameError(f"frame {self._n} has the flags {flags:#04x}, which were not agreed on")
        self._n += 1
        payload = frame[_HEAD_BYTES:]
        return flags & PACKED, _unpack(payload) if flags & COMPRESSED else payload


def _unpack(payload: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        plain = unpacker.decompress(payload, MAX_UNPACKED_BYTES)
    except zlib.error as error:
        raise FrameError(f"a compressed frame cannot be unpacked: {error}") from None
    if not unpacker.eof or unpacker.unused_data:
        raise FrameError(
            f"a compressed frame is cut short, too long, or unpacks to more than {MAX_UNPACKED_BYTES} bytes"
        )
    return plain
