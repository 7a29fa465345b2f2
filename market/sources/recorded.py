"""Recorded context from Parquet files, read as if on the day: a row is known only when its time has passed.

A file, or a folder of them. The columns say what a file holds:
- `title` with `ts` (ms): headlines, known at `ts`; `polarity` (-1 to 1) is their score where present;
- `known_at_ms` with numbers: known at that time;
- `date` (ISO day) or `ts` (ms) with numbers: known at the END of that UTC day.
Number columns are named as in the context, or `dxy` (dollar index), `difficulty`, and are read where they occur.
The metadata key `xcrack.source` names the origin; without it the origin is the file's name.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import BadInput
from core.model.market import ContextField, Headline
from market.candles import Floats, Integers, from_ms, ms_of
from market.sources.news import news_field, recent_headlines
from market.sources.reading import EXTERNAL, NEWS_SENTIMENT, Quantity, Reading, missing, observed
from market.sources.text import clean_headline, score_headline

_DAY_MS = 86_400_000
_ALSO_NAMED = {"dxy": "dollar_index", "difficulty": "mining_difficulty"}


@dataclass(frozen=True, slots=True, eq=False)
class _Series:
    """One recorded number: values by the time they became known, ascending."""

    source: str
    known_at_ms: Integers
    values: Floats


@dataclass(frozen=True)
class Recorded:
    """Reads `path`, a Parquet file or a folder of Parquet files, once."""

    name: ClassVar[str] = "recorded"
    path: Path
    quantities: tuple[Quantity, ...] = EXTERNAL

    async def fetch(self, at: datetime) -> Reading:
        """Return every number as last known at `at`. Raises BadInput when the files cannot be read."""
        headlines = recent_headlines(self._headlines_until(at), at)
        fields = [self._field(quantity, headlines, at) for quantity in self.quantities]
        return Reading(tuple(fields), headlines)

    def _field(self, quantity: Quantity, headlines: tuple[Headline, ...], at: datetime) -> ContextField:
        series = self._series.get(quantity.name)
        if series is None and quantity.name == NEWS_SENTIMENT.name and self._headlines:
            return news_field(headlines, self._headlines[0][1], at)
        if series is None:
            return missing(quantity, "recorded", f"no column of {self.path.name} holds it")
        place = int(np.searchsorted(series.known_at_ms, ms_of(at), side="right")) - 1
        if place < 0:
            return missing(quantity, series.source, "recorded only later")
        return observed(quantity, float(series.values[place]), from_ms(series.known_at_ms[place]), series.source, at)

    def _headlines_until(self, at: datetime) -> tuple[Headline, ...]:
        return tuple(headline for headline, _ in self._headlines if headline.at <= at)

    @cached_property
    def _tables(self) -> list[tuple[str, pa.Table]]:
        paths = sorted(self.path.glob("*.parquet")) if self.path.is_dir() else [self.path]
        if not paths:
            raise BadInput(f"there is no Parquet file in {self.path}", "Correct `sources.file` in the settings")
        try:
            tables = [pq.read_table(path) for path in paths]
        except (OSError, pa.ArrowException) as error:
            raise BadInput(
                f"recorded context cannot be read from {self.path}: {error}", "Correct `sources.file` in the settings"
            ) from None
        return [(_origin(path, table), table) for path, table in zip(paths, tables, strict=True)]

    @cached_property
    def _series(self) -> dict[str, _Series]:
        wanted = {quantity.name for quantity in self.quantities}
        found: dict[str, _Series] = {}
        for origin, table in self._tables:
            for column in table.column_names:
                name = _ALSO_NAMED.get(column, column)
                if name in wanted and "title" not in table.column_names:
                    found.setdefault(name, _read_series(origin, table, column))
        return found

    @cached_property
    def _headlines(self) -> list[tuple[Headline, str]]:
        return [
            (headline, origin)
            for origin, table in self._tables
            if {"title", "ts"} <= set(table.column_names)
            for headline in _read_headlines(table)
        ]


def _origin(path: Path, table: pa.Table) -> str:
    named = (table.schema.metadata or {}).get(b"xcrack.source")
    return (named.decode(errors="replace") if named else f"recorded:{path.stem}")[:80]


def _read_series(origin: str, table: pa.Table, column: str) -> _Series:
    values = np.asarray(table[column].to_numpy(zero_copy_only=False), dtype=np.float64)
    known_at_ms = _known_at_ms(origin, table)
    kept = np.isfinite(values)
    order = np.argsort(known_at_ms[kept], kind="stable")
    return _Series(origin, known_at_ms[kept][order], values[kept][order])


def _known_at_ms(origin: str, table: pa.Table) -> Integers:
    names = set(table.column_names)
    if "known_at_ms" in names:
        return np.asarray(table["known_at_ms"].to_numpy(), dtype=np.int64)
    if "date" in names:
        days = table["date"].cast(pa.string()).to_pylist()
        try:
            return np.array([_day_ms(day) + _DAY_MS for day in days], dtype=np.int64)
        except (TypeError, ValueError):
            raise BadInput(f"{origin}: a date is not an ISO day", "Write dates as 2025-01-31") from None
    if "ts" in names:
        stamps = np.asarray(table["ts"].to_numpy(), dtype=np.int64)
        return stamps // _DAY_MS * _DAY_MS + _DAY_MS
    raise BadInput(
        f"{origin} has no column known_at_ms, date or ts", "Add one, so that it is clear when a row is known"
    )


def _day_ms(day: str) -> int:
    return ms_of(datetime.fromisoformat(day).replace(tzinfo=UTC))


def _read_headlines(table: pa.Table) -> Iterator[Headline]:
    names = table.column_names
    sources = table["source"].to_pylist() if "source" in names else ["recorded"] * table.num_rows
    scores = table["polarity"].to_pylist() if "polarity" in names else [None] * table.num_rows
    for at_ms, source, title, score in zip(
        table["ts"].to_pylist(), sources, table["title"].to_pylist(), scores, strict=True
    ):
        cleaned = clean_headline(title or "")
        if cleaned and at_ms is not None:
            kept = score if score is not None and -1 <= score <= 1 else score_headline(cleaned)
            yield Headline(from_ms(at_ms), clean_headline(source or "recorded")[:40], cleaned, kept)
