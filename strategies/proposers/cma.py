"""Arm `cma`: CMA-ES by Optuna (package cmaes), started on what the ledger's trials say where there are enough."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from optuna.distributions import IntDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import CmaEsSampler
from optuna.trial import FrozenTrial, create_trial

from strategies.proposers.optuna_study import OptunaStudy
from strategies.proposers.protocol import Study, Task, Trial, comparable
from strategies.proposers.space import Space

MIN_KNOWN = 10
"""Warm starting takes the best tenth of what is known, and that must be at least one (Nomura et al. 2021)."""


@dataclass(frozen=True, slots=True)
class CmaProposer:
    """Learns from its own generations only: an evolution strategy has no place for the points of others."""

    @property
    def name(self) -> str:
        """See `Proposer`."""
        return "cma"

    def open(self, task: Task) -> Study:
        """See `Proposer`."""
        known = comparable(task.known, task.space, task.regime)
        source = _source_trials(known, task.space)
        with warnings.catch_warnings():
            # Optuna calls warm starting experimental; its interface is pinned and covered by our tests.
            warnings.simplefilter("ignore", ExperimentalWarning)
            sampler = CmaEsSampler(seed=task.seed, source_trials=source if len(source) >= MIN_KNOWN else None)
        study = OptunaStudy(sampler, task.space, repeats_count=True)
        study.learn(known)
        return study


def _source_trials(trials: Sequence[Trial], space: Space) -> list[FrozenTrial]:
    distributions = {name: IntDistribution(r.start, r.stop - 1) for name, r in space.ranges.items()}
    placed = [(space.point_of(trial.params), trial.score.value) for trial in trials if trial.rules is None]
    return [
        create_trial(params=point, distributions=dict(distributions), value=value)
        for point, value in placed
        if point is not None and value is not None
    ]
