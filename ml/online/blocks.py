"""Whether a stretch of live rows lies further from the training rows than stretches of the training itself did.

Rows of each symbol are cut into blocks of whole days (`block_ms_of`). A block's statistic is the mean population
stability index of its columns (`ml.online.shift`) against the training rows of all symbols; that of a training block is
taken against all the others. While a symbol's blocks are exchangeable, a new one lies above all n of its training with
probability at most 1 / (n + 1), however many columns there are, however they hang together, and however slowly they
move within a block (a conformal p-value; Vovk, Gammerman, Shafer 2005). A block of several symbols counts as shifted
where at least half of them lie above, which by Markov's inequality happens with probability at most 2 / (n + 1).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.errors import BadInput
from market.candles import Floats, Integers
from ml.online.shift import N_BINS, FeatureReference, index_of

DAY_MS = 86_400_000
MIN_ROWS = 168
"""A block is the smallest number of whole days with so many bars: a week of hours, a day of minutes."""
MIN_SHARE = 0.8
"""Of its bars that a block must have."""
MIN_BLOCKS = 50
"""Training blocks of a symbol below which its live blocks are not judged: the rate would be too high."""
N_NAMED = 3
_PLACES = N_BINS + 1


def block_ms_of(interval_ms: int) -> int:
    """Return the length of a block of such bars, in milliseconds."""
    return -(-MIN_ROWS * interval_ms // DAY_MS) * DAY_MS


def block_of(closed_at_ms: int, interval_ms: int) -> int:
    """Return the number of the block, counted from 1970, that a bar with this close belongs to."""
    return (closed_at_ms - 1) // block_ms_of(interval_ms)


@dataclass(frozen=True, slots=True)
class BlockShift:
    """How far one symbol's block lies from the training rows."""

    symbol: str
    index: float
    """Mean population stability index of its columns."""
    limit: float
    """The largest of the symbol's training blocks."""
    n_reference: int
    """How many these are."""
    columns: tuple[str, ...]
    """Those that moved most."""

    @property
    def is_above(self) -> bool:
        """Whether it lies further out than every training block."""
        return self.index > self.limit


@dataclass(frozen=True, slots=True, eq=False)
class BlockReference:
    """How the training rows lay, and how far each symbol's blocks among them lay from the others."""

    interval_ms: int
    rows: FeatureReference
    own: Mapping[str, tuple[float, ...]]
    """By symbol, the statistic of each whole block of its training rows."""

    @classmethod
    def fit(
        cls,
        names: tuple[str, ...],
        x: Floats,
        closed_at_ms: Integers,
        symbol: Integers,
        symbols: tuple[str, ...],
        interval_ms: int,
    ) -> "BlockReference":
        """Return the reference of (n, k) training rows with their closes and (n,) the place of each row's symbol.

        Raises BadInput as `FeatureReference.fit`.
        """
        rows = FeatureReference.fit(names, x)
        number = (closed_at_ms - 1) // block_ms_of(interval_ms)
        own: dict[str, tuple[float, ...]] = {}
        for place, name in enumerate(symbols):
            mine = symbol == place
            found = []
            for block in np.unique(number[mine]).tolist():
                chosen = mine & (number == block)
                if _is_whole(int(chosen.sum()), interval_ms):
                    counts = rows.count(x[chosen])
                    found.append(float(index_of(rows.counts - counts, counts).mean()))
            own[name] = tuple(found)
        return cls(interval_ms, rows, own)

    def judge(self, symbol: str, counts: Integers) -> BlockShift | None:
        """Return how far a block with these (k, 11) counts lies out; None where that cannot be told."""
        own = self.own.get(symbol, ())
        if len(own) < MIN_BLOCKS or not _is_whole(int(counts[0].sum()), self.interval_ms):
            return None
        index = index_of(self.rows.counts, counts)
        furthest = np.argsort(-index, kind="stable")[:N_NAMED]
        return BlockShift(symbol, float(index.mean()), max(own), len(own), tuple(self.rows.names[n] for n in furthest))

    def to_plain(self) -> dict[str, Any]:
        """Return what JSON holds of it."""
        own = {symbol: list(values) for symbol, values in self.own.items()}
        return {"interval_ms": self.interval_ms, "rows": self.rows.to_plain(), "own": own}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "BlockReference":
        """Return the reference; BadInput for what `to_plain` does not write."""
        try:
            own = {str(symbol): tuple(map(float, values)) for symbol, values in plain["own"].items()}
            interval_ms, rows = int(plain["interval_ms"]), FeatureReference.from_plain(plain["rows"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise BadInput(f"this is no reference of blocks: {error}") from None
        if interval_ms < 1 or not all(np.isfinite(values).all() for values in own.values()):
            raise BadInput("this is no reference of blocks: its numbers are none")
        return cls(interval_ms, rows, own)


def rate_of(shifts: "tuple[BlockShift, ...]") -> float:
    """Return the probability, at most, with which blocks like these count as shifted while nothing changed."""
    n = min(each.n_reference for each in shifts)
    return (1.0 if len(shifts) == 1 else 2.0) / (n + 1)


def is_shifted(shifts: "tuple[BlockShift, ...]") -> bool:
    """Return whether at least half of the symbols of a block lie above their training."""
    return 2 * sum(each.is_above for each in shifts) >= len(shifts) > 0


def _is_whole(n_rows: int, interval_ms: int) -> bool:
    return n_rows >= MIN_SHARE * block_ms_of(interval_ms) / interval_ms
