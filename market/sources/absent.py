"""The source for what is switched off: every number is missing, with the reason."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from market.sources.reading import Quantity, Reading, missing


@dataclass(frozen=True, slots=True)
class Absent:
    """Answers that its numbers are not known."""

    name: ClassVar[str] = "none"
    quantities: tuple[Quantity, ...]
    reason: str

    async def fetch(self, at: datetime) -> Reading:
        """Return the missing fields."""
        return Reading(tuple(missing(quantity, "none", self.reason) for quantity in self.quantities))
