"""From advice to parameters in force: proposals, verdicts, deployments."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

ProposalState = Literal[
    "pending", "refused", "queued", "inconclusive", "accepted", "narrowed", "deployed", "rolled_back", "expired"
]
Outcome = Literal["accepted", "refused", "inconclusive", "queued", "narrowed"]
Stage = Literal["admission", "screen", "stress", "sealed"]
DeploymentState = Literal["awaiting_approval", "pushed", "active", "rejected", "superseded", "rolled_back"]
WAS_IN_FORCE = frozenset[DeploymentState]({"active", "superseded", "rolled_back"})
"""States of a deployment that the engine took."""
PLACEBO = "placebo_random"
"""Source of random changes that only measure the gate: judged like any other, and never deployed."""


ANALYZERS = ("rule", "llm")
"""Arms whose proposals come from an analyzer; the others search."""


def arm_of(source: str) -> str:
    """Return the arm a source belongs to: `llm` for every model, `placebo`, else the source itself."""
    return "placebo" if source == PLACEBO else source.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Edit:
    """One parameter, one number."""

    param: str
    value: float


@dataclass(frozen=True, slots=True)
class ExpectedEffect:
    """A prediction that can turn out wrong."""

    metric: Literal["daily_pnl_usd", "win_rate", "max_drawdown_pct", "n_trades"]
    direction: Literal["up", "down"]
    magnitude: float
    horizon_days: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """A bounded change of one instance's parameters or rule set.

    `rationale` is untrusted: shown escaped, never fed to a prompt.
    """

    proposal_id: str
    analysis_id: str
    instance_id: str
    strategy: str
    base_version: int
    base_sha256: str
    base_params: dict[str, float]
    edits: tuple[Edit, ...]
    rationale: str
    expected_effect: ExpectedEffect
    confidence: float
    source: str
    """`rule`, `llm:<model>`, `tpe`, `placebo_random`, …; never relabelled."""
    created_at: datetime
    state: ProposalState
    hold: bool = False
    """A person's feedback asked for a look, or news moved it too far: it waits for approval, whatever is set."""
    base_rules: str | None = None
    """The rule set of the base, where its strategy follows one."""
    rules: str | None = None
    """The rule set that it asks for, as its one JSON text; None keeps the base's. Untrusted until it is admitted."""

    @property
    def program(self) -> str | None:
        """The candidate's rule set; None where its strategy follows none."""
        return self.base_rules if self.rules is None else self.rules

    @property
    def params(self) -> dict[str, float]:
        """The candidate's full parameters."""
        return {**self.base_params, **{edit.param: edit.value for edit in self.edits}}

    @property
    def is_placebo(self) -> bool:
        """Whether it only measures the gate."""
        return self.source == PLACEBO

    @property
    def lane(self) -> Literal["analyzer", "search", "placebo"]:
        """Which proposals of its instance it waits behind: those of its own lane."""
        return "placebo" if self.is_placebo else "analyzer" if arm_of(self.source) in ANALYZERS else "search"


@dataclass(frozen=True, slots=True)
class Check:
    """One rule of a stage with its number."""

    name: str
    passed: bool
    value: float | None
    limit: float | None
    detail: str
    veto: bool = True


@dataclass(frozen=True, slots=True)
class Fold:
    """One block of seen days: what incumbent and candidate made, in USD."""

    start_on: str
    end_on: str
    incumbent_usd: float
    candidate_usd: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a stage decided, with the numbers. The sealed stage's numbers are for people, never for a proposer."""

    verdict_id: str
    proposal_id: str
    stage: Stage
    outcome: Outcome
    deciding: str
    """The one statistic or rule that decided, in words."""
    checks: tuple[Check, ...]
    folds: tuple[Fold, ...]
    equity_days: tuple[str, ...]
    equity_incumbent: tuple[float, ...]
    equity_candidate: tuple[float, ...]
    n_trials: int
    """Trials in the ledger for this strategy when it was judged."""
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class BacktestRun:
    """One backtest that the gate made. A run on sealed days is for people, never for a proposer."""

    backtest_id: str
    proposal_id: str
    window: Literal["seen", "sealed", "lived"]
    role: Literal["candidate", "incumbent", "neighbour"]
    strategy: str
    params: dict[str, float]
    params_sha256: str
    start_at: datetime
    end_at: datetime
    cost_multiple: float
    n_days: int
    n_trades: int
    net_pnl_usd: float
    fees_usd: float
    slippage_usd: float
    at: datetime


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One link of the trial ledger's chain."""

    n: int
    at: datetime
    kind: str
    """`thresholds`, `split`, `preregistration`, `backtest`, `verdict`, `sealed_test`, `promotion`, `placebo_test`,
    `aftermath` or `promotions_stop`."""
    strategy: str
    proposal_id: str | None
    payload: str
    """Canonical JSON."""
    prev_sha256: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ParamVersion:
    """Parameters of one instance; immutable. Exactly one version of an instance is active."""

    instance_id: str
    strategy: str
    version: int
    params: dict[str, float]
    sha256: str
    origin: str
    """`initial`, a proposal id, or `rollback:<deployment id>`."""
    created_at: datetime
    active: bool
    rules: str | None = None
    """The rule set of strategy `rules`, as its one JSON text; it is in the hash."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """A change on its way to, or in, the engine."""

    deployment_id: str
    proposal_id: str | None
    instance_id: str
    version: int
    rollback_to: int
    """Version in force before; a rollback makes a new version with its parameters."""
    state: DeploymentState
    created_at: datetime
    approved_by: str
    pushed_at: datetime | None
    acked_at: datetime | None
    ack_sha256: str
    reason: str
    capital_share: float = 1.0
    """Share of the instance's capital from then on; 0 closes its position and opens nothing."""
