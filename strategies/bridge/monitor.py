"""What the bridge measures of itself: round trips, the peer's clock, counts."""

import statistics
from collections import deque
from dataclasses import dataclass, fields

from core.model.generated import Heartbeat

ROUND_TRIPS = 1024
"""So many of the latest round trips make the percentiles: a quarter of an hour."""
CLOCK_SAMPLES = 8
"""So many of the latest round trips tell the offset; the quickest is believed, as in NTP. The engine does the same."""


@dataclass(slots=True)
class Counts:
    """Counts since the process started."""

    links_opened: int = 0
    links_broken: int = 0
    links_refused: int = 0
    frames_sent: int = 0
    frames_received: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    messages_sent: int = 0
    messages_sent_again: int = 0
    messages_received: int = 0
    messages_repeated: int = 0
    messages_refused: int = 0
    signals_sent: int = 0
    signals_sent_again: int = 0


@dataclass(frozen=True, slots=True)
class BridgeFigures:
    """What status and API show of the bridge. Times are milliseconds, None before the first measurement."""

    connected: bool
    carrier: str
    encoding: str
    round_trip_p50_ms: float | None
    round_trip_p90_ms: float | None
    round_trip_p99_ms: float | None
    clock_offset_ms: float | None
    """The engine's clock minus ours."""
    success_rate: float | None
    """Share of the signals that reached the engine; those replaced by newer ones are not counted."""
    signals_made: int
    signals_acked: int
    signals_expired: int
    signals_conflated: int
    signals_held: int
    signals_refused: int
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class RoundTrips:
    """Percentiles in milliseconds."""

    p50: float
    p90: float
    p99: float


class Monitor:
    """Takes heartbeats and counts; one for the life of a process."""

    def __init__(self) -> None:
        self.counts = Counts()
        self.last_round_trip_ns: int | None = None
        self._round_trips: deque[int] = deque(maxlen=ROUND_TRIPS)
        self._clock: deque[tuple[int, int]] = deque(maxlen=CLOCK_SAMPLES)
        self._peer_at_ns = 0
        self._heard_at_ns = 0

    def forget_link(self) -> None:
        """Start anew with what belongs to one link; percentiles go on."""
        self._peer_at_ns = 0
        self._clock.clear()
        self.last_round_trip_ns = None

    def heartbeat(self, now_ns: int) -> Heartbeat:
        """Return the heartbeat to send at `now_ns` of our own clock."""
        held_ns = max(0, now_ns - self._heard_at_ns) if self._peer_at_ns else 0
        return Heartbeat(at_ns=now_ns, echo_ns=self._peer_at_ns, held_ns=held_ns, reached_ns=0, state="active")

    def hear(self, heartbeat: Heartbeat, now_ns: int) -> None:
        """Take a heartbeat of the peer that arrived at `now_ns` of our own clock."""
        self._peer_at_ns, self._heard_at_ns = heartbeat.at_ns, now_ns
        if heartbeat.echo_ns == 0:
            return
        round_trip_ns = now_ns - heartbeat.echo_ns - heartbeat.held_ns
        if round_trip_ns < 0:
            return  # a clock was set back between the two readings: this tells nothing
        self.last_round_trip_ns = round_trip_ns
        self._round_trips.append(round_trip_ns)
        there_ns = heartbeat.at_ns - heartbeat.held_ns - heartbeat.echo_ns
        # Half of how far the peer's clock seems ahead there and back, towards zero as the engine divides.
        twice_ns = there_ns + heartbeat.at_ns - now_ns
        self._clock.append((round_trip_ns, twice_ns // 2 if twice_ns >= 0 else -(-twice_ns // 2)))

    @property
    def offset_ns(self) -> int | None:
        """The peer's clock minus ours, None before the first answered heartbeat of a link.

        It is known to half a round trip only, so a smaller one counts as none. For any thread, as `round_trips` is.
        """
        # A copy is made in one step; going through the deque itself, another thread would meet it while it grows.
        samples = tuple(self._clock)
        if not samples:
            return None
        round_trip_ns, offset_ns = min(samples, key=lambda sample: sample[0])
        return offset_ns if abs(offset_ns) > round_trip_ns // 2 else 0

    def round_trips(self) -> RoundTrips | None:
        """Return the percentiles, None before the first measurement."""
        values = [ns / 1e6 for ns in tuple(self._round_trips)]
        if not values:
            return None
        if len(values) == 1:
            return RoundTrips(values[0], values[0], values[0])
        cuts = statistics.quantiles(values, n=100, method="inclusive")
        return RoundTrips(cuts[49], cuts[89], cuts[98])

    def counted(self) -> dict[str, int]:
        """Return all counts by name."""
        return {f.name: getattr(self.counts, f.name) for f in fields(self.counts)}
