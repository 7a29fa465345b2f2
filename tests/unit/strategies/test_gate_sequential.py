"""Evidence that is looked at every day: the online form is the whole series' form, and neither cries wolf."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.canonical import from_json
from strategies.gate import sequential
from strategies.gate.sequential import ConfidenceSequence, EDetector, EProcess, start_e_detector, start_e_process
from tests.difference_world import differences, stopped

N_PAST = 60
series = st.integers(0, 2**32 - 1).map(lambda seed: differences(np.random.default_rng(seed), 1, 140)[0])
"""Days of d; the first 60 are the past."""


def replayed(state, days):
    for d in days:
        state = state.updated(float(d))
        yield state


@settings(max_examples=30, deadline=None)
@given(series)
def test_the_e_process_day_by_day_is_that_of_the_whole_series(d):
    online = [state.value for state in replayed(start_e_process(d[:N_PAST]), d[N_PAST:])]
    whole = sequential.e_process_path(d, N_PAST)
    assert [math.nan if value is None else value for value in online] == pytest.approx(whole, rel=1e-9, nan_ok=True)


@settings(max_examples=30, deadline=None)
@given(series)
def test_the_e_detector_day_by_day_is_that_of_the_whole_series(d):
    online = [state.value for state in replayed(start_e_detector(d[:N_PAST]), d[N_PAST:])]
    assert online == pytest.approx(sequential.e_detector_path(d, N_PAST), rel=1e-9)


@settings(max_examples=30, deadline=None)
@given(series)
def test_the_confidence_sequence_day_by_day_is_that_of_the_whole_series(d):
    low, high = sequential.confidence_sequence_path(d, 0.05)
    upper_alone = sequential.confidence_sequence_path(d, 0.2, n_sides=1)[1]
    for day, state in enumerate(replayed(ConfidenceSequence(), d)):
        interval = state.interval(0.05)
        if interval is None:
            assert math.isnan(low[day]) and math.isnan(high[day])
        else:
            assert interval == pytest.approx((low[day], high[day]), rel=1e-9, abs=1e-12)
            assert state.upper(0.2) == pytest.approx(upper_alone[day], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("start", [start_e_process(), start_e_detector(), ConfidenceSequence()])
def test_a_state_that_was_stored_goes_on_where_it_stopped(start):
    days = differences(np.random.default_rng(8), 1, 120)[0]
    *_, half = replayed(start, days[:70])
    restored = from_json(msgspec.json.encode(half).decode(), type(half))
    assert restored == half
    assert list(replayed(restored, days[70:]))[-1] == list(replayed(start, days))[-1]


def test_the_value_is_the_mean_wealth_of_bets_on_yesterdays_scale():
    past = np.tile([1.0, -1.0], 30)
    sigma = past.std(ddof=1)
    process = start_e_process(past).updated(2.0)
    assert process.value == pytest.approx(np.mean([1 + bet * 2.0 / sigma for bet in sequential.BETS]))
    grown = np.append(past, 2.0)
    second = process.updated(-1.0).value
    expected = [(1 + bet * 2.0 / sigma) * (1 - bet / grown.std(ddof=1)) for bet in sequential.BETS]
    assert second == pytest.approx(np.mean(expected))


def test_a_day_never_scales_itself_and_nothing_is_bet_without_a_past():
    days = np.tile([1.0, -1.0], 30)
    assert [state.value for state in replayed(start_e_process(), days)] == [1.0] * 60
    assert start_e_process(np.zeros(100)).updated(5.0).value == 1.0
    assert start_e_process(days).updated(1e3).value == start_e_process(days).updated(1e6).value


def test_a_loss_below_the_floor_ends_the_claim_for_good():
    past = np.tile([1.0, -1.0], 30)
    sigma = past.std(ddof=1)
    at_floor, below = start_e_process(past).updated(-8 * sigma), start_e_process(past).updated(-8.01 * sigma)
    assert at_floor.value == pytest.approx(np.mean([1 - 8 * bet for bet in sequential.BETS]))
    assert (below.value, below.is_evidence(0.05)) == (None, False)
    assert "sigma" in below.refusal
    assert below.updated(5.0).value is None


@pytest.mark.parametrize("d", [math.nan, math.inf, -math.inf])
def test_a_day_that_is_no_number_is_no_evidence_and_an_alarm(d):
    past = np.tile([1.0, -1.0], 30)
    assert not start_e_process(past).updated(d).updated(1.0).is_evidence(0.5)
    assert start_e_detector(past).updated(d).updated(1.0).is_alarm()
    state = list(replayed(ConfidenceSequence(), [*past, d, 1.0]))[-1]
    assert (state.interval(), state.lower(), state.upper()) == (None, None, None)
    assert not start_e_process([*past, d]).updated(1.0).is_evidence(0.5)
    assert start_e_detector([*past, d]).is_alarm()
    broken = np.append(past, [d, 1.0])
    assert np.isnan(sequential.e_process_path(broken, 60)).all()
    assert np.isnan(sequential.e_detector_path(broken, 60)).all()


def test_a_confidence_sequence_needs_thirty_days_that_vary():
    states = list(replayed(ConfidenceSequence(), np.tile([1.0, -1.0], 15)))
    assert states[28].interval() is None and states[29].interval() is not None
    assert list(replayed(ConfidenceSequence(), np.full(60, 0.1)))[-1].interval() is None
    assert states[29].interval(0.0) is None and states[29].interval(0.9) is None


def test_the_width_is_the_published_one():
    n, level = 90, 0.05
    r2 = (-2 * math.log(level) + math.log(-2 * math.log(level)) + 1) / 90
    *_, state = replayed(ConfidenceSequence(), np.tile([1.0, -1.0], 45))
    deviation = np.tile([1.0, -1.0], 45).std(ddof=1)
    root = math.sqrt(n * r2 + 1)
    width = deviation * math.sqrt(2 * (n * r2 + 1) / (n**2 * r2) * math.log(root / level))
    assert state.interval(level) == pytest.approx((-width, width))
    assert state.lower(0.05) == pytest.approx(-state.upper(0.05))
    assert state.lower(0.05) > -width


def test_evidence_on_nulls_is_rarer_than_the_bound():
    """Measured before: .7 % of stopped paths ever reach 20 in a year; the bound is 5 %."""
    d = stopped(differences(np.random.default_rng(20), 1000, N_PAST + 365), N_PAST)
    values = sequential.e_process_path(d, N_PAST)
    assert np.isfinite(values).all()
    share = (values.max(axis=1) >= 20).mean()
    assert 0 < share <= 0.007 + 3 * math.sqrt(0.007 * 0.993 / 1000)


def test_a_large_edge_is_seen_by_the_e_process():
    d = stopped(differences(np.random.default_rng(21), 200, N_PAST + 730, annual_ir=4.0), N_PAST)
    assert (sequential.e_process_path(d, N_PAST).max(axis=1) >= 20).mean() >= 0.8


def test_the_detector_runs_a_year_between_false_alarms_and_finds_a_fall_in_weeks():
    """Measured before: mean run length 404 days at 365, median delay 39 days at an annual IR of -6."""
    rng = np.random.default_rng(22)
    quiet = sequential.e_detector_path(differences(rng, 300, N_PAST + 1800), N_PAST) >= 365
    assert quiet.any(axis=1).mean() > 0.98
    run_length = np.where(quiet.any(axis=1), quiet.argmax(axis=1) + 1, 1800)
    assert 365 - 3 * run_length.std() / math.sqrt(300) <= run_length.mean() <= 460
    d = differences(rng, 300, N_PAST + 400)
    d[:, N_PAST + 200 :] -= 6 / math.sqrt(365) * 0.001
    alarms = sequential.e_detector_path(d, N_PAST) >= 365
    late = alarms[~alarms[:, :200].any(axis=1), 200:]
    assert np.median(late.argmax(axis=1) + 1) == pytest.approx(39, abs=10)


def test_the_confidence_sequence_misses_less_often_than_its_level():
    """Measured before: 1.3 % at 5 % over days 30 to 365."""
    low, high = sequential.confidence_sequence_path(differences(np.random.default_rng(23), 2000, 365), 0.05)
    missed = ((low > 0) | (high < 0)).any(axis=1).mean()
    assert missed == pytest.approx(0.013, abs=3 * math.sqrt(0.013 * 0.987 / 2000))


def test_a_fresh_state_is_neither_evidence_nor_alarm():
    assert (EProcess().value, EDetector().value, EDetector().is_alarm()) == (1.0, 0.0, False)
