"""What the sealed days hold: fingerprints of their bars on the ledger, so that no test is made on others unnoticed."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import msgspec
import numpy as np

from core.clock import kst_day
from core.errors import Corrupt
from core.log import get_logger
from core.model.canonical import from_json
from core.store import ledger
from core.store.session import Session
from strategies.gate.ports import BarSource
from strategies.gate.shocks import COLUMNS
from strategies.gate.split import HistorySplit

KIND = "sealed_bars"

_log = get_logger("strategies.gate")


@dataclass(frozen=True, slots=True)
class Seal:
    """The bars of the sealed days as they were when the row was written. `sha256` is by symbol."""

    sealed_start_at: datetime
    sealed_end_at: datetime
    sha256: dict[str, str]


def seal_of(bars: BarSource, split: HistorySplit, symbols: Sequence[str]) -> Seal:
    """Return the fingerprints of the sealed bars as they are now."""
    start, end = split.sealed_start_at, split.sealed_end_at
    return Seal(start, end, {symbol: _sha256(bars, symbol, start, end) for symbol in sorted(symbols)})


def record_seal(session: Session, at: datetime, bars: BarSource, split: HistorySplit) -> None:
    """Put the fingerprints on the ledger if they are not those of its last row; call it at every start."""
    if split.n_sealed_days == 0:
        return
    found, stored = seal_of(bars, split, bars.symbols()), _read(session)
    if found == stored:
        return
    ledger.append(session, at, KIND, "", None, asdict(found))
    if stored is not None:
        changed = sorted(name for name in found.sha256 if stored.sha256.get(name) != found.sha256[name])
        _log.warning("sealed_bars_changed", symbols=",".join(changed) or "none left")


def broken_seal(session: Session, bars: BarSource, split: HistorySplit, symbols: Sequence[str]) -> str:
    """Return why no sealed test may be made on the bars of these symbols, or empty."""
    stored = _read(session)
    if stored is None:
        return "the sealed bars are not on the ledger"
    found = seal_of(bars, split, symbols)
    if (found.sealed_start_at, found.sealed_end_at) != (stored.sealed_start_at, stored.sealed_end_at):
        return "the sealed bars on the ledger are of other days"
    changed = [name for name, sha256 in found.sha256.items() if stored.sha256.get(name) != sha256]
    if changed:
        since = f"{kst_day(split.sealed_start_at)} to {kst_day(split.sealed_end_at)}"
        return f"the bars of {', '.join(changed)} from {since} are not those that the ledger's last start found"
    return ""


def _read(session: Session) -> Seal | None:
    row = ledger.last(session, KIND)
    try:
        return None if row is None else from_json(row.payload, Seal)
    except msgspec.ValidationError as error:
        raise Corrupt(f"the ledger's seal is unreadable: {error}", "Restore the database from a backup") from None


def _sha256(bars: BarSource, symbol: str, start: datetime, end: datetime) -> str:
    loaded = bars.load((symbol,), start, end)
    digest = hashlib.sha256(f"{loaded.ticks[0]}|{loaded.lots[0]}".encode())
    for name in COLUMNS:
        digest.update(np.ascontiguousarray(getattr(loaded, name)).tobytes())
    return digest.hexdigest()
