"""Named places where fault tests kill this process, to see that nothing is lost and nothing done twice."""

import os
import signal
from collections.abc import Callable
from itertools import count


def crash_at(wanted: str) -> Callable[[str], None]:
    """Return the function that kills this process with SIGKILL at the crash point `wanted`, and never when empty.

    `daily.report:before#3` means the third time that this process comes by.
    """
    name, _, number = wanted.partition("#")
    passes = count(1)

    def crash(point: str) -> None:
        if point == name and next(passes) == int(number or 1):
            os.kill(os.getpid(), signal.SIGKILL)

    return crash
