"""An Optuna study over grid indices, in memory: what the arms `tpe` and `cma` share.

Optuna samples integers inside the ranges, so every point is admissible as it comes. Nothing that it answers is moved.
"""

from collections.abc import Sequence
from typing import Final

import optuna
from optuna.distributions import IntDistribution
from optuna.samplers import BaseSampler
from optuna.trial import TrialState, create_trial

from core.errors import BadInput
from strategies.proposers.protocol import Idea, Score, Trial
from strategies.proposers.space import Space

ATTEMPTS: Final = 40
"""Draws for one new point; a sampler that knows its best point well draws it again and again."""


class OptunaStudy:
    """One search by one sampler. A study lives for one search; the ledger's trials carry over what it learned."""

    def __init__(self, sampler: BaseSampler, space: Space, repeats_count: bool, n_own_first: int = 0) -> None:
        """`repeats_count`: a point drawn again tells the sampler its score again, as generations need it to.

        What others find is held back until the sampler has looked at `n_own_first` points of its own. Else their ideas
        would count as its first look around, and bad ones would leave it without any.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._space = space
        self._repeats_count = repeats_count
        self._distributions = {name: IntDistribution(r.start, r.stop - 1) for name, r in space.ranges.items()}
        self._asked: dict[str, optuna.Trial] = {}
        self._n_own_left = n_own_first
        self._held_back: list[Trial] = []
        # Against itself the running version gains nothing, by definition and without a backtest.
        self._scores = {space.running.sha256: Score(0.0, 0, 0, "")}
        self._add(space.origin, 0.0)

    def ask(self, n: int) -> Sequence[Idea]:
        """Return new points; contradictions are told to the sampler as such and left out."""
        ideas: list[Idea] = []
        for _ in range(n * ATTEMPTS):
            if len(ideas) == n:
                break
            trial = self._study.ask(dict(self._distributions))
            params = self._space.params_at(trial.params)
            try:
                sha256 = self._space.identify(params)
            except BadInput:
                self._study.tell(trial, state=TrialState.PRUNED)
                continue
            if sha256 in self._scores and self._repeats_count:
                self._finish(trial, self._scores[sha256])
            elif sha256 in self._scores or sha256 in self._asked:
                self._study.tell(trial, state=TrialState.FAIL)
            else:
                self._asked[sha256] = trial
                ideas.append(Idea(params))
        return ideas

    def tell(self, trials: Sequence[Trial]) -> None:
        """Learn scores; what another arm thought of becomes a finished trial of this study."""
        for trial in trials:
            # Another rule set is another landscape: its score says nothing about a point of this one.
            if trial.params_sha256 in self._scores or trial.rules is not None:
                continue
            self._scores[trial.params_sha256] = trial.score
            asked = self._asked.pop(trial.params_sha256, None)
            if asked is None:
                self._held_back.append(trial)
            else:
                self._finish(asked, trial.score)
                self._n_own_left -= 1
        if self._n_own_left <= 0:
            self.learn(self._held_back)
            self._held_back = []

    def learn(self, trials: Sequence[Trial]) -> None:
        """Add finished trials at once, such as the ledger's; one without a score teaches nothing."""
        for trial in trials:
            self._scores[trial.params_sha256] = trial.score
            point = self._space.point_of(trial.params)
            if point is not None and trial.score.value is not None and trial.rules is None:
                self._add(point, trial.score.value)

    def _finish(self, trial: optuna.Trial, score: Score) -> None:
        if score.value is None:
            self._study.tell(trial, state=TrialState.PRUNED)
        else:
            self._study.tell(trial, score.value)

    def _add(self, point: dict[str, int], value: float) -> None:
        self._study.add_trial(create_trial(params=point, distributions=dict(self._distributions), value=value))
