"""Error rates and power of the gate's statistics at large counts; `-s` prints the figures of docs/statistics.md."""

import math
import sys

import numpy as np
import pytest

from core.metrics import Series
from strategies.gate import sequential
from strategies.gate.boundary import HORIZON_DAYS, calibrate_boundary, rollback_days
from strategies.gate.overfitting import overfitting_probability
from strategies.gate.paired import block_t_p_value, hac_p_value
from strategies.gate.resampling import bootstrap_p_value, sharpe_difference_test
from strategies.gate.superiority import superiority_test
from tests.difference_world import differences, stopped

pytestmark = pytest.mark.soak

N_PAST = 60


def report(name: str, **figures: float) -> None:
    shown = ", ".join(f"{key} {value:.4g}" for key, value in figures.items())
    sys.stdout.write(f"\n{name}: {shown}\n")


def most(share: float, n: int) -> float:
    """Return what a count of n at a true share stays below, but for one time in 740."""
    return share + 3 * math.sqrt(share * (1 - share) / n)


def first_days(met: Series) -> Series:
    """Return the day of the first hit of each row from 1, or NaN."""
    return np.where(met.any(axis=1), met.argmax(axis=1) + 1.0, np.nan)


def test_tests_of_the_mean():
    n = 4000
    nulls = differences(np.random.default_rng(100), n, 365)
    p = np.array([(block_t_p_value(d), hac_p_value(d), bootstrap_p_value(d, 1, 499)) for d in nulls])
    worse = np.maximum(p[:, 0], p[:, 1])
    for level in (0.05, 0.01):
        block, hac, circular = (p <= level).mean(axis=0)
        report(f"mean at {level}", block_t=block, hac=hac, circular_blocks=circular, gate=(worse <= level).mean())
        assert block <= most(level, n)
        assert (worse <= level).mean() <= most(level, n)
        assert circular <= most(1.2 * level, n)


def test_sharpe_difference():
    n, rng = 1000, np.random.default_rng(101)
    incumbent = rng.standard_t(5, (n, 365)) * 0.01
    candidate = 0.9 * incumbent + math.sqrt(0.19) * rng.standard_t(5, (n, 365)) * 0.01
    tests = [sharpe_difference_test(c, i, 1, 499) for c, i in zip(candidate, incumbent, strict=True)]
    hac, circular = (np.mean([getattr(test, key) <= 0.05 for test in tests]) for key in ("p_hac", "p_bootstrap"))
    report("Sharpe difference at 0.05", hac=hac, circular_blocks=circular)
    assert max(hac, circular) <= most(0.06, n)


def test_pool_of_fifty_nulls():
    n, rng, found = 200, np.random.default_rng(102), []
    for seed in range(n):
        incumbent = rng.standard_t(5, 365) * 0.01
        shared = rng.standard_t(5, 365) * 0.002
        trials = incumbent + shared + rng.standard_t(5, (50, 365)) * 0.004
        found.append(superiority_test(trials, incumbent, seed, n_resamples=500))
    spa = np.mean([result.p_value <= 0.05 for result in found])
    step = np.mean([bool(result.superior) for result in found])
    report("pool of 50 at 0.05", spa=spa, step_m=step)
    assert max(spa, step) <= most(0.07, n)


def test_overfitting_of_noise():
    noise = np.random.default_rng(103).normal(0, 1, (200, 50, 1000))
    found = np.array([overfitting_probability(results) for results in noise])
    noise[:, 7] += 2.3 / math.sqrt(365)
    edged = np.array([overfitting_probability(results) for results in noise])
    report("overfitting", noise=found.mean(), deviation=found.std(), one_edge=edged.mean())
    assert found.mean() == pytest.approx(0.5, abs=3 * 0.2 / math.sqrt(200))
    assert edged.mean() <= 0.25


def test_e_process():
    n = 10_000
    d = differences(np.random.default_rng(104), n, N_PAST + 365)
    refused = np.isnan(sequential.e_process_path(d, N_PAST)[:, -1]).mean()
    highest = sequential.e_process_path(stopped(d, N_PAST), N_PAST).max(axis=1)
    report("e-process in a year", reaches_20=(highest >= 20).mean(), reaches_5=(highest >= 5).mean(), refused=refused)
    assert (highest >= 20).mean() <= 0.013
    assert (highest >= 5).mean() <= most(0.2, n)


@pytest.mark.parametrize(("threshold", "n_days"), [(365, 4000), (730, 8000)])
def test_e_detector(threshold, n_days):
    n, rng = 1500, np.random.default_rng(105)
    quiet = first_days(sequential.e_detector_path(differences(rng, n, N_PAST + n_days), N_PAST) >= threshold)
    run_length = np.nan_to_num(quiet, nan=n_days)
    d = differences(rng, n, N_PAST + 600)
    d[:, N_PAST + 200 :] -= 6 / math.sqrt(365) * 0.001
    alarms = sequential.e_detector_path(d, N_PAST) >= threshold
    delay = np.nanmedian(first_days(alarms[~alarms[:, :200].any(axis=1), 200:]))
    from_start = differences(rng, n, N_PAST + 600)
    from_start[:, N_PAST:] -= 6 / math.sqrt(365) * 0.001
    at_once = np.nanmedian(first_days(sequential.e_detector_path(from_start, N_PAST) >= threshold))
    report(f"e-detector at {threshold}", run_length=run_length.mean(), delay=delay, delay_from_start=at_once)
    assert run_length.mean() >= threshold - 3 * run_length.std() / math.sqrt(n)
    assert delay <= 1.2 * (39 if threshold == 365 else 58)


def test_confidence_sequence():
    n = 10_000
    d = differences(np.random.default_rng(106), n, 365)
    low, high = sequential.confidence_sequence_path(d, 0.05)
    missed = ((low > 0) | (high < 0)).any(axis=1).mean()
    below = (sequential.confidence_sequence_path(d[:, :HORIZON_DAYS], 0.2, n_sides=1)[1] < 0).any(axis=1).mean()
    report("confidence sequence", missed_at_5_pct=missed, one_sided_at_20_pct_in_90_days=below)
    assert missed <= most(0.02, n)
    assert below <= most(0.2, n)


def test_rollback():
    rng = np.random.default_rng(107)
    boundaries = [calibrate_boundary(history, 1) for history in differences(rng, 100, 365)]
    c = np.array([boundary.c for boundary in boundaries])
    report("rollback boundary", c=c.mean(), deviation=c.std())
    for annual_ir in (0.0, -2.0, -4.0, -6.0, -10.0, -20.0):
        days = [rollback_days(differences(rng, 100, HORIZON_DAYS, annual_ir), boundary) for boundary in boundaries]
        crossed, spent = (np.concatenate(of) for of in zip(*days, strict=True))
        report(
            f"rollback at IR {annual_ir:g}",
            boundary=(crossed > 0).mean(),
            day=np.median(crossed[crossed > 0]),
            budget=(spent > 0).mean(),
            budget_day=np.median(spent[spent > 0]),
        )
        if annual_ir == 0:
            assert (crossed > 0).mean() == pytest.approx(0.20, abs=0.03)
        if annual_ir <= -6:
            assert (crossed > 0).mean() >= 0.90
