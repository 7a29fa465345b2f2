import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.clock import VirtualClock
from core.errors import BadInput
from core.model.canonical import canonical_json
from core.store import Store, quarantine
from market.bars import BarArchive
from market.candles import MINUTE_MS
from market.importer import QualityReport, import_ohlcv, save_rejected
from tests.candle_factory import START, csv_lines, walk, write_csv

SYMBOL = "BTCUSDT"


def _counts(report: QualityReport) -> dict[str, int]:
    return {finding.kind: finding.n for finding in report.findings}


def test_a_clean_csv_is_imported_whole(archive: BarArchive, tmp_path: Path) -> None:
    candles = walk(300)
    report = import_ohlcv(archive, write_csv(tmp_path / "a.csv", csv_lines(candles)), SYMBOL)
    assert (report.interval, report.n_rows, report.n_kept, report.n_new) == ("15m", 300, 300, 300)
    assert (report.findings, report.rejected) == ((), ())
    assert np.array_equal(archive.candles(SYMBOL).values(), candles.values())


@pytest.mark.parametrize(
    ("header", "stamp"),
    [
        ("timestamp,open,high,low,close,volume", lambda ms: str(ms // 1000)),
        ("Open time,Open,High,Low,Close,Volume", lambda ms: str(ms * 1000)),
        ("date,open,high,low,close,volume", lambda ms: f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"),
        ("time,open,high,low,close,vol", lambda ms: datetime.fromtimestamp(ms / 1000, UTC).isoformat()),
        ("ts,open,high,low,close,volume", lambda ms: f"{ms}.0"),
        ("", str),
    ],
    ids=["seconds", "microseconds", "freqtrade text", "iso with zone", "float ms", "binance without header"],
)
def test_times_and_headers_of_other_programs_are_understood(
    archive: BarArchive, tmp_path: Path, header: str, stamp: object
) -> None:
    candles = walk(50)
    lines = [stamp(int(line.split(",")[0])) + line[13:] for line in csv_lines(candles)]  # type: ignore[operator]
    import_ohlcv(archive, write_csv(tmp_path / "a.csv", lines, header), SYMBOL)
    assert np.array_equal(archive.candles(SYMBOL).opened_at_ms, candles.opened_at_ms)


def test_extra_columns_semicolons_and_a_byte_order_mark_do_no_harm(archive: BarArchive, tmp_path: Path) -> None:
    lines = [line.replace(",", ";") + ";x" for line in csv_lines(walk(50))]
    write_csv(tmp_path / "a.csv", lines, "\ufeffts;open;high;low;close;volume;note")
    assert import_ohlcv(archive, tmp_path / "a.csv", SYMBOL).n_new == 50


@pytest.mark.parametrize("kind", [pa.timestamp("us", "UTC"), pa.timestamp("ms"), pa.int64()])
def test_parquet_times_of_any_kind_are_understood(archive: BarArchive, tmp_path: Path, kind: pa.DataType) -> None:
    candles = walk(50)
    stamps = pa.array(candles.opened_at_ms)
    if kind != pa.int64():
        stamps = stamps.cast(pa.timestamp("ms")).cast(kind)
    names = ("open", "high", "low", "close", "volume")
    table = pa.table({"date": stamps, **{name: getattr(candles, name) for name in names}})
    pq.write_table(table, tmp_path / "a.parquet")
    import_ohlcv(archive, tmp_path / "a.parquet", SYMBOL)
    assert np.array_equal(archive.candles(SYMBOL).opened_at_ms, candles.opened_at_ms)


def test_bad_rows_are_set_aside_with_line_and_reason(archive: BarArchive, tmp_path: Path) -> None:
    lines = csv_lines(walk(400))
    cells = lines[10].split(",")
    lines[10] = ",".join([cells[0], "nan", *cells[2:]])
    cells = lines[20].split(",")
    lines[20] = ",".join([*cells[:4], "-1.0", cells[5]])
    cells = lines[30].split(",")
    lines[30] = ",".join([cells[0], *(str(float(value) * 100) for value in cells[1:5]), cells[5]])
    cells = lines[40].split(",")
    lines[40] = ",".join([str(int(cells[0]) + 1), *cells[1:]])
    cells = lines[50].split(",")
    lines[50] = ",".join([cells[0], "1e309", *cells[2:]])
    lines[60] = "broken"
    lines[70] = "soon," + lines[70].split(",", 1)[1]
    report = import_ohlcv(archive, write_csv(tmp_path / "a.csv", lines), SYMBOL)
    assert {row.line: row.reason for row in report.rejected} == {
        12: "unreadable",
        22: "bad_ohlc",
        32: "level_jump",
        42: "off_grid",
        52: "bad_ohlc",
        62: "broken_line",
        72: "unreadable",
    }
    assert (report.n_rows, report.n_kept) == (400, 393)
    assert _counts(report)["missing_candle"] == 7


def test_duplicates_disorder_and_revisions_give_one_canonical_series(archive: BarArchive, tmp_path: Path) -> None:
    lines = csv_lines(walk(200))
    contradiction = lines[100].split(",")
    contradiction[5] = "77.0"
    messy = [*lines[50:], *lines[:60], ",".join(contradiction)]
    report = import_ohlcv(archive, write_csv(tmp_path / "a.csv", messy), SYMBOL)
    counts = _counts(report)
    assert (counts["duplicate"], counts["conflicting_duplicate"]) == (10, 2)
    assert counts["disorder"] > 0
    again = BarArchive(tmp_path / "again", archive.clock)
    import_ohlcv(again, write_csv(tmp_path / "b.csv", messy[::-1]), SYMBOL)
    assert np.array_equal(again.candles(SYMBOL).values(), archive.candles(SYMBOL).values())
    assert len(archive.candles(SYMBOL)) == 199


def test_a_candle_that_has_not_closed_is_not_kept(tmp_path: Path) -> None:
    archive = BarArchive(tmp_path / "bars", VirtualClock(START + timedelta(minutes=15 * 30 + 14)))
    report = import_ohlcv(archive, write_csv(tmp_path / "a.csv", csv_lines(walk(31))), SYMBOL)
    assert [row.reason for row in report.rejected] == ["not_closed"]
    assert len(archive.candles(SYMBOL)) == 30


def test_gaps_zero_volume_and_frozen_prices_are_reported_only(archive: BarArchive, tmp_path: Path) -> None:
    candles = walk(200)
    for name in ("open", "high", "low", "close"):
        getattr(candles, name)[50:60] = candles.close[49]
    candles.volume[50:55] = 0
    kept = candles.rows(~np.isin(np.arange(200), [100, 101]))
    report = import_ohlcv(archive, write_csv(tmp_path / "a.csv", csv_lines(kept)), SYMBOL)
    assert _counts(report) == {"gap": 1, "missing_candle": 2, "zero_volume": 5, "frozen_traded": 1}
    assert report.n_new == 198


@pytest.mark.parametrize("stated", [MINUTE_MS, 60 * MINUTE_MS])
def test_candles_of_another_length_than_stated_are_refused(archive: BarArchive, tmp_path: Path, stated: int) -> None:
    candles = walk(300)
    one_gap = candles.rows(~np.isin(np.arange(300), [100, 101, 102]))
    with pytest.raises(BadInput, match="most are 900 s apart"):
        import_ohlcv(archive, write_csv(tmp_path / "a.csv", csv_lines(one_gap)), SYMBOL, interval_ms=stated)
    assert archive.symbols() == ()


def test_a_thin_series_gets_the_length_of_its_most_common_step(archive: BarArchive, tmp_path: Path) -> None:
    candles = walk(2_000, interval_ms=MINUTE_MS)
    thin = candles.rows(np.random.default_rng(1).random(2_000) < 0.45)
    assert import_ohlcv(archive, write_csv(tmp_path / "a.csv", csv_lines(thin)), SYMBOL).interval == "1m"


@pytest.mark.parametrize(
    ("lines", "header", "reason"),
    [
        ([], "ts,open,high,low,close,volume", "fewer than two times"),
        (["1,2,3"], "ts,open,high", "no column for low"),
        (["<td>"], "<html><body>", "does not look like CSV"),
        (["a,1,1,1,1,1"] * 5, "ts,open,high,low,close,volume", "fewer than two times"),
        ([f"{n * 7_000_000},1,1,1,1,1" for n in range(9)], "ts,open,high,low,close,volume", "no candle length"),
    ],
)
def test_a_file_that_is_no_candle_file_is_refused_with_its_name(
    archive: BarArchive, tmp_path: Path, lines: list[str], header: str, reason: str
) -> None:
    with pytest.raises(BadInput, match=rf"a\.csv.*{reason}"):
        import_ohlcv(archive, write_csv(tmp_path / "a.csv", lines, header), SYMBOL)
    assert archive.symbols() == ()


@pytest.mark.parametrize("content", [b"", b"PAR1 and no more", b"\xff\xfe\x00,\x00", b"\x00" * 100])
def test_garbage_is_refused(archive: BarArchive, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(BadInput, match=r"a\.csv"):
        import_ohlcv(archive, tmp_path / "a.csv", SYMBOL)
    with pytest.raises(BadInput, match="there is no file"):
        import_ohlcv(archive, tmp_path / "absent.csv", SYMBOL)


def test_a_file_that_is_mostly_bad_is_refused_and_nothing_is_kept(archive: BarArchive, tmp_path: Path) -> None:
    candles = walk(100)
    candles.high[::10] = 1.0
    with pytest.raises(
        BadInput, match=r"10 of 100 rows are bad, more than 5%; 10 are bad_ohlc, the first in line 2 at"
    ):
        import_ohlcv(archive, write_csv(tmp_path / "a.csv", csv_lines(candles)), SYMBOL)
    assert archive.symbols() == ()


def test_two_instruments_in_one_file_are_refused(archive: BarArchive, tmp_path: Path) -> None:
    first, second = walk(100), walk(100, start_at=START + timedelta(minutes=1_500), price=3_000)
    with pytest.raises(BadInput, match="two instruments or two units"):
        import_ohlcv(archive, write_csv(tmp_path / "a.csv", csv_lines(first.joined(second))), SYMBOL)


def test_no_damage_to_a_file_makes_anything_but_a_refusal_or_a_report(archive: BarArchive, tmp_path: Path) -> None:
    dice = np.random.default_rng(11)
    whole = "\n".join(["ts,open,high,low,close,volume", *csv_lines(walk(40))])
    pieces = ["nan", "", "inf", "1e400", "9" * 400, ",", ";", "\n", "\x00", "é", "2026-01-01", '"', "1_0", "９", "-0"]
    n_imported = 0
    for _ in range(300):
        text = whole
        for _ in range(dice.integers(1, 6)):
            at = int(dice.integers(len(text)))
            text = text[:at] + str(dice.choice(pieces)) + text[at + int(dice.integers(0, 30)) :]
        (tmp_path / "a.csv").write_text(text, encoding="utf-8")
        try:
            n_imported += import_ohlcv(archive, tmp_path / "a.csv", SYMBOL, dry_run=True).n_kept > 0
        except BadInput:
            continue
    assert 10 < n_imported < 300


def test_a_dry_run_keeps_nothing(archive: BarArchive, tmp_path: Path) -> None:
    report = import_ohlcv(archive, write_csv(tmp_path / "a.csv", csv_lines(walk(100))), SYMBOL, dry_run=True)
    assert (report.n_kept, report.n_new, archive.symbols()) == (100, 0, ())


def test_another_venues_prices_do_not_mix_into_an_archive(archive: BarArchive, tmp_path: Path) -> None:
    candles = walk(300)
    import_ohlcv(archive, write_csv(tmp_path / "a.csv", csv_lines(candles)), SYMBOL)
    candles.close[:] = np.clip(np.round(candles.close * 1.0001, 2), candles.low, candles.high)
    with pytest.raises(BadInput, match="One archive holds one venue"):
        import_ohlcv(archive, write_csv(tmp_path / "b.csv", csv_lines(candles)), SYMBOL)


def test_one_revised_candle_is_reported_and_the_archived_one_stays(archive: BarArchive, tmp_path: Path) -> None:
    candles = walk(300)
    import_ohlcv(archive, write_csv(tmp_path / "a.csv", csv_lines(candles)), SYMBOL)
    revised = replace(candles, volume=candles.volume.copy())
    revised.volume[7] += 1
    report = import_ohlcv(archive, write_csv(tmp_path / "b.csv", csv_lines(revised)), SYMBOL)
    assert (_counts(report), report.n_new) == ({"revised": 1}, 0)
    assert archive.candles(SYMBOL).volume[7] == candles.volume[7]


def test_the_report_is_json_and_rejected_rows_go_to_quarantine(
    archive: BarArchive, tmp_path: Path, store: Store
) -> None:
    lines = csv_lines(walk(100))
    lines[10] = lines[10].rsplit(",", 1)[0] + ",nan"
    report = import_ohlcv(archive, write_csv(tmp_path / "a.csv", lines), SYMBOL)
    assert json.loads(canonical_json(report))["rejected"][0]["values"][4] is None
    with store.session() as session:
        save_rejected(session, report, START)
    with store.session() as session:
        (kept,) = quarantine.latest(session, 5)
        assert (kept.source, kept.symbol, kept.reason, kept.detail["line"]) == (
            "import:a.csv",
            SYMBOL,
            "unreadable",
            12,
        )
        assert quarantine.count_between(session, START, START + timedelta(seconds=1)) == 1


def test_another_coin_is_refused_by_the_archive_of_that_coin(archive: BarArchive, tmp_path: Path) -> None:
    ether = write_csv(tmp_path / "eth.csv", csv_lines(walk(300, price=3_000, seed=2)))
    import_ohlcv(archive, ether, "ETHUSDT")
    with pytest.raises(BadInput, match="the file says BTCUSDT and holds ETHUSDT"):
        import_ohlcv(archive, ether, SYMBOL)
    assert import_ohlcv(archive, ether, "WETHUSDT", check_identity=False).n_new == 300


def test_shifted_times_are_refused_by_a_reference_file(archive: BarArchive, tmp_path: Path) -> None:
    reference = write_csv(tmp_path / "ref.csv", csv_lines(walk(300)))
    shifted = write_csv(tmp_path / "a.csv", csv_lines(walk(300, start_at=START + timedelta(hours=9))))
    with pytest.raises(BadInput, match="perhaps its times are of another zone"):
        import_ohlcv(archive, shifted, SYMBOL, reference=reference)


def test_real_hourly_candles_have_the_known_outages_and_nothing_else(archive: BarArchive, data_dir: Path) -> None:
    report = import_ohlcv(archive, data_dir / "ohlcv" / "binance_spot_1h_BTCUSDT.parquet", SYMBOL)
    counts = _counts(report)
    assert (report.n_kept, counts["gap"], counts["missing_candle"]) == (41_101, 27, 127)
    assert report.rejected == ()


def test_real_prices_of_ether_under_the_name_of_bitcoin_are_refused(archive: BarArchive, data_dir: Path) -> None:
    ohlcv = data_dir / "ohlcv"
    import_ohlcv(archive, ohlcv / "binance_perp_5m_BTCUSDT.parquet", SYMBOL)
    import_ohlcv(archive, ohlcv / "binance_perp_5m_ETHUSDT.parquet", "ETHUSDT")
    with pytest.raises(BadInput, match=r"not BTCUSDT as known.*matches ETHUSDT"):
        import_ohlcv(archive, ohlcv / "bybit_perp_5m_ETHUSDT.parquet", SYMBOL)
    quarter_hours = import_ohlcv(archive, ohlcv / "binance_perp_15m_BTCUSDT.parquet", SYMBOL)
    assert all(comparison.is_same for comparison in quarter_hours.comparisons if comparison.symbol == SYMBOL)
