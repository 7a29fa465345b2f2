"""Arm `jitter`: one or two parameters of the running version by one grid step, in a seeded order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product

import numpy as np

from strategies.proposers.protocol import Idea, Study, Task, Trial, comparable
from strategies.proposers.space import Space


@dataclass(frozen=True, slots=True)
class JitterProposer:
    """Learns nothing, and ends when every neighbour was asked for."""

    @property
    def name(self) -> str:
        """See `Proposer`."""
        return "jitter"

    def open(self, task: Task) -> Study:
        """See `Proposer`."""
        points = list(_neighbours(task.space))
        np.random.default_rng(task.seed).shuffle(points)
        study = _JitterStudy(task.space, points)
        study.tell(comparable(task.known, task.space, task.regime))
        return study


@dataclass(slots=True)
class _JitterStudy:
    space: Space
    points: list[dict[str, int]]
    told: set[str] = field(default_factory=set)

    def ask(self, n: int) -> Sequence[Idea]:
        ideas: list[Idea] = []
        while self.points and len(ideas) < n:
            params = self.space.params_at(self.points.pop())
            if not self.space.refusal(params) and self.space.identify(params) not in self.told:
                ideas.append(Idea(params))
        return ideas

    def tell(self, trials: Sequence[Trial]) -> None:
        self.told.update(trial.params_sha256 for trial in trials)


def _neighbours(space: Space) -> Iterator[dict[str, int]]:
    origin = space.origin
    moved = [[(name, origin[name] + sign) for sign in (-1, 1)] for name in space.names]
    inside = [[(name, k) for name, k in pair if k in space.ranges[name]] for pair in moved]
    for n in (1, 2):
        for pairs in combinations(inside, n):
            for choice in product(*pairs):
                yield {**origin, **dict(choice)}
