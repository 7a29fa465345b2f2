"""Years of weekly proposals on one market each: nulls, of which every acceptance is false, and landscapes with both.

Everything is tried on the same sealed days all year, as in production, while the seen days move on week by week.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from core.metrics import Series
from strategies.gate.evaluation.rules import Rule
from strategies.gate.evaluation.worlds import (
    DAILY_GAIN,
    N_DAYS,
    N_SEALED,
    N_TRIALS,
    SEEN,
    Flags,
    Market,
    Proposals,
    make_market,
    own_noise,
    propose,
)

N_WEEKS, WEEK = 52, 7
FIRST_DAY = (date(2026, 1, 4) - date(1970, 1, 1)).days
"""A Sunday from which each calendar quarter holds thirteen."""
WEEKS_PER_QUARTER = 13


@dataclass(frozen=True, slots=True)
class Landscape:
    """True Sharpe ratios of what may be proposed, over that of the first incumbent: normal, by mean and spread."""

    mean: float
    spread: float


NOTHING = Landscape(0.0, 0.0)
LANDSCAPES = {"mature": Landscape(-1.2, 0.5), "rich": Landscape(0.0, 0.6)}
"""Near its optimum one change in a hundred is better; far from it every second one is."""


@dataclass(frozen=True, slots=True)
class Year:
    """What a rule did in each world."""

    accepted: Flags
    """Worlds x weeks."""
    is_false: Flags
    """Accepted although truly no better than the incumbent; worlds x weeks."""
    gain: Series
    """True Sharpe ratio at the end over that at the start, by world."""


def play_years(
    rng: np.random.Generator, n_years: int, landscape: Landscape, rules: Sequence[Rule], known: slice = SEEN
) -> dict[str, Year]:
    """Return by rule what became of the same weekly proposals. What is accepted becomes the incumbent.

    On the landscape of nothing it does not: quarters are alike then, and no acceptance makes the next one harder.
    """
    market = make_market(rng, n_years, N_DAYS + WEEK * N_WEEKS)
    first = market.shared + own_noise(rng, market.volatility, 1)[:, 0]
    players = {rule.name: _Player(rule, first) for rule in rules}
    for week in range(N_WEEKS):
        trials, quality = _trials(rng, market, landscape)
        days = np.r_[:N_SEALED, N_SEALED + WEEK * week : N_DAYS + WEEK * week]
        proposals = propose(FIRST_DAY + WEEK * week, first[:, days], trials[:, :, days], known=known)
        for player in players.values():
            player.play(week, proposals, trials, quality, days, switches=landscape != NOTHING)
    return {name: player.year() for name, player in players.items()}


def false_by_quarter(year: Year) -> Flags:
    """Return whether a quarter holds any false acceptance; worlds x quarters."""
    return np.asarray(year.is_false.reshape(-1, N_WEEKS // WEEKS_PER_QUARTER, WEEKS_PER_QUARTER).any(axis=2))


def _trials(rng: np.random.Generator, market: Market, landscape: Landscape) -> tuple[Series, Series]:
    trials = own_noise(rng, market.volatility, N_TRIALS)
    quality = rng.normal(landscape.mean, landscape.spread, trials.shape[:2])
    trials += market.shared[:, None, :] + (quality * DAILY_GAIN)[:, :, None]
    return trials, quality


class _Player:
    """One rule through the year, with an incumbent of its own in each world."""

    def __init__(self, rule: Rule, first: Series) -> None:
        n_worlds = len(first)
        self._streams = rule.open(n_worlds)
        self._incumbent = first.copy()
        self._quality = np.zeros(n_worlds)
        self._accepted = np.zeros((n_worlds, N_WEEKS), dtype=np.bool_)
        self._is_false = np.zeros((n_worlds, N_WEEKS), dtype=np.bool_)

    def play(
        self,
        week: int,
        proposals: Proposals,
        trials: Series,
        quality: Series,
        days: np.ndarray[tuple[int], np.dtype[np.int64]],
        switches: bool,
    ) -> None:
        """Decide on this week's proposals, and let what is accepted take over."""
        decisions = self._streams.decide(replace(proposals, incumbent=self._incumbent[:, days]))
        worlds = np.flatnonzero(decisions.accepted)
        picked = decisions.picked[worlds]
        found = quality[worlds, picked]
        self._accepted[worlds, week] = True
        self._is_false[worlds, week] = found <= self._quality[worlds]
        if switches:
            self._quality[worlds] = found
            self._incumbent[worlds] = trials[worlds, picked]

    def year(self) -> Year:
        """Return what it came to."""
        return Year(self._accepted, self._is_false, self._quality)
