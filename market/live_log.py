"""The engine's market log, read as arrays: what `rust_engine/crates/engine/src/market_log/rows.rs` writes.

Only what a seal covers is read: the engine itself acts on nothing else. The seal's SHA-256 is recomputed, so a damaged
segment is refused by name and never archived.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.errors import Corrupt

ROW: Final = np.dtype([("kind", "u1"), ("flags", "u1"), ("symbol", "<u2"), ("crc", "<u4"), ("v", "<i8", (7,))])
HEADER, BAR, TRADE, QUOTE, DEPTH, SEAL = 0, 1, 2, 3, 4, 255
LAST, SNAPSHOT, SELL, EMPTY, FINAL = 2, 4, 8, 16, 64
MAGIC: Final = int.from_bytes(b"xcmrket\x01", "little", signed=True)
UNITS: Final = 100_000_000
"""Prices and quantities are integers of 1e-8."""

Rows = NDArray[np.void]


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment as far as it is sealed."""

    path: Path
    number: int
    rows: Rows
    """Every row up to the last seal, header and seals included."""
    sha256: str
    """Of the file up to that seal, in hex; what the final seal of a closed segment holds."""
    is_final: bool
    """Whether the segment is closed: nothing will be added."""


def segment_paths(folder: Path) -> list[Path]:
    """Return the segments of a log, oldest first; none where there is no log yet."""
    return sorted(folder.glob("segment-*.rows"))


def read_segment(path: Path) -> Segment:
    """Return what is sealed of a segment. Raises Corrupt when its header or a seal does not hold."""
    data = path.read_bytes()
    whole = np.frombuffer(data, dtype=ROW, count=len(data) // ROW.itemsize)
    if len(whole) == 0:
        return Segment(path, 0, whole, "", False)
    if whole["kind"][0] != HEADER or int(whole["v"][0, 0]) != MAGIC:
        raise Corrupt(f"{path} is no segment of a market log of this version")
    seals = np.flatnonzero(whole["kind"] == SEAL)
    number = int(whole["v"][0, 1])
    if len(seals) == 0:
        return Segment(path, number, whole[:0], "", False)
    last = int(seals[-1])
    digest = _running_digest(data, last)
    if digest != whole["v"][last, 1:5].astype("<i8").tobytes():
        raise Corrupt(f"{path}: the seal in row {last} does not fit the rows before it", "Restore it from a copy")
    return Segment(path, number, whole[: last + 1], digest.hex(), bool(whole["flags"][last] & FINAL))


def _running_digest(data: bytes, seal: int) -> bytes:
    """Return the SHA-256 over every row before row `seal`."""
    return hashlib.sha256(memoryview(data)[: seal * ROW.itemsize]).digest()
