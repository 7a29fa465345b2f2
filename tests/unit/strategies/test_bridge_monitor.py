"""Round trips and the peer's clock: the engine's own golden numbers, and figures read while heartbeats come in."""

from collections.abc import Callable

import pytest

from core.model.generated import Heartbeat
from strategies.bridge.monitor import CLOCK_SAMPLES, Monitor, RoundTrips

MS = 1_000_000


def hear(monitor: Monitor, at_ns: int, echo_ns: int, held_ns: int, now_ns: int) -> None:
    monitor.hear(Heartbeat(at_ns=at_ns, echo_ns=echo_ns, held_ns=held_ns, reached_ns=0, state="active"), now_ns)


def test_an_echo_measures_the_round_trip_and_the_peers_clock_as_the_engine_does() -> None:
    monitor = Monitor()
    # Sent at 1000 ms; 3 ms there, 2 ms held, 1 ms back; the peer's clock is 500 ms ahead.
    hear(monitor, 1505 * MS, 1000 * MS, 2 * MS, 1006 * MS)
    assert (monitor.last_round_trip_ns, monitor.offset_ns) == (4 * MS, 501 * MS)
    # A quicker one is believed more, a slower one less.
    hear(monitor, 2502 * MS, 2000 * MS, MS, 2003 * MS)
    hear(monitor, 3560 * MS, 3000 * MS, 0, 3061 * MS)
    assert monitor.offset_ns == 500 * MS


def test_an_offset_within_half_its_round_trip_counts_as_none() -> None:
    monitor = Monitor()
    assert monitor.offset_ns is None
    # Two clocks that agree, seen through a line that is slow one way.
    hear(monitor, 1200 * MS, 1000 * MS, 0, 1201 * MS)
    assert monitor.offset_ns == 0


@pytest.mark.parametrize("ahead", [1, -1])
def test_an_odd_nanosecond_is_dropped_towards_zero_on_either_side(ahead: int) -> None:
    monitor = Monitor()
    hear(monitor, 1000 * MS + 500 * MS * ahead, 1000 * MS, 0, 1000 * MS + 1)
    assert monitor.offset_ns == (499_999_999 if ahead > 0 else -500_000_000)


def test_of_equally_quick_round_trips_the_oldest_is_believed() -> None:
    monitor = Monitor()
    for ahead in (700, 500, 600):
        hear(monitor, (1000 + ahead) * MS, 1000 * MS, 0, 1000 * MS)
    assert monitor.offset_ns == 700 * MS


def test_only_the_last_eight_round_trips_tell_the_clock() -> None:
    monitor = Monitor()
    hear(monitor, 1500 * MS, 1000 * MS, 0, 1000 * MS)
    for _ in range(CLOCK_SAMPLES - 1):
        hear(monitor, 1700 * MS, 1000 * MS, 0, 1010 * MS)
    assert (CLOCK_SAMPLES, monitor.offset_ns) == (8, 500 * MS)
    hear(monitor, 1700 * MS, 1000 * MS, 0, 1010 * MS)
    assert monitor.offset_ns == 695 * MS


class Interrupted(int):
    """A time during whose use another thread takes a heartbeat in."""

    beat: Callable[[], None] | None = None

    def __sub__(self, other: int) -> "Interrupted":
        return Interrupted(int(self) - other)

    def __truediv__(self, other: float) -> float:
        self._interrupt()
        return int(self) / other

    def __lt__(self, other: int) -> bool:
        self._interrupt()
        return int(self) < other

    def _interrupt(self) -> None:
        if Interrupted.beat is not None:
            Interrupted.beat()


@pytest.mark.parametrize("figure", ["round_trips", "offset_ns"])
def test_figures_are_read_while_heartbeats_come_in(figure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monitor = Monitor()
    for _ in range(3):
        hear(monitor, 1500 * MS, 1000 * MS, 0, Interrupted(1004 * MS))
    n_beats = 0

    def beat() -> None:
        nonlocal n_beats
        n_beats += 1
        hear(monitor, 1500 * MS, 1000 * MS, 0, 1004 * MS)

    monkeypatch.setattr(Interrupted, "beat", staticmethod(beat))
    found = monitor.round_trips() if figure == "round_trips" else monitor.offset_ns
    assert n_beats > 0 and found == (RoundTrips(4.0, 4.0, 4.0) if figure == "round_trips" else 498 * MS)
