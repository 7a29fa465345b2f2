from datetime import datetime, timedelta

from app.handlers import at_market_time
from core.clock import VirtualClock, to_ns
from core.model.generated import Reached
from tests.conftest import START
from tests.factories import signal_event, trade_event


class Told:
    """A handler that notes when it was called."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.times: list[timedelta] = []

    def __call__(self, _session: object, _message: object) -> None:
        self.times.append(self.clock.now() - START)


def after(hours: int) -> datetime:
    return START + timedelta(hours=hours)


def tell(clock: VirtualClock, *messages: object) -> list[timedelta]:
    told = Told(clock)
    moving = at_market_time(clock, {"any": told})["any"]
    for message in messages:
        moving(None, message)
    return told.times


def test_each_message_is_taken_at_the_time_it_tells() -> None:
    reached = Reached(to_ns=to_ns(after(5)), bars=1, feed_ended=False, actions_sha256="a" * 64)
    assert tell(VirtualClock(START), signal_event(after(1)), signal_event(after(3)), reached) == [
        timedelta(hours=hours) for hours in (1, 3, 5)
    ]


def test_a_message_that_comes_again_does_not_turn_the_clock_back() -> None:
    assert tell(VirtualClock(START), signal_event(after(3)), signal_event(after(1))) == [timedelta(hours=3)] * 2


def test_a_message_without_a_time_is_taken_now() -> None:
    assert tell(VirtualClock(START), trade_event(after(9))) == [timedelta(0)]
