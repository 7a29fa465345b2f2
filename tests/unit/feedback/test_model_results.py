"""Answers of instances joined to predictions by id: counts, hits, moves after costs, and words."""

from dataclasses import replace

import pytest

from core.model.prediction import PredictionOutcome
from core.store import Store
from feedback.model_results import bucket_of, model_results
from tests.signal_pages import an_answer
from tests.signal_world import MINUTE_MS, Lane, a_bundle_for, a_room, bars, play


def test_answers_are_counted_once_by_each_key_and_costs_come_off(store: Store) -> None:
    records = play(a_room(store, Lane(), [a_bundle_for(MINUTE_MS, 2)]), bars(40))[:4]
    settled = [
        replace(each, regime=regime, outcome=PredictionOutcome(each.due_at, 20.0, 1, hit))
        for each, hit, regime in zip(records, (True, True, False, True), ("up", "up", "down", None), strict=True)
    ]
    answers = [
        an_answer(settled[0]),
        an_answer(settled[0], instance="p-2", side="sell"),
        an_answer(settled[1], "stale"),
        an_answer(settled[2], "busy"),
        replace(an_answer(settled[3]), prediction_id="elsewhere"),
    ]
    found = model_results(settled, answers)
    (whole,) = found.by_symbol.values()
    assert (whole.n, whole.n_taken, whole.share_taken) == (4, 2, 0.5)
    assert whole.outcomes == {"busy": 1, "stale": 1, "taken": 2}
    # Bought and sold on one move: the moves cancel, the cost of 0.5 USD on 1,000 USD stays twice.
    assert whole.mean_aligned_bps == pytest.approx(-5.0)
    assert whole.hit_rate == pytest.approx(2 / 3)
    assert set(found.by_regime) == {"up", "down"}
    assert found.by_regime["down"].hit_rate == 0.0 and found.by_regime["down"].mean_aligned_bps is None
    assert sum(each.n for each in found.by_confidence.values()) == 4
    assert set(found.by_model) == {settled[0].model_sha256}


@pytest.mark.parametrize(
    ("p", "bucket"), [(0.5, "0.50-0.55"), (0.45, "0.55-0.60"), (0.6, "0.60-0.65"), (1.0, "0.95-1.00")]
)
def test_buckets_are_of_the_side_that_was_predicted(p: float, bucket: str) -> None:
    assert bucket_of(p) == bucket
