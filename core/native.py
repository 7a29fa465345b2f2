"""The compiled engine as typed functions: bars in as columns, facts out as columns.

The only importer of `trading_engine`. Prices and quantities are float64 in arrays (statistics) and exact inside the
engine; capital and limits go in as Decimal. Whatever the engine refuses is a `BadInput` that names the field or the
row. The interpreter's lock is free while Rust works.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import trading_engine
from numpy.typing import NDArray

from core.durable import replacing
from core.errors import BadInput
from core.native_predictions import Predictions, prediction_columns

DAY_NS: Final = 86_400_000_000_000
KST_OFFSET_NS: Final = 9 * 3_600_000_000_000
"""Seoul is nine hours east of UTC and has no summer time."""

FILL_DTYPE: Final = np.dtype(
    [
        ("at_ns", "<i8"),
        ("symbol", "<i2"),
        ("side", "i1"),
        ("purpose", "u1"),
        ("maker", "?"),
        ("qty", "<f8"),
        ("price", "<f8"),
        ("fee_usd", "<f8"),
        ("slippage_usd", "<f8"),
    ]
)
"""One fill; `side` is 1 for a buy and -1 for a sell."""

TRADE_DTYPE: Final = np.dtype(
    [
        ("entry_at_ns", "<i8"),
        ("exit_at_ns", "<i8"),
        ("symbol", "<i2"),
        ("side", "i1"),
        ("exit_reason", "u1"),
        ("qty", "<f8"),
        ("entry_price", "<f8"),
        ("exit_price", "<f8"),
        ("gross_pnl_usd", "<f8"),
        ("net_pnl_usd", "<f8"),
    ]
)
"""One closed round trip; `side` is that of the entry."""

FEED_DTYPE: Final = np.dtype(
    [
        ("symbol", "<u2"),
        ("opened_at_ns", "<i8"),
        ("closed_at_ns", "<i8"),
        ("open", "<f8"),
        ("high", "<f8"),
        ("low", "<f8"),
        ("close", "<f8"),
        ("volume", "<f8"),
    ]
)
"""One record of the file that `EngineConfig.feed` names."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Closed candles of one or more symbols as columns, sorted by (closed_at, symbol)."""

    symbols: tuple[str, ...]
    ticks: tuple[Decimal, ...]
    """Smallest price step by symbol."""
    lots: tuple[Decimal, ...]
    """Smallest quantity step by symbol."""
    symbol: NDArray[np.int16]
    """Index into `symbols`."""
    opened_at_ns: Ints
    closed_at_ns: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    said: Predictions | None = None
    """What models said meanwhile, where that is known; strategy `predictive` decides on it."""

    def __len__(self) -> int:
        return len(self.symbol)


@dataclass(frozen=True, slots=True)
class Costs:
    """What trading costs, in basis points of notional."""

    maker_fee_bps: float = 2.0
    taker_fee_bps: float = 5.0
    slippage_bps: float = 2.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Hard limits of the account, checked when an order is sent."""

    max_order_notional_usd: Decimal
    max_position_notional_usd: Decimal
    max_gross_notional_usd: Decimal
    price_collar_bps: float


@dataclass(frozen=True, slots=True, eq=False)
class BacktestFacts:
    """What one parameter set made. Facts only; `core.metrics` judges. Money in USD after costs."""

    days: Ints
    """KST day numbers since 1970-01-01 that hold a traded bar; a close at midnight belongs to the day that ends."""
    daily_pnl_usd: Floats
    """Change of equity over each of those days."""
    equity_at_ns: Ints
    """Every distinct close, for one symbol a read-only view of the bars' own; empty in a sweep."""
    equity_usd: Floats
    """Capital plus profit, open positions at the last price; empty in a sweep."""
    fills: NDArray[np.void]
    """`FILL_DTYPE`, oldest first; empty in a sweep."""
    trades: NDArray[np.void]
    """`TRADE_DTYPE`, oldest exit first; empty in a sweep."""
    n_bars: int
    n_fills: int
    n_trades: int
    n_wins: int
    fees_usd: float
    slippage_usd: float
    net_pnl_usd: float
    params_sha256: str
    path: Literal["event", "batch"]
    """How a sweep found it: bar by bar, or over all parameter sets at once; both give the same facts."""


@dataclass(frozen=True, slots=True)
class MarketSymbol:
    """One symbol of a synthetic market."""

    name: str
    tick: Decimal
    lot: Decimal
    start_price: Decimal


@dataclass(frozen=True, slots=True)
class MarketTurn:
    """From bar `at_bar` on the noise on each print is `bounce_bps`; every bar before stays what it was."""

    at_bar: int
    bounce_bps: float


@dataclass(frozen=True, slots=True)
class MarketSpec:
    """A synthetic market; the same specification gives the same bytes.

    `bounce_bps` and `burst_strength` are the two planted effects (see `rust_engine/crates/sim/src/market.rs`); zero
    takes an effect out, so that no value of the parameter it rewards is better than another.
    """

    seed: int
    n_bars: int
    """Per symbol."""
    bar_ms: int
    start_ns: int
    symbols: tuple[MarketSymbol, ...]
    volatility_bps: float = 12.0
    """Standard deviation of an ordinary bar's return."""
    bounce_bps: float = 8.0
    """Standard deviation of the noise on each print."""
    burst_strength: float = 2.2
    """Drift of a burst, in ordinary bar deviations per bar."""
    turn: MarketTurn | None = None
    """When the bounce changes for good."""


def backtest(
    strategy: str,
    params: Mapping[str, float],
    bars: Bars,
    costs: Costs,
    capital_usd: Decimal,
    limits: Limits | None = None,
    trade_from_ns: int = 0,
    day_offset_ns: int = KST_OFFSET_NS,
    rules: str | None = None,
) -> BacktestFacts:
    """Return what one parameter set made over all symbols of `bars`, with every fill, round trip and equity point.

    Bars closed at or before `trade_from_ns` only warm up indicators. `rules` is the JSON of the rule set that strategy
    `rules` follows. Raises BadInput for parameters, rules, costs, limits or bars that are refused, and for a strategy
    that bars tell nothing.
    """
    request = bar_request(strategy, params, bars, costs, capital_usd, limits, trade_from_ns, day_offset_ns, rules)
    columns, n = bar_columns(bars), len(bars)
    at_ns = None if len(bars.symbols) == 1 else np.empty(n, dtype=np.int64)
    equity = np.empty(n, dtype=np.float64)
    try:
        raw = trading_engine.backtest(request, columns, at_ns, equity, prediction_columns(bars.said))
    except ValueError as error:
        raise BadInput(f"backtest of {strategy}: {error}") from error
    n_marks = raw["n_marks"]
    times = _last_closes(columns, n_marks) if at_ns is None else at_ns[:n_marks]
    return _facts(raw, (times, equity[:n_marks]))


def sweep(
    strategy: str,
    candidates: Sequence[Mapping[str, float]],
    bars: Bars,
    costs: Costs,
    capital_usd: Decimal,
    limits: Limits | None = None,
    trade_from_ns: int = 0,
    day_offset_ns: int = KST_OFFSET_NS,
    rules: str | None = None,
) -> list[BacktestFacts]:
    """Return what each candidate made, in the order given, played on all cores; only totals and days are kept.

    Raises BadInput as `backtest`, with the number of the candidate.
    """
    request = bar_request(strategy, {}, bars, costs, capital_usd, limits, trade_from_ns, day_offset_ns, rules)
    try:
        sets = _json([dict(params) for params in candidates])
        played = trading_engine.sweep(request, sets, bar_columns(bars), prediction_columns(bars.said))
    except ValueError as error:
        raise BadInput(f"sweep of {strategy}: {error}") from error
    return [_facts(facts) for facts in played]


def generate(spec: MarketSpec) -> Bars:
    """Return the bars of a synthetic market. Raises BadInput for a specification that makes no market."""
    symbols = [
        {"tick": format(s.tick, "f"), "lot": format(s.lot, "f"), "start_price": format(s.start_price, "f")}
        for s in spec.symbols
    ]
    request = {
        "seed": spec.seed,
        "n_bars": spec.n_bars,
        "bar_ms": spec.bar_ms,
        "start_ns": spec.start_ns,
        "symbols": symbols,
        "volatility_bps": spec.volatility_bps,
        "bounce_bps": spec.bounce_bps,
        "burst_strength": spec.burst_strength,
        "turn": None if spec.turn is None else {"at_bar": spec.turn.at_bar, "bounce_bps": spec.turn.bounce_bps},
    }
    try:
        columns = trading_engine.generate(_json(request))
    except ValueError as error:
        raise BadInput(f"synthetic market: {error}") from error
    return Bars(
        symbols=tuple(s.name for s in spec.symbols),
        ticks=tuple(s.tick for s in spec.symbols),
        lots=tuple(s.lot for s in spec.symbols),
        **columns,
    )


def validate_params(strategy: str, params: Mapping[str, float], rules: str | None = None) -> str:
    """Return the sha256 of the parameters, and of the rule set with them where there is one.

    Raises BadInput for a parameter unknown, missing, out of bounds or off its grid, and for a rule set refused.
    """
    try:
        return trading_engine.validate_params(strategy, _json(dict(params)), rules)
    except ValueError as error:
        raise BadInput(str(error)) from error


def canonical_rules(text: str) -> str:
    """Return the one JSON text of a rule set; raises BadInput that says where in it what is wrong."""
    try:
        return trading_engine.canonical_rules(text)
    except ValueError as error:
        raise BadInput(str(error)) from error


def load_schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON Schema of every strategy's parameters, by strategy, as this build of the engine knows them."""
    schemas: dict[str, dict[str, Any]] = json.loads(trading_engine.schemas())
    return schemas


def write_feed(path: Path, bars: Bars) -> None:
    """Write the `.npy` file that the engine reads as its feed, replacing it whole or not at all, durably."""
    records = np.empty(len(bars), dtype=FEED_DTYPE)
    for name, column in bar_columns(bars).items():
        records[name] = column
    with replacing(path) as file:
        np.save(file, records, allow_pickle=False)


def bar_request(
    strategy: str,
    params: Mapping[str, float],
    bars: Bars,
    costs: Costs,
    capital_usd: Decimal,
    limits: Limits | None,
    trade_from_ns: int,
    day_offset_ns: int,
    rules: str | None,
) -> str:
    """Return the text of a request for bars; shared by the parts of this module."""
    specs = zip(bars.symbols, bars.ticks, bars.lots, strict=True)
    return _json(
        {
            "symbols": [{"name": n, "tick": format(tick, "f"), "lot": format(lot, "f")} for n, tick, lot in specs],
            "strategy": strategy,
            "params": dict(params),
            "rules": None if rules is None else json.loads(canonical_rules(rules)),
            "capital": format(capital_usd, "f"),
            "costs": {
                "maker_fee_bps": costs.maker_fee_bps,
                "taker_fee_bps": costs.taker_fee_bps,
                "slippage_bps": costs.slippage_bps,
            },
            "limits": None
            if limits is None
            else {
                "max_order_notional": format(limits.max_order_notional_usd, "f"),
                "max_position_notional": format(limits.max_position_notional_usd, "f"),
                "max_gross_notional": format(limits.max_gross_notional_usd, "f"),
                "price_collar_bps": limits.price_collar_bps,
            },
            "trade_from_ns": trade_from_ns,
            "day_offset_ns": day_offset_ns,
        }
    )


def _json(value: object) -> str:
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BadInput(f"a request to the engine holds something that is no number: {error}") from error


def bar_columns(bars: Bars) -> "trading_engine.BarArrays":
    """Return the bars as the engine takes them; shared by the parts of this module."""
    # Columns that are contiguous and of the right type already, the usual case, are passed on without a copy.
    return {
        "symbol": np.ascontiguousarray(bars.symbol, dtype=np.int16),
        "opened_at_ns": np.ascontiguousarray(bars.opened_at_ns, dtype=np.int64),
        "closed_at_ns": np.ascontiguousarray(bars.closed_at_ns, dtype=np.int64),
        "open": np.ascontiguousarray(bars.open, dtype=np.float64),
        "high": np.ascontiguousarray(bars.high, dtype=np.float64),
        "low": np.ascontiguousarray(bars.low, dtype=np.float64),
        "close": np.ascontiguousarray(bars.close, dtype=np.float64),
        "volume": np.ascontiguousarray(bars.volume, dtype=np.float64),
    }


def _last_closes(columns: "trading_engine.BarArrays", n: int) -> Ints:
    # The bars' own memory: nothing may write through it.
    closes = columns["closed_at_ns"]
    closes = closes[len(closes) - n :]
    closes.flags.writeable = False
    return closes


_NO_CURVE: Final = (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64))


def _facts(raw: "trading_engine.Facts", curve: tuple[Ints, Floats] = _NO_CURVE) -> BacktestFacts:
    return BacktestFacts(
        days=raw["days"],
        daily_pnl_usd=raw["daily_pnl"],
        equity_at_ns=curve[0],
        equity_usd=curve[1],
        fills=raw["fills"].view(FILL_DTYPE),
        trades=raw["trades"].view(TRADE_DTYPE),
        n_bars=raw["n_bars"],
        n_fills=raw["n_fills"],
        n_trades=raw["n_trades"],
        n_wins=raw["n_wins"],
        fees_usd=raw["fees"],
        slippage_usd=raw["slippage"],
        net_pnl_usd=raw["net_pnl"],
        params_sha256=raw["params_sha256"],
        path=raw["path"],
    )
