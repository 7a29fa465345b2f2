"""Inputs beside the candles: known at their time and not before, never made up, and on the right bar."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.errors import BadInput
from market.candles import Candles
from ml.features.book import Prints, Quotes, build_book_bars, order_flow
from ml.features.build import build_extras, build_features
from ml.features.context import (
    BOOK_INPUTS,
    DAY_MS,
    DELAY_MS,
    MAX_AGE_MS,
    ContextSeries,
    KnownSeries,
    load_funding,
    load_world,
)
from ml.features.registry import load_registry
from tests.feature_world import HOUR_MS, START_MS, data_dir, made, recorded

REGISTRY = load_registry()


def column(extras: np.ndarray, name: str) -> np.ndarray:
    return extras[:, REGISTRY.extra_inputs.index(name)]


def test_a_daily_value_is_known_after_its_day_and_its_delay(tmp_path):
    path = tmp_path / "context.parquet"
    pq.write_table(
        pa.table({"date": ["2020-09-10", "2020-09-11", "2020-09-12"], "fear_greed": [10.0, None, 30.0]}), path
    )
    world = load_world(tmp_path)
    day = np.datetime64("2020-09-10").astype("datetime64[ms]").astype(np.int64)
    known = day + DAY_MS + DELAY_MS["fear_greed"]
    values, ages = world["fear_greed"].at(np.array([known - 1, known, known + 2 * DAY_MS - 1, known + 2 * DAY_MS]))
    assert np.array_equal(values, [np.nan, 10.0, 10.0, 30.0], equal_nan=True)
    assert np.array_equal(np.round(ages, 3), [np.nan, 0.0, 48.0, 0.0], equal_nan=True)


def test_an_old_value_is_not_known_any_more():
    series = KnownSeries(np.array([START_MS]), np.array([20.0]))
    values, _ = series.at(np.array([START_MS + MAX_AGE_MS, START_MS + MAX_AGE_MS + 1]))
    assert values[0] == 20.0
    assert np.isnan(values[1])


def test_recorded_series_of_the_world_and_funding_are_read():
    world = load_world(data_dir() / "context")
    assert set(world) == set(DELAY_MS)
    funding = load_funding(data_dir() / "ohlcv" / "binance_perp_funding_8h_BTCUSDT.parquet")
    assert len(funding.values) == 238
    candles = recorded("BTCUSDT", 30_000).rows(slice(28_000, None))
    table = build_features("BTCUSDT", HOUR_MS, candles, context=ContextSeries(world=world))
    places = [
        REGISTRY.names.index(name)
        for name in ("fear_greed", "vix", "dxy_change_24", "btc_dominance", "nasdaq_change_24")
    ]
    assert np.isfinite(table.values[-500:, places]).mean() > 0.9


def test_funding_counts_for_its_own_symbol_from_its_settlement_on():
    candles = made(30)
    settled = START_MS + 8 * HOUR_MS + 3
    context = ContextSeries(funding={"BTCUSDT": KnownSeries(np.array([settled]), np.array([1e-4]))})
    mine = build_extras(REGISTRY, "BTCUSDT", HOUR_MS, candles.opened_at_ms, {}, context)
    known = np.isfinite(column(mine, "funding_rate"))
    assert known.tolist() == [False] * 8 + [True] * 22
    theirs = build_extras(REGISTRY, "ETHUSDT", HOUR_MS, candles.opened_at_ms, {}, context)
    assert np.isnan(theirs).all()


def test_peers_stand_on_the_bar_that_closed_at_the_same_time():
    candles, btc, sol = made(50, seed=1), made(50, seed=2), made(50, seed=3)
    btc.close[20] = np.nan
    missing = np.ones(50, dtype=bool)
    missing[30] = False
    peers = {"BTCUSDT": btc, "SOLUSDT": sol.rows(missing), "ETHUSDT": candles}
    extras = build_extras(REGISTRY, "ETHUSDT", HOUR_MS, candles.opened_at_ms, peers, None)
    expected = np.where(np.arange(50) == 20, np.nan, btc.close)
    assert np.array_equal(column(extras, "btc_close"), expected, equal_nan=True)
    assert np.isnan(column(extras, "eth_close")).all()
    returns = [np.log(peer.close[1:] / peer.close[:-1]) for peer in (btc, sol)]
    market = column(extras, "market_return")
    assert np.isnan(market[0])
    assert np.allclose(market[10], (returns[0][9] + returns[1][9]) / 2, rtol=1e-12)
    assert np.allclose(market[[20, 21]], returns[1][[19, 20]], rtol=1e-12)
    assert np.allclose(market[[30, 31]], returns[0][[29, 30]], rtol=1e-12)


def test_peers_that_cannot_be_told_apart_or_are_out_of_order_are_refused():
    candles = made(10)
    with pytest.raises(BadInput, match="BTCUSDC, BTCUSDT are the same coin"):
        build_features("SOLUSDT", HOUR_MS, candles, {"BTCUSDT": candles, "BTCUSDC": candles})
    backwards = candles.rows(np.arange(10)[::-1])
    with pytest.raises(BadInput, match="peer BTCUSDT are not in order"):
        build_features("SOLUSDT", HOUR_MS, candles, {"BTCUSDT": backwards})
    with pytest.raises(BadInput, match="no feature reads the series moon"):
        ContextSeries(world={"moon": KnownSeries(np.array([1]), np.array([1.0]))})
    with pytest.raises(BadInput, match="in order of time"):
        KnownSeries(np.array([2, 1]), np.array([1.0, 1.0]))


def test_what_is_no_context_is_refused(tmp_path):
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(BadInput, match="broken.parquet"):
        load_world(tmp_path)
    (tmp_path / "broken.parquet").unlink()
    with pytest.raises(BadInput, match="no file in .* holds a series"):
        load_world(tmp_path)
    wrong: list[dict[str, list[object]]] = [
        {"date": ["not-a-day"], "vix": [1.0]}, {"ts": ["noon"], "vix": [1.0]}, {"ts": [None, 1], "vix": [1.0, 2.0]},
        {"ts": [1], "vix": ["high"]},
    ]  # fmt: skip
    for columns in wrong:
        pq.write_table(pa.table(columns), tmp_path / "vix.parquet")
        with pytest.raises(BadInput, match=r"vix\.parquet: vix cannot be read"):
            load_world(tmp_path)
    path = tmp_path / "candles.parquet"
    for ts, rate in (["noon"], [0.1]), ([1], ["low"]), ([None], [0.1]):
        pq.write_table(pa.table({"ts": ts, "funding_rate": rate}), path)
        with pytest.raises(BadInput, match=r"candles\.parquet: ts and funding_rate"):
            load_funding(path)
    pq.write_table(pa.table({"ts": [1], "close": [1.0]}), path)
    with pytest.raises(BadInput, match="holds no funding"):
        load_funding(path)


def test_the_future_of_the_world_changes_nothing_before():
    candles = made(400)
    times = START_MS + np.arange(20, dtype=np.int64) * DAY_MS
    values = np.random.default_rng(1).uniform(10, 90, 20)

    def table(until: int) -> np.ndarray:
        kept = times <= until
        series = KnownSeries(times[kept], values[kept])
        return build_features("BTCUSDT", HOUR_MS, candles, context=ContextSeries(world={"vix": series})).values

    cut = START_MS + 10 * DAY_MS
    rows = np.flatnonzero(candles.opened_at_ms + HOUR_MS < times[11])
    assert np.array_equal(table(cut)[rows], table(times[-1])[rows], equal_nan=True)


def test_inputs_of_one_bar_as_it_closes_are_those_of_the_history():
    candles, btc = made(200, seed=1), made(200, seed=2)
    series = KnownSeries(START_MS + np.arange(9, dtype=np.int64) * DAY_MS, np.arange(9.0))
    context = ContextSeries(world={"vix": series}, funding={"ETHUSDT": series})
    whole = build_extras(REGISTRY, "ETHUSDT", HOUR_MS, candles.opened_at_ms, {"BTCUSDT": btc}, context)
    for row in (0, 1, 57, 199):
        peers = {"BTCUSDT": btc.rows(slice(max(0, row - 1), row + 1))}
        one = build_extras(REGISTRY, "ETHUSDT", HOUR_MS, candles.opened_at_ms[row : row + 1], peers, context)
        assert np.array_equal(one[0], whole[row], equal_nan=True)


def test_order_flow_is_the_papers_by_hand():
    quotes = Quotes(
        np.arange(6, dtype=np.int64),
        np.array([100.0, 100.0, 101.0, 101.0, 100.0, 100.0]),
        np.array([5.0, 7.0, 2.0, 2.0, 9.0, 9.0]),
        np.array([102.0, 102.0, 102.0, 103.0, 103.0, 102.0]),
        np.array([4.0, 4.0, 1.0, 6.0, 6.0, 3.0]),
    )
    # More at the bid; a higher bid and less at the ask; a higher ask; a lower bid; a lower ask.
    assert order_flow(quotes).tolist() == [0.0, 2.0, 5.0, 1.0, -2.0, -3.0]


def test_recorded_books_and_trades_fill_their_bars_and_no_others():
    folder = data_dir() / "ticks"
    bbo = pq.read_table(folder / "binance_usdm_btcusdt_20240808_bbo.parquet")
    trades = pq.read_table(folder / "binance_usdm_btcusdt_20240808_trades.parquet")
    floats = {name: bbo[name].to_numpy().astype(float) for name in ("bid", "bid_qty", "ask", "ask_qty")}
    quotes = Quotes(bbo["local_ns"].to_numpy() // 1_000_000, **floats)
    side = np.where(trades["buyer_is_maker"].to_numpy(zero_copy_only=False).astype(bool), -1, 1)
    prints = Prints(trades["local_ns"].to_numpy() // 1_000_000, trades["qty"].to_numpy().astype(float), side)
    start = int(quotes.at_ms[0]) // 10_000 * 10_000
    opened = start + 10_000 * np.arange(-2, 60, dtype=np.int64)
    bars = build_book_bars(quotes, prints, opened, 10_000)
    by_name = dict(zip(BOOK_INPUTS, bars.values.T, strict=True))
    inside = (opened + 10_000 > quotes.at_ms[0]) & (opened <= quotes.at_ms[-1])
    assert np.array_equal(np.isfinite(by_name["bid"]), inside)
    assert np.all(by_name["ask"][inside] > by_name["bid"][inside])
    within = (prints.at_ms >= opened[inside][0]) & (prints.at_ms < opened[inside][-1] + 10_000)
    total = by_name["buy_volume"][inside].sum() + by_name["sell_volume"][inside].sum()
    assert np.isclose(total, prints.qty[within].sum())
    assert by_name["trade_count"][inside].sum() == within.sum()


def test_bars_of_books_reach_the_columns_of_their_symbol():
    candles = made(60, interval_ms=HOUR_MS)
    dice = np.random.default_rng(4)
    at_ms = np.sort(dice.integers(START_MS, START_MS + 60 * HOUR_MS, 4_000))
    bid = 100 + dice.integers(0, 5, 4_000) * 0.1
    quotes = Quotes(at_ms, bid, dice.uniform(1, 5, 4_000), bid + 0.1, dice.uniform(1, 5, 4_000))
    prints = Prints(at_ms, dice.uniform(0.1, 1, 4_000), dice.choice(np.array([-1, 1]), 4_000))
    book = build_book_bars(quotes, prints, candles.opened_at_ms, HOUR_MS)
    names = ("book_spread_bps", "book_imbalance", "order_flow_imbalance_1", "trade_imbalance_12", "trade_vpin_50")
    context = ContextSeries(book={"BTCUSDT": book})
    table = build_features("BTCUSDT", HOUR_MS, candles, context=context, names=names)
    assert np.isfinite(table.values[-1]).all()
    assert np.allclose(table.values[:, 0], 0.1 / (book.values[:, 0] + 0.05) * 1e4)
    other = build_features("ETHUSDT", HOUR_MS, candles, context=context, names=names)
    assert np.isnan(other.values).all()


def test_books_that_cannot_be_are_refused():
    one = np.array([1, 2], dtype=np.int64)
    prints = Prints(one, np.ones(2), np.ones(2, dtype=np.int64))
    crossed = Quotes(one, np.array([1.0, 2.0]), np.ones(2), np.array([1.5, 1.9]), np.ones(2))
    with pytest.raises(BadInput, match="1 quotes are crossed or empty, the first at 2 ms"):
        build_book_bars(crossed, prints, one, 1)
    fine = Quotes(one, np.ones(2), np.ones(2), np.full(2, 1.5), np.ones(2))
    with pytest.raises(BadInput, match="prints are not in order"):
        build_book_bars(fine, Prints(one[::-1], np.ones(2), one), one, 1)


def test_an_empty_history_has_no_rows():
    empty = Candles(np.empty(0, dtype=np.int64), *[np.empty(0)] * 5)
    table = build_features("BTCUSDT", HOUR_MS, empty)
    assert table.values.shape == (0, len(REGISTRY.names))
