"""What else was known at the close of a bar: funding, the world, books and trades. Nothing is known before its time.

A value that is about a day is known when the day has ended and its delay has passed; a value grows older until the next
one, and is not known any more when it is older than `MAX_AGE_MS`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.errors import BadInput
from market.candles import Floats, Integers

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
MAX_AGE_MS: Final = 15 * DAY_MS
"""A weekly value may be missing once."""
FUNDING_DELAY_MS: Final = 60_000
"""A rate is read within a minute of its settlement."""
DELAY_MS: Final[Mapping[str, int]] = {
    "fear_greed": HOUR_MS,
    "btc_dominance": DAY_MS,
    "dxy": 6 * HOUR_MS,
    "vix": 6 * HOUR_MS,
    "nasdaq": 6 * HOUR_MS,
    "gold": 6 * HOUR_MS,
    "us10y": 6 * HOUR_MS,
    "hashrate": 12 * HOUR_MS,
}
"""How long after the end of the day that it is about a value is taken to be published; the names are inputs'."""
_COLUMNS: Final[Mapping[str, str]] = {"btc_dominance_pct": "btc_dominance", "us10y_yield": "us10y"}
"""Columns of files that are named otherwise than the input."""
_TRACKERS: Final[Mapping[str, str]] = {"QQQ": "nasdaq"}
"""Funds whose close stands for an index."""
BOOK_INPUTS: Final = ("bid", "ask", "bid_qty", "ask_qty", "order_flow", "buy_volume", "sell_volume", "trade_count")


@dataclass(frozen=True, slots=True, eq=False)
class KnownSeries:
    """One number over time."""

    known_at_ms: Integers
    """When each value became known, ascending, UTC milliseconds since 1970."""
    values: Floats

    def __post_init__(self) -> None:
        if len(self.known_at_ms) != len(self.values) or bool(np.any(np.diff(self.known_at_ms) < 0)):
            raise BadInput("a series of context must have one time a value, in order of time")

    def at(self, times_ms: Integers) -> tuple[Floats, Floats]:
        """Return the value last known at each time and its age in hours; NaN where none was, or an old one."""
        place = np.searchsorted(self.known_at_ms, times_ms, side="right") - 1
        values, ages = np.full(len(times_ms), np.nan), np.full(len(times_ms), np.nan)
        rows = np.flatnonzero(place >= 0)
        age_ms = times_ms[rows] - self.known_at_ms[place[rows]]
        rows, age_ms = rows[age_ms <= MAX_AGE_MS], age_ms[age_ms <= MAX_AGE_MS]
        values[rows], ages[rows] = self.values[place[rows]], age_ms / HOUR_MS
        return values, ages


@dataclass(frozen=True, slots=True, eq=False)
class BookBars:
    """What books and trades said of each bar of one symbol; see `ml.features.book`."""

    opened_at_ms: Integers
    """(n,) ascending."""
    values: Floats
    """(n, len(BOOK_INPUTS)), NaN where nothing was recorded."""


@dataclass(frozen=True, slots=True, eq=False)
class ContextSeries:
    """Everything beside candles."""

    world: Mapping[str, KnownSeries] = field(default_factory=dict)
    """By input: fear_greed, btc_dominance, dxy, vix, nasdaq, gold, us10y, hashrate."""
    funding: Mapping[str, KnownSeries] = field(default_factory=dict)
    """By symbol: rates as a share of the notional."""
    book: Mapping[str, BookBars] = field(default_factory=dict)
    """By symbol."""

    def __post_init__(self) -> None:
        unknown = sorted(set(self.world) - set(DELAY_MS))
        if unknown:
            raise BadInput(f"no feature reads the series {', '.join(unknown)}", f"Known are {', '.join(DELAY_MS)}")


def load_world(folder: Path) -> dict[str, KnownSeries]:
    """Return the series that the Parquet files of a folder hold, the first file that has one winning.

    A row has a `date` (ISO day) or a `ts` (milliseconds) that says which day it is about; files with a column `symbol`
    hold candles of funds. Raises BadInput when a file cannot be read or the folder holds no series.
    """
    found: dict[str, KnownSeries] = {}
    for path in sorted(folder.glob("*.parquet")):
        table = _read(path)
        for name, column in _series_in(table):
            if name in DELAY_MS and name not in found:
                with _naming(path, name):
                    found[name] = _daily(column, DELAY_MS[name])
    if not found:
        raise BadInput(f"no file in {folder} holds a series that is known", f"Known are {', '.join(sorted(DELAY_MS))}")
    return found


def load_funding(path: Path) -> KnownSeries:
    """Return the rates of a Parquet file with `ts` (settlement, ms) and `funding_rate`. Raises BadInput."""
    table = _read(path)
    if not {"ts", "funding_rate"} <= set(table.column_names):
        raise BadInput(f"{path} holds no funding: it needs the columns ts and funding_rate")
    with _naming(path, "ts and funding_rate"):
        at_ms = _whole(table["ts"]) + FUNDING_DELAY_MS
        rates = _numbers(table["funding_rate"])
    order = np.argsort(at_ms, kind="stable")
    return KnownSeries(at_ms[order], rates[order])


@contextmanager
def _naming(path: Path, columns: str) -> Iterator[None]:
    """Turn what a column of another kind raises into BadInput that names file and columns."""
    try:
        yield
    except (ValueError, TypeError, pa.ArrowException) as error:
        raise BadInput(f"{path}: {columns} cannot be read: {error}", "Times are ISO days or milliseconds") from None


def _whole(column: pa.ChunkedArray) -> Integers:
    if column.null_count:
        raise ValueError(f"{column.null_count} rows have no time")
    return np.asarray(column.to_numpy(), dtype=np.int64)


def _numbers(column: pa.ChunkedArray) -> Floats:
    return np.asarray(column.to_numpy(), dtype=np.float64)


def _read(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise BadInput(f"context cannot be read from {path}: {error}") from None


def _series_in(table: pa.Table) -> list[tuple[str, pa.Table]]:
    """Return the series of a file by input, each as a table of `date` or `ts` and `value`."""
    names = table.column_names
    time = "date" if "date" in names else "ts"
    if time not in names or "title" in names:
        return []
    if "symbol" in names:
        funds = [(name, table.filter(pc.equal(table["symbol"], fund))) for fund, name in _TRACKERS.items()]
        return [(name, _two(rows, time, "close")) for name, rows in funds if rows.num_rows and "close" in names]
    return [(_COLUMNS.get(name, name), _two(table, time, name)) for name in names if name != time]


def _two(table: pa.Table, time: str, column: str) -> pa.Table:
    return pa.table({time: table[time], "value": table[column]})


def _daily(table: pa.Table, delay_ms: int) -> KnownSeries:
    if "date" in table.column_names:
        days = np.asarray([str(day) for day in table["date"].to_pylist()], dtype="datetime64[D]").astype(np.int64)
    else:
        days = _whole(table["ts"]) // DAY_MS
    values = _numbers(table["value"])
    kept = np.flatnonzero(np.isfinite(values))
    kept = kept[np.argsort(days[kept], kind="stable")]
    return KnownSeries((days[kept] + 1) * DAY_MS + delay_ms, values[kept])
