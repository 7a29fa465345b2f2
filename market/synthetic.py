"""Markets that never were: presets for the seeded generator, and context to go with them, both said to be synthetic."""

import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.clock import to_ns
from core.durable import replacing
from core.errors import BadInput
from core.native import Bars, MarketSpec, MarketSymbol, MarketTurn, generate
from market.bars import BarArchive
from market.candles import MINUTE_MS, Candles, Floats, interval_name, ms_of

SYMBOLS: tuple[MarketSymbol, ...] = (
    MarketSymbol("BTCUSDT", Decimal("0.1"), Decimal("0.00001"), Decimal(60_000)),
    MarketSymbol("ETHUSDT", Decimal("0.01"), Decimal("0.0001"), Decimal(3_000)),
    MarketSymbol("SOLUSDT", Decimal("0.01"), Decimal("0.001"), Decimal(150)),
    MarketSymbol("BNBUSDT", Decimal("0.01"), Decimal("0.001"), Decimal(550)),
    MarketSymbol("XRPUSDT", Decimal("0.0001"), Decimal("0.1"), Decimal("0.6")),
)
TURNED_BOUNCE_BPS = 2.0
"""What a turn leaves of the bounce."""
_DAY_MS = 86_400_000
_WALKS: tuple[tuple[str, float, float, float, float], ...] = (
    # name, start, daily step (standard deviation), lowest, highest
    ("usd_krw", 1_380.0, 6.0, 1_100.0, 1_700.0),
    ("fear_greed", 50.0, 6.0, 5.0, 95.0),
    ("btc_dominance_pct", 52.0, 0.4, 35.0, 70.0),
    ("nasdaq", 17_000.0, 190.0, 9_000.0, 30_000.0),
    ("dollar_index", 103.0, 0.4, 85.0, 120.0),
    ("mining_difficulty", 8.0e13, 3.0e11, 3.0e13, 2.0e14),
    ("exchange_flow_btc", 0.0, 2_000.0, -15_000.0, 15_000.0),
    ("whale_moves", 220.0, 33.0, 20.0, 900.0),
    ("news_sentiment", 0.0, 0.15, -1.0, 1.0),
)


def demo_market(
    seed: int,
    start_at: datetime,
    days: int,
    bar_minutes: int = 15,
    n_symbols: int = 3,
    turn_at: datetime | None = None,
) -> MarketSpec:
    """Return the specification of the demo's market, with both planted effects at their usual size.

    With `turn_at` most of the bounce is gone from then on: a narrower spread pays before and costs after. Raises
    BadInput for no days, an unknown candle length, more symbols than there are, a start between candles, or a turn
    before it.
    """
    bar_ms = bar_minutes * MINUTE_MS
    interval_name(bar_ms)
    if not 1 <= n_symbols <= len(SYMBOLS):
        raise BadInput(f"{n_symbols} symbols were asked for", f"Ask for 1 to {len(SYMBOLS)}")
    if days < 1:
        raise BadInput(f"a market of {days} days holds nothing", "Ask for at least one day")
    if ms_of(start_at) % bar_ms:
        raise BadInput(f"{start_at.isoformat()} is no multiple of {bar_minutes} minutes", "Start on a whole candle")
    if turn_at is not None and turn_at < start_at:
        raise BadInput(f"the market turns at {turn_at.isoformat()}, before it begins", "Name a later time")
    return MarketSpec(
        seed=seed,
        n_bars=days * _DAY_MS // bar_ms,
        bar_ms=bar_ms,
        start_ns=to_ns(start_at),
        symbols=SYMBOLS[:n_symbols],
        turn=None if turn_at is None else MarketTurn((ms_of(turn_at) - ms_of(start_at)) // bar_ms, TURNED_BOUNCE_BPS),
    )


def write_market(archive: BarArchive, spec: MarketSpec) -> Bars:
    """Generate the market into the archive, replacing what it has of these symbols, and return all of its bars."""
    bars = generate(spec)
    for index, symbol in enumerate(spec.symbols):
        own = bars.symbol == index
        candles = Candles(
            bars.opened_at_ns[own] // 1_000_000,
            bars.open[own],
            bars.high[own],
            bars.low[own],
            bars.close[own],
            bars.volume[own],
        )
        archive.write(symbol.name, spec.bar_ms, candles, f"synthetic:{spec.seed}", symbol.tick, symbol.lot)
    return bars


def export_market(folder: Path, spec: MarketSpec) -> tuple[Path, ...]:
    """Generate the market into `<folder>/made_<interval>_<SYMBOL>.parquet`, as `xcrack train` and imports read it.

    Files of these names are replaced.
    """
    bars, paths = generate(spec), []
    for index, symbol in enumerate(spec.symbols):
        own = bars.symbol == index
        columns = {name: getattr(bars, name)[own] for name in ("open", "high", "low", "close", "volume")}
        table = pa.table({"ts": bars.opened_at_ns[own] // 1_000_000, **columns})
        path = folder / f"made_{interval_name(spec.bar_ms)}_{symbol.name}.parquet"
        with replacing(path) as file:
            pq.write_table(
                table.replace_schema_metadata({"xcrack.source": f"synthetic:{spec.seed}"}), file, compression="zstd"
            )
        paths.append(path)
    return tuple(paths)


def write_context(path: Path, seed: int, start_at: datetime, days: int) -> None:
    """Write one row of made-up context a day, known from 00:00 UTC of that day: bounded random walks, seeded.

    `market.sources.recorded` reads it; the source of every number is `synthetic`.
    """
    first_ms = ms_of(start_at) // _DAY_MS * _DAY_MS
    known_at_ms = first_ms + np.arange(days + 1, dtype=np.int64) * _DAY_MS
    dice = np.random.Generator(np.random.PCG64(seed))
    columns: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]] = {"known_at_ms": known_at_ms}
    for name, start, step, lowest, highest in _WALKS:
        columns[name] = _walk(dice, days + 1, start, step, lowest, highest)
    table = pa.table(columns)
    metadata = {"xcrack.source": "synthetic", "xcrack.spec": json.dumps({"seed": seed, "days": days})}
    _write_context_table(path, table, metadata)


def write_fixed_rate(path: Path, krw_per_usd: float, start_at: datetime, days: int) -> None:
    """Write the won rate of the settings as known on every day, for a replay whose recordings hold none."""
    first_ms = ms_of(start_at) // _DAY_MS * _DAY_MS
    known_at_ms = first_ms + np.arange(days + 1, dtype=np.int64) * _DAY_MS
    table = pa.table({"known_at_ms": known_at_ms, "usd_krw": np.full(days + 1, krw_per_usd)})
    _write_context_table(path, table, {"xcrack.source": "assumed in the settings"})


def _write_context_table(path: Path, table: pa.Table, metadata: dict[str, str]) -> None:
    with replacing(path) as file:
        pq.write_table(table.replace_schema_metadata(metadata), file, compression="zstd")


def _walk(dice: np.random.Generator, n: int, start: float, step: float, lowest: float, highest: float) -> Floats:
    """Return a walk that is pulled back to its start by 3 % a day and stops at its bounds."""
    values = np.empty(n)
    value = start
    for day, draw in enumerate(dice.standard_normal(n)):
        value += 0.03 * (start - value) + step * draw
        value = min(max(value, lowest), highest)
        values[day] = value
    return values
