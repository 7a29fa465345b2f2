"""What models said, by symbol, horizon and time: one Parquet file a symbol and UTC month, from which backtests read.

Only a model that was trained on earlier days may speak about a day: a row whose model had seen that KST day, or a later
one, is refused when it comes and again when it is read. What was said once is never changed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from core.clock import to_ns
from core.durable import replace_file
from core.errors import BadInput, Conflict, Corrupt
from core.native import DAY_NS, KST_OFFSET_NS
from core.native_predictions import Predictions
from market.candles import require_symbol

_TIMES = ("at_ns", "expires_at_ns", "horizon_ms", "trained_until_ns")
_VALUES = ("direction", "confidence", "expected_move_bps", "expected_volatility_bps")
_SCHEMA = pa.schema(
    [
        *((name, pa.int64()) for name in _TIMES),
        *((name, pa.float64()) for name in _VALUES),
        ("model_sha256", pa.string()),
    ]
)
_NUMBERED = pa.schema([("symbol", pa.int16()), *_SCHEMA])


@dataclass(frozen=True, slots=True, eq=False)
class SaidRows:
    """Arrays of equal length, one row a prediction about one symbol, by (at_ns, horizon_ms)."""

    at_ns: npt.NDArray[np.int64]
    """When the data it rests on were known."""
    expires_at_ns: npt.NDArray[np.int64]
    horizon_ms: npt.NDArray[np.int64]
    trained_until_ns: npt.NDArray[np.int64]
    """Close of the last bar that the model, its calibration and its choice had seen."""
    direction: npt.NDArray[np.float64]
    confidence: npt.NDArray[np.float64]
    expected_move_bps: npt.NDArray[np.float64]
    expected_volatility_bps: npt.NDArray[np.float64]
    """NaN where the model does not say."""
    model_sha256: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.at_ns)

    def table(self) -> pa.Table:
        """Return the rows as a table."""
        return pa.table({name: getattr(self, name) for name in _SCHEMA.names}, schema=_SCHEMA)


@dataclass(frozen=True, slots=True)
class PredictionArchive:
    """The predictions under one folder."""

    root: Path

    def add(self, symbol: str, rows: SaidRows) -> int:
        """Keep what is new and return how many rows that is; each month is replaced whole.

        Raises BadInput for rows that are no predictions or whose model had seen the day that they are about, and
        Conflict for another prediction of the same time and horizon than the one kept.
        """
        require_symbol(symbol)
        _require_sound(rows, symbol)
        months = _months(rows.at_ns)
        table, n_new = rows.table(), 0
        for month in np.unique(months):
            n_new += self._add_month(symbol, str(month), table.filter(pa.array(months == month)))
        return n_new

    def load(self, symbols: Sequence[str], start_at: datetime, end_at: datetime) -> Predictions:
        """Return what was said after `start_at` and up to `end_at`, numbered by the place in `symbols`, oldest first.

        Raises Corrupt for a file that holds anything else than what `add` keeps.
        """
        kept = [
            rows for number, symbol in enumerate(symbols) for rows in self._inside(number, symbol, start_at, end_at)
        ]
        table = pa.concat_tables([_NUMBERED.empty_table(), *kept])
        table = table.sort_by([("at_ns", "ascending"), ("symbol", "ascending"), ("horizon_ms", "ascending")])
        return Predictions(**{name: table[name].to_numpy() for name in ("symbol", *_TIMES[:3], *_VALUES)})

    def share_of_days(self, symbols: Sequence[str], start_at: datetime, end_at: datetime) -> float:
        """Return on which share of the KST days of a stretch there is a prediction about every symbol, 0 to 1."""
        said = self.load(symbols, start_at, end_at)
        days = (said.at_ns - 1 + KST_OFFSET_NS) // DAY_NS
        spoken = [set(days[said.symbol == number].tolist()) for number in range(len(symbols))]
        n_days = (end_at - start_at) / timedelta(days=1)
        return min(len(set.intersection(*spoken)) / n_days, 1.0) if spoken and n_days > 0 else 0.0

    def _inside(self, number: int, symbol: str, start_at: datetime, end_at: datetime) -> Iterator[pa.Table]:
        for path in sorted((self.root / symbol).glob("*.parquet")):
            table = _read(path)
            at_ns = _rows_of(table, path).at_ns
            inside = table.filter(pa.array((at_ns > to_ns(start_at)) & (at_ns <= to_ns(end_at))))
            yield inside.add_column(0, _NUMBERED.field(0), pa.array(np.full(len(inside), number, dtype=np.int16)))

    def _add_month(self, symbol: str, month: str, fresh: pa.Table) -> int:
        path = self.root / symbol / f"{month}.parquet"
        kept = _read(path) if path.is_file() else _SCHEMA.empty_table()
        known = {(row["at_ns"], row["horizon_ms"]): row for row in kept.to_pylist()}
        new = []
        for row in fresh.to_pylist():
            stored = known.get((row["at_ns"], row["horizon_ms"]))
            if stored is None:
                new.append(row)
            elif not _is_same(stored, row):
                at = datetime.fromtimestamp(row["at_ns"] / 1e9, UTC)
                raise Conflict(f"another prediction of {symbol} at {at:%Y-%m-%d %H:%M} UTC is kept already")
        if new:
            both = pa.concat_tables([kept, pa.Table.from_pylist(new, schema=_SCHEMA)])
            sink = pa.BufferOutputStream()
            pq.write_table(both.sort_by([("at_ns", "ascending"), ("horizon_ms", "ascending")]), sink)
            replace_file(path, sink.getvalue().to_pybytes())
        return len(new)


def _require_sound(rows: SaidRows, symbol: str) -> None:
    keys = list(zip(rows.at_ns.tolist(), rows.horizon_ms.tolist(), strict=True))
    if len(set(keys)) != len(keys):
        raise BadInput(f"predictions of {symbol}: two of one time and horizon", "Keep one of them")
    problem = _problem(rows)
    if problem:
        raise BadInput(f"predictions of {symbol}: {problem}")


def _problem(rows: SaidRows) -> str:
    """Return what is wrong with the rows, or nothing."""
    day_starts_at = (rows.at_ns - 1 + KST_OFFSET_NS) // DAY_NS * DAY_NS - KST_OFFSET_NS
    if bool((rows.trained_until_ns > day_starts_at).any()):
        row = int(np.argmax(rows.trained_until_ns > day_starts_at))
        at, seen = (datetime.fromtimestamp(int(ns[row]) / 1e9, UTC) for ns in (rows.at_ns, rows.trained_until_ns))
        return f"the model that spoke at {at:%Y-%m-%d %H:%M} UTC had seen bars up to {seen:%Y-%m-%d %H:%M} UTC"
    is_number = np.isfinite(rows.direction) & np.isfinite(rows.expected_move_bps) & np.isfinite(rows.confidence)
    in_range = (np.abs(rows.direction) <= 1) & (rows.confidence >= 0) & (rows.confidence <= 1)
    in_order = (rows.expires_at_ns > rows.at_ns) & (rows.horizon_ms > 0)
    if not bool((is_number & in_range & in_order).all()):
        return f"row {int(np.argmin(is_number & in_range & in_order))} is no prediction"
    return ""


def _is_same(stored: dict[str, object], row: dict[str, object]) -> bool:
    return all(stored[name] == row[name] or (stored[name] != stored[name] and row[name] != row[name]) for name in row)


def _months(at_ns: npt.NDArray[np.int64]) -> npt.NDArray[np.datetime64]:
    return at_ns.astype("datetime64[ns]").astype("datetime64[M]")


def _read(path: Path) -> pa.Table:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise Corrupt(f"{path} cannot be read: {error}", "Remove it and have the predictions made again") from None
    if table.schema.remove_metadata() != _SCHEMA or any(column.null_count for column in table.columns):
        raise Corrupt(f"{path} holds other columns than predictions have", "Remove it and have them made again")
    return table


def _rows_of(table: pa.Table, path: Path) -> SaidRows:
    columns = {name: table[name].to_numpy() for name in (*_TIMES, *_VALUES)}
    rows = SaidRows(model_sha256=tuple(table["model_sha256"].to_pylist()), **columns)
    problem = _problem(rows)
    if problem:
        raise Corrupt(f"{path}: {problem}", "Remove the file and have the predictions made again")
    return rows
