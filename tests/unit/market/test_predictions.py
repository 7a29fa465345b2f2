"""The archive of what models said: whole months, nothing twice, nothing changed, and no model that had seen the day."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from core.clock import to_ns
from core.errors import BadInput, Conflict, Corrupt
from market.predictions import PredictionArchive, SaidRows

START_AT = datetime(2026, 1, 31, 15, 0, tzinfo=UTC)
"""Midnight of 1 February in Seoul."""
HOUR_NS = 3_600_000_000_000


def rows(
    n: int = 48, first_at: datetime = START_AT + timedelta(hours=1), trained_until: datetime = START_AT
) -> SaidRows:
    at = to_ns(first_at) + np.arange(n, dtype=np.int64) * HOUR_NS
    return SaidRows(
        at_ns=at,
        expires_at_ns=at + 30_000_000_000,
        horizon_ms=np.full(n, 3_600_000, dtype=np.int64),
        trained_until_ns=np.full(n, to_ns(trained_until)),
        direction=np.linspace(-0.5, 0.5, n),
        confidence=np.full(n, 0.6),
        expected_move_bps=np.linspace(-20, 20, n),
        expected_volatility_bps=np.where(np.arange(n) % 2, 30.0, np.nan),
        model_sha256=("a" * 64,) * n,
    )


def test_what_was_kept_is_read_again_by_time_and_symbol(tmp_path: Path) -> None:
    archive = PredictionArchive(tmp_path)
    assert archive.add("BTCUSDT", rows()) == 48 and archive.add("ETHUSDT", rows()) == 48
    assert sorted(path.name for path in tmp_path.glob("BTCUSDT/*")) == ["2026-01.parquet", "2026-02.parquet"]
    said = archive.load(("ETHUSDT", "BTCUSDT"), START_AT + timedelta(hours=1), START_AT + timedelta(hours=3))
    assert said.symbol.tolist() == [0, 1, 0, 1]
    assert said.at_ns.tolist() == [to_ns(START_AT + timedelta(hours=h)) for h in (2, 2, 3, 3)]
    assert len(archive.load(("SOLUSDT",), START_AT, START_AT + timedelta(days=9))) == 0


def test_the_same_again_changes_nothing_and_another_word_is_refused(tmp_path: Path) -> None:
    archive = PredictionArchive(tmp_path)
    archive.add("BTCUSDT", rows())
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")}
    assert archive.add("BTCUSDT", rows()) == 0
    with pytest.raises(Conflict, match="another prediction of BTCUSDT at 2026-01-31 16:00 UTC"):
        archive.add("BTCUSDT", replace(rows(), confidence=np.full(48, 0.7)))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")} == before


def test_a_model_that_had_seen_the_day_may_not_speak_about_it(tmp_path: Path) -> None:
    archive = PredictionArchive(tmp_path)
    with pytest.raises(BadInput, match=r"spoke at 2026-01-31 16:00 UTC had seen bars up to 2026-01-31 15:01 UTC"):
        archive.add("BTCUSDT", rows(trained_until=START_AT + timedelta(minutes=1)))
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_file_in_which_a_model_had_seen_the_day_is_not_read(tmp_path: Path) -> None:
    archive = PredictionArchive(tmp_path)
    archive.add("BTCUSDT", rows())
    path = tmp_path / "BTCUSDT" / "2026-02.parquet"
    table = pq.read_table(path)
    later = table.set_column(table.schema.get_field_index("trained_until_ns"), "trained_until_ns", table["at_ns"])
    pq.write_table(later, path)
    with pytest.raises(Corrupt, match="had seen bars up to"):
        archive.load(("BTCUSDT",), START_AT, START_AT + timedelta(days=9))


@pytest.mark.parametrize("damage", [b"", b"PAR1nothing", b"\x80\x04K\x01."])
def test_a_file_that_is_no_table_is_named(tmp_path: Path, damage: bytes) -> None:
    archive = PredictionArchive(tmp_path)
    archive.add("BTCUSDT", rows())
    path = tmp_path / "BTCUSDT" / "2026-02.parquet"
    path.write_bytes(damage)
    with pytest.raises(Corrupt, match=r"2026-02\.parquet"):
        archive.load(("BTCUSDT",), START_AT, START_AT + timedelta(days=9))


@pytest.mark.parametrize(
    "over",
    [
        {"direction": np.full(48, 1.5)},
        {"confidence": np.full(48, np.nan)},
        {"expected_move_bps": np.full(48, np.inf)},
        {"horizon_ms": np.zeros(48, dtype=np.int64)},
        {"at_ns": np.full(48, to_ns(START_AT + timedelta(hours=1)))},
    ],
)
def test_what_is_no_prediction_is_refused(tmp_path: Path, over: dict[str, np.ndarray]) -> None:
    with pytest.raises(BadInput, match="predictions of BTCUSDT"):
        PredictionArchive(tmp_path).add("BTCUSDT", replace(rows(), **over))


def test_the_share_of_days_counts_those_on_which_every_symbol_was_spoken_about(tmp_path: Path) -> None:
    archive = PredictionArchive(tmp_path)
    archive.add("BTCUSDT", rows(96))
    archive.add("ETHUSDT", rows(48))
    stretch = (START_AT, START_AT + timedelta(days=4))
    assert archive.share_of_days(("BTCUSDT",), *stretch) == 1.0
    assert archive.share_of_days(("BTCUSDT", "ETHUSDT"), *stretch) == 0.5
    assert archive.share_of_days(("SOLUSDT",), *stretch) == 0.0
