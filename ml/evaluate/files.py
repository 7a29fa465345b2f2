"""Candle files of anybody as tables of features: checked as an import would, cut before the locked period."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from core.errors import BadInput
from market.candles import INTERVALS, Candles, Floats, require_symbol
from market.ohlcv_files import parse_ohlcv
from market.quality import Finding, infer_interval_ms, inspect_rows
from ml.evaluate.protocol import Plan, plan_for
from ml.features.build import build_features
from ml.features.table import FeatureTable


@dataclass(frozen=True, slots=True, eq=False)
class CandleFile:
    """The believable candles of a file."""

    path: Path
    symbol: str
    interval_ms: int
    candles: Candles
    findings: tuple[Finding, ...]
    """What was odd, rows set aside among it."""

    @property
    def sha256(self) -> str:
        """Hash of times and numbers: files with the same candles have the same."""
        digest = hashlib.sha256(np.ascontiguousarray(self.candles.opened_at_ms, dtype="<i8").tobytes())
        digest.update(np.ascontiguousarray(self.candles.values(), dtype="<f8").tobytes())
        return digest.hexdigest()


def load_candles(path: Path, symbol: str, now: datetime) -> CandleFile:
    """Return the candles of a CSV or Parquet file. Raises BadInput naming the file and what is wrong with it."""
    require_symbol(symbol)
    raw = parse_ohlcv(path)
    try:
        interval_ms = infer_interval_ms(raw)
        inspection = inspect_rows(raw, interval_ms, now)
    except BadInput as error:
        raise BadInput(f"{path}: {error.message}", error.remedy) from None
    return CandleFile(path, symbol, interval_ms, inspection.kept, inspection.findings)


def require_one_set(files: Sequence[CandleFile]) -> None:
    """Raise BadInput for files that cannot be judged together: one symbol twice, or several candle lengths."""
    symbols = [file.symbol for file in files]
    twice = next((symbol for symbol in symbols if symbols.count(symbol) > 1), None)
    if twice:
        raise BadInput(f"{twice} is given twice", "Give one file a symbol; rename it or name it with --symbol")
    lengths = {file.interval_ms for file in files}
    if len(lengths) > 1:
        names = ", ".join(INTERVALS[length] for length in sorted(lengths))
        raise BadInput(f"the files hold candles of different lengths: {names}", "Evaluate each length by itself")


def build_table(file: CandleFile, files: Sequence[CandleFile], opens_locked: bool) -> tuple[FeatureTable, Plan]:
    """Return the features of a file, the other files' symbols beside it, and the plan of its rows.

    Without `opens_locked` the locked rows are cut off before anything is computed from them, the peers' too.
    """
    plan = plan_for(len(file.candles), file.interval_ms, opens_locked)
    kept = file.candles.rows(slice(0, plan.past_last))
    last_ms = int(kept.opened_at_ms[-1])
    peers: Mapping[str, Candles] = {
        other.symbol: other.candles.rows(other.candles.opened_at_ms <= last_ms)
        for other in files
        if other.symbol != file.symbol
    }
    table = build_features(file.symbol, file.interval_ms, kept, peers)
    if len(table) != len(kept):
        raise ValueError(f"{len(table)} rows of features for {len(kept)} candles")
    return _with_source(table), plan


def _with_source(table: FeatureTable) -> FeatureTable:
    """Return the table without the columns that have no value at all: candle files hold no order book and no news."""
    has_value = np.atleast_1d(np.isfinite(table.values).any(axis=0))
    names = tuple(name for name, kept in zip(table.names, has_value, strict=True) if kept)
    return replace(table, names=names, values=table.values[:, has_value])


def feature_values(file: CandleFile, candles: Candles, peers: Mapping[str, Candles]) -> Floats:
    """Return the features of other candles of the file's symbol, for the leak meter; peers may reach further."""
    return build_features(file.symbol, file.interval_ms, candles, peers).values
