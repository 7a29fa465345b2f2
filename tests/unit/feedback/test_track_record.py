"""Figures of settled predictions: what counts, as how much, and when nothing is told."""

from datetime import timedelta

import pytest

from core.model.prediction import PredictionRecord
from feedback.track_record import effective_number, is_covered, track_record
from tests.conftest import START
from tests.signal_pages import prediction


def settled(n: int, n_hits: int, **over: object) -> list[PredictionRecord]:
    """`n` predictions of successive hours at 60 %, the first `n_hits` of them right."""
    return [prediction(f"p{k}", START + timedelta(hours=k), 0.6, int(k < n_hits), **over) for k in range(n)]


def test_accuracy_has_its_interval_and_the_open_and_unlabelled_are_counted_apart() -> None:
    late = START + timedelta(hours=70)
    records = [*settled(60, 42), prediction("open", late), prediction("lost", START - timedelta(days=9))]
    found = track_record(records, lambda one: one.at == late)
    assert (found.n_said, found.n_open, found.n_unlabelled) == (62, 1, 1)
    assert found.whole is not None and found.whole.n == 60
    accuracy = found.whole.accuracy
    assert accuracy.value == pytest.approx(0.7)
    # Wilson at 90 %, 42 of 60.
    assert (accuracy.low, accuracy.high) == pytest.approx((0.5954, 0.7874), abs=1e-3)
    assert found.whole.prior_accuracy == pytest.approx(0.7), "the base rate of 51 % says up as well"


def test_too_few_independent_outcomes_are_no_share() -> None:
    found = track_record(settled(29, 20), lambda _: False)
    assert found.whole is not None
    accuracy = found.whole.accuracy
    assert accuracy.value is None and accuracy.reason == "too_few_outcomes"
    assert (accuracy.have, accuracy.need) == (29, 30) and accuracy.low is not None


def test_symbols_of_one_moment_and_overlapping_horizons_count_once() -> None:
    hourly = settled(40, 20)
    twins = [prediction(f"twin-{one.prediction_id}", one.at, 0.6, 1, symbol="ETHUSDT") for one in hourly]
    assert effective_number([*hourly, *twins]) == 40
    assert effective_number(settled(40, 20, horizon_bars=4)) == 10


def test_a_set_of_both_holds_what_came_and_a_set_of_nothing_does_not() -> None:
    held = {side: is_covered(prediction("p", START, 0.6, 1, side=side)) for side in ("up", "down", "both", "none")}
    assert held == {"up": True, "down": False, "both": True, "none": False}
    assert is_covered(prediction("p", START, 0.4, 0, side="down"))


def test_every_probability_has_its_tenth_and_groups_add_up() -> None:
    records = [prediction(f"p{k}", START + timedelta(hours=k), k / 20, k % 2) for k in range(21)]
    found = track_record(records, lambda _: False)
    assert [each.n for each in found.bins] == [2] * 9 + [3]
    assert found.bins[6].mean_p == pytest.approx(0.625) and found.bins[6].share_good == pytest.approx(0.5)
    for name, lines in found.groups.items():
        assert sum(one.n for one in lines) == 21, name
    assert [one.name for one in found.groups["confidence"]][0] == "0.50-0.55"


def test_nothing_said_is_no_figure() -> None:
    found = track_record([], lambda _: True)
    assert found.whole is None and found.first_at is None and all(each.n == 0 for each in found.bins)
