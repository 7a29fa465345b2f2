"""Which arm has the next turn: Thompson sampling on what became of the arms' earlier ideas.

Each arm's chance of a good outcome has the posterior Beta(1 + good, 1 + bad); the arm with the largest draw has the
turn (Thompson 1933). Counts are of whatever the caller calls good: inside a search, a trial among the best fifth; over
weeks, a proposal that survived the screen or was confirmed in shadow. The LLM's share of the turns is capped, so that
advice costs little when it is bad. Placebos are no arm: they are injected beside proposals, and no count moves by them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from core.model.proposal import PLACEBO, arm_of
from strategies.proposers.protocol import LLM, seed_of


@dataclass(frozen=True, slots=True)
class ArmCounts:
    """Outcomes of one arm."""

    n_good: int = 0
    n_bad: int = 0

    def plus(self, other: "ArmCounts") -> "ArmCounts":
        """Return both counts together."""
        return ArmCounts(self.n_good + other.n_good, self.n_bad + other.n_bad)


def choose_arm(counts: Mapping[str, ArmCounts], n_llm: int, n_all: int, llm_share: float, seed: int) -> str | None:
    """Return the arm that has the next turn; None when only the LLM is left and its share is spent.

    `counts` by arm. `n_llm` of the `n_all` turns that there are in all have gone to the LLM.
    """
    allowed = {name: each for name, each in counts.items() if arm_of(name) != arm_of(PLACEBO)}
    if n_llm >= llm_turns(n_all, llm_share):
        allowed.pop(LLM, None)
    dice = np.random.default_rng(seed)
    # Sorted, so that the draws do not depend on the order in which the caller counted.
    draws = {name: dice.beta(1 + each.n_good, 1 + each.n_bad) for name, each in sorted(allowed.items())}
    return max(draws, key=lambda name: draws[name]) if draws else None


def choose_arms(counts: Mapping[str, ArmCounts], n: int, llm_share: float, seed: int) -> tuple[str, ...]:
    """Return the arms of `n` turns whose outcomes come in later, such as a week's proposals.

    Fewer than `n` when only the LLM is left.
    """
    chosen: list[str] = []
    for turn in range(n):
        arm = choose_arm(counts, chosen.count(LLM), n, llm_share, seed_of(seed, "turn", turn))
        if arm is not None:
            chosen.append(arm)
    return tuple(chosen)


def llm_turns(n_all: int, llm_share: float) -> int:
    """Return how many of `n_all` turns the LLM may have; rounded down."""
    return math.floor(n_all * llm_share + 1e-9)


def wants_placebo(proposal_id: str, share: float, seed: int) -> bool:
    """Return whether a placebo goes with this proposal. Only the id and the seed decide: not its arm, not its merit."""
    return bool(np.random.default_rng(seed_of(seed, "placebo", proposal_id)).random() < share)
