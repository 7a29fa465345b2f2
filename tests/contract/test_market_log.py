"""Golden rows of the market log; `engine/tests/market_log_golden.rs` proves that the engine writes them."""

from pathlib import Path

import numpy as np
import pytest

from core.errors import Corrupt
from market.live_log import (
    BAR,
    DEPTH,
    FINAL,
    HEADER,
    LAST,
    MAGIC,
    QUOTE,
    ROW,
    SEAL,
    SELL,
    SNAPSHOT,
    TRADE,
    Segment,
    read_segment,
)

GOLDEN = Path(__file__).with_name("market_log.hex")
FUNDING, STALENESS, MISSED = 5, 6, 128


def _written() -> bytearray:
    return bytearray.fromhex(GOLDEN.read_text())


def _read(folder: Path, data: bytes) -> Segment:
    path = folder / "segment-00000001.rows"
    path.write_bytes(data)
    return read_segment(path)


def test_every_row_of_the_engine_is_read_with_its_values(tmp_path: Path) -> None:
    segment = _read(tmp_path, bytes(_written()))
    rows = segment.rows
    assert (segment.number, segment.is_final, len(rows)) == (1, False, 10)
    kinds = [HEADER, BAR, TRADE, QUOTE, DEPTH, DEPTH, FUNDING, STALENESS, BAR, SEAL]
    assert rows["kind"].tolist() == kinds
    assert rows["symbol"].tolist() == [0, 0, 1, 1, 1, 1, 1, 1, 0, 0]
    values = rows["v"].tolist()
    assert values[0][:3] == [MAGIC, 1, 1]
    assert values[1] == [0, 1050, 100, 120, 90, 110, 7]
    assert values[2][:5] == [1100, 1000, 101, 3, 77] and rows["flags"][2] == SELL
    assert values[3][:6] == [1100, 1000, 100, 4, 102, 6]
    assert values[4][:6] == [1100, 1000, 8, 9, 90, 5] and not rows["flags"][4] & (LAST | SELL)
    assert values[5][:6] == [1100, 1000, 8, 9, 110, 0] and rows["flags"][5] & (LAST | SELL) == LAST | SELL
    assert all(flags & SNAPSHOT for flags in rows["flags"][4:6].tolist())
    assert values[6][:3] == [1100, -12, 103]
    assert values[7][0] == 1100
    assert values[8] == [1050, 2100, 100, 120, 90, 110, 7] and rows["flags"][8] == MISSED
    assert values[9][0] == 8 and not rows["flags"][9] & FINAL
    assert np.array_equal(np.frombuffer(bytes(_written()), dtype=ROW), rows)


def test_a_changed_byte_of_the_golden_rows_is_refused(tmp_path: Path) -> None:
    data = _written()
    data[2 * ROW.itemsize + 20] ^= 1
    with pytest.raises(Corrupt, match="does not fit the rows before it"):
        _read(tmp_path, bytes(data))
