"""The Rust engine. Requests are JSON text (see `core.native`, the only importer); arrays are passed without copies."""

from typing import Literal, TypedDict

import numpy as np
from numpy.typing import NDArray

class BarArrays(TypedDict):
    symbol: NDArray[np.int16]
    opened_at_ns: NDArray[np.int64]
    closed_at_ns: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]

class Facts(TypedDict):
    fills: NDArray[np.uint8]
    trades: NDArray[np.uint8]
    days: NDArray[np.int64]
    daily_pnl: NDArray[np.float64]
    n_bars: int
    n_fills: int
    n_trades: int
    n_wins: int
    fees: float
    slippage: float
    net_pnl: float
    params_sha256: str
    path: Literal["event", "batch"]

class WholeFacts(Facts):
    n_marks: int

def backtest(
    request: str, bars: BarArrays, equity_at_ns: NDArray[np.int64] | None, equity: NDArray[np.float64]
) -> WholeFacts: ...
def sweep(request: str, candidates: str, bars: BarArrays) -> list[Facts]: ...
def sweep_paths(
    request: str, candidates: str, bars: BarArrays, paths: NDArray[np.int64], lead: int
) -> NDArray[np.float64]: ...
def generate(spec: str) -> BarArrays: ...
def schemas() -> str: ...
def validate_params(strategy: str, params: str, rules: str | None = None) -> str: ...
def canonical_rules(rules: str) -> str: ...

class EventArrays(TypedDict):
    at_ns: NDArray[np.int64]
    exch_at_ns: NDArray[np.int64]
    kind: NDArray[np.uint8]
    side: NDArray[np.int8]
    price_e8: NDArray[np.int64]
    qty_e8: NDArray[np.int64]

class BookRun(TypedDict):
    fills: NDArray[np.uint8]
    n_events: int
    n_orders: int
    n_cancels: int
    n_ended: int
    n_refused: int
    n_refused_levels: int
    position: str
    cash: str
    fees: str

class BookBest(TypedDict):
    at_ns: NDArray[np.int64]
    bid_e8: NDArray[np.int64]
    bid_qty_e8: NDArray[np.int64]
    ask_e8: NDArray[np.int64]
    ask_qty_e8: NDArray[np.int64]
    uncrossed: int

def book_backtest(request: str, events: EventArrays) -> BookRun: ...
def book_best(tick: str, form: Literal["array", "tree"], events: EventArrays) -> BookBest: ...
