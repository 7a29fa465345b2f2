"""What surer predictions would have brought after costs, with its doubt, and nothing where there is too little."""

from datetime import timedelta

import numpy as np
import pytest

from core.model.prediction import PredictionOutcome, PredictionRecord
from core.settings_sections import CostSettings
from feedback.confidence_filter import net_by_confidence
from tests.conftest import START
from tests.signal_pages import prediction


def said(n: int, probability: float, label: int, first: int = 0, **over: object) -> list[PredictionRecord]:
    """`n` predictions of successive hours; the moves are 20 bps, up for label 1."""
    return [
        prediction(f"{probability}-{first + k}", START + timedelta(hours=first + k), probability, label, **over)
        for k in range(n)
    ]


def test_each_floor_keeps_the_surer_ones_and_costs_come_off_once() -> None:
    # Surely down and right, 60 times; hardly up and wrong, 40 times.
    found = net_by_confidence([*said(60, 0.3, 0), *said(40, 0.52, 0, first=60)], 14.0)
    assert [line.floor for line in found] == [0.5, 0.55, 0.6, 0.65, 0.7]
    whole, *_, surest = found
    assert (whole.n, whole.share, surest.n, surest.share) == (100, 1.0, 60, 0.6)
    assert whole.gross_bps.value == pytest.approx((60 * 20 - 40 * 20) / 100)
    assert whole.net_bps.value == pytest.approx(4 - 14)
    assert (surest.gross_bps.value, surest.net_bps.value) == (pytest.approx(20), pytest.approx(6))
    assert surest.net_bps.low == pytest.approx(6), "every one of them brought the same"
    assert whole.net_bps.low < whole.net_bps.value < whole.net_bps.high


def test_what_is_not_settled_or_says_no_side_does_not_count() -> None:
    records = [*said(40, 0.6, 1), prediction("open", START - timedelta(hours=9), 0.9)]
    records += [prediction("big", START - timedelta(hours=8), 0.9, 1, task="big_move", direction=0.0)]
    (*_, line) = net_by_confidence(records, 0.0)
    assert (line.floor, line.n) == (0.6, 40)
    assert net_by_confidence([], 14.0) == ()


def test_too_few_independent_moments_are_no_figure() -> None:
    twins = [*said(25, 0.6, 1), *said(25, 0.61, 1, symbol="ETHUSDT")]
    for records in (said(29, 0.6, 1), twins, said(100, 0.6, 1, horizon_bars=4)):
        line = net_by_confidence(records, 14.0)[0]
        assert (line.net_bps.value, line.net_bps.reason) == (None, "too_few_outcomes")
        assert line.net_bps.have == line.n_effective < 30


def test_symbols_of_one_moment_are_averaged_first() -> None:
    both = [*said(40, 0.6, 1), *said(40, 0.61, 0, symbol="ETHUSDT")]
    line = net_by_confidence(both, 0.0)[0]
    assert line.net_bps.value == pytest.approx(0) and (line.net_bps.low, line.net_bps.high) == (0.0, 0.0)


def test_the_interval_holds_the_truth_about_nine_times_in_ten_for_moves_that_overlap() -> None:
    dice, horizon, n, held = np.random.default_rng(3), 4, 150, 0
    for _ in range(40):
        moves = np.convolve(dice.normal(0, 10, n + horizon - 1), np.ones(horizon), "valid").tolist()
        records = [
            prediction(
                f"p{k}", at := START + timedelta(hours=k), 0.6, horizon_bars=horizon,
                outcome=PredictionOutcome(at, move, int(move > 0), move > 0),
            )
            for k, move in enumerate(moves)
        ]  # fmt: skip
        figure = net_by_confidence(records, 0.0)[0].net_bps
        assert figure.low is not None and figure.high is not None
        held += figure.low <= 0 <= figure.high
    assert 32 <= held <= 39, "as if they did not overlap, it would be about 24"


def test_costs_of_both_ways_are_fee_and_slippage_twice() -> None:
    assert CostSettings(taker_fee_bps=5, slippage_bps=2).round_trip_bps == 14
