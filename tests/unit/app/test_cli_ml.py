"""`xcrack ml evaluate` as people and programs meet it, on a made market of which a little can be known."""

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from app.cli import main
from core.errors import Refused
from core.store import ledger, open_store, schema
from ml.evaluate.locked import OPENED, TRIAL, open_locked
from tests.conftest import START

KEYS = {
    "symbol", "task", "horizon", "n", "n_effective", "accuracy", "accuracy_ci", "coverage_10", "auc", "log_loss_skill",
    "brier_skill", "ece", "majority", "baselines", "gross_bps", "net_bps", "trials",
}  # fmt: skip
N = 2600
FAST = ["--models", "logistic", "--threads", "1"]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hours whose moves half turn back in the next: a reversal that every model can find."""
    rng = np.random.default_rng(8)
    shocks = rng.normal(0, 0.01, N)
    log_close = np.log(100) + np.cumsum(shocks)
    log_close[1:] -= 0.5 * shocks[:-1] - 0.0
    close = np.exp(log_close)
    opened = np.append(close[0], close[:-1])
    high, low = np.maximum(opened, close) * 1.001, np.minimum(opened, close) * 0.999
    volume = rng.uniform(1, 2, N)
    path = tmp_path_factory.mktemp("candles") / "made_1h_BTCUSDT.csv"
    rows = zip(1_600_000_000_000 // 3_600_000 * 3_600_000 + 3_600_000 * np.arange(N), opened, high, low, close, volume,
               strict=True)  # fmt: skip
    path.write_text(
        "ts,open,high,low,close,volume\n" + "".join(f"{t},{o},{h},{lo},{c},{v}\n" for t, o, h, lo, c, v in rows)
    )
    return path


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XCRACK_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


def test_one_json_list_of_rows_and_nothing_else(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plots, peer = tmp_path / "plots", tmp_path / "made_1h_LTCUSDT.csv"
    peer.write_bytes(file.read_bytes())
    assert (
        run("ml", "evaluate", file, "--tasks", "sign:1,two_percent", "--json", "--out", plots, "--peer", peer, *FAST)
        == 0
    )
    out, err = capsys.readouterr()
    rows = json.loads(out)
    assert [(row["task"], row["horizon"]) for row in rows] == [("sign", "1h"), ("two_percent", "5h")]
    assert all(set(row) >= KEYS for row in rows) and all(row["symbol"] == "BTCUSDT" for row in rows)
    sign = rows[0]
    assert (
        sign["accuracy"] > 0.53
        and sign["baselines"]["reversal"]["accuracy"] > sign["baselines"]["last_sign"]["accuracy"]
    )
    assert set(sign["coverage_10"]) == {"accuracy", "ci", "n", "share"} and not sign["is_ledgered"]
    assert "fits" in err
    drawn = sorted(path.name for path in plots.iterdir())
    assert "accuracy.svg" in drawn and all(ElementTree.parse(plots / name) for name in drawn)


def test_people_get_a_table(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("ml", "evaluate", file, "--tasks", "sign:1", *FAST) == 0
    out = capsys.readouterr().out
    assert "BTCUSDT" in out and "log-loss skill" in out and "fees 20 bps" in out


def test_trials_add_up_in_the_ledger_and_the_locked_period_opens_once(
    file: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("ml", "evaluate", file, "--tasks", "sign:1", "--json", "--threads", "1")
    assert run(*asked, "--models", "logistic", "--open-locked") == 3
    assert "no store" in capsys.readouterr().err
    home.mkdir()
    url = f"sqlite:///{home / 'xcrack.db'}"
    schema.migrate(open_store(url))
    rows = []
    for models in ("logistic", "logistic", "xgboost"):
        assert run(*asked, "--models", models) == 0
        rows += json.loads(capsys.readouterr().out)
    assert [row["trials"] for row in rows] == [7, 7, 9] and rows[0]["is_ledgered"]
    assert rows[0] == rows[1]
    assert run(*asked, "--models", "logistic", "--open-locked") == 0
    (locked,) = json.loads(capsys.readouterr().out)
    assert locked["is_locked"] and locked["period"][0] > rows[0]["period"][1] and locked["n"] < 270
    assert run(*asked, "--models", "logistic", "--open-locked") == 3
    assert "opened the locked period" in capsys.readouterr().err
    with open_store(url).session() as session:
        assert len(ledger.rows(session, TRIAL)) == 4 and len(ledger.rows(session, OPENED)) == 1
        assert ledger.verify(session) is None
        open_locked(session, START, "another release", "BTCUSDT", 3_600_000, "0" * 64)
        with pytest.raises(Refused):
            open_locked(session, START, "another release", "BTCUSDT", 3_600_000, "1" * 64)


def test_the_leak_meter_finds_none_in_our_own_chain(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("ml", "evaluate", file, "--leaks", "--json", *FAST) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert [finding["check"] for finding in found["findings"]] == [
        "prefix_invariance", "shuffled_labels", "future_features", "purging", "fold_isolation",
    ]  # fmt: skip
    assert not any(finding["is_leak"] for finding in found["findings"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tasks", "sing"], "no task"),
        (["--models", "xgbost"], "no model"),
        (["--symbol", "btc usdt"], "no symbol"),
        (["--fee-bps", "nan"], "is no number"),
        (["--leaks", "--spread"], "there is no --spread"),
    ],
)
def test_what_makes_no_sense_is_said(
    file: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("ml", "evaluate", file, *arguments) == 2
    assert said in capsys.readouterr().err


def test_a_short_file_is_refused(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = tmp_path / "short_ETHUSDT.csv"
    short.write_text("\n".join(file.read_text().splitlines()[:500]))
    assert run("ml", "evaluate", short) == 2
    assert "too few" in capsys.readouterr().err
    assert run("ml", "evaluate", file, "--peer", file) == 2
    assert "given twice" in capsys.readouterr().err


def test_patterns_stand_beside_the_same_signals_at_other_times(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("ml", "patterns", file, "--horizon", 1, "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 69 and {row["symbol"] for row in rows} == {"BTCUSDT"}
    judged = [row for row in rows if row["p_value"] is not None]
    assert judged and all(row["has_evidence"] == (row["q_value"] <= 0.1) for row in judged)
    # Moves turn back in this market: what announces that a long candle goes on has no evidence.
    [long_line] = [row for row in rows if row["name"] == "longline"]
    assert long_line["n"] >= 30 and long_line["hit_rate"] < long_line["null_rate"] and not long_line["has_evidence"]
    assert run("ml", "patterns", file) == 0
    assert "69 patterns" in capsys.readouterr().out


def test_what_is_odd_about_a_file_is_said(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head, *rows = file.read_text().splitlines()
    odd = tmp_path / "odd_BTCUSDT.csv"
    odd.write_text("\n".join([head, *rows[:1_000], rows[1_000].replace(",", ",-", 3), *rows[1_001:]]))
    assert run("ml", "patterns", odd, "--json") == 0
    told = capsys.readouterr()
    assert "BTCUSDT: 1 " in told.err and json.loads(told.out)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--horizon", "9999"], "does not fit"), (["--symbol", "btc usdt"], "symbol"), ([], "there is no file")],
)
def test_bad_input_to_patterns_is_one_line(
    file: Path, tmp_path: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("ml", "patterns", file if arguments else tmp_path / "none_BTCUSDT.csv", *arguments) == 2
    error = capsys.readouterr().err
    assert words in error and "Traceback" not in error
