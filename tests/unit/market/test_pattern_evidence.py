"""Hit rates against shifted signals: a planted effect is told, chance is not, and no evidence says so."""

import numpy as np
import pytest

from core.errors import BadInput
from market.pattern_evidence import MAX_Q, _hits_by_shift, measure_patterns


def walk(n: int, seed: int) -> np.ndarray:
    return 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.01, n)))


def signals(n: int, count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    signs = np.zeros(n)
    signs[rng.choice(n, count, replace=False)] = rng.choice([-1.0, 1.0], count)
    return signs


def test_hits_at_every_shift_are_those_of_counting() -> None:
    rng = np.random.default_rng(1)
    signs, directions = signals(97, 20, 2), np.sign(rng.normal(size=97)) * (rng.random(97) > 0.2)
    counted = [float(np.sum((np.roll(signs, k) != 0) & (np.roll(signs, k) == directions))) for k in range(97)]
    assert _hits_by_shift(signs, directions).tolist() == counted


def test_a_planted_pattern_has_evidence_and_the_rate_that_was_planted() -> None:
    rng = np.random.default_rng(5)
    close = walk(5_000, 3)
    moves = np.log(close[4:] / close[:-4])
    signs = np.zeros(5_000)
    rows = rng.choice(4_990, 200, replace=False)
    signs[rows] = np.sign(moves[rows]) * rng.choice([1, -1], 200, p=[0.68, 0.32])
    found, chance = measure_patterns({"planted": signs, "chance": signals(5_000, 200, 6)}, close, 4)
    assert found.has_evidence and found.q_value is not None and found.q_value <= MAX_Q
    assert found.hit_rate == pytest.approx(0.68, abs=0.08) and found.mean_move_bps > 0
    low, high = found.hit_rate_ci
    assert low < found.hit_rate < high
    assert not chance.has_evidence and chance.null_rate == pytest.approx(0.5, abs=0.03)


def test_chance_is_hardly_ever_taken_for_evidence() -> None:
    n_false = 0
    for seed in range(40):
        close = walk(1_500, 100 + seed)
        found = measure_patterns({str(k): signals(1_500, 60, 1_000 * seed + k) for k in range(10)}, close, 6)
        n_false += any(each.has_evidence for each in found)
    assert n_false <= 9, "at a false discovery rate of 10 %, about four worlds in forty hold a false one"


def test_a_market_that_only_rises_gives_rising_patterns_no_evidence() -> None:
    close = 100 * np.exp(np.cumsum(np.abs(np.random.default_rng(7).normal(0, 0.01, 3_000))))
    [found] = measure_patterns({"up": np.abs(signals(3_000, 100, 8))}, close, 5)
    assert found.hit_rate == 1.0 and found.null_rate == 1.0 and not found.has_evidence


def test_few_signals_conclude_nothing_and_none_say_nothing() -> None:
    few, none = measure_patterns({"few": signals(2_000, 12, 9), "none": np.zeros(2_000)}, walk(2_000, 4), 5)
    assert few.n == 12 and few.hit_rate is not None and few.p_value is None and not few.has_evidence
    assert none.n == 0 and none.hit_rate is None and not none.has_evidence


@pytest.mark.parametrize("horizon", [0, 2_000])
def test_a_horizon_that_does_not_fit_is_refused(horizon: int) -> None:
    with pytest.raises(BadInput, match="does not fit"):
        measure_patterns({"few": signals(2_000, 12, 9)}, walk(2_000, 4), horizon)
