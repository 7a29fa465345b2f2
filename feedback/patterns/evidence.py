"""How much the held-out days say for a rule, and which rules they confirm.

Evidence is an e-value: by chance alone its mean is at most 1, so 20 is as rare as a p-value of 0.05 at best. On a
stretch of days z is the rule's lead, in its own direction, over its root mean square under the permutations of
`shuffles`, and

    E = exp(t z) / mean over the permutations, the observed order among them, of exp(t z')

the soft-rank e-value: its mean over the permutations is 1 by construction. Over all sign flips it is the product over
days of exp(s S_d) / cosh(s S_d). The sizes t are what z is expected to be when a day leads by 0.4, 0.8 or 1.6 of its
standard deviation. Stretches are disjoint and come after the days the rule was found on, so that products over them
are a test martingale for each size, and their mean over the sizes is one too.

Rules are counted over the life of the store in the order of their finding, and rule j is confirmed while

    E_j >= 1 / (k alpha gamma_j) for at least k rules, k as large as possible

which is the online e-BH of Fischer, Xu, Ramdas 2024 (arXiv 2407.20683): base e-BH on E_j n gamma_j, with the gamma of
SAFFRON. The false discovery rate among all rules ever confirmed is at most alpha = 10 % at any week, whatever the
dependence; rules share trades, so it is strong. LORD++ asks for independence and takes one look at each rule; here
evidence may grow over the weeks. A rule's e-value is frozen when it is confirmed: a maximum of an e-process is no
e-value.
"""

import math
from collections.abc import Sequence

import numpy as np
from online_fdr.core.utils.sequence import DefaultSaffronGammaSequence
from online_fdr.e_values import e_bh
from scipy.special import logsumexp

from feedback.patterns.labels import BY_DAY, Dimension, Floats, LabelledTrades, Mask
from feedback.patterns.shuffles import day_shuffles

EFFECT_SIZES = (0.4, 0.8, 1.6)
"""Mean lead of a day over its standard deviation."""
MAX_FALSE_SHARE = 0.10
"""alpha: of all rules ever confirmed, expected share that chance made."""
MAX_LOG_E = 600.0
"""e^600 settles everything, and is still a number."""
_GAMMA = DefaultSaffronGammaSequence(gamma_exp=1.6, c=0.4374901658)


def stretch_log_e(
    labelled: LabelledTrades, dimension: Dimension, inside: Mask, is_better: bool, seed: int
) -> tuple[float, ...]:
    """Return the log e-value of one stretch for each of the effect sizes; zeros where the trades cannot tell."""
    sign = 1.0 if is_better else -1.0
    sizes = np.array(EFFECT_SIZES)
    if dimension in BY_DAY:
        observed, drawn = day_shuffles(labelled, [inside], seed)
        share = float(inside.mean())
        shift = sizes * math.sqrt(len(np.unique(labelled.day)) * share * (1 - share))
        log_e = _soft_rank(sign * float(observed[0]), sign * drawn[:, 0], shift)
    else:
        log_e = _flip_rank(sign * labelled.sums_by_day(inside), sizes)
    return tuple(float(value) for value in log_e)


def evidence_of(log_e: Sequence[float]) -> float:
    """Return the log of the mean e-value over the effect sizes; 0 before anything was tested."""
    if not log_e:
        return 0.0
    return min(float(logsumexp(log_e)) - math.log(len(log_e)), MAX_LOG_E)


def confirmed_at(e_values: Sequence[float], numbers: Sequence[int], n_rules: int) -> list[bool]:
    """Return which rules online e-BH confirms among `n_rules` ever found; those not named have no evidence.

    `numbers` counts from 1 in the order of finding.
    """
    padded = [0.0] * n_rules
    for number, value in zip(numbers, e_values, strict=True):
        padded[number - 1] = value * n_rules * _GAMMA.calc_gamma(number)
    rejected = e_bh(padded, MAX_FALSE_SHARE)
    return [rejected[number - 1] for number in numbers]


def _flip_rank(by_day: Floats, sizes: Floats) -> Floats:
    active = by_day[np.abs(by_day) > 1e-9]
    if not active.size:
        return np.zeros(len(sizes))
    # The root mean square does not change with the signs, so it may set the scale.
    steps = np.outer(sizes, active / math.sqrt(float((active**2).mean())))
    return np.asarray((steps - (np.logaddexp(steps, -steps) - math.log(2))).sum(axis=1), dtype=np.float64)


def _soft_rank(observed: float, drawn: Floats, shift: Floats) -> Floats:
    leads = np.concatenate([[observed], drawn])
    scale = math.sqrt(float((leads**2).mean()))
    if scale == 0:
        return np.zeros(len(shift))
    scores = np.outer(shift, leads / scale)
    return np.asarray(scores[:, 0] - logsumexp(scores, axis=1) + math.log(leads.size), dtype=np.float64)
