"""Made worlds of which the truth is known: daily returns of an incumbent and of everything that was tried against it.

    r_k,t = v_t (sqrt(.9) m_t + sqrt(.1) a_k,t e_k,t / sqrt(w)) + q_k s / sqrt(365)

`m` is the market that all share, `e` what is a parameter set's own, both Student t with five degrees of freedom; `v`
follows GARCH(1, 1); `a` is one on a share `w` of the days, so that two sets differ on about a quarter of them. Any two
correlate at .9. `q` is the true Sharpe ratio over a market of none: the only thing that tells a better set from others.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.metrics import DAYS_PER_YEAR, Series
from strategies.gate.evaluation.segments import Moments, moments_of, sharpe_over

N_SEALED, N_SEEN, N_FRESH, N_TRIALS = 730, 180, 90, 50
N_KNOWN = N_SEALED + N_SEEN
N_DAYS = N_KNOWN + N_FRESH
VOLATILITY = 0.01
"""Standard deviation of a day, as a share of the capital."""
CORRELATION = 0.9
ACTIVE_SHARE = 0.25
"""Share of days on which two parameter sets differ."""
DAILY_GAIN = VOLATILITY / math.sqrt(DAYS_PER_YEAR)
"""Gain a day, as a share of the capital, of an annual Sharpe ratio of one."""
INCUMBENT_SHARPE = 1.5
DEGREES = 5
GARCH_NEWS, GARCH_MEMORY = 0.06, 0.92
BURN_IN = 250
SEEN = slice(N_SEALED, N_KNOWN)
ALL_KNOWN = slice(0, N_KNOWN)

Flags = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]

_OWN_ACTIVE = 1 - math.sqrt(1 - ACTIVE_SHARE)
_UNIT_T = math.sqrt((DEGREES - 2) / DEGREES)


@dataclass(frozen=True, slots=True)
class Market:
    """What all parameter sets of a world share; worlds x days."""

    shared: Series
    volatility: Series


@dataclass(frozen=True, slots=True)
class Proposals:
    """One proposal in each of several worlds, all made on the same day. Days are sealed, seen, fresh; oldest first."""

    day: int
    """KST days since 1970-01-01."""
    incumbent: Series
    """Worlds x days."""
    trials: Series
    """Worlds x trials x days."""
    picked: Counts
    """By world: the trial that looks best on seen days, and is proposed."""
    moments: Moments
    """Of the trials, over the days that rules without sealed days search and judge on."""
    known: slice
    """Those days."""
    is_given: bool = False
    """Whether every rule has to decide on `picked`, instead of searching by its own lights."""

    @property
    def candidate(self) -> Series:
        """The proposed trials; worlds x days."""
        return np.take_along_axis(self.trials, self.picked[:, None, None], axis=1)[:, 0]


def make_market(rng: np.random.Generator, n_worlds: int, n_days: int, sharpe: float = INCUMBENT_SHARPE) -> Market:
    """Return markets with clustered volatility; `sharpe` is the annual one of whoever has no skill of his own."""
    news = rng.standard_t(DEGREES, (n_worlds, n_days + BURN_IN)) * _UNIT_T
    variance = np.ones((n_worlds, n_days + BURN_IN))
    for day in range(1, n_days + BURN_IN):
        variance[:, day] = (
            1 - GARCH_NEWS - GARCH_MEMORY + (GARCH_NEWS * news[:, day - 1] ** 2 + GARCH_MEMORY) * variance[:, day - 1]
        )
    volatility = VOLATILITY * np.sqrt(variance[:, BURN_IN:])
    shared = math.sqrt(CORRELATION) * volatility * news[:, BURN_IN:] + sharpe * DAILY_GAIN
    return Market(shared, volatility)


def own_noise(rng: np.random.Generator, volatility: Series, n_sets: int) -> Series:
    """Return what is a parameter set's own, without skill; worlds x sets x days."""
    shape = (volatility.shape[0], n_sets, volatility.shape[1])
    active = rng.random(shape, dtype=np.float32) < _OWN_ACTIVE
    own = np.zeros(shape)
    scale = _UNIT_T * math.sqrt((1 - CORRELATION) / _OWN_ACTIVE)
    own[active] = rng.standard_t(DEGREES, int(active.sum())) * scale
    own *= volatility[:, None, :]
    return own


def sharpe_of_ir(annual_ir: float) -> float:
    """Return the Sharpe ratio that a candidate needs over its incumbent for an information ratio of the difference."""
    return annual_ir * math.sqrt(2 * (1 - CORRELATION))


def make_proposals(
    rng: np.random.Generator, n_worlds: int, day: int, planted_ir: float | None = None, known: slice = SEEN
) -> Proposals:
    """Return worlds of their own, in which no trial is better; or one in each is, by `planted_ir`, and is proposed."""
    market = make_market(rng, n_worlds, N_DAYS)
    incumbent = market.shared + own_noise(rng, market.volatility, 1)[:, 0]
    trials = own_noise(rng, market.volatility, N_TRIALS)
    trials += market.shared[:, None, :]
    if planted_ir is None:
        return propose(day, incumbent, trials, known=known)
    trials[:, 0] += sharpe_of_ir(planted_ir) * DAILY_GAIN
    return propose(day, incumbent, trials, np.zeros(n_worlds, dtype=np.int64), known)


def propose(day: int, incumbent: Series, trials: Series, given: Counts | None = None, known: slice = SEEN) -> Proposals:
    """Return the proposals of a search that takes what looks best on seen days, or of `given` ones."""
    picked = np.asarray(sharpe_over(trials[:, :, SEEN]).argmax(axis=1)) if given is None else given
    return Proposals(day, incumbent, trials, picked, moments_of(trials[:, :, known]), known, given is not None)
