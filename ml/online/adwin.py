"""ADWIN: how far back the mean of a stream is still what it is now (Bifet, Gavaldà 2007).

The window is an exponential histogram: up to six buckets of each size 1, 2, 4, …, merged in pairs from the oldest.
Every 32 values each split of the window into an older and a newer part is tested; while the means differ by more than

    eps = sqrt(2 v L / m) + 2 L / (3 m),  L = ln(2 ln(n) / delta),  1 / m = 1 / (n0 - 4) + 1 / (n1 - 4),

with the window's variance v and sizes n0 + n1 = n, the oldest bucket goes. The library that has it loads scikit-learn
and pandas, 200 MB that a process which serves has no place for; in the tests it is the oracle.
"""

import math
from dataclasses import dataclass, field
from typing import Any, Final

from core.errors import BadInput

PER_SIZE: Final = 5
CHECK_EVERY: Final = 32
MIN_PART: Final = 5
GRACE: Final = 10


@dataclass(slots=True)
class _Bucket:
    total: float
    spread: float
    """Sum of squared distances to its own mean."""


@dataclass(slots=True)
class Adwin:
    """One stream of values in [0, 1], or scaled so that a change of 1 is large. `delta` bounds its false alarms."""

    delta: float = 0.002
    n: int = 0
    """Values in the window."""
    total: float = 0.0
    spread: float = 0.0
    n_drifts: int = 0
    _rows: list[list[_Bucket]] = field(default_factory=lambda: [[]])
    """By size 2^k, newest last in each row."""
    _ticks: int = 0

    @property
    def mean(self) -> float:
        """Mean over the window; 0 for an empty one."""
        return self.total / self.n if self.n else 0.0

    def update(self, value: float) -> bool:
        """Take the next value; return whether the window shrank because its mean had changed.

        Raises BadInput for what is no number, and stays as it was.
        """
        if not math.isfinite(value):
            raise BadInput(f"a score of {value} says nothing about drift")
        self._ticks += 1
        if self.n:
            self.spread += self.n * (value - self.mean) ** 2 / (self.n + 1)
        self.n += 1
        self.total += value
        self._rows[0].append(_Bucket(value, 0.0))
        self._compress()
        if self._ticks % CHECK_EVERY or self.n <= GRACE:
            return False
        return self._shrink()

    def to_plain(self) -> dict[str, Any]:
        """Return what JSON holds of it."""
        rows = [[[bucket.total, bucket.spread] for bucket in row] for row in self._rows]
        names = ("delta", "n", "total", "spread", "n_drifts")
        return {**{name: getattr(self, name) for name in names}, "rows": rows, "ticks": self._ticks}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "Adwin":
        """Return the window; BadInput for what `to_plain` does not write."""
        try:
            rows = [[_Bucket(float(total), float(spread)) for total, spread in row] for row in plain["rows"]]
            found = cls(
                float(plain["delta"]),
                int(plain["n"]),
                float(plain["total"]),
                float(plain["spread"]),
                int(plain["n_drifts"]),
                rows,
                int(plain["ticks"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(f"this is no state of a window: {error}") from None
        if found.n != sum(len(row) * 2**k for k, row in enumerate(rows)):
            raise BadInput("this is no state of a window: its sizes do not add up")
        return found

    def _compress(self) -> None:
        size = 1
        for k, row in enumerate(self._rows):
            if len(row) <= PER_SIZE:
                return
            older, newer = row.pop(0), row.pop(0)
            apart = (older.total - newer.total) / size
            merged = _Bucket(older.total + newer.total, older.spread + newer.spread + size * apart * apart / 2)
            if k + 1 == len(self._rows):
                self._rows.append([])
            self._rows[k + 1].append(merged)
            size *= 2

    def _shrink(self) -> bool:
        has_drifted = False
        while self.n > GRACE and self._is_apart():
            self._drop_oldest()
            has_drifted = True
        self.n_drifts += has_drifted
        return has_drifted

    def _is_apart(self) -> bool:
        n_old, old = 0, 0.0
        for k in range(len(self._rows) - 1, -1, -1):
            for bucket in self._rows[k]:
                n_old, old = n_old + 2**k, old + bucket.total
                n_new = self.n - n_old
                if n_new < MIN_PART:
                    return False
                if n_old >= MIN_PART and self._differ(n_old, old / n_old, n_new, (self.total - old) / n_new):
                    return True
        return False

    def _differ(self, n_old: int, old: float, n_new: int, new: float) -> bool:
        level = math.log(2.0 * math.log(self.n) / self.delta)
        inverse = 1.0 / (n_old - MIN_PART + 1) + 1.0 / (n_new - MIN_PART + 1)
        variance = self.spread / self.n
        return abs(old - new) > math.sqrt(2.0 * inverse * variance * level) + 2.0 / 3.0 * inverse * level

    def _drop_oldest(self) -> None:
        row = self._rows[-1]
        bucket, size = row.pop(0), 2 ** (len(self._rows) - 1)
        self.n -= size
        self.total -= bucket.total
        apart = bucket.total / size - self.mean
        self.spread -= bucket.spread + size * self.n * apart * apart / (size + self.n)
        while len(self._rows) > 1 and not self._rows[-1]:
            self._rows.pop()
