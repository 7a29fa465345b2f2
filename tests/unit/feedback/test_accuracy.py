"""Accuracy of predictions and implementation shortfall, against figures worked out by hand."""

from decimal import Decimal

import pytest

from core import metrics
from core.model.trade import Shortfall, Trade
from feedback.accuracy import score_predictions
from feedback.shortfall import shortfall_by_strategy
from tests import factories


@pytest.mark.parametrize(
    ("n_hits", "n", "expected"),
    [
        (0, 10, (0.0, 0.212942)),
        (5, 10, (0.269272, 0.730728)),
        (10, 10, (0.787058, 1.0)),
        (75, 100, (0.672827, 0.814002)),
    ],
)
def test_the_interval_of_a_share_is_wilsons(n_hits: int, n: int, expected: tuple[float, float]) -> None:
    assert metrics.share_interval(n_hits, n) == pytest.approx(expected, abs=1e-6)


def test_a_share_of_nothing_has_no_interval() -> None:
    assert metrics.share_interval(0, 0) is None


def test_a_sale_is_right_when_the_price_falls_and_standing_still_is_not_right() -> None:
    moves = [("sell", -5.0), ("sell", 5.0), ("buy", 0.0), ("buy", 3.0)]
    records = [
        factories.performance(f"p{n}", side=side, realised_move_bps=move) for n, (side, move) in enumerate(moves)
    ]
    [score] = score_predictions(records)
    assert (score.n_taken, score.n_hits, score.hit_share, score.mean_move_bps) == (4, 2, 0.5, 0.75)
    assert score.mean_shortfall_bps == pytest.approx(2.0)


def test_instances_are_scored_apart_and_one_that_traded_nothing_has_no_share() -> None:
    nothing = {"outcome": "stale", "side": None, "realised_move_bps": None, "shortfall": None, "qty": Decimal(0)}
    records = [factories.performance("a", instance_id="z-1"), factories.performance("b", **nothing)]
    first, second = score_predictions(records)
    assert (first.instance_id, first.hit_share, first.hit_low, first.mean_shortfall_bps) == (
        "predictive-1",
        None,
        None,
        None,
    )
    assert (second.instance_id, second.n_hits) == ("z-1", 1)


def test_ten_moves_make_an_interval_around_their_mean() -> None:
    records = [factories.performance(f"p{n}", realised_move_bps=float(n)) for n in range(10)]
    [score] = score_predictions(records)
    assert score.move_low_bps is not None and score.move_high_bps is not None
    assert score.move_low_bps < 4.5 == score.mean_move_bps < score.move_high_bps


def test_the_shortfall_of_a_strategy_is_the_mean_over_its_trades_in_bps() -> None:
    def trade(trade_id: str, delay: str, impact: str, qty: str = "1", **over: object) -> Trade:
        split = Shortfall(Decimal(delay), Decimal("0.01"), Decimal(impact), Decimal(0))
        return factories.trade(trade_id, shortfall=split, qty=Decimal(qty), **over)

    told = [trade("a", "0.02", "0.01"), trade("b", "-0.04", "0.02", qty="2"), factories.trade("untold")]
    [one] = shortfall_by_strategy(told)
    assert (one.strategy, one.n_trades, one.low_bps) == ("momentum_scalping", 2, None)
    assert [one.delay_bps, one.spread_bps, one.impact_bps, one.opportunity_bps] == pytest.approx([0.0, 0.75, 1.0, 0.0])
    assert one.total_bps == pytest.approx(1.75)
