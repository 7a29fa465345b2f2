"""Reading candle files of others: CSV and Parquet, from untrusted bytes to rows of numbers. Nothing is judged here.

Times may be ISO text (without zone: UTC) or epoch numbers in s, ms, us or ns, told apart by size. Column names are
matched without case; a CSV without a header must have time, open, high, low, close, volume first, as Binance writes.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from core.errors import BadInput
from market.candles import Candles, Floats, Integers, ms_of

TIME_NAMES = ("ts", "open_time", "opentime", "open time", "timestamp", "time", "datetime", "date")
VOLUME_NAMES = ("volume", "vol", "base_volume", "volume_base")
PRICE_NAMES = ("open", "high", "low", "close")
_ROLES = ("time", *PRICE_NAMES, "volume")
_NO_TIME = np.iinfo(np.int64).min
_MAX_MS = 253_402_300_799_999
_LARGEST = 1e19
_UNITS = ((1e11, 1_000.0), (1e14, 1.0), (1e17, 1e-3), (np.inf, 1e-6))


@dataclass(frozen=True, slots=True, eq=False)
class RawRows:
    """The rows of a file in its order. What cannot be read is NaN in a number and False in `has_time`."""

    candles: Candles
    has_time: npt.NDArray[np.bool_]
    line: Integers
    """Line of a CSV (the first is 1), or row of a Parquet file (the first is 1)."""
    broken_lines: tuple[int, ...]
    """Lines of a CSV that have another number of cells than its header."""


def parse_ohlcv(path: Path) -> RawRows:
    """Return the rows of a CSV or Parquet file. Raises BadInput naming the file and what is wrong with it."""
    if not path.is_file():
        raise BadInput(f"there is no file {path}")
    if path.stat().st_size == 0:
        raise BadInput(f"the file {path} is empty")
    with path.open("rb") as file:
        is_parquet = file.read(4) == b"PAR1"
    if is_parquet:
        return _parse_parquet(path)
    return _parse_csv(path)


def _parse_parquet(path: Path) -> RawRows:
    try:
        names = list(pq.read_schema(path).names)
        chosen = _choose_columns(names, path)
        table = pq.read_table(path, columns=[chosen[role] for role in _ROLES])
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"the Parquet file {path} cannot be read: {_first_line(error)}") from None
    columns = {role: table[chosen[role]] for role in _ROLES}
    return _raw_rows(columns, np.arange(1, table.num_rows + 1, dtype=np.int64), ())


def _parse_csv(path: Path) -> RawRows:
    first, delimiter = _first_cells(path)
    has_header = not _is_number(first[0])
    names = first if has_header else [*_ROLES, *(f"extra_{n}" for n in range(len(first) - len(_ROLES)))]
    if not has_header and len(first) < len(_ROLES):
        raise BadInput(f"{path} has no header and {len(first)} columns", f"Write a header with {', '.join(_ROLES)}")
    chosen = dict(zip(_ROLES, _ROLES, strict=True)) if not has_header else _choose_columns(names, path)
    broken: list[int] = []

    def _note(row: Any) -> str:
        broken.append(int(row.number))
        return "skip"

    try:
        table = pacsv.read_csv(
            path,
            read_options=pacsv.ReadOptions(column_names=names, skip_rows=int(has_header), use_threads=False),
            parse_options=pacsv.ParseOptions(delimiter=delimiter, invalid_row_handler=_note),
            convert_options=pacsv.ConvertOptions(
                column_types={name: pa.string() for name in names},
                include_columns=[chosen[role] for role in _ROLES],
                strings_can_be_null=False,
            ),
        )
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"the CSV file {path} cannot be read: {_first_line(error)}") from None
    total = table.num_rows + len(broken)
    numbers = np.arange(1, total + 1, dtype=np.int64) + int(has_header)
    lines = numbers[~np.isin(numbers, broken)]
    return _raw_rows({role: table[chosen[role]] for role in _ROLES}, lines, tuple(broken))


def _first_cells(path: Path) -> tuple[list[str], str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            head = file.readline(20_000)
    except UnicodeDecodeError:
        raise BadInput(f"{path} is neither Parquet nor UTF-8 text", "Export it again as CSV or Parquet") from None
    delimiter = max(",;\t", key=head.count)
    cells = next(csv.reader([head], delimiter=delimiter), [])
    cleaned = [cell.strip() for cell in cells]
    if len(cleaned) < 2:
        raise BadInput(f"{path} does not look like CSV: its first line is '{head.strip()[:60]}'")
    return cleaned, delimiter


def _choose_columns(names: Sequence[str], path: Path) -> dict[str, str]:
    by_name = {name.strip().lower(): name for name in reversed(names)}
    wanted = {"time": TIME_NAMES, "volume": VOLUME_NAMES, **{name: (name,) for name in PRICE_NAMES}}
    chosen: dict[str, str] = {}
    for role in _ROLES:
        found = next((by_name[name] for name in wanted[role] if name in by_name), None)
        if found is None:
            raise BadInput(
                f"{path} has no column for {role}: it has {', '.join(names)[:200]}",
                f"Name it {' or '.join(wanted[role])}",
            )
        chosen[role] = found
    return chosen


def _raw_rows(columns: dict[str, Any], lines: Integers, broken: tuple[int, ...]) -> RawRows:
    opened_at_ms = _times(columns["time"])
    numbers = [_numbers(columns[role]) for role in (*PRICE_NAMES, "volume")]
    return RawRows(Candles(opened_at_ms, *numbers), opened_at_ms != _NO_TIME, lines, broken)


def _numbers(column: Any) -> Floats:
    """Return the column as floats, NaN where a cell holds no number."""
    try:
        return np.asarray(pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return np.array([_number(cell) for cell in column.to_pylist()], dtype=np.float64)


def _number(cell: Any) -> float:
    try:
        return float(cell)
    except (TypeError, ValueError):
        return float("nan")


def _times(column: Any) -> Integers:
    """Return milliseconds since 1970, and the smallest integer where a cell holds no time."""
    if pa.types.is_temporal(column.type):
        whole = column.cast(pa.timestamp("us")).cast(pa.int64())
        return _to_ms(whole.to_pylist(), 1e-3)
    whole_numbers = _whole_numbers(column)
    if whole_numbers is not None:
        return _epochs_to_ms(whole_numbers)
    cells = column.to_pylist()
    stamps = [_stamp(cell) for cell in cells]
    sizes = [abs(float(stamp)) for stamp in stamps if isinstance(stamp, int | float)]
    middle = float(np.median(sizes)) if sizes else 0.0
    return _to_ms(stamps, next(factor for limit, factor in _UNITS if middle < limit))


def _whole_numbers(column: Any) -> Integers | None:
    """Return the column as integers when every cell is one: the usual case, and the fast one."""
    if not (pa.types.is_integer(column.type) or pa.types.is_string(column.type)) or column.null_count:
        return None
    try:
        return np.asarray(pc.cast(column, pa.int64()).to_numpy(), dtype=np.int64)
    except pa.ArrowInvalid:
        return None


def _epochs_to_ms(epochs: Integers) -> Integers:
    if len(epochs) == 0:
        return epochs
    middle = float(np.median(np.abs(epochs.astype(np.float64))))
    factor = next(factor for limit, factor in _UNITS if middle < limit)
    top = _MAX_MS // round(factor) if factor >= 1 else np.iinfo(np.int64).max
    fits = (epochs >= 0) & (epochs <= top)
    kept = np.where(fits, epochs, 0)
    scaled = kept * round(factor) if factor >= 1 else kept // round(1 / factor)
    return np.where(fits & (scaled <= _MAX_MS), scaled, _NO_TIME)


def _stamp(cell: Any) -> int | float | datetime | None:
    if cell is None:
        return None
    text = str(cell).strip()
    for parse in (int, float):
        try:
            number = parse(text)
        except ValueError:
            continue
        return number if abs(number) < _LARGEST else None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _to_ms(stamps: Sequence[int | float | datetime | None], factor: float) -> Integers:
    return np.array([_ms(stamp, factor) for stamp in stamps], dtype=np.int64)


def _ms(stamp: int | float | datetime | None, factor: float) -> int:
    if isinstance(stamp, datetime):
        return ms_of(stamp)
    if stamp is None:
        return int(_NO_TIME)
    scaled = int(stamp) // round(1 / factor) if isinstance(stamp, int) and factor < 1 else round(stamp * factor)
    return scaled if 0 <= scaled <= _MAX_MS else int(_NO_TIME)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
