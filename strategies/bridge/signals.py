"""Signals that wait for the engine: numbered in the epoch of this process, conflated, forgotten when they expire.

Only what lives is kept. A signal that dies before it was sent leaves its number behind as a count at its successor,
so that the numbers in between can be named as one gap, and a storm of dead signals takes no memory.
"""

import threading
from bisect import bisect_left, bisect_right
from collections import deque
from dataclasses import dataclass, field

import msgspec

from core.errors import BadInput, Refused
from core.model.generated import GapFill, MevOpportunity, Prediction
from strategies.bridge.frame import FrameError

Signal = Prediction | MevOpportunity
Due = tuple[int, Signal | GapFill, bytes]
"""A number, what leaves under it, and its JSON text."""
_encode = msgspec.json.Encoder().encode

MAX_HELD = 4096
MAX_SIGNAL_BYTES = 64 * 1024
MAX_AGE_NS = 30 * 1_000_000_000
"""No signal is worth anything later than this, whatever it says of itself."""


class SignalsFull(Refused):
    """So many signals wait that one more would be late in any case."""


class SignalExpired(Refused):
    """The signal was worth nothing any more when it was handed over."""


@dataclass(slots=True)
class Dead:
    """How many numbers in a row will never be sent, and why."""

    expired: int = 0
    conflated: int = 0

    def __bool__(self) -> bool:
        return bool(self.expired or self.conflated)

    def add(self, other: "Dead") -> None:
        """Count the numbers of `other` too."""
        self.expired += other.expired
        self.conflated += other.conflated


@dataclass(slots=True)
class _Held:
    seq: int
    signal: Signal
    text: bytes
    """The signal as JSON."""
    expires_at_ns: int
    key: tuple[str, int, str] | None
    before: Dead = field(default_factory=Dead)
    """The dead numbers right before this one."""
    sent: bool = False
    """Whether it left on the link that is up. Then its number is taken, even if it is replaced or expires."""
    dead: Dead | None = None
    """Set when it died after it was sent."""


@dataclass(frozen=True, slots=True)
class SignalCounts:
    """What became of the signals of this epoch. Their sum is `made`; refused ones have no number."""

    made: int
    acked: int
    expired: int
    conflated: int
    held: int
    refused: int


class SignalLane:
    """Signals on their way out. Every method may be called from any thread."""

    def __init__(self, max_held: int = MAX_HELD) -> None:
        self._lock = threading.Lock()
        self._max_held = max_held
        self._order: list[int] = []
        self._held: dict[int, _Held] = {}
        self._newest: dict[tuple[str, int, str], _Held] = {}
        self._tail = Dead()
        self._gaps: deque[tuple[int, int, Dead]] = deque()
        self._made = 0
        self._sent_through = 0
        self._acked_through = 0
        self._n_refused = 0
        self._n_acked = 0
        self._gone = Dead()

    def offer(self, signal: Signal, now_ns: int) -> int:
        """Take a signal and return its number; a prediction replaces an older one of its symbol, horizon and model.

        Raises SignalExpired or SignalsFull; such a signal is counted and has no number. BadInput for one of more than
        64 KiB, which would keep others waiting.
        """
        text = _encode(signal)
        if len(text) > MAX_SIGNAL_BYTES:
            raise BadInput(f"a signal of {len(text)} bytes is longer than {MAX_SIGNAL_BYTES}")
        expires_at_ns, oldest_ns = signal.expires_at_ns, signal.at_ns + MAX_AGE_NS
        if oldest_ns < expires_at_ns:
            expires_at_ns = oldest_ns
        with self._lock:
            if expires_at_ns < now_ns:
                self._n_refused += 1
                late_ms = (now_ns - expires_at_ns) / 1e6
                raise SignalExpired(f"a signal expired {late_ms:,.0f} ms before it was handed to the bridge")
            key = _key(signal)
            older = None if key is None else self._newest.get(key)
            takes_room = older is None or older.sent
            if takes_room and len(self._order) >= self._max_held:
                self._sweep(now_ns)
                if len(self._order) >= self._max_held:
                    self._n_refused += 1
                    raise SignalsFull(
                        f"{self._max_held} signals wait for the engine", "Is it connected? Send again when it is"
                    )
            if older is not None:
                self._die(older, Dead(conflated=1))
            self._made += 1
            held = _Held(self._made, signal, text, expires_at_ns, key, before=self._tail)
            self._tail = Dead()
            self._order.append(held.seq)
            self._held[held.seq] = held
            if key is not None:
                self._newest[key] = held
            return held.seq

    def next_due(self, credit: int, now_ns: int) -> Due | None:
        """Return what is next within `credit`; it counts as sent. None: nothing is due."""
        with self._lock:
            return self._next(credit, now_ns)

    def acknowledge(self, seq: int) -> bool:
        """Note that the engine has every number up to `seq`; return whether that is news. Raises FrameError."""
        with self._lock:
            if seq > self._sent_through:
                raise FrameError(
                    f"the engine acknowledges signal {seq}, but {self._sent_through} was the last one sent"
                )
            if seq < self._acked_through:
                raise FrameError(f"the engine had acknowledged signal {self._acked_through} and now says {seq}")
            news = seq > self._acked_through
            self._drop_through(seq)
            return news

    def resume(self, epoch_is_known: bool, received: int) -> int:
        """Prepare for a new link and return the first number on it. Raises FrameError for an impossible claim.

        `received` is what the engine says it has of this epoch, where it knows it.
        """
        with self._lock:
            if epoch_is_known:
                if received > self._made:
                    raise FrameError(f"the engine has signal {received}, but {self._made} is the last one made")
                if received < self._acked_through:
                    raise FrameError(f"the engine had acknowledged signal {self._acked_through} and now has {received}")
                self._drop_through(received)
            self._sent_through = self._acked_through
            while self._gaps:
                first, _, dead = self._gaps.popleft()
                self._heir(first).add(dead)
            for held in [h for h in self._held.values() if h.sent]:
                held.sent = False
                if held.dead is not None:
                    self._remove(held, held.dead)
            return self._acked_through + 1

    def sweep(self, now_ns: int) -> None:
        """Forget what expired."""
        with self._lock:
            self._sweep(now_ns)

    def counts(self) -> SignalCounts:
        """Return what became of all signals so far."""
        with self._lock:
            expired, conflated = self._gone.expired, self._gone.conflated
            waiting = [self._tail, *(h.before for h in self._held.values()), *(dead for _, _, dead in self._gaps)]
            return SignalCounts(
                made=self._made,
                acked=self._n_acked,
                expired=expired + sum(d.expired for d in waiting),
                conflated=conflated + sum(d.conflated for d in waiting),
                held=len(self._order),
                refused=self._n_refused,
            )

    @property
    def acked_through(self) -> int:
        """The last number that the engine has."""
        return self._acked_through

    @property
    def in_flight(self) -> int:
        """How many numbers were sent and are not acknowledged yet."""
        return self._sent_through - self._acked_through

    def is_due(self, credit: int) -> bool:
        """Whether anything may be sent within this credit."""
        return self._sent_through < self._made and self._sent_through < credit

    def _next(self, credit: int, now_ns: int) -> Due | None:
        while True:
            first = self._sent_through + 1
            if first > credit or first > self._made:
                return None
            at = bisect_left(self._order, first)
            held = self._held[self._order[at]] if at < len(self._order) else None
            if held is not None and held.expires_at_ns < now_ns:
                self._die(held, Dead(expired=1))
                continue
            dead, before = (self._tail, self._made + 1) if held is None else (held.before, held.seq)
            if before > first:
                self._sent_through = before - 1
                # From here on these numbers are accounted for as a gap of the link, whatever dies beside them.
                self._gaps.append((first, before - 1, dead))
                if held is None:
                    self._tail = Dead()
                else:
                    held.before = Dead()
                gap = GapFill(through=before - 1, expired=dead.expired, conflated=dead.conflated)
                return first, gap, _encode(gap)
            assert held is not None
            held.sent = True
            self._sent_through = held.seq
            return held.seq, held.signal, held.text

    def _die(self, held: _Held, cause: Dead) -> None:
        if held.key is not None and self._newest.get(held.key) is held:
            del self._newest[held.key]
        if held.sent:
            held.dead = held.dead or cause
        else:
            self._remove(held, cause)

    def _remove(self, held: _Held, cause: Dead) -> None:
        """Forget an unsent signal; its number and those before it become the gap before its successor."""
        at = bisect_left(self._order, held.seq)
        del self._order[at], self._held[held.seq]
        heir = self._heir(held.seq)
        heir.add(held.before)
        heir.add(cause)

    def _heir(self, seq: int) -> Dead:
        """Return where dead numbers from `seq` on are counted."""
        at = bisect_left(self._order, seq)
        return self._held[self._order[at]].before if at < len(self._order) else self._tail

    def _sweep(self, now_ns: int) -> None:
        for held in [h for h in self._held.values() if h.expires_at_ns < now_ns and h.dead is None]:
            self._die(held, Dead(expired=1))

    def _drop_through(self, seq: int) -> None:
        self._acked_through = max(self._acked_through, seq)
        n = bisect_right(self._order, seq)
        for number in self._order[:n]:
            held = self._held.pop(number)
            if held.key is not None and self._newest.get(held.key) is held:
                del self._newest[held.key]
            self._gone.add(held.before)
            self._n_acked += 1
        del self._order[:n]
        while self._gaps and self._gaps[0][1] <= seq:
            self._gone.add(self._gaps.popleft()[2])


def _key(signal: Signal) -> tuple[str, int, str] | None:
    return (signal.symbol, signal.horizon_ms, signal.model) if isinstance(signal, Prediction) else None
