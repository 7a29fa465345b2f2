"""Bars, a source of four features, and bundles that speak about them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from core.errors import Refused
from core.model.generated import Prediction
from core.store import Store
from feedback.signals import Candle, SignalRoom
from market.candles import Floats
from ml.bundle import Bundle, card_bytes
from tests.serving_world import NAMES, a_served_bundle, an_expert, mean_so_far, tabular

MINUTE_MS = 60_000
FIRST_MS = 1_767_225_600_000
"""2026-01-01, and after everything that the bundles were fitted on."""


@dataclass(slots=True)
class FourFeatures:
    """Move, range, place of the close and of the open; a run ends where a candle is missing or its past is revised."""

    interval_ms: int
    segment: int = -1
    last_ms: int = -1
    row: Floats = field(default_factory=lambda: np.zeros(4))

    def update(
        self,
        opened_at_ms: int,
        open: float,
        high: float,
        low: float,
        close: float,
        volume: float,
        extras: Floats | None = None,
    ) -> Floats:
        if opened_at_ms != self.last_ms + self.interval_ms:
            self.segment += 1
        self.last_ms = opened_at_ms
        width = max(high - low, 1e-9)
        self.row[:] = (100 * np.log(close / open), 100 * (high / low - 1), (close - low) / width, (open - low) / width)
        return self.row


def bars(
    n: int, seed: int = 1, step_ms: int = MINUTE_MS, first_ms: int = FIRST_MS, volume: float = 50.0
) -> list[Candle]:
    """A random walk of candles, oldest first."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.002, n)))
    opened = np.concatenate([[100.0], close[:-1]])
    wick = np.abs(rng.normal(0, 0.001, (2, n)))
    high, low = np.maximum(opened, close) * (1 + wick[0]), np.minimum(opened, close) * (1 - wick[1])
    columns = zip(opened.tolist(), high.tolist(), low.tolist(), close.tolist(), strict=True)
    return [Candle(first_ms + at * step_ms, *four, volume) for at, four in enumerate(columns)]


def a_bundle_for(interval_ms: int, horizon_bars: int, weight: float = 1.0, seed: int = 1, **changes: Any) -> Bundle:
    """A bundle that leans on the last move, with a carried expert beside."""
    experts = (
        an_expert("rows", "tabular", tabular((weight, 0.0, 0.1, 0.0))),
        an_expert("step", "step", mean_so_far((weight / 2, 0.1, 0.0, 0.0))),
    )
    settings = {"interval_ms": interval_ms, "horizon_bars": horizon_bars, "symbols": ("BTCUSDT", "ETHUSDT"), **changes}
    return a_served_bundle(experts, seed, **settings)


@dataclass(slots=True)
class Lane:
    """Takes what the engine would get, or refuses it."""

    got: list[Prediction] = field(default_factory=list)
    refuses: bool = False

    def send(self, prediction: Prediction) -> None:
        if self.refuses:
            raise Refused("a signal expired 5 ms before it was handed to the bridge")
        self.got.append(prediction)


def a_room(
    store: Store,
    lane: Lane,
    bundles: Sequence[Bundle] = (),
    symbols: Sequence[str] = ("BTCUSDT",),
    base_ms: int = MINUTE_MS,
    **changes: Any,
) -> SignalRoom:
    """A room with these bundles installed."""
    settings: dict[str, Any] = {"order_notional": 10_000.0, "miss_target": 0.4, **changes}
    room = SignalRoom(store, symbols, base_ms, NAMES, FourFeatures, lane.send, **settings)
    for bundle in bundles:
        room.install(bundle)
    return room


def play(room: SignalRoom, candles: Sequence[Candle], symbol: str = "BTCUSDT", base_ms: int = MINUTE_MS) -> list[Any]:
    """Give the room the bars one by one and return every record."""
    return [record for candle in candles for record in room.on_bars(candle.opened_at_ms + base_ms, {symbol: candle})]


def renamed(bundle: Bundle, **changes: Any) -> Bundle:
    """The bundle with another card."""
    card = replace(bundle.card, **changes)
    return replace(bundle, card=card, sha256=hashlib.sha256(card_bytes(card)).hexdigest())
