"""What the gate needs from outside: bars of the past, with what models said of them meanwhile."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from core.native import Bars


class BarSource(Protocol):
    """Closed bars, never later than the clock."""

    def symbols(self) -> tuple[str, ...]:
        """Return what there is."""
        ...

    def span(self, symbols: Sequence[str] | None = None) -> tuple[datetime, datetime]:
        """Return the stretch all symbols share; BadInput when there is none."""
        ...

    def load(self, symbols: Sequence[str], start_at: datetime, end_at: datetime) -> Bars:
        """Return the bars that closed after `start_at` and at or before `end_at`, with what models said then."""
        ...

    def said_share(self, symbols: Sequence[str], start_at: datetime, end_at: datetime) -> float:
        """Return on which share of the KST days of a stretch models spoke about every symbol, 0 to 1."""
        ...
