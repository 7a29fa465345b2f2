"""A circuit breaker over the last calls: open when half of them failed or were slow, then one probe at a time.

It has no clock of its own: every method takes the time in seconds, of any clock that never goes back.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

WINDOW = 20
MAX_HOLD_S = 300.0
"""A server that asks for more quiet than this is asked again all the same."""
State = Literal["closed", "open", "half_open"]


@dataclass(slots=True)
class Breaker:
    """Counts calls of one backend. Not for several threads."""

    share: float
    """Of the window, failed or slow, at which it opens. The window must be full: two calls prove nothing."""
    open_s: float
    slow_s: float
    _outcomes: deque[bool] = field(default_factory=lambda: deque(maxlen=WINDOW))
    _open_until: float | None = None
    _is_probing: bool = False

    def state(self, now: float) -> State:
        """Return the state at a time."""
        if self._open_until is None:
            return "closed"
        return "half_open" if now >= self._open_until else "open"

    def enter(self, now: float) -> bool:
        """Return whether a call may be made. Whoever enters must call `succeed`, `fail` or `leave` once."""
        state = self.state(now)
        if state == "half_open" and not self._is_probing:
            self._is_probing = True
            return True
        return state == "closed"

    def succeed(self, now: float, seconds: float) -> None:
        """Count an answer that took so long; a slow one counts as a failure."""
        self._count(now, seconds < self.slow_s)

    def fail(self, now: float) -> None:
        """Count a failure."""
        self._count(now, False)

    def leave(self) -> None:
        """Count nothing: the call was not made after all."""
        self._is_probing = False

    def hold(self, now: float, seconds: float) -> None:
        """Open for as long as the server asks, at most five minutes."""
        if seconds > 0:
            self._open_until = max(self._open_until or now, now + min(seconds, MAX_HOLD_S))

    def _count(self, now: float, is_good: bool) -> None:
        if self._is_probing:
            self._is_probing = False
            self._outcomes.clear()
            held = self._open_until or now
            self._open_until = None if is_good else max(held, now + self.open_s)
            return
        # A call that began before it opened says nothing of how the server is doing now.
        if self._open_until is not None:
            return
        self._outcomes.append(is_good)
        n_bad = self._outcomes.count(False)
        if len(self._outcomes) == WINDOW and n_bad >= self.share * WINDOW:
            self._outcomes.clear()
            self._open_until = now + self.open_s
