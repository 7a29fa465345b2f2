"""Whether a file holds the symbol it claims, told by comparing it with candles that are known.

At common closing times: level = median of close / known close; correlation = Pearson's r of the log returns between
consecutive common times. The own symbol must agree in both; another coin must not agree in both.
"""

from dataclasses import dataclass

import numpy as np

from core.errors import BadInput
from market.candles import Candles

MIN_COMMON = 100
OWN_LEVEL = 0.05
OWN_CORRELATION = 0.3
OTHER_LEVEL = 0.02
OTHER_CORRELATION = 0.98
_QUOTES = ("FDUSD", "USDT", "USDC", "BUSD", "TUSD", "USD", "EUR", "KRW", "BTC", "ETH", "BNB")


@dataclass(frozen=True, slots=True, eq=False)
class KnownSeries:
    """Candles that are believed to be `symbol`."""

    symbol: str
    interval_ms: int
    candles: Candles
    origin: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a file compares with known candles at `n_common` common closing times."""

    symbol: str
    origin: str
    n_common: int
    level: float
    correlation: float

    @property
    def agrees(self) -> bool:
        """Whether the file may be this symbol."""
        return abs(self.level - 1) <= OWN_LEVEL and self.correlation >= OWN_CORRELATION

    @property
    def is_same(self) -> bool:
        """Whether the file is so close that it must be this symbol."""
        return abs(self.level - 1) <= OTHER_LEVEL and self.correlation >= OTHER_CORRELATION


def compare(candles: Candles, interval_ms: int, known: KnownSeries) -> Comparison | None:
    """Return the comparison, or None with fewer than 100 common closing times."""
    closed_at_ms = candles.opened_at_ms + interval_ms
    known_closed_at_ms = known.candles.opened_at_ms + known.interval_ms
    _, mine, theirs = np.intersect1d(closed_at_ms, known_closed_at_ms, return_indices=True)
    if len(mine) < MIN_COMMON:
        return None
    own, other = np.log(candles.close[mine]), np.log(known.candles.close[theirs])
    moves, known_moves = np.diff(own), np.diff(other)
    varies = moves.std() > 0 and known_moves.std() > 0
    correlation = float(np.corrcoef(moves, known_moves)[0, 1]) if varies else 0.0
    return Comparison(known.symbol, known.origin, len(mine), float(np.exp(np.median(own - other))), correlation)


def require_identity(
    symbol: str, candles: Candles, interval_ms: int, known: tuple[KnownSeries, ...]
) -> tuple[Comparison, ...]:
    """Return all comparisons that could be made. Raises BadInput when the file is not, or not likely, `symbol`."""
    made = tuple(comparison for series in known if (comparison := compare(candles, interval_ms, series)) is not None)
    own = [comparison for comparison in made if comparison.symbol == symbol]
    others = [comparison for comparison in made if base_of(comparison.symbol) != base_of(symbol)]
    twin = next((comparison for comparison in others if comparison.is_same), None)
    stranger = next((comparison for comparison in own if not comparison.agrees), None)
    if stranger is not None:
        hint = f"It matches {_text(twin)}" if twin is not None else _hint(stranger)
        raise BadInput(f"the file is not {symbol} as known: {_text(stranger)}", f"{hint}; nothing was imported")
    if twin is not None and not own:
        raise BadInput(
            f"the file says {symbol} and holds {_text(twin)}",
            "Nothing was imported; for a token that follows another by design, import without the identity check",
        )
    return made


def base_of(symbol: str) -> str:
    """Return the coin of a symbol, `BTC` for `BTCUSDT`; the whole symbol when its quote currency is not known."""
    for quote in _QUOTES:
        if symbol.endswith(quote) and len(symbol) > len(quote):
            return symbol.removesuffix(quote).rstrip("-_.")
    return symbol


def _text(comparison: Comparison) -> str:
    return (
        f"{comparison.symbol} of {comparison.origin}: level {comparison.level:.4g}, return correlation"
        f" {comparison.correlation:.2f} over {comparison.n_common} common times"
    )


def _hint(stranger: Comparison) -> str:
    if abs(stranger.level - 1) <= OWN_LEVEL:
        return "The level is right and the moves are not: perhaps its times are of another zone, or closing times"
    return "Perhaps another coin, or prices in another currency"
