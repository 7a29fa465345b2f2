"""From closed bars to predictions that the engine gets: models asked, views fused, outcomes set against them."""

from feedback.signals.bars import Candle, candles_of
from feedback.signals.room import Counts, SignalRoom

__all__ = ["Candle", "Counts", "SignalRoom", "candles_of"]
