"""Proposers who know more than they should: who saw the sealed days, who is told scores, and who climbs on one bit.

No parameter set is better than another, so that whatever is accepted is false.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.metrics import Series
from strategies.gate.evaluation.rules import Rule
from strategies.gate.evaluation.segments import moments_of, sharpe_over
from strategies.gate.evaluation.worlds import (
    N_DAYS,
    N_SEALED,
    N_TRIALS,
    SEEN,
    Flags,
    make_market,
    own_noise,
    propose,
)
from strategies.gate.evaluation.years import FIRST_DAY, N_WEEKS, WEEK

N_AXES = 20
"""Dimensions of the parameters that a climber moves in."""
STEP = 1.0
IDEAS_PER_WEEK = 7
N_SEARCHED = 500
SEALED_SCORES = -1


@dataclass(frozen=True, slots=True)
class Slope:
    """Worlds whose parameter sets are directions; each axis earns a series of its own and none has skill."""

    shared: Series
    axes: Series
    """Worlds x axes x days."""
    incumbent: Series

    def returns(self, directions: Series) -> Series:
        """Return worlds x sets x days of unit vectors, worlds x sets x axes."""
        return np.asarray(directions @ self.axes + self.shared[:, None, :], dtype=np.float64)


def make_slope(rng: np.random.Generator, n_worlds: int) -> Slope:
    """Return worlds to climb in; the incumbent stands on the first axis."""
    market = make_market(rng, n_worlds, N_DAYS)
    axes = own_noise(rng, market.volatility, N_AXES)
    return Slope(market.shared, axes, market.shared + axes[:, 0])


def climb_on_one_bit(rng: np.random.Generator, n_worlds: int, rules: Sequence[Rule]) -> dict[str, Flags]:
    """Return by rule and world whether a year of weekly climbing was ever accepted.

    Each week the best of 50 steps on seen days is proposed; an accepted one is where the next steps start.
    """
    slope = make_slope(rng, n_worlds)
    steps = rng.normal(size=(N_WEEKS, n_worlds, N_TRIALS, N_AXES)) * (STEP / np.sqrt(N_AXES))
    fooled = {}
    for rule in rules:
        streams, base = rule.open(n_worlds), _start(n_worlds)
        fooled[rule.name] = np.zeros(n_worlds, dtype=np.bool_)
        for week in range(N_WEEKS):
            directions = _unit(base[:, None, :] + steps[week])
            proposals = propose(FIRST_DAY + WEEK * week, slope.incumbent, slope.returns(directions))
            decisions = streams.decide(proposals)
            worlds = np.flatnonzero(decisions.accepted)
            base[worlds] = directions[worlds, decisions.picked[worlds]]
            fooled[rule.name][worlds] = True
    return fooled


def climb_on_scores(
    rng: np.random.Generator, n_worlds: int, rules: Sequence[Rule], scored_from: int
) -> dict[str, Flags]:
    """Return by rule and world whether a year of climbing on scores was ever accepted.

    Seven ideas a week are scored, on days from segment `scored_from` on or on the sealed ones; a better score moves
    the climber, and the best one so far is proposed every week.
    """
    slope = make_slope(rng, n_worlds)
    everybody = np.arange(n_worlds)
    best, pool = _start(n_worlds), np.repeat(_start(n_worlds)[:, None, :], N_TRIALS, axis=1)
    best_score = _score(slope, best, scored_from)
    streams = {rule.name: rule.open(n_worlds) for rule in rules}
    fooled = {rule.name: np.zeros(n_worlds, dtype=np.bool_) for rule in rules}
    for week in range(N_WEEKS):
        for idea in range(IDEAS_PER_WEEK):
            tried = _unit(best + rng.normal(size=best.shape) * (STEP / np.sqrt(N_AXES)))
            score = _score(slope, tried, scored_from)
            is_better = score > best_score
            best[is_better], best_score = tried[is_better], np.maximum(score, best_score)
            pool[:, 1 + (week * IDEAS_PER_WEEK + idea) % (N_TRIALS - 1)] = tried
        pool[:, 0] = best
        given = np.zeros_like(everybody)
        proposals = propose(FIRST_DAY + WEEK * week, slope.incumbent, slope.returns(pool), given)
        for rule in rules:
            fooled[rule.name] |= streams[rule.name].decide(proposals).accepted
    return fooled


def search_the_sealed(rng: np.random.Generator, n_worlds: int, rules: Sequence[Rule]) -> dict[str, Flags]:
    """Return by rule and world whether the best of 500 on the sealed days themselves is accepted."""
    market = make_market(rng, n_worlds, N_DAYS)
    incumbent = market.shared + own_noise(rng, market.volatility, 1)[:, 0]
    own = own_noise(rng, market.volatility[:, :N_SEALED], N_SEARCHED)
    best = sharpe_over(own + market.shared[:, None, :N_SEALED]).argmax(axis=1)
    later = own_noise(rng, market.volatility[:, N_SEALED:], 1)[:, 0]
    found = np.concatenate([own[np.arange(n_worlds), best], later], axis=1) + market.shared
    given = np.zeros(n_worlds, dtype=np.int64)
    proposals = propose(FIRST_DAY, incumbent, found[:, None, :], given)
    return {rule.name: rule.open(n_worlds).decide(proposals).accepted for rule in rules}


def _score(slope: Slope, directions: Series, scored_from: int) -> Series:
    returns = slope.returns(directions[:, None, :])[:, 0]
    if scored_from == SEALED_SCORES:
        # The incumbent differs from itself by nothing, which scores nothing.
        return np.nan_to_num(sharpe_over(returns[:, :N_SEALED] - slope.incumbent[:, :N_SEALED]))
    return moments_of(returns[:, SEEN]).sharpe(scored_from)


def _start(n_worlds: int) -> Series:
    base = np.zeros((n_worlds, N_AXES))
    base[:, 0] = 1.0
    return base


def _unit(directions: Series) -> Series:
    return np.asarray(directions / np.linalg.norm(directions, axis=-1, keepdims=True), dtype=np.float64)
