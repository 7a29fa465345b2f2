"""The features of one symbol over its history: the same columns, to the same bits, as the stream gives bar by bar."""

from collections.abc import Mapping, Sequence

import numpy as np

from core.errors import BadInput
from core.native_features import features_batch
from market.candles import Candles, Floats, Integers, interval_name, is_sound
from ml.features.context import BOOK_INPUTS, ContextSeries
from ml.features.registry import Registry, load_registry
from ml.features.stream import bars_of, table_of
from ml.features.table import FeatureTable

LEADERS: Mapping[str, tuple[str, ...]] = {"btc_close": ("BTC", "XBT"), "eth_close": ("ETH",)}
"""How the symbols of the leading coins begin."""
NO_PEERS: Mapping[str, Candles] = {}


def build_features(
    symbol: str,
    interval_ms: int,
    candles: Candles,
    peers: Mapping[str, Candles] = NO_PEERS,
    context: ContextSeries | None = None,
    names: Sequence[str] | None = None,
) -> FeatureTable:
    """Return the table of a symbol, a row for every candle given, in the order given.

    `peers` are candles of other symbols of the same interval; `names` picks columns, all without it. A column whose
    source is missing is NaN. Raises BadInput for an unknown interval or name, uneven columns, and peers that are not in
    order of time.
    """
    interval_name(interval_ms)
    registry = load_registry()
    chosen = registry.names if names is None else tuple(names)
    extras = build_extras(registry, symbol, interval_ms, candles.opened_at_ms, peers, context)
    rows = features_batch(chosen, interval_ms, bars_of(candles), extras)
    return table_of(symbol, interval_ms, chosen, registry.schema_sha256, candles, rows)


def build_extras(
    registry: Registry,
    symbol: str,
    interval_ms: int,
    opened_at_ms: Integers,
    peers: Mapping[str, Candles],
    context: ContextSeries | None,
) -> Floats:
    """Return the inputs beside the candles, (n, len(registry.extra_inputs)), as known at the close of each bar."""
    places = {name: place for place, name in enumerate(registry.extra_inputs)}
    extras = np.full((len(opened_at_ms), len(places)), np.nan)
    for name, values in _peer_inputs(symbol, interval_ms, opened_at_ms, peers).items():
        extras[:, places[name]] = values
    if context is None:
        return extras
    closed_at_ms = opened_at_ms + interval_ms
    known = dict(context.world)
    if symbol in context.funding:
        known["funding"] = context.funding[symbol]
    for name, series in known.items():
        value, age = ("funding_rate", "funding_age_h") if name == "funding" else (name, f"{name}_age_h")
        extras[:, places[value]], extras[:, places[age]] = series.at(closed_at_ms)
    if symbol in context.book:
        book = context.book[symbol]
        rows, found = _places(book.opened_at_ms, opened_at_ms)
        first = places[BOOK_INPUTS[0]]
        extras[found, first : first + len(BOOK_INPUTS)] = book.values[rows[found]]
    return extras


def _peer_inputs(
    symbol: str, interval_ms: int, opened_at_ms: Integers, peers: Mapping[str, Candles]
) -> dict[str, Floats]:
    others = {name: candles for name, candles in peers.items() if name != symbol}
    for name, candles in others.items():
        if bool(np.any(np.diff(candles.opened_at_ms) <= 0)):
            raise BadInput(f"the candles of the peer {name} are not in order of time, or one comes twice")
    if not others:
        return {}
    inputs: dict[str, Floats] = {}
    for place, starts in LEADERS.items():
        found = sorted(name for name in others if name.startswith(starts))
        if len(found) > 1:
            raise BadInput(f"the peers {', '.join(found)} are the same coin", "Give one of them")
        if found and not symbol.startswith(starts):
            inputs[place] = _closes(others[found[0]], opened_at_ms)
    now = np.stack([_closes(candles, opened_at_ms) for candles in others.values()])
    before = np.stack([_closes(candles, opened_at_ms - interval_ms) for candles in others.values()])
    returns = np.log(now / before)
    known = np.isfinite(returns)
    count = known.sum(axis=0)
    total = np.where(known, returns, 0.0).sum(axis=0)
    inputs["market_return"] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return inputs


def _closes(candles: Candles, opened_at_ms: Integers) -> Floats:
    """Return the closes of the candles that opened at these times, NaN where there is none or none that is sound."""
    rows, found = _places(candles.opened_at_ms, opened_at_ms)
    found &= np.append(is_sound(candles), False)[rows]
    closes = np.full(len(opened_at_ms), np.nan)
    closes[found] = candles.close[rows[found]]
    return closes


def _places(held: Integers, wanted: Integers) -> tuple[np.ndarray, np.ndarray]:
    rows = np.searchsorted(held, wanted)
    found = rows < len(held)
    found[found] = held[rows[found]] == wanted[found]
    return rows, found
