"""What a weekly search for better parameters did, counted."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

NoChange = Literal[
    "",
    "off",
    "not_running",
    "not_on_bars",
    "on_its_way",
    "nothing_to_search",
    "too_few_days",
    "no_gain",
    "no_gain_fresh",
]
"""Why a search proposes nothing, or was not made; empty with a proposal."""


@dataclass(frozen=True, slots=True)
class ArmTally:
    """One arm's part of a search."""

    arm: str
    n_asked: int
    n_judged: int
    """Backtests spent."""
    n_good: int
    """Of those, trials that were among the best fifth when they came in."""
    n_repeated: int
    n_refused: int


@dataclass(frozen=True, slots=True)
class WeeklySearch:
    """The search around one instance's running version. It decides nothing: what it found goes to the gate."""

    search_id: str
    on: date
    """Last KST day of the week."""
    instance_id: str
    strategy: str
    base_sha256: str
    regime: str
    n_trials: int
    arms: tuple[ArmTally, ...]
    n_gains: int
    """Trials that gained on the searched days."""
    n_retested: int
    n_gains_fresh: int
    """Of the retested, those that gained on the fresh days too."""
    best_searched_usd: float | None
    """Largest gain on the searched days, in USD a day; None without a gain."""
    best_fresh_usd: float | None
    """Largest gain of a retested one on the fresh days; None without a retest that could be compared."""
    proposal_id: str
    """What the search proposes; empty means no change."""
    reason: NoChange
    detail: str
    """What the reason is about: an id, or a reason in words; often empty."""
    made: tuple[str, ...]
    """All proposals that go to the gate with this search, in its order of admission."""
    created_at: datetime
