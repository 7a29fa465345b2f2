"""What every arm is given, answers and is told.

An arm sees the space, what was tried, and scores. It is given no bars, no dates and no store, and the judge that it
never meets is built on `strategies.proposers.seen.SeenBars`, which refuses a day that is not seen.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from core.errors import BadInput
from core.model.canonical import sha256_of
from core.model.proposal import Proposal
from strategies.proposers.space import Params, Space

LLM = "llm"
"""Name of the arm whose share is capped, whatever model answers."""


@dataclass(frozen=True, slots=True)
class Score:
    """How one parameter set compares with the running one on the same seen days."""

    value: float | None
    """Mean of the volatility-matched daily difference, in USD a day; None where it cannot be had."""
    n_days: int
    n_trades: int
    refusal: str
    """Why there is no value, or empty."""

    def __post_init__(self) -> None:
        if (self.value is None) != bool(self.refusal) or not math.isfinite(self.value or 0.0):
            raise BadInput(f"a score is a number or a reason, not {self.value} with '{self.refusal}'")


class Judge(Protocol):
    """Backtests of seen days, one score for each parameter set in order."""

    def __call__(self, params: Sequence[Params], programs: Sequence[str | None] = ()) -> Sequence[Score]:
        """Return the scores. `programs` names the rule set of each; None, or none at all, is the running one's."""
        ...


@dataclass(frozen=True, slots=True)
class Trial:
    """One backtest of a search: a row for the trial ledger."""

    strategy: str
    regime: str
    base_sha256: str
    """Parameters of the running version that the score compares with."""
    params: dict[str, float]
    params_sha256: str
    source: str
    """Who thought of it first: an arm's name, or a proposal's own source. Never relabelled."""
    score: Score
    rules: str | None = None
    """Its rule set, where that is not the running one."""


@dataclass(frozen=True, slots=True)
class Task:
    """What an arm may know when a search begins. The arm's study is that of one strategy and one regime."""

    space: Space
    regime: str
    known: tuple[Trial, ...]
    """Trials of the ledger to start from; see `comparable`."""
    seed: int


@dataclass(frozen=True, slots=True)
class Idea:
    """A parameter set that an arm wants judged."""

    params: dict[str, float]
    proposal: Proposal | None = None
    """Where the arm was handed a proposal: that one, untouched."""
    rules: str | None = None
    """Another rule set than the running one, where that is what it wants judged."""


class Study(Protocol):
    """One arm at work in one search."""

    def ask(self, n: int) -> Sequence[Idea]:
        """Return at most `n` ideas, none that it was told of before; fewer, or none, when it has no more."""
        ...

    def tell(self, trials: Sequence[Trial]) -> None:
        """Learn what became of ideas, its own and those of other arms."""
        ...


class Proposer(Protocol):
    """One way of looking for better parameters. It decides nothing and runs no backtest."""

    @property
    def name(self) -> str:
        """The arm's name; the source of what it thinks of, unless it was handed a proposal with its own."""
        ...

    def open(self, task: Task) -> Study:
        """Return the arm at work on `task`: the same task and the same answers give the same ideas."""
        ...


def comparable(trials: Sequence[Trial], space: Space, regime: str) -> tuple[Trial, ...]:
    """Return the trials of this strategy and regime that were scored against the version that still runs."""
    wanted = (space.running.strategy, regime, space.running.sha256)
    return tuple(trial for trial in trials if (trial.strategy, trial.regime, trial.base_sha256) == wanted)


def seed_of(seed: int, *parts: str | int) -> int:
    """Return a seed for one part of the work, so that no two parts draw the same numbers."""
    return int(sha256_of([str(part) for part in (seed, *parts)])[:8], 16)
