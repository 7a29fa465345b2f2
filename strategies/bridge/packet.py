"""Packets: what is due at one moment, in one of two encodings. JSON embeds bodies, MessagePack has them as bytes."""

from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from core.model.generated import KINDS, Heartbeat, Message
from strategies.bridge.frame import MAX_FRAME_BYTES, PACKED, FrameError

MAX_BODY_BYTES = MAX_FRAME_BYTES // 2
"""Longest JSON text of a message; the rest of a frame is room for what stands around it."""

UNREADABLE: Final = (msgspec.DecodeError, UnicodeError, RecursionError)
"""What msgspec raises for bytes that are no value, or one that nests deeper than any message."""

Encoding = Literal["json", "msgpack"]
Number = Annotated[int, Meta(ge=0)]
_kind_of = {struct: kind for kind, struct in KINDS.items()}
_decode_json = {kind: msgspec.json.Decoder(struct).decode for kind, struct in KINDS.items()}


class JsonItem(Struct, frozen=True, forbid_unknown_fields=True):
    """A numbered message whose body is part of the JSON text."""

    seq: Number
    kind: str
    body: Raw


class PackedItem(Struct, frozen=True, forbid_unknown_fields=True):
    """A numbered message whose body is a byte string of MessagePack."""

    seq: Number
    kind: str
    body: bytes


Item = JsonItem | PackedItem


class JsonPacket(Struct, frozen=True, forbid_unknown_fields=True):
    """What is due, as JSON. `ack` and `credit` are about the messages of the peer, `signal_*` about its signals."""

    ack: Number
    credit: Number
    signal_ack: Number
    signal_credit: Number
    heartbeat: Heartbeat | None
    messages: list[JsonItem]
    signals: list[JsonItem]


class PackedPacket(Struct, frozen=True, forbid_unknown_fields=True):
    """The same as MessagePack."""

    ack: Number
    credit: Number
    signal_ack: Number
    signal_credit: Number
    heartbeat: Heartbeat | None
    messages: list[PackedItem]
    signals: list[PackedItem]


Packet = JsonPacket | PackedPacket


def kind_and_body(message: Message) -> tuple[str, str]:
    """Return the kind and the JSON text of a message, the form in which it is kept."""
    return _kind_of[type(message)], msgspec.json.encode(message).decode()


def parse_body(kind: str, body: str | bytes) -> Message:
    """Return the message of a JSON text; an unknown kind, or a body off its schema, raises FrameError."""
    return _parse(_decode_json, kind, body)


class Codec:
    """One encoding of packets and bodies."""

    def __init__(self, encoding: Encoding) -> None:
        packed = encoding == "msgpack"
        self.encoding: Final = encoding
        self.flags: Final = PACKED if packed else 0
        coder: Any = msgspec.msgpack if packed else msgspec.json
        self._packet: Any = PackedPacket if packed else JsonPacket
        self._decode_packet = coder.Decoder(self._packet).decode
        self._decode_body = {kind: coder.Decoder(struct).decode for kind, struct in KINDS.items()}
        self._decode_any = coder.Decoder().decode
        self._encode: Callable[[object], bytes] = coder.Encoder().encode

    def item(self, seq: int, message: Message) -> Item:
        """Return the item of a message."""
        body = self._encode(message)
        kind = _kind_of[type(message)]
        return PackedItem(seq, kind, body) if self.flags else JsonItem(seq, kind, Raw(body))

    def written_item(self, seq: int, message: Message, text: bytes) -> Item:
        """Return the item of a message whose JSON text is known."""
        if self.flags:
            return self.item(seq, message)
        return JsonItem(seq, _kind_of[type(message)], Raw(text))

    def stored_item(self, seq: int, kind: str, text: str) -> Item:
        """Return the item of a message kept as JSON text."""
        if self.flags:
            return PackedItem(seq, kind, self._encode(parse_body(kind, text)))
        return JsonItem(seq, kind, Raw(text.encode()))

    def packet(
        self,
        numbers: tuple[int, int, int, int],
        heartbeat: Heartbeat | None,
        messages: list[Item],
        signals: list[Item],
    ) -> bytes:
        """Return the payload; `numbers` are ack, credit, signal_ack, signal_credit."""
        return self._encode(self._packet(*numbers, heartbeat, messages, signals))

    def parse_packet(self, payload: bytes) -> Packet:
        """Return the packet in `payload`. Raises FrameError."""
        try:
            packet: Packet = self._decode_packet(payload)
        except UNREADABLE as error:
            raise FrameError(f"not a packet: {error}") from None
        return packet

    def parse(self, item: Item) -> Message:
        """Return the message of an item; an unknown kind, or a body off its schema, raises FrameError."""
        return _parse(self._decode_body, item.kind, item.body)

    def text(self, item: Item) -> str:
        """Return the body as text for people, whatever is in it."""
        if isinstance(item, JsonItem):
            return bytes(item.body).decode(errors="replace")
        try:
            return msgspec.json.encode(self._decode_any(item.body)).decode()
        except (msgspec.MsgspecError, TypeError, ValueError, RecursionError):
            return item.body.hex()


def _parse(decoders: dict[str, Callable[[Any], Message]], kind: str, body: str | bytes | Raw) -> Message:
    decode = decoders.get(kind)
    if decode is None:
        raise FrameError(f"unknown kind '{kind[:40]}'")
    try:
        return decode(body)
    except UNREADABLE as error:
        raise FrameError(f"a '{kind}' message is not what its schema says: {error}") from None
