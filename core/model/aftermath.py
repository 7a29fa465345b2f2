"""What became of proposals, whatever was decided about them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

AftermathOutcome = Literal["better", "worse", "too_few_days", "too_few_trades", "not_comparable"]
HORIZONS_DAYS = (7, 30)
"""KST days over which a proposal's parameters are followed, from the first whole one after its registration."""


@dataclass(frozen=True, slots=True)
class Aftermath:
    """A proposal's parameters beside their base, played over the days lived after it. Never shown to a proposer."""

    aftermath_id: str
    proposal_id: str
    horizon_days: int
    instance_id: str
    strategy: str
    source: str
    prompt: str
    """Template and version behind the proposal, as `daily.adjustments.v1`; empty where no prompt was involved."""
    registered_at: datetime
    start_at: datetime
    end_at: datetime
    outcome: AftermathOutcome
    """`better` and `worse` are the sign of the mean of d; the others have none, and no figure."""
    reason: str
    """Why there is no sign, or empty."""
    n_days: int
    n_changed_trades: int
    mean_usd: float | None
    """Mean of d, the paired and volatility-matched difference, in USD a day at plain costs."""
    daily_ir: float | None
    """Mean of d over its standard deviation, a day."""
    promised_usd: float | None
    """The screen's mean of d on seen days, in USD a day; None where no screen compared."""
    promised_ir: float | None
    """The same over its standard deviation."""
    judged_at: datetime

    @property
    def is_better(self) -> bool | None:
        """Whether the parameters beat their base; None where that cannot be told."""
        return {"better": True, "worse": False}.get(self.outcome)
