"""Arm `llm`: hands on what an analyzer proposes. The analyzer is injected; no LLM is known here.

A proposal goes through as it was made, with its own source (`llm:<model>`, or `rule` where the rules answered). What
admission would refuse is not judged and not repaired: the search reports it, and the gate refuses and counts it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.model.proposal import Proposal
from strategies.proposers.protocol import LLM, Idea, Study, Task, Trial, comparable
from strategies.proposers.space import Space


@dataclass(frozen=True, slots=True)
class AdviceRequest:
    """What an adviser may see: seen-day scores only."""

    space: Space
    regime: str
    trials: tuple[Trial, ...]
    """All that was tried so far, oldest first, failures with their reason among them."""
    n: int
    """How many proposals are wanted at most."""


Adviser = Callable[[AdviceRequest], Sequence[Proposal]]
"""Returns proposals for the running version; none at all ends its part of the search."""


@dataclass(frozen=True, slots=True)
class LlmProposer:
    """Asks the injected adviser each time the bandit gives it a turn."""

    advise: Adviser

    @property
    def name(self) -> str:
        """See `Proposer`."""
        return LLM

    def open(self, task: Task) -> Study:
        """See `Proposer`."""
        return _LlmStudy(self.advise, task, list(comparable(task.known, task.space, task.regime)))


@dataclass(slots=True)
class _LlmStudy:
    advise: Adviser
    task: Task
    trials: list[Trial]

    def ask(self, n: int) -> Sequence[Idea]:
        asked = AdviceRequest(self.task.space, self.task.regime, tuple(self.trials), n)
        return [Idea(proposal.params, proposal, proposal.rules) for proposal in self.advise(asked)]

    def tell(self, trials: Sequence[Trial]) -> None:
        self.trials.extend(trials)
