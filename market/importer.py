"""From a file of candles to the archive: read, check, compare with what is known, keep, and say what was noticed."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np

from core.errors import BadInput
from core.store import Session, quarantine
from market.bars import BarArchive
from market.candles import INTERVALS, Candles, from_ms, grid_of, interval_ms_of, require_symbol
from market.identity import Comparison, KnownSeries, require_identity
from market.ohlcv_files import parse_ohlcv
from market.quality import Finding, RejectedRow, infer_interval_ms, inspect_rows, require_interval

MAX_REVISED_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class QualityReport:
    """What an import found and did. Rows set aside are in `rejected`; nothing else was changed."""

    path: str
    symbol: str
    interval: str
    start_at: datetime
    end_at: datetime
    n_rows: int
    n_kept: int
    n_new: int
    """Candles that the archive did not have."""
    tick: Decimal
    lot: Decimal
    findings: tuple[Finding, ...]
    comparisons: tuple[Comparison, ...]
    rejected: tuple[RejectedRow, ...]


def import_ohlcv(
    archive: BarArchive,
    path: Path,
    symbol: str,
    interval_ms: int | None = None,
    reference: Path | None = None,
    check_identity: bool = True,
    dry_run: bool = False,
) -> QualityReport:
    """Add the candles of a file to the archive and return what was found; `dry_run` only looks.

    `reference` is a file known to hold the same symbol. Raises BadInput, with nothing imported, when the file cannot be
    believed, is another symbol, or contradicts the archive.
    """
    require_symbol(symbol)
    raw = parse_ohlcv(path)
    try:
        length = infer_interval_ms(raw) if interval_ms is None else interval_ms
        require_interval(raw, length)
        inspection = inspect_rows(raw, length, archive.clock.now())
        kept = inspection.kept
        known = tuple(_known(archive, kept, length)) if check_identity else ()
        if reference is not None:
            known = (*known, _reference(reference, symbol, archive))
        comparisons = require_identity(symbol, kept, length, known)
        revised = _require_consistent(archive, symbol, length, kept)
    except BadInput as error:
        raise BadInput(f"{path}: {error.message}", error.remedy) from None
    report = QualityReport(
        path=str(path),
        symbol=symbol,
        interval=INTERVALS[length],
        start_at=from_ms(int(kept.opened_at_ms[0])),
        end_at=from_ms(int(kept.opened_at_ms[-1]) + length),
        n_rows=len(raw.line) + len(raw.broken_lines),
        n_kept=len(kept),
        n_new=0,
        tick=grid_of(np.concatenate([kept.open, kept.high, kept.low, kept.close])),
        lot=grid_of(kept.volume),
        findings=(*inspection.findings, *revised),
        comparisons=comparisons,
        rejected=inspection.rejected,
    )
    if dry_run:
        return report
    merged = archive.merge(symbol, length, kept, f"import:{path.name}")
    return replace(report, n_new=merged.n_new)


def save_rejected(session: Session, report: QualityReport, at: datetime) -> None:
    """Put the rows that an import set aside into the quarantine."""
    source = f"import:{Path(report.path).name}"[:80]
    for row in report.rejected:
        detail = {"line": row.line, "opened_at": row.opened_at, "values": row.values}
        quarantine.add(session, source, report.symbol, row.reason, detail, at)


def _known(archive: BarArchive, candles: Candles, interval_ms: int) -> Iterator[KnownSeries]:
    """Yield the archived candles of every symbol and interval over the time of `candles`."""
    start_at = from_ms(int(candles.opened_at_ms[0])) - timedelta(milliseconds=1)
    end_at = from_ms(int(candles.opened_at_ms[-1]) + interval_ms)
    for path in sorted(archive.root.glob("*/*.parquet")):
        if path.stem in INTERVALS.values():
            length = interval_ms_of(path.stem)
            reader = replace(archive, only_interval_ms=length)
            stored = reader.candles(path.parent.name, start_at, end_at)
            if len(stored):
                yield KnownSeries(path.parent.name, length, stored, f"the archive ({path.stem})")


def _reference(path: Path, symbol: str, archive: BarArchive) -> KnownSeries:
    raw = parse_ohlcv(path)
    interval_ms = infer_interval_ms(raw)
    kept = inspect_rows(raw, interval_ms, archive.clock.now()).kept
    return KnownSeries(symbol, interval_ms, kept, path.name)


def _require_consistent(archive: BarArchive, symbol: str, interval_ms: int, kept: Candles) -> tuple[Finding, ...]:
    """Return the candles that the archive has with other numbers, as a finding; refuse when they are many."""
    reader = replace(archive, only_interval_ms=interval_ms)
    if symbol not in reader.symbols():
        return ()
    stored = reader.candles(symbol)
    _, mine, theirs = np.intersect1d(kept.opened_at_ms, stored.opened_at_ms, return_indices=True)
    differs = np.any(kept.values()[mine] != stored.values()[theirs], axis=1)
    n_differing = int(differs.sum())
    if n_differing > max(1, MAX_REVISED_SHARE * len(mine)):
        raise BadInput(
            f"{n_differing} of {len(mine)} candles that the archive already has are different here",
            "One archive holds one venue: import into another archive; nothing was imported",
        )
    times = kept.opened_at_ms[mine][differs]
    examples = tuple(f"{from_ms(int(at)).isoformat()}: the archived candle stays" for at in times[:5])
    return (Finding("revised", n_differing, examples),) if n_differing else ()
