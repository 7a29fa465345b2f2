"""Tests of the trainer need its packages, which not every machine has; and the small worlds that they learn from."""

import os
from importlib.util import find_spec

import numpy as np
import pytest

from market.candles import Floats, Integers


def require_trainer() -> None:
    """Skip the test file on a person's machine without torch; where everything must be installed, that is a failure."""
    if find_spec("torch") is not None:
        return
    reason = "torch is not installed: make train-tools"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason, allow_module_level=True)


def planted(n: int = 1_500, seed: int = 1, n_segments: int = 3, share: float = 0.5) -> tuple[Floats, Integers, Floats]:
    """Return x (n, 4), segments and labels that follow the sum of column 0 over the last three rows of the segment."""
    dice = np.random.default_rng(seed)
    x = dice.normal(size=(n, 4))
    segment = np.arange(n) * n_segments // n
    total = x[:, 0].copy()
    for back in (1, 2):
        same = segment[back:] == segment[:-back]
        total[back:] += np.where(same, x[:-back, 0], 0.0)
    score = total + 0.5 * dice.normal(size=n)
    return x, segment, (score > np.quantile(score, 1 - share)).astype(np.float64)


def auc(y: Floats, p: Floats) -> float:
    """Return the area under the ROC curve: how often a one is ranked above a zero."""
    rank = np.argsort(np.argsort(p, kind="stable"), kind="stable") + 1.0
    ones = y > 0.5
    return float((rank[ones].sum() - ones.sum() * (ones.sum() + 1) / 2) / (ones.sum() * (~ones).sum()))
