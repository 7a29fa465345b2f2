"""Whether one model is better than another, told while both speak and at any time without raising the error.

The difference of log losses d = ln p_b(y) - ln p_a(y), of probabilities clipped to [1/4, 3/4], lies in [-ln 3, ln 3].
If the second model is not better, its mean given the past is at most 0, and for each stake s below 1 / ln 3 the capital
prod (1 + s d) is a test supermartingale; so is the mean over a fixed grid of stakes (Shafer 2021; Waudby-Smith, Ramdas
2024 for bounded means; Choe, Ramdas 2023 for forecasts). By Ville's inequality it ever exceeds 20 with probability at
most 1 / 20, however often one looks. The clip is part of the claim: more certain probabilities are compared as if they
were 3/4, which no single surprise can decide.

Labels must not overlap: of a horizon of h bars every h-th prediction is taken, by the number of its bar.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from core.errors import BadInput

CLIP: Final = 0.25
LARGEST: Final = math.log((1 - CLIP) / CLIP)
STAKES: Final = tuple(share / LARGEST for share in (0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95))
BETTER: Final = 20.0
"""Evidence at which a model takes the other's place."""
MIN_SCORED: Final = 500


@dataclass(slots=True)
class Evidence:
    """Capital of who bets that the second model is better than the first. Starts at 1."""

    n: int = 0
    log_capital: list[float] = field(default_factory=lambda: [0.0] * len(STAKES))
    """By stake, natural logarithm."""
    total: float = 0.0
    """Sum of the differences, in nats."""

    def add(self, first: float, second: float, y: int) -> None:
        """Take the probabilities that both gave to label 1, and the label, 0 or 1. Raises BadInput for others."""
        self.add_bar([(first, second, y)])

    def add_bar(self, rows: Sequence[tuple[float, float, int]]) -> None:
        """Take one bar of several symbols: their mean difference is one bet, for labels of one time depend on another.

        Raises BadInput as `add`, and for no rows.
        """
        if not rows:
            raise BadInput("a bar without labels says nothing")
        for first, second, y in rows:
            if y not in (0, 1) or not (0 <= first <= 1 and 0 <= second <= 1):
                raise BadInput(f"{first} and {second} are no probabilities, or {y} is no label")
        difference = sum(_log_score(second, y) - _log_score(first, y) for first, second, y in rows) / len(rows)
        self.n += 1
        self.total += difference
        self.log_capital = [c + math.log1p(s * difference) for c, s in zip(self.log_capital, STAKES, strict=True)]

    @property
    def value(self) -> float:
        """The evidence: mean capital over the stakes."""
        top = max(self.log_capital)
        mean = sum(math.exp(each - top) for each in self.log_capital) / len(STAKES)
        return math.exp(min(top + math.log(mean), 700.0))

    @property
    def is_better(self) -> bool:
        """Whether the second model has shown itself better, over enough labels."""
        return self.n >= MIN_SCORED and self.value > BETTER

    def to_plain(self) -> dict[str, Any]:
        """Return what JSON holds of it."""
        return {"n": self.n, "log_capital": list(self.log_capital), "total": self.total}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "Evidence":
        """Return the evidence; BadInput for what `to_plain` does not write."""
        try:
            found = cls(int(plain["n"]), [float(each) for each in plain["log_capital"]], float(plain["total"]))
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(f"this is no state of a comparison: {error}") from None
        numbers = (*found.log_capital, found.total)
        if len(found.log_capital) != len(STAKES) or found.n < 0 or not all(math.isfinite(each) for each in numbers):
            raise BadInput("this is no state of a comparison: its numbers are none")
        return found


@dataclass(slots=True)
class Comparison:
    """Two models that both speak about the same bars: evidence for either over the other."""

    horizon_bars: int
    for_second: Evidence = field(default_factory=Evidence)
    for_first: Evidence = field(default_factory=Evidence)

    def add(self, bar: int, first: float, second: float, y: int) -> bool:
        """Take a settled bar by its number; return whether it counted. Raises BadInput as `Evidence.add`."""
        return self.add_bar(bar, [(first, second, y)])

    def add_bar(self, bar: int, rows: Sequence[tuple[float, float, int]]) -> bool:
        """Take a settled bar of several symbols, each with both probabilities and its label, as one bet."""
        if bar % self.horizon_bars:
            return False
        self.for_second.add_bar(rows)
        self.for_first.add_bar([(second, first, y) for first, second, y in rows])
        return True


def _log_score(probability: float, y: int) -> float:
    clipped = min(max(probability, CLIP), 1 - CLIP)
    return math.log(clipped if y else 1 - clipped)
