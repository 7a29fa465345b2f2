"""Tables of features on disk, as the trainer's parent hands them over, and several of them pooled with their labels."""

import hashlib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.durable import replacing
from core.errors import BadInput, Corrupt
from market.candles import Floats, Integers
from ml.features.table import FeatureTable
from ml.labels import SIDES, Labels, big_move_label, move_over_sigma, pays_label, sign_label

_ARRAYS = ("closed_at_ms", "close", "high", "low", "segment", "values")


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Tables of one interval and schema, one after the other; a segment never holds rows of two."""

    symbols: tuple[str, ...]
    interval_ms: int
    names: tuple[str, ...]
    schema_sha256: str
    x: Floats
    """(n, k)"""
    segment: Integers
    table: Integers
    """(n,) which symbol a row is of."""
    closed_at_ms: Integers
    labels: Labels
    """Their `end` counts rows of the pool."""
    data_sha256: str

    @property
    def settled_at_ms(self) -> Integers:
        """(n,) when each label is known; of no meaning where there is none."""
        return self.closed_at_ms[self.labels.end]


def save_table(path: Path, table: FeatureTable) -> None:
    """Write a table, whole or not at all."""
    facts = np.array([table.symbol, str(table.interval_ms), table.schema_sha256])
    arrays = {name: getattr(table, name) for name in _ARRAYS}
    with replacing(path) as file:
        np.savez(file, names=np.array(table.names, dtype=np.str_), facts=facts, **arrays)


def load_table(path: Path) -> FeatureTable:
    """Return the table that `save_table` wrote. Raises Corrupt."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            symbol, interval_ms, schema = map(str, kept["facts"])
            names = tuple(map(str, kept["names"]))
            return FeatureTable(symbol, int(interval_ms), names, schema, **{name: kept[name] for name in _ARRAYS})
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise Corrupt(f"the table of features {path} cannot be read", "Run the training again") from error


def pool_tables(tables: Sequence[FeatureTable], task: str, horizon_bars: int, threshold: float) -> Pool:
    """Return the tables one after the other with their labels. Raises BadInput for tables that do not go together."""
    if not tables or any(len(table) == 0 for table in tables):
        raise BadInput("there is no bar to learn from", "Give a longer period")
    first = tables[0]
    kind = (first.interval_ms, first.schema_sha256, first.names)
    for table in tables:
        if (table.interval_ms, table.schema_sha256, table.names) != kind:
            what = f"the bars of {table.symbol} and {first.symbol}"
            raise BadInput(f"{what} differ in length or features", "Train them apart")
    symbols = tuple(table.symbol for table in tables)
    if len(set(symbols)) < len(symbols):
        raise BadInput("a symbol is given twice", "Give each one once")
    labels = [_label(table, task, horizon_bars, threshold) for table in tables]
    starts = np.concatenate([[0], np.cumsum([len(table) for table in tables])])
    ends = [np.where(part.end >= 0, part.end + start, -1) for part, start in zip(labels, starts[:-1], strict=True)]
    which = np.repeat(np.arange(len(tables)), np.diff(starts))
    return Pool(
        symbols,
        first.interval_ms,
        first.names,
        first.schema_sha256,
        np.concatenate([table.values for table in tables]),
        _runs(np.concatenate([table.segment for table in tables]), which),
        which,
        np.concatenate([table.closed_at_ms for table in tables]),
        Labels(np.concatenate([p.y for p in labels]), np.concatenate(ends), np.concatenate([p.move for p in labels])),
        sha256_of_tables(tables),
    )


def _label(table: FeatureTable, task: str, horizon_bars: int, threshold: float) -> Labels:
    if task == "sign":
        return sign_label(table, horizon_bars)
    if task == "big_move":
        return big_move_label(table, horizon_bars, threshold)
    if task in SIDES:
        return pays_label(table, task, horizon_bars, threshold)
    return move_over_sigma(table, horizon_bars, threshold)


def _runs(segment: Integers, table: Integers) -> Integers:
    changes = (segment[1:] != segment[:-1]) | (table[1:] != table[:-1])
    return np.concatenate([[0], np.cumsum(changes)]).astype(np.int64)


def sha256_of_tables(tables: Sequence[FeatureTable]) -> str:
    """Return the hash of everything that can be learned from."""
    digest = hashlib.sha256()
    for table in tables:
        digest.update(f"{table.symbol} {table.interval_ms} {table.schema_sha256} {len(table)}\n".encode())
        for name in _ARRAYS:
            digest.update(np.ascontiguousarray(getattr(table, name)).tobytes())
    return digest.hexdigest()
