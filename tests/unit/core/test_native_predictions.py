"""Predictions in backtests: handed over when they were known, to the strategy that decides on them."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from core import native
from core.errors import BadInput
from core.native import DAY_NS, Bars, Costs
from core.native_paths import sweep_paths
from core.native_predictions import Predictions
from strategies.schema import default_params

HOUR_NS = 3_600_000_000_000
N_BARS = 24 * 12
FREE = Costs(0.0, 0.0, 0.0)
CAPITAL_USD = Decimal(10_000)
PARAMS = default_params("predictive") | {"min_confidence": 0.6, "min_horizon": 3_600.0, "max_horizon": 7_200.0}


def hourly_bars(n: int = N_BARS, symbols: tuple[str, ...] = ("AAA",)) -> Bars:
    rng = np.random.default_rng(3)
    price = np.round(100 * np.exp(np.cumsum(rng.normal(0, 0.004, n))), 2)
    opened = np.concatenate([[100.0], price[:-1]])

    def column(values: np.ndarray) -> np.ndarray:
        return np.repeat(values, len(symbols))

    opened_at = column(np.arange(n, dtype=np.int64) * HOUR_NS)
    return Bars(
        symbols=symbols,
        ticks=(Decimal("0.01"),) * len(symbols),
        lots=(Decimal("0.001"),) * len(symbols),
        symbol=np.tile(np.arange(len(symbols), dtype=np.int16), n),
        opened_at_ns=opened_at,
        closed_at_ns=opened_at + HOUR_NS,
        open=column(opened),
        high=column(np.maximum(opened, price) + 0.01),
        low=column(np.minimum(opened, price) - 0.01),
        close=column(price),
        volume=np.ones(n * len(symbols)),
    )


def said(at_ns: list[int], direction: float = 0.8, symbol: int = 0, **over: float) -> Predictions:
    n = len(at_ns)
    columns = {"confidence": 0.9, "expected_move_bps": 80.0 * np.sign(direction), "expected_volatility_bps": 40.0}
    at = np.array(at_ns, dtype=np.int64)
    return Predictions(
        symbol=np.full(n, symbol, dtype=np.int16),
        at_ns=at,
        expires_at_ns=at + 30_000_000_000,
        horizon_ms=np.full(n, 3_600_000, dtype=np.int64),
        direction=np.full(n, direction),
        **{name: np.full(n, value) for name, value in (columns | over).items()},
    )


def play(bars: Bars, predictions: Predictions | None, **over: object) -> native.BacktestFacts:
    told = replace(bars, said=predictions)
    return native.backtest("predictive", PARAMS, told, FREE, CAPITAL_USD, **over)


def test_a_prediction_is_traded_at_the_open_after_the_close_it_was_known_with() -> None:
    bars = hourly_bars()
    facts = play(bars, said([50 * HOUR_NS]))
    [entry, *_] = facts.fills
    assert entry["at_ns"] == bars.opened_at_ns[50]
    assert entry["price"] == bars.open[50] and entry["side"] == 1


def test_one_made_while_a_bar_was_open_is_known_with_its_close_and_stale_by_then() -> None:
    bars = hourly_bars()
    assert play(bars, said([50 * HOUR_NS - 20_000_000_000])).n_fills > 0
    assert play(bars, said([50 * HOUR_NS - 40_000_000_000])).n_fills == 0


def test_the_direction_decides_the_side_and_what_is_not_confident_is_not_traded() -> None:
    bars = hourly_bars()
    assert play(bars, said([50 * HOUR_NS], -0.8)).fills[0]["side"] == -1
    assert play(bars, said([50 * HOUR_NS], confidence=0.55)).n_fills == 0


def test_predictions_of_the_warm_up_are_not_traded() -> None:
    bars = hourly_bars()
    facts = play(bars, said([50 * HOUR_NS, 60 * HOUR_NS]), trade_from_ns=55 * HOUR_NS)
    assert facts.fills[0]["at_ns"] == 60 * HOUR_NS


def test_two_symbols_hear_only_of_themselves_after_all_bars_of_the_hour() -> None:
    bars = hourly_bars(symbols=("AAA", "BBB"))
    facts = play(bars, said([50 * HOUR_NS], symbol=1))
    assert set(facts.fills["symbol"].tolist()) == {1} and facts.fills[0]["at_ns"] == 50 * HOUR_NS


def test_perfect_foresight_earns_and_its_opposite_loses() -> None:
    bars = hourly_bars()
    move = np.sign(bars.close[1:] - bars.close[:-1])
    rows = np.flatnonzero(move)[30:]
    known = said([int(at) for at in bars.closed_at_ns[rows]])
    right = replace(known, direction=0.8 * move[rows], expected_move_bps=80.0 * move[rows])
    wrong = replace(known, direction=-0.8 * move[rows], expected_move_bps=-80.0 * move[rows])
    assert play(bars, right).net_pnl_usd > 0 > play(bars, wrong).net_pnl_usd


def test_a_sweep_is_told_the_same_as_one_backtest() -> None:
    bars = hourly_bars()
    predictions = said([int(at) for at in bars.closed_at_ns[30:-1:3]])
    sets = [PARAMS, PARAMS | {"min_confidence": 0.95}]
    swept = native.sweep("predictive", sets, replace(bars, said=predictions), FREE, CAPITAL_USD)
    assert [facts.n_fills for facts in swept] == [play(bars, predictions).n_fills, 0]
    assert swept[0].net_pnl_usd == play(bars, predictions).net_pnl_usd


def test_what_was_said_on_a_day_moves_with_it() -> None:
    bars = hourly_bars()
    predictions = said([5 * DAY_NS + 6 * HOUR_NS])
    paths = np.array([[1, 2, 5, 3], [1, 2, 3, 4]])
    made = sweep_paths("predictive", [PARAMS], replace(bars, said=predictions), paths, 1, FREE, CAPITAL_USD)
    plain = play(bars, predictions)
    traded = plain.daily_pnl_usd[plain.days == 5][0]
    assert traded != 0
    assert made[0, 0].tolist() == pytest.approx([0.0, traded, 0.0], rel=0.05)
    assert made[1, 0].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("predictions", "words"),
    [
        (None, "decides on predictions"),
        (said([]), "decides on predictions"),
        (said([60 * HOUR_NS, 50 * HOUR_NS]), "prediction 1: it is older"),
        (said([50 * HOUR_NS], symbol=3), "prediction 0: no symbol has number 3"),
    ],
)
def test_what_cannot_be_handed_over_is_refused(predictions: Predictions | None, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        play(hourly_bars(), predictions)
