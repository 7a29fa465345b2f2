"""The peer's side of a book row: `python book_hftbacktest.py DATA.npz QUEUE RUNS [FILLS.npy]` prints one JSON line.

The grid is `engine::book_backtest::BookGrid` again, order by order; `FILLS.npy` gets the fills. The first run compiles
and is not measured.
"""

import json
import resource
import sys
import time

import numpy as np
from hftbacktest import BacktestAsset, ROIVectorMarketDepthBacktest
from hftbacktest.order import BUY, FILLED, GTX, LIMIT, NEW, NONE
from hftbacktest.types import (
    BUY_EVENT,
    DEPTH_EVENT,
    DEPTH_SNAPSHOT_EVENT,
    EXCH_EVENT,
    LOCAL_EVENT,
    SELL_EVENT,
    TRADE_EVENT,
    event_dtype,
)
from numba import njit, uint64

SCALE = 100_000_000
LAYERS, HALF_SPREAD, INTERVAL, SKEW, CAP = 5, 1, 1, 1, 20
ORDER_NS = ANSWER_NS = 1_000_000
MARKET_FEED = 2
"""What `wait_next_feed` returns when the market spoke."""


@njit
def first_prices(bid, ask, inventory):
    """Return the best bid and the best ask of the grid, in ticks."""
    centre = bid + ask - SKEW * inventory
    below = min((centre - 2 * HALF_SPREAD) // 2, bid)
    above = max(-((-centre - 2 * HALF_SPREAD) // 2), ask)
    return below - below % INTERVAL, above + (-above) % INTERVAL


@njit
def layer_bit(first, step, layers, tick):
    """Return the bit of the layer that stands at `tick`, zero when none does."""
    for k in range(layers):
        if first + k * step == tick:
            return 1 << k
    return 0


@njit
def review(hbt, lot, wanted, fills, n_fills):
    """Note what filled and cancel what is not wanted; returns fills so far, cancels, and the layers that stand."""
    first_bid, first_ask, buys, sells = wanted
    n_cancels = stands_bid = stands_ask = 0
    is_over = False
    values = hbt.orders(0).values()
    while values.has_next():
        order = values.get()
        if order.status > NEW:
            is_over = True
            if order.status == FILLED:
                fills[n_fills, 0] = order.exch_timestamp
                fills[n_fills, 1] = order.side
                fills[n_fills, 2] = order.exec_price_tick
                fills[n_fills, 3] = np.int64(round(order.exec_qty / lot))
                n_fills += 1
            continue
        if order.side == BUY:
            stands = layer_bit(first_bid, -INTERVAL, buys, order.price_tick)
            stands_bid |= stands
        else:
            stands = layer_bit(first_ask, INTERVAL, sells, order.price_tick)
            stands_ask |= stands
        if stands == 0 and order.req == NONE and order.status == NEW:
            hbt.cancel(0, order.order_id, False)
            n_cancels += 1
    if is_over:
        hbt.clear_inactive_orders(0)
    return n_fills, n_cancels, stands_bid, stands_ask


@njit
def submit(hbt, lot, tick_size, wanted, stands_bid, stands_ask):
    """Send what is wanted and does not stand; returns how many orders."""
    first_bid, first_ask, buys, sells = wanted
    n_orders = 0
    for k in range(buys):
        if not stands_bid & (1 << k):
            tick = first_bid - k * INTERVAL
            hbt.submit_buy_order(0, uint64(tick * 2), tick * tick_size, lot, GTX, LIMIT, False)
            n_orders += 1
    for k in range(sells):
        if not stands_ask & (1 << k):
            tick = first_ask + k * INTERVAL
            hbt.submit_sell_order(0, uint64(tick * 2 + 1), tick * tick_size, lot, GTX, LIMIT, False)
            n_orders += 1
    return n_orders


@njit
def play(hbt, lot, tick_size, fills):
    """Play the grid; writes (time at the exchange, side, ticks, lots) of each fill, returns what was counted."""
    n_fills = n_events = n_orders = n_cancels = 0
    while hbt.wait_next_feed(False, 3_600_000_000_000) == MARKET_FEED:
        n_events += 1
        depth = hbt.depth(0)
        inventory = np.int64(round(hbt.position(0) / lot))
        first_bid, first_ask = first_prices(depth.best_bid_tick, depth.best_ask_tick, inventory)
        wanted = (first_bid, first_ask, LAYERS if inventory < CAP else 0, LAYERS if inventory > -CAP else 0)
        n_fills, cancelled, stands_bid, stands_ask = review(hbt, lot, wanted, fills, n_fills)
        n_cancels += cancelled
        n_orders += submit(hbt, lot, tick_size, wanted, stands_bid, stands_ask)
    return n_fills, n_events, n_orders, n_cancels


def events_of(data):
    """Return the columns of the file as the peer's records."""
    kinds = np.array([DEPTH_EVENT, DEPTH_SNAPSHOT_EVENT, TRADE_EVENT], dtype=np.uint64)[data["kind"]]
    sides = np.where(data["side"] > 0, np.uint64(BUY_EVENT), np.uint64(SELL_EVENT))
    events = np.zeros(len(kinds), dtype=event_dtype)
    events["ev"] = kinds | sides | np.uint64(EXCH_EVENT) | np.uint64(LOCAL_EVENT)
    events["exch_ts"] = data["exch_at_ns"]
    events["local_ts"] = data["at_ns"]
    events["px"] = data["price_e8"] / SCALE
    events["qty"] = data["qty_e8"] / SCALE
    return events


def build(events, tick_size, lot, queue, low, high):
    """Return a fresh backtest; `low` and `high` bound the prices that its book follows."""
    asset = (
        BacktestAsset()
        .data(events)
        .linear_asset(1.0)
        .constant_order_latency(ORDER_NS, ANSWER_NS)
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0002, 0.0005)
        .tick_size(tick_size)
        .lot_size(lot)
        .roi_lb(low)
        .roi_ub(high)
    )
    asset = asset.risk_adverse_queue_model() if queue == "risk_averse" else asset.power_prob_queue_model(3.0)
    return ROIVectorMarketDepthBacktest([asset])


def main():
    """Play the grid so many times and print the seconds and what came out."""
    data = np.load(sys.argv[1])
    queue, runs = sys.argv[2], int(sys.argv[3])
    tick_size, lot = int(data["tick_e8"]) / SCALE, int(data["lot_e8"]) / SCALE
    events = events_of(data)
    low, high = events["px"].min() - 1000 * tick_size, events["px"].max() + 1000 * tick_size
    fills = np.zeros((4_000_000, 4), dtype=np.int64)
    seconds = []
    for n in range(runs + 1):
        hbt = build(events, tick_size, lot, queue, low, high)
        started = time.perf_counter()
        n_fills, n_events, n_orders, n_cancels = play(hbt, lot, tick_size, fills)
        if n:
            seconds.append(time.perf_counter() - started)
        hbt.close()
    if len(sys.argv) > 4:
        np.save(sys.argv[4], fills[:n_fills])
    rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        json.dumps(
            {
                "seconds": seconds,
                "events": n_events,
                "fills": n_fills,
                "orders": n_orders,
                "cancels": n_cancels,
                "rss_mb": rss_mb,
            }
        )
    )


main()
