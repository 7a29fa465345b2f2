"""What others do before a parameter set goes live. Each rule is a function of worlds: what it picks, whether it goes.

Every comparison is by Sharpe ratio, so that leverage gains nothing; a comparison with NaN is false.
"""

from collections.abc import Callable

import numpy as np

from core.metrics import Series, daily_sharpe
from core.sharpe import deflated_sharpe, return_shape
from strategies.gate.evaluation.segments import N_SEGMENTS, moments_of
from strategies.gate.evaluation.worlds import Counts, Flags, Proposals
from strategies.gate.overfitting import overfitting_probability

TWO_THIRDS = N_SEGMENTS * 2 // 3
N_FOLDS, N_BETTER = 6, 4
DSR_CONFIDENCE = 0.95
ROUNDING = 1e-9
"""Two Sharpe ratios a day that differ by less are the same."""

Judge = Callable[[Proposals], tuple[Counts, Flags]]


def best_of_k(proposals: Proposals) -> tuple[Counts, Flags]:
    """Take the best over all known days; it goes live if it is better than the incumbent there."""
    picked = _best(proposals, 0, N_SEGMENTS)
    return picked, _is_better(proposals, picked, 0, N_SEGMENTS)


def single_split(proposals: Proposals) -> tuple[Counts, Flags]:
    """Take the best on the first two thirds; it goes live if it is better on the last third."""
    picked = _best(proposals, 0, TWO_THIRDS)
    return picked, _is_better(proposals, picked, TWO_THIRDS, N_SEGMENTS)


def walk_forward(proposals: Proposals) -> tuple[Counts, Flags]:
    """Take the best over all known days; it goes live if it is better in four of six folds in a row."""
    picked = _best(proposals, 0, N_SEGMENTS)
    length = N_SEGMENTS // N_FOLDS
    better = [_is_better(proposals, picked, fold * length, (fold + 1) * length) for fold in range(N_FOLDS)]
    return picked, np.sum(better, axis=0) >= N_BETTER


def profitable_split(proposals: Proposals) -> tuple[Counts, Flags]:
    """Take the best on the first two thirds; it goes live if the last third made a profit (as freqtrade is used)."""
    picked = _best(proposals, 0, TWO_THIRDS)
    profit = _of(proposals.moments.total(TWO_THIRDS, N_SEGMENTS), picked)
    return picked, profit > 0


def deflated_alone(proposals: Proposals) -> tuple[Counts, Flags]:
    """Take the best over all known days; it goes live if its own deflated Sharpe ratio is at least .95.

    Bailey, Lopez de Prado 2014, with the variance of the trials' Sharpe ratios as published.
    """
    picked = _best(proposals, 0, N_SEGMENTS)
    n_trials = proposals.trials.shape[1]
    spread = proposals.moments.sharpe().var(axis=1, ddof=1)
    series = np.take_along_axis(proposals.trials, picked[:, None, None], axis=1)[:, 0, proposals.known]
    accepted = []
    for returns, variance in zip(series, spread.tolist(), strict=True):
        per_day, shape = daily_sharpe(returns), return_shape(returns)
        dsr = (
            deflated_sharpe(per_day, returns.size, shape.skewness, shape.kurtosis, n_trials, variance)
            if per_day is not None and shape is not None
            else None
        )
        accepted.append(dsr is not None and dsr >= DSR_CONFIDENCE)
    return picked, np.array(accepted)


def overfitting_cut(cut: float) -> Judge:
    """Return the rule: the best over all known days goes live if the probability of overfitting is at most `cut`."""

    def judge(proposals: Proposals) -> tuple[Counts, Flags]:
        found = [overfitting_probability(trials[:, proposals.known]) for trials in proposals.trials]
        return _best(proposals, 0, N_SEGMENTS), np.array([pbo is not None and pbo <= cut for pbo in found])

    return judge


def _best(proposals: Proposals, start: int, stop: int) -> Counts:
    if proposals.is_given:
        return proposals.picked
    return np.asarray(proposals.moments.sharpe(start, stop).argmax(axis=1))


def _is_better(proposals: Proposals, picked: Counts, start: int, stop: int) -> Flags:
    incumbent = moments_of(proposals.incumbent[:, proposals.known]).sharpe(start, stop)
    better: Flags = _of(proposals.moments.sharpe(start, stop), picked) > incumbent + ROUNDING
    return better


def _of(by_trial: Series, picked: Counts) -> Series:
    return np.take_along_axis(by_trial, picked[:, None], axis=1)[:, 0]
