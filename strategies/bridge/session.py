"""One session with the engine, without sockets, clock or database: what is due, and what a packet brings.

Two lanes leave from here. Messages are numbered by the store and kept there until the engine has made them durable;
signals live in memory, and only while they are worth something. The session outlives links: `link_up` takes another.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from core.model.generated import GapFill, Heartbeat
from strategies.bridge.frame import FrameError
from strategies.bridge.monitor import Monitor
from strategies.bridge.packet import Codec, Item, Packet
from strategies.bridge.signals import SignalLane

MESSAGE_WINDOW = 1024
"""So many messages the peer may send beyond the last durable one."""
PACKET_ITEMS = 512
PACKET_BYTES = 256 * 1024
BUFFER_MESSAGES = 512
"""So many messages are held in memory on their way out; the store has the rest."""


@dataclass(frozen=True, slots=True)
class Outbound:
    """A numbered message on its way out, as the store keeps it. `body` is JSON text."""

    seq: int
    kind: str
    body: str


@dataclass(slots=True)
class _Link:
    """What is known of the link that is up."""

    codec: Codec
    next_seq: int
    """The message to send next."""
    credit: int = 0
    signal_credit: int = 0
    told: tuple[int, int] = (-1, -1)
    """What the peer was last told to be acknowledged, of messages and signals."""
    heartbeat_due: bool = True


@dataclass(slots=True)
class Received:
    """What one packet brought."""

    messages: Sequence[Item] = ()
    """New messages in order. Each is confirmed once its effect is durable."""
    signals: Sequence[Item] = ()
    heartbeat: Heartbeat | None = None
    messages_acked: bool = False
    signals_acked: bool = False


@dataclass(slots=True)
class Session:
    """Both directions. Only the signals may be offered from other threads."""

    epoch: Final[str]
    monitor: Final[Monitor] = field(default_factory=Monitor)
    signals: Final[SignalLane] = field(default_factory=SignalLane)
    signal_ack: int = 0
    """Set by who takes the peer's signals; an engine sends none."""
    signal_credit: int = 0
    acked_seq: int = 0
    """Last own message that the peer has made durable."""
    loaded_seq: int = 0
    """Last own message that is in memory or acknowledged."""
    delivered_seq: int = 0
    durable_seq: int = 0
    _waiting: deque[Outbound] = field(default_factory=deque)
    _highest_sent: int = 0
    _highest_signal_sent: int = 0
    _link: _Link | None = None

    @property
    def is_up(self) -> bool:
        """Whether a link is up."""
        return self._link is not None

    def link_up(self, codec: Codec, received_seq: int, resume_seq: int) -> None:
        """Go on over a fresh link: `received_seq` messages of the peer are durable, ours go on at `resume_seq`."""
        self._waiting.clear()
        self.acked_seq = self.loaded_seq = resume_seq - 1
        self._highest_sent = max(self._highest_sent, self.acked_seq)
        self.delivered_seq = self.durable_seq = received_seq
        self._link = _Link(codec, resume_seq)
        self.monitor.forget_link()

    def link_down(self) -> None:
        """Forget the link. What was not acknowledged is sent on the next one."""
        self._link = None
        self._waiting.clear()
        self.loaded_seq = self.acked_seq

    @property
    def room(self) -> int:
        """So many more messages may be loaded."""
        return 0 if self._link is None else BUFFER_MESSAGES - len(self._waiting)

    def load(self, messages: Sequence[Outbound]) -> None:
        """Take the next messages of the store."""
        for message in messages:
            if message.seq != self.loaded_seq + 1:
                raise ValueError(f"message {message.seq} was loaded where {self.loaded_seq + 1} is next")
            self._waiting.append(message)
            self.loaded_seq = message.seq

    def confirm(self, seq: int) -> None:
        """Declare every received message up to `seq` durable; from now on it is acknowledged."""
        self.durable_seq = max(self.durable_seq, min(seq, self.delivered_seq))

    def beat(self, now_ns: int) -> None:
        """Have the next packet carry a heartbeat, and forget signals that expired."""
        if self._link is not None:
            self._link.heartbeat_due = True
        self.signals.sweep(now_ns)

    @property
    def is_due(self) -> bool:
        """Whether a packet is due; cheap, as it is asked after every packet in either direction."""
        link = self._link
        return link is not None and (
            link.heartbeat_due
            or self.signals.is_due(link.signal_credit)
            or (bool(self._waiting) and self._waiting[-1].seq >= link.next_seq and link.next_seq <= link.credit)
            or link.told != (self.durable_seq, self.signal_ack)
        )

    def transmit(self, now_ns: int) -> bytes | None:
        """Return the payload of the next packet, None when nothing is due."""
        link = self._link
        if link is None:
            return None
        messages, size = self._due_messages(link) if self._waiting else ([], 0)
        signals: list[Item] = []
        if self.signals.is_due(link.signal_credit) and len(messages) < PACKET_ITEMS and size < PACKET_BYTES:
            signals = self._due_signals(link, now_ns, PACKET_ITEMS - len(messages), PACKET_BYTES - size)
        told = (self.durable_seq, self.signal_ack)
        if not messages and not signals and told == link.told and not link.heartbeat_due:
            return None
        heartbeat = self.monitor.heartbeat(now_ns) if link.heartbeat_due else None
        link.told, link.heartbeat_due = told, False
        numbers = (self.durable_seq, self.durable_seq + MESSAGE_WINDOW, self.signal_ack, self.signal_credit)
        return link.codec.packet(numbers, heartbeat, messages, signals)

    def receive(self, packet: Packet, now_ns: int) -> Received:
        """Take one packet of the peer. Raises FrameError when the link cannot go on."""
        link = self._link
        if link is None:
            raise FrameError("a packet came before the welcome")
        if packet.credit < link.credit or packet.signal_credit < link.signal_credit:
            raise FrameError("the engine took back a credit that it had given")
        link.credit, link.signal_credit = packet.credit, packet.signal_credit
        messages_acked = self._acknowledged(packet.ack)
        signals_acked = self.signals.acknowledge(packet.signal_ack)
        if packet.heartbeat is not None:
            self.monitor.hear(packet.heartbeat, now_ns)
        messages = self._new_messages(link, packet.messages) if packet.messages else ()
        return Received(messages, packet.signals, packet.heartbeat, messages_acked, signals_acked)

    def _due_messages(self, link: _Link) -> tuple[list[Item], int]:
        items: list[Item] = []
        size = 0
        at = link.next_seq - self._waiting[0].seq
        while at + len(items) < len(self._waiting) and len(items) < PACKET_ITEMS and link.next_seq <= link.credit:
            message = self._waiting[at + len(items)]
            size += len(message.body) + 64
            if items and size > PACKET_BYTES:
                break
            items.append(link.codec.stored_item(message.seq, message.kind, message.body))
            if message.seq <= self._highest_sent:
                self.monitor.counts.messages_sent_again += 1
            self._highest_sent = max(self._highest_sent, message.seq)
            link.next_seq = message.seq + 1
        self.monitor.counts.messages_sent += len(items)
        return items, size

    def _due_signals(self, link: _Link, now_ns: int, limit: int, room: int) -> list[Item]:
        items: list[Item] = []
        while len(items) < limit and (due := self.signals.next_due(link.signal_credit, now_ns)) is not None:
            seq, signal, text = due
            items.append(link.codec.written_item(seq, signal, text))
            if not isinstance(signal, GapFill):
                self.monitor.counts.signals_sent += 1
                if seq <= self._highest_signal_sent:
                    self.monitor.counts.signals_sent_again += 1
                else:
                    self._highest_signal_sent = seq
            room -= len(text) + 64
            if room <= 0:
                break
        return items

    def _acknowledged(self, ack: int) -> bool:
        if ack == self.acked_seq:
            return False
        link = self._link
        if link is None or ack >= link.next_seq:
            raise FrameError(f"the engine acknowledges message {ack}, which was never sent to it on this link")
        if ack < self.acked_seq:
            raise FrameError(f"the engine had acknowledged message {self.acked_seq} and now says {ack}")
        self.acked_seq = ack
        while self._waiting and self._waiting[0].seq <= ack:
            self._waiting.popleft()
        return True

    def _new_messages(self, link: _Link, items: Sequence[Item]) -> Sequence[Item]:
        fresh: list[Item] = []
        for item in items:
            if item.seq > self.durable_seq + MESSAGE_WINDOW:
                raise FrameError(
                    f"message {item.seq} came, but only {self.durable_seq + MESSAGE_WINDOW} may be sent yet"
                )
            if item.seq > self.delivered_seq + 1 or item.seq == 0:
                raise FrameError(f"message {item.seq} came where {self.delivered_seq + 1} was due")
            if item.seq <= self.delivered_seq:
                # The peer never saw the acknowledgement, so it is told once more.
                self.monitor.counts.messages_repeated += 1
                link.told = (-1, -1)
                continue
            self.delivered_seq = item.seq
            fresh.append(item)
        self.monitor.counts.messages_received += len(fresh)
        return fresh
