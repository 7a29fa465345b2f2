"""From the engine's market log into Parquet: candles into the bar archive, prints, quotes and books beside it.

Each closed segment becomes one file a kind, `<root>/<kind>/<UTC date>/<segment>.parquet`, written whole and renamed,
and then a marker, by which an engine that retains only what is not archived deletes the segment. A kill at any moment
leaves work that is done again to the same bytes; nothing is ever archived twice. Candles are merged from the open
segment too, as soon as they are sealed.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from core.clock import Clock
from core.durable import replace_file
from core.errors import XcrackError
from core.log import get_logger
from market.bars import BarArchive
from market.candles import Candles
from market.live_log import BAR, DEPTH, EMPTY, LAST, QUOTE, SELL, SNAPSHOT, TRADE, UNITS, Rows, Segment, read_segment
from market.live_log import segment_paths as paths_of

_NS_A_DAY = 86_400_000_000_000


@dataclass(frozen=True, slots=True)
class LiveSymbol:
    """A symbol of the log: its index there is its place in the engine's configuration."""

    name: str
    tick: Decimal
    lot: Decimal
    source: str
    """The venue whose feed it is, written into the metadata of its bar files."""


@dataclass(frozen=True, slots=True)
class Archived:
    """What one pass did. `newest_at` is the newest event seen, None where the log is empty."""

    n_candles: int
    n_segments: int
    n_deleted_files: int
    newest_at: datetime | None
    failures: tuple[str, ...]
    """What was not carried over, and why; it stays in the log, and the next pass tries again."""


@dataclass(slots=True)
class LiveArchive:
    """Carries a market log over, pass by pass. Prints, quotes and books are kept `tick_days`, candles for ever."""

    log: Path
    ticks: Path
    bars: BarArchive
    clock: Clock
    symbols: Sequence[LiveSymbol]
    tick_days: int
    _merged: dict[int, int] = field(default_factory=dict)
    """Event rows whose candles are merged already, by the number of their segment."""

    def carry_over(self) -> Archived:
        """Archive what is sealed. What fails is told in `failures`, stays in the log, and stops nothing else."""
        n_candles = n_segments = n_deleted = 0
        newest_at: datetime | None = None
        failures: list[str] = []
        for path in paths_of(self.log):
            if path.with_suffix(".archived").exists():
                continue
            of_segment: list[str] = []
            with _noting(of_segment, path.name):
                try:
                    segment = read_segment(path)
                except FileNotFoundError:
                    continue  # the engine deleted it meanwhile, its marker too
                newest_at = _newest(segment) or newest_at
                n_candles += self._merge_candles(segment, of_segment)
                # The marker lets the engine delete the segment, so nothing of it may be missing in the archive.
                if segment.is_final and not of_segment:
                    self._close(path, segment)
                    n_segments += 1
            failures += of_segment
        with _noting(failures, str(self.ticks)):
            n_deleted = self._forget_old()
        return Archived(n_candles, n_segments, n_deleted, newest_at, tuple(failures))

    def _merge_candles(self, segment: Segment, failures: list[str]) -> int:
        """Merge what is new in a segment, symbol by symbol; after a failure all of it counts as new once more."""
        fresh = segment.rows[self._merged.get(segment.number, 0) :]
        bars = fresh[fresh["kind"] == BAR]
        n_new = 0
        for index in np.unique(bars["symbol"]):
            symbol = self.symbols[int(index)]
            with _noting(failures, f"candles of {symbol.name}"):
                n_new += self._merge_symbol(symbol, bars["v"][bars["symbol"] == index])
        if not failures:
            self._merged[segment.number] = len(segment.rows)
        return n_new

    def _merge_symbol(self, symbol: LiveSymbol, values: NDArray[np.int64]) -> int:
        n_new = 0
        intervals_ms = (values[:, 1] - values[:, 0]) // 1_000_000
        for interval_ms in np.unique(intervals_ms):
            ours = values[intervals_ms == interval_ms]
            candles = Candles(ours[:, 0] // 1_000_000, *(ours[:, k] / UNITS for k in range(2, 7)))
            merged = self.bars.merge(symbol.name, int(interval_ms), candles, symbol.source, symbol.tick, symbol.lot)
            n_new += merged.n_new
            if merged.revised_opened_at:
                log = get_logger("archive")
                log.warning("a candle came with other numbers", symbol=symbol.name, n=len(merged.revised_opened_at))
        return n_new

    def _close(self, path: Path, segment: Segment) -> None:
        self._write_kinds(segment)
        replace_file(path.with_suffix(".archived"), (segment.sha256 + "\n").encode())
        self._merged.pop(segment.number, None)

    def _write_kinds(self, segment: Segment) -> None:
        for kind, name, columns in (
            (TRADE, "trades", _trade_columns),
            (QUOTE, "quotes", _quote_columns),
            (DEPTH, "depth", _depth_columns),
        ):
            rows = segment.rows[segment.rows["kind"] == kind]
            if len(rows) == 0:
                continue
            day = _utc_date(int(rows["v"][0, 0]))
            names = pa.array([s.name for s in self.symbols])
            symbol = pa.DictionaryArray.from_arrays(pa.array(rows["symbol"], pa.int16()), names)
            table = pa.table({"symbol": symbol, **columns(rows)})
            folder = self.ticks / name / day.isoformat()
            sink = pa.BufferOutputStream()
            pq.write_table(table, sink, compression="zstd")
            replace_file(folder / f"{segment.number:08}.parquet", sink.getvalue().to_pybytes())

    def _forget_old(self) -> int:
        before = (self.clock.now() - timedelta(days=self.tick_days)).date()
        old = [path for path in self.ticks.glob("*/*/*.parquet") if _day_of(path) < before]
        for path in old:
            path.unlink()
        for folder in {path.parent for path in old}:
            if not any(folder.iterdir()):
                folder.rmdir()
        return len(old)


@contextmanager
def _noting(failures: list[str], what: str) -> Iterator[None]:
    """Note a refusal of the data or of the disk under the name of what failed, and let the rest go on."""
    try:
        yield
    except (XcrackError, OSError, pa.ArrowException) as error:
        failures.append(f"{what}: {error}")


def _day_of(path: Path) -> date:
    try:
        return date.fromisoformat(path.parent.name)
    except ValueError:
        return date.max  # not one of ours: never deleted


def _newest(segment: Segment) -> datetime | None:
    events = segment.rows[np.isin(segment.rows["kind"], (BAR, TRADE, QUOTE, DEPTH))]
    if len(events) == 0:
        return None
    stamp = events["v"][-1, 1] if events["kind"][-1] == BAR else events["v"][-1, 0]
    return datetime.fromtimestamp(int(stamp) / 1e9, UTC)


def _trade_columns(rows: Rows) -> Mapping[str, Any]:
    v = rows["v"]
    return {
        "at_ns": v[:, 0],
        "exch_at_ns": v[:, 1],
        "price": v[:, 2] / UNITS,
        "qty": v[:, 3] / UNITS,
        "trade_id": v[:, 4],
        "buyer_is_maker": (rows["flags"] & SELL) != 0,
    }


def _quote_columns(rows: Rows) -> Mapping[str, Any]:
    v = rows["v"]
    prices = {name: v[:, k] / UNITS for k, name in enumerate(("bid", "bid_qty", "ask", "ask_qty"), start=2)}
    return {"at_ns": v[:, 0], "exch_at_ns": v[:, 1], **prices}


def _depth_columns(rows: Rows) -> Mapping[str, Any]:
    v, flags = rows["v"], rows["flags"]
    return {
        "at_ns": v[:, 0],
        "exch_at_ns": v[:, 1],
        "first_id": v[:, 2],
        "last_id": v[:, 3],
        "side": np.where(flags & SELL, -1, 1).astype(np.int8),
        "price": v[:, 4] / UNITS,
        "qty": v[:, 5] / UNITS,
        "is_snapshot": (flags & SNAPSHOT) != 0,
        "is_last": (flags & LAST) != 0,
        "is_empty": (flags & EMPTY) != 0,
    }


def _utc_date(ns: int) -> date:
    return date(1970, 1, 1) + timedelta(days=ns // _NS_A_DAY)
