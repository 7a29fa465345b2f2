"""Arm `tpe`: Optuna's multivariate tree-structured Parzen estimator. It hosts the search and learns from all arms."""

from dataclasses import dataclass

from optuna.samplers import TPESampler

from strategies.proposers.optuna_study import OptunaStudy
from strategies.proposers.protocol import Study, Task, comparable


@dataclass(frozen=True, slots=True)
class TpeProposer:
    """Starts from the ledger's trials; where those are fewer than `n_startup_trials`, with random points."""

    n_startup_trials: int = 10

    @property
    def name(self) -> str:
        """See `Proposer`."""
        return "tpe"

    def open(self, task: Task) -> Study:
        """See `Proposer`."""
        known = comparable(task.known, task.space, task.regime)
        sampler = TPESampler(seed=task.seed, n_startup_trials=self.n_startup_trials, multivariate=True)
        n_own_first = self.n_startup_trials - len(known)
        study = OptunaStudy(sampler, task.space, repeats_count=False, n_own_first=n_own_first)
        study.learn(known)
        return study
