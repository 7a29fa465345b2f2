"""A world of real rules: trend followers on prices that are martingales, so that no look-back is better than another.

Long above, short below, by momentum or a moving average of the past; five symbols, equal weights, no costs: with fees
trading less would be a true improvement, and no null.
"""

import numpy as np

from core.metrics import Series
from strategies.gate.evaluation.worlds import N_DAYS, Proposals, make_market, propose
from strategies.gate.evaluation.years import FIRST_DAY

N_SYMBOLS = 5
LOOKBACK = 20
"""The incumbent's."""
LOOKBACKS = tuple(range(5, 105, 4))
WARM_UP = max(LOOKBACKS)


def make_trend_proposals(rng: np.random.Generator, n_worlds: int) -> Proposals:
    """Return worlds in which the best of 50 trend rules on seen days is proposed against momentum over 20 days."""
    n_days = WARM_UP + N_DAYS
    # A Sharpe ratio of zero makes every symbol's log price a martingale.
    returns = make_market(rng, n_worlds * N_SYMBOLS, n_days, sharpe=0.0).shared.reshape(n_worlds, N_SYMBOLS, n_days)
    prices = np.concatenate([np.zeros((n_worlds, N_SYMBOLS, 1)), returns.cumsum(axis=2)], axis=2)
    sums = np.concatenate([np.zeros((n_worlds, N_SYMBOLS, 1)), prices.cumsum(axis=2)], axis=2)
    trials = np.empty((n_worlds, 2 * len(LOOKBACKS), N_DAYS))
    for k, lookback in enumerate(LOOKBACKS):
        trials[:, 2 * k] = momentum(prices, returns, lookback)
        trials[:, 2 * k + 1] = _above_average(prices, sums, returns, lookback)
    return propose(FIRST_DAY, momentum(prices, returns, LOOKBACK), trials)


def momentum(prices: Series, returns: Series, lookback: int) -> Series:
    """Return daily results after the warm-up. Position of a day: the sign of the log price's change before it.

    `prices` has one more day than `returns`: `prices[..., t]` is known when `returns[..., t]` begins.
    """
    days = np.arange(WARM_UP, returns.shape[-1])
    return _result(np.sign(prices[..., days] - prices[..., days - lookback]), returns)


def _above_average(prices: Series, sums: Series, returns: Series, lookback: int) -> Series:
    days = np.arange(WARM_UP, returns.shape[-1])
    average = (sums[..., days + 1] - sums[..., days + 1 - lookback]) / lookback
    return _result(np.sign(prices[..., days] - average), returns)


def _result(position: Series, returns: Series) -> Series:
    return np.asarray((position * returns[..., WARM_UP:]).mean(axis=-2), dtype=np.float64)
