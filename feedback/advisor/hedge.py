"""When a call may be sent a second time: late enough, seldom enough (Dean, Barroso 2013, "The Tail at Scale")."""

import math
from collections import deque
from dataclasses import dataclass, field

WINDOW = 100
MIN_SEEN = 20
"""So many first chunks must have been timed before anything is called late."""
QUANTILE = 0.9
BURST = 2.0
"""So many second calls may come one right after the other, when there were none for long."""


@dataclass(slots=True)
class Hedging:
    """A rolling quantile and a token bucket that calls fill. Not for several threads."""

    share: float
    """Second calls as a share of all calls, in the long run."""
    _seen_s: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    _tokens: float = 0.0

    def called(self) -> None:
        """Count a first call."""
        self._tokens = min(BURST, self._tokens + self.share)

    def saw_first_chunk(self, seconds: float) -> None:
        """Note how long a first chunk took."""
        self._seen_s.append(seconds)

    def delay_s(self) -> float | None:
        """Return how long to wait for the first chunk before the second call; None while that cannot be told."""
        if self.share == 0 or len(self._seen_s) < MIN_SEEN:
            return None
        ordered = sorted(self._seen_s)
        return ordered[math.ceil(QUANTILE * len(ordered)) - 1]

    def take(self) -> bool:
        """Return whether a second call may be made now, and count it."""
        # Twenty times a twentieth is a little less than one.
        if self._tokens < 1 - 1e-9:
            return False
        self._tokens -= 1
        return True
