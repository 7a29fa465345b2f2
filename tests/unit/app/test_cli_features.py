"""`xcrack ml features` as people and programs meet it."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from app.cli import main
from ml.features.build import build_features
from ml.features.registry import load_registry
from tests.candle_factory import csv_lines, write_csv
from tests.feature_world import HOUR_MS, made

Result = tuple[int, str, str]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XCRACK_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Result:
    with pytest.raises(SystemExit) as leave:
        main(("ml", "features", *arguments))
    output = capsys.readouterr()
    return int(leave.value.code or 0), output.out, output.err


def test_the_list_names_every_column_of_a_group(capsys: pytest.CaptureFixture[str]):
    code, out, _ = run(capsys, "--group", "momentum")
    assert code == 0
    assert all(feature.name in out for feature in load_registry().group("momentum"))
    assert "sma_ratio_20" not in out


def test_json_holds_the_registry(capsys: pytest.CaptureFixture[str]):
    code, out, _ = run(capsys, "--json")
    listed = json.loads(out)
    assert code == 0
    assert listed["schema_sha256"] == load_registry().schema_sha256
    assert len(listed["features"]) == len(load_registry().features)
    assert {"name", "group", "formula", "warmup_bars"} <= set(listed["features"][0])


def test_a_file_becomes_rows(capsys: pytest.CaptureFixture[str], home: Path):
    candles, peer = made(300, seed=1), made(300, seed=2)
    write_csv(home / "x_1h_ETHUSDT.csv", csv_lines(candles))
    write_csv(home / "x_1h_BTCUSDT.csv", csv_lines(peer))
    arguments = [
        "x_1h_ETHUSDT.csv",
        "--peer",
        "x_1h_BTCUSDT.csv",
        "--columns",
        "rsi_14,btc_beta_72",
        "--out",
        "f.parquet",
    ]
    code, out, _ = run(capsys, *arguments, "--json")
    assert code == 0
    assert json.loads(out)["rows"] == 300
    table = pq.read_table(home / "f.parquet")
    assert table.column_names == ["closed_at_ms", "segment", "rsi_14", "btc_beta_72"]
    expected = build_features("ETHUSDT", HOUR_MS, candles, {"BTCUSDT": peer}, names=("rsi_14", "btc_beta_72"))
    assert table["btc_beta_72"].to_numpy()[-1] == expected.values[-1, 1]
    assert table["closed_at_ms"].to_numpy()[0] == candles.opened_at_ms[0] + HOUR_MS


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--group", "moods"), "there is no group of features 'moods'"),
        (("--columns", "rsi_15"), "there is no feature 'rsi_15'"),
        (("--columns", "rsi_14", "--group", "momentum"), "exclude each other"),
        (("--out", "f.parquet"), "no file of candles"),
        (("x_1h_ETHUSDT.csv",), "need a place to go"),
        (("x_1h_ETHUSDT.csv", "--out", "./x_1h_ETHUSDT.csv"), "would be written over"),
        (("x_1h_ETHUSDT.csv", "--out", "f.parquet", "--world", "none"), "does not exist"),
        (("none.csv", "--out", "f.parquet"), "there is no file none.csv"),
    ],
)
def test_wrong_input_is_refused_with_what_to_do(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str], home: Path
):
    write_csv(home / "x_1h_ETHUSDT.csv", csv_lines(made(30)))
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err
