"""An engine's half of the bridge for tests, without sockets: its journal, what it made, and one link at a time."""

import msgspec

from core.model.generated import Challenge, GapFill, Hello, Message, Welcome
from strategies.bridge.frame import FrameError, Opener, Sealer, handshake_key, link_key
from strategies.bridge.handshake import opening, parse_opening
from strategies.bridge.monitor import Monitor
from strategies.bridge.packet import Codec

SECRET = b"0123456789abcdef0123456789abcdef"
MESSAGE_WINDOW = 1024
SIGNAL_WINDOW = 4096


class EngineHalf:
    """`made` and `received` survive a kill, the rest is memory."""

    def __init__(self, engine_id: str = "engine-1", secret: bytes = SECRET) -> None:
        self.engine_id, self.secret = engine_id, secret
        self.made: list[Message] = []
        self.received: list[Message] = []
        self.received_seq = 0
        self.acked = 0
        self.now_ns = 1
        self.message_window = MESSAGE_WINDOW
        self.signal_window = SIGNAL_WINDOW
        self.kill()

    def kill(self) -> None:
        """Lose everything that is not in the journal."""
        self.epoch, self.signals_received = "", 0
        self.signals: list[tuple[int, Message]] = []
        self.codec: Codec | None = None
        self.monitor = Monitor()

    def hello(self, frame: bytes, n: int = 1, **changes: object) -> bytes:
        """Answer a challenge; `n` makes the nonce."""
        self.sealer, self.opener = Sealer(handshake_key(self.secret)), Opener(handshake_key(self.secret))
        challenge = parse_opening(*self.opener.open(frame))
        assert isinstance(challenge, Challenge)
        fields = dict(
            protocol=4, engine_id=self.engine_id, build="test", nonce=f"{n:032x}", worker_nonce=challenge.nonce,
            encoding="json", compression="none", received_seq=self.received_seq, sent_seq=len(self.made),
            epoch=self.epoch, signals_received=self.signals_received, reached_ns=0, instances=[], state="active",
        )  # fmt: skip
        self.hello_said = Hello(**(fields | changes))
        return self.sealer.seal(opening(self.hello_said))

    def welcome(self, frame: bytes) -> bytes:
        """Read the welcome and return the first packet."""
        welcome = parse_opening(*self.opener.open(frame))
        assert isinstance(welcome, Welcome) and welcome.nonce == self.hello_said.nonce
        self.welcomed = welcome
        nonces = (self.hello_said.worker_nonce, self.hello_said.nonce)
        self.sealer.rekey(link_key(self.secret, "up", *nonces))
        self.opener.rekey(link_key(self.secret, "down", *nonces))
        if welcome.epoch != self.epoch:
            self.epoch, self.signals_received = welcome.epoch, welcome.signals_resume_seq - 1
        assert welcome.signals_resume_seq == self.signals_received + 1
        if self.received_seq == 0:
            self.received_seq = welcome.resume_seq - 1
        self.codec = Codec(self.hello_said.encoding)
        self.acked, self.credit, self.next_seq = welcome.received_seq, 0, welcome.received_seq + 1
        self.monitor.forget_link()
        return self.packet(beat=True)

    def take(self, frame: bytes) -> list[Message]:
        """Read a packet; return its messages, which are in the journal now."""
        assert self.codec is not None
        flags, payload = self.opener.open(frame, may_unpack=self.hello_said.compression == "zlib")
        assert flags == self.codec.flags
        packet = self.codec.parse_packet(payload)
        if packet.ack < self.acked or packet.ack > len(self.made) or packet.credit < self.credit:
            raise FrameError("the worker took something back")
        self.acked, self.credit = packet.ack, packet.credit
        if packet.heartbeat is not None:
            self.monitor.hear(packet.heartbeat, self.now_ns)
        for item in packet.signals:
            self._take_signal(item.seq, self.codec.parse(item))
        fresh = []
        for item in packet.messages:
            if item.seq > self.received_seq + 1 or item.seq > self.received_seq + self.message_window:
                raise FrameError(f"message {item.seq} after {self.received_seq}")
            if item.seq == self.received_seq + 1:
                self.received_seq = item.seq
                fresh.append(self.codec.parse(item))
        self.received += fresh
        return fresh

    def _take_signal(self, seq: int, signal: Message) -> None:
        if seq != self.signals_received + 1:
            raise FrameError(f"signal {seq} after {self.signals_received}")
        self.signals.append((seq, signal))
        self.signals_received = signal.through if isinstance(signal, GapFill) else seq

    def packet(self, messages: tuple[int, int] = (1, 0), beat: bool = False) -> bytes:
        """Return a packet with the messages of a range of numbers, both ends included."""
        assert self.codec is not None
        first, last = messages
        items = [self.codec.item(seq, self.made[seq - 1]) for seq in range(first, last + 1)]
        numbers = (
            self.received_seq, self.received_seq + self.message_window,
            self.signals_received, self.signals_received + self.signal_window,
        )  # fmt: skip
        heartbeat = self.monitor.heartbeat(self.now_ns) if beat else None
        payload = self.codec.packet(numbers, heartbeat, items, [])
        return self.sealer.seal(payload, self.codec.flags, compress=self.hello_said.compression == "zlib")

    def due(self, limit: int = 64) -> bytes | None:
        """Return a packet with what may be sent, None when nothing is."""
        last = min(len(self.made), self.credit, self.next_seq + limit - 1)
        if last < self.next_seq:
            return None
        first, self.next_seq = self.next_seq, last + 1
        return self.packet((first, last))


def change(message: Message, **fields: object) -> Message:
    """Return a copy of a message with other fields."""
    return msgspec.structs.replace(message, **fields)
