"""The bar archive: `<root>/<SYMBOL>/<interval>.parquet`, replaced whole and atomically, read only up to the clock.

A file holds strictly ordered, sound candles and, in its metadata, the symbol's tick and lot. A missing candle stays
missing. Nothing that closes after `clock.now()` is ever returned, so no reader can look ahead by mistake.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock

from core.clock import Clock, require_utc
from core.durable import replacing
from core.errors import BadInput, Corrupt, UnknownName
from core.native import Bars
from market.candles import (
    INTERVALS,
    Candles,
    from_ms,
    grid_of,
    interval_ms_of,
    interval_name,
    is_sound,
    ms_of,
    no_candles,
    require_symbol,
)
from market.predictions import PredictionArchive

_COLUMNS = ("open", "high", "low", "close", "volume")
_ROW_GROUP = 65_536


@dataclass(frozen=True, slots=True)
class SeriesFacts:
    """What the archive knows about one symbol's file without reading its candles."""

    symbol: str
    interval_ms: int
    tick: Decimal
    lot: Decimal
    source: str
    n_candles: int


@dataclass(frozen=True, slots=True)
class MergeResult:
    """What `merge` did. A candle that is already stored with other numbers stays as it was and is listed here."""

    n_new: int
    n_same: int
    revised_opened_at: tuple[datetime, ...]


@dataclass(frozen=True, slots=True)
class BarArchive:
    """Candles on disk. `only_interval_ms` picks one interval; without it, the finest that every symbol has."""

    root: Path
    clock: Clock
    only_interval_ms: int | None = None
    said: PredictionArchive | None = None
    """What models said about the symbols, which comes with the bars of a stretch."""

    def symbols(self) -> tuple[str, ...]:
        """Return the symbols that have candles of `interval_ms`, sorted; none for an empty archive."""
        held = self._held()
        if not held:
            return ()
        return tuple(sorted(symbol for symbol, intervals in held.items() if self.interval_ms in intervals))

    @property
    def interval_ms(self) -> int:
        """The candle length this archive reads. Raises BadInput when it is empty or no length is shared by all."""
        if self.only_interval_ms is not None:
            return self.only_interval_ms
        held = self._held()
        if not held:
            raise BadInput(f"the bar archive {self.root} is empty", "Import candles, or run `xcrack demo`")
        shared = set.intersection(*held.values())
        if not shared:
            raise BadInput(f"the symbols in {self.root} share no candle interval", "Name the interval to read")
        return min(shared)

    def facts(self, symbol: str) -> SeriesFacts:
        """Return tick, lot, source and length of a symbol's file. Raises UnknownName or Corrupt."""
        path = self._path(symbol, self.interval_ms)
        try:
            metadata = pq.read_metadata(path)
            kept = json.loads((metadata.metadata or {})[b"xcrack"])
            return SeriesFacts(
                symbol,
                int(kept["interval_ms"]),
                Decimal(kept["tick"]),
                Decimal(kept["lot"]),
                str(kept["source"]),
                int(metadata.num_rows),
            )
        except FileNotFoundError:
            raise self._unknown(symbol) from None
        except (pa.ArrowException, OSError, KeyError, ValueError, ArithmeticError) as error:
            raise _corrupt(path, error) from error

    def span(self, symbols: Sequence[str] | None = None) -> tuple[datetime, datetime]:
        """Return the first opening and last closing time that all `symbols` (default: all) share, up to the clock.

        Raises BadInput when there is no such stretch.
        """
        names = self.symbols() if symbols is None else tuple(symbols)
        known = [self.candles(symbol) for symbol in names]
        if not known or any(len(candles) == 0 for candles in known):
            raise BadInput(f"the bar archive {self.root} has no closed candles for {', '.join(names) or 'any symbol'}")
        start_ms = max(int(candles.opened_at_ms[0]) for candles in known)
        end_ms = min(int(candles.opened_at_ms[-1]) for candles in known) + self.interval_ms
        if start_ms >= end_ms:
            raise BadInput(f"the candles of {', '.join(names)} in {self.root} share no time")
        return from_ms(start_ms), from_ms(end_ms)

    def candles(self, symbol: str, start_at: datetime | None = None, end_at: datetime | None = None) -> Candles:
        """Return the candles of a symbol that closed after `start_at` and at or before `end_at` (default: the clock).

        Raises UnknownName for an unknown symbol, BadInput for an `end_at` that the clock has not reached.
        """
        now = self.clock.now()
        end = now if end_at is None else self._require_known(end_at, now)
        interval_ms = self.interval_ms
        filters: list[tuple[str, str, int]] = [("ts", "<=", ms_of(end) - interval_ms)]
        if start_at is not None:
            filters.append(("ts", ">", ms_of(start_at) - interval_ms))
        return self._read(symbol, interval_ms, filters)

    def load(self, symbols: Sequence[str], start_at: datetime, end_at: datetime) -> Bars:
        """Return the bars that closed after `start_at` and at or before `end_at`, sorted by closing time and symbol.

        `Bars.symbol` counts in the order of `symbols`. What models said over the stretch comes with them. Raises
        BadInput for an `end_at` later than the clock.
        """
        series = [self.candles(symbol, start_at, end_at) for symbol in symbols]
        facts = [self.facts(symbol) for symbol in symbols]
        together = no_candles()
        for candles in series:
            together = together.joined(candles)
        index = np.repeat(np.arange(len(series), dtype=np.int16), [len(candles) for candles in series])
        closed_at_ms = together.opened_at_ms + self.interval_ms
        order = np.lexsort((index, closed_at_ms))
        ordered = together.rows(order)
        return Bars(
            symbols=tuple(symbols),
            ticks=tuple(fact.tick for fact in facts),
            lots=tuple(fact.lot for fact in facts),
            symbol=index[order],
            opened_at_ns=ordered.opened_at_ms * 1_000_000,
            closed_at_ns=closed_at_ms[order] * 1_000_000,
            open=ordered.open,
            high=ordered.high,
            low=ordered.low,
            close=ordered.close,
            volume=ordered.volume,
            said=None if self.said is None else self.said.load(symbols, start_at, end_at),
        )

    def said_share(self, symbols: Sequence[str], start_at: datetime, end_at: datetime) -> float:
        """Return on which share of the KST days of a stretch models spoke about every symbol, 0 to 1."""
        return 0.0 if self.said is None else self.said.share_of_days(symbols, start_at, end_at)

    def write(
        self,
        symbol: str,
        interval_ms: int,
        candles: Candles,
        source: str,
        tick: Decimal | None = None,
        lot: Decimal | None = None,
    ) -> None:
        """Replace a symbol's file of this interval, atomically and durably.

        Without `tick` and `lot` they are the decimal grid of the prices and volumes. Raises BadInput for candles that
        are unordered, off the interval's grid or unsound: the archive holds good candles only.
        """
        _require_sound(symbol, interval_ms, candles)
        prices = np.concatenate([candles.open, candles.high, candles.low, candles.close])
        facts = {
            "symbol": require_symbol(symbol),
            "interval_ms": interval_ms,
            "tick": format(grid_of(prices) if tick is None else tick, "f"),
            "lot": format(grid_of(candles.volume) if lot is None else lot, "f"),
            "source": source,
        }
        table = pa.table(
            {"ts": candles.opened_at_ms, **{name: getattr(candles, name) for name in _COLUMNS}},
        ).replace_schema_metadata({"xcrack": json.dumps(facts, sort_keys=True)})
        with replacing(self._path(symbol, interval_ms)) as file:
            pq.write_table(table, file, compression="zstd", row_group_size=_ROW_GROUP)

    def merge(
        self,
        symbol: str,
        interval_ms: int,
        candles: Candles,
        source: str,
        tick: Decimal | None = None,
        lot: Decimal | None = None,
    ) -> MergeResult:
        """Add candles to a symbol's file, whatever their times; the order of several merges does not matter.

        A stored candle is never changed: what was studied once stays what it was.
        """
        path = self._path(require_symbol(symbol), interval_ms)
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            stored = self._read(symbol, interval_ms, None) if path.is_file() else no_candles()
            fresh = ~np.isin(candles.opened_at_ms, stored.opened_at_ms)
            revised = _revised(stored, candles.rows(~fresh))
            result = MergeResult(int(fresh.sum()), int((~fresh).sum()) - len(revised), revised)
            if result.n_new:
                both = stored.joined(candles.rows(fresh))
                ordered = both.rows(np.argsort(both.opened_at_ms, kind="stable"))
                self.write(symbol, interval_ms, ordered, source, tick, lot)
            return result

    def _held(self) -> dict[str, set[int]]:
        held: dict[str, set[int]] = {}
        for path in self.root.glob("*/*.parquet"):
            if path.stem in INTERVALS.values():
                held.setdefault(path.parent.name, set()).add(interval_ms_of(path.stem))
        return held

    def _path(self, symbol: str, interval_ms: int) -> Path:
        return self.root / require_symbol(symbol) / f"{interval_name(interval_ms)}.parquet"

    def _unknown(self, symbol: str) -> UnknownName:
        name = interval_name(self.interval_ms)
        return UnknownName(
            f"the bar archive {self.root} has no {name} candles of {symbol}",
            f"It has {', '.join(self.symbols()) or 'none at all'}",
        )

    def _require_known(self, end_at: datetime, now: datetime) -> datetime:
        end = require_utc(end_at)
        if end > now:
            raise BadInput(
                f"bars up to {end.isoformat()} were asked for and it is {now.isoformat()}: the future is not known"
            )
        return end

    def _read(self, symbol: str, interval_ms: int, filters: Any) -> Candles:
        path = self._path(symbol, interval_ms)
        try:
            table = pq.read_table(path, columns=["ts", *_COLUMNS], filters=filters)
            columns = {name: table[name].to_numpy() for name in ("ts", *_COLUMNS)}
        except FileNotFoundError:
            raise self._unknown(symbol) from None
        except (pa.ArrowException, OSError, KeyError) as error:
            raise _corrupt(path, error) from error
        return Candles(columns["ts"], *(columns[name] for name in _COLUMNS))


def _require_sound(symbol: str, interval_ms: int, candles: Candles) -> None:
    interval_name(interval_ms)
    if len(candles) == 0:
        raise BadInput(f"no candles to keep for {symbol}")
    if bool(np.any(np.diff(candles.opened_at_ms) <= 0)):
        raise BadInput(f"the candles of {symbol} are not in order of time, or one comes twice")
    if bool(np.any(candles.opened_at_ms % interval_ms != 0)):
        raise BadInput(f"a candle of {symbol} does not open on a multiple of {interval_name(interval_ms)}")
    bad = np.flatnonzero(~is_sound(candles))
    if len(bad):
        at = from_ms(int(candles.opened_at_ms[bad[0]])).isoformat()
        raise BadInput(f"{len(bad)} candles of {symbol} are not sound, the first at {at}", "Import them with checks")


def _revised(stored: Candles, again: Candles) -> tuple[datetime, ...]:
    if len(again) == 0:
        return ()
    place = np.searchsorted(stored.opened_at_ms, again.opened_at_ms)
    differ = np.any(stored.values()[place] != again.values(), axis=1)
    return tuple(from_ms(int(at_ms)) for at_ms in again.opened_at_ms[differ])


def _corrupt(path: Path, error: Exception) -> Corrupt:
    first = (str(error).splitlines() or [type(error).__name__])[0]
    return Corrupt(f"the bar file {path} cannot be read: {first}", "Remove it and import the candles again")
