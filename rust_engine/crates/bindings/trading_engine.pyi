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

class PredictionArrays(TypedDict):
    symbol: NDArray[np.int16]
    at_ns: NDArray[np.int64]
    expires_at_ns: NDArray[np.int64]
    horizon_ms: NDArray[np.int64]
    direction: NDArray[np.float64]
    confidence: NDArray[np.float64]
    expected_move_bps: NDArray[np.float64]
    expected_volatility_bps: NDArray[np.float64]

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
    request: str,
    bars: BarArrays,
    equity_at_ns: NDArray[np.int64] | None,
    equity: NDArray[np.float64],
    predictions: PredictionArrays | None = None,
) -> WholeFacts: ...
def sweep(
    request: str, candidates: str, bars: BarArrays, predictions: PredictionArrays | None = None
) -> list[Facts]: ...
def sweep_paths(
    request: str,
    candidates: str,
    bars: BarArrays,
    paths: NDArray[np.int64],
    lead: int,
    predictions: PredictionArrays | None = None,
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

class FeatureBars(TypedDict):
    opened_at_ms: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]

def features_schema() -> str: ...
def features_batch(
    names: list[str],
    interval_ms: int,
    bars: FeatureBars,
    extras: NDArray[np.float64] | None,
    out: NDArray[np.float64],
    segments: NDArray[np.int64],
) -> None: ...

class FeatureStream:
    def __init__(self, names: list[str], interval_ms: int) -> None: ...
    def update(
        self,
        opened_at_ms: int,
        open: float,
        high: float,
        low: float,
        close: float,
        volume: float,
        extras: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]: ...
    def update_all(
        self,
        bars: FeatureBars,
        extras: NDArray[np.float64] | None,
        out: NDArray[np.float64],
        segments: NDArray[np.int64],
    ) -> None: ...
    @property
    def segment(self) -> int: ...
    def state(self) -> bytes: ...
    def restore(self, state: bytes) -> None: ...

class Trees:
    n_features: int
    def __init__(self, json: bytes) -> None: ...
    def explain(self, x: NDArray[np.float32], shares: NDArray[np.float64]) -> float: ...
