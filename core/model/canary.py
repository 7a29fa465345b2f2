"""A canary: one accepted change on its way to the whole capital, and what became of it."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

CanaryStage = Literal["shadow", "canary", "promoted", "confirmed", "rolled_back", "stopped"]
OPEN_STAGES: tuple[CanaryStage, ...] = ("shadow", "canary", "promoted")
DayFault = Literal["", "not_in_force", "not_marked", "gap", "not_a_number", "parity"]
GuardRule = Literal["", "loss_budget", "boundary", "drift"]
"""Which term has been met; empty while none has."""


@dataclass(frozen=True, slots=True)
class ScheduleStep:
    """So many whole days at a share of the instance's capital."""

    share: float
    n_days: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """Written before the start and never changed. The last step is at the whole capital."""

    shadow_days: int
    steps: tuple[ScheduleStep, ...]
    max_days: int
    """Calendar days from the start to the whole capital; after them the change counts as not confirmed."""
    watch_days: int
    """Whole days at the whole capital until it counts as confirmed."""

    @property
    def n_days(self) -> int:
        """Whole days of shadow and steps, over which the boundary is calibrated."""
        return self.shadow_days + sum(step.n_days for step in self.steps)


@dataclass(frozen=True, slots=True)
class Promise:
    """What the sealed days said of d, the volatility-matched daily difference in USD at the whole capital.

    For people and the guard, never for a proposer.
    """

    scale: float
    """s_i / s_c: what a daily result of the candidate is multiplied by."""
    mean_usd: float
    sd_usd: float
    annual_ir: float
    largest_usd: float
    """Largest absolute d."""
    n_days: int


@dataclass(frozen=True, slots=True)
class GuardTerms:
    """By which figures a change is taken back; fixed before the start."""

    boundary: float
    """c: the running t of d at or below -c is harm, from day `n_min_days` to day `n_days` since the start.

    One that takes longer to the whole capital than planned stays under it until it gets there.
    """
    n_min_days: int
    n_days: int
    false_share: float
    """Of paths without harm that cross -c within these days."""
    loss_budget_usd: float
    """A sum of d at or below minus this is harm, at the whole capital; counted anew from the promotion on."""
    drift_threshold: float
    """Of the e-detector after the promotion."""
    block_length: int
    """Days of the blocks of d that the boundary was calibrated on."""
    seed: int


@dataclass(frozen=True, slots=True)
class Canary:
    """One accepted proposal on its way. Everything but stage, step, share, dates and reason is fixed at the start."""

    canary_id: str
    proposal_id: str
    instance_id: str
    strategy: str
    stage: CanaryStage
    step: int
    """Index into the schedule's steps; -1 in the shadow."""
    share: float
    """Of the instance's capital, on the candidate."""
    schedule: Schedule
    incumbent_version: int
    incumbent_params: dict[str, float]
    incumbent_sha256: str
    candidate_params: dict[str, float]
    candidate_sha256: str
    promise: Promise
    terms: GuardTerms
    started_on: date
    changed_on: date
    """When stage or step last changed."""
    ended_on: date | None
    reason: str
    """Why it stands where it stands."""
    incumbent_rules: str | None = None
    """The rule set of strategy `rules`; None where the strategy follows none."""
    candidate_rules: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is still on its way or under watch."""
        return self.stage in OPEN_STAGES


@dataclass(frozen=True, slots=True)
class CanaryDay:
    """One whole KST day of candidate and incumbent, in USD as if either had the whole capital; None is not known."""

    canary_id: str
    on: date
    stage: CanaryStage
    step: int
    share: float
    candidate_usd: float | None
    incumbent_usd: float | None
    fault: DayFault
    """Why the day does not count towards the schedule; what is known of it still counts for the guard."""
    residual_usd: float | None = None
    """Live less simulated result of the incumbent's parameters; None where not both ran, or advice held one back."""


@dataclass(frozen=True, slots=True)
class GuardFigures:
    """How the guard stands after a day. Money in USD at the whole capital; None: too few to tell."""

    n_days: int
    """Days of which d is known."""
    sum_usd: float
    """d so far; from the promotion on, d since then."""
    statistic: float | None
    """The running t of d, against the boundary."""
    drift: float | None
    """The e-detector since the promotion, against its threshold."""
    fired: GuardRule


@dataclass(frozen=True, slots=True)
class CanaryDecision:
    """What was decided about a canary on a KST day, from the whole days before it. At most one a day."""

    canary_id: str
    on: date
    stage: CanaryStage
    step: int
    share: float
    is_move: bool
    """Whether stage or step changed."""
    asks: bool
    """Whether all it waits for is a person's approval."""
    reason: str
    figures: GuardFigures
