"""`xcrack train` from candles to a registered candidate, and what it says when it cannot."""

import json
from datetime import UTC, datetime

import pytest

from tests.trainer import require_trainer

require_trainer()

from app.cli import main
from core.clock import SystemClock
from core.store import ledger, model_versions, open_store, schema
from market.bars import BarArchive
from market.synthetic import demo_market, write_market
from ml.bundle import load_bundle
from ml.registry import ModelRegistry
from tests.candle_factory import csv_lines, write_csv


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XCRACK_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as leave:
        main(arguments)
    output = capsys.readouterr()
    return int(leave.value.code or 0), output.out, output.err


def test_a_training_ends_as_a_registered_candidate_with_its_trials_counted(home, capsys):
    store = open_store(f"sqlite:///{home / 'xcrack.db'}")
    schema.migrate(store)
    archive = BarArchive(home / "bars", SystemClock(), 3_600_000)
    write_market(archive, demo_market(3, datetime(2026, 1, 1, tzinfo=UTC), 50, 60, 2))
    asked = ("--symbols", "BTCUSDT,ETHUSDT", "--model-type", "mlp,logistic,xgboost", "--epochs", "1", "--horizon", "2h")
    code, out, err = run(capsys, "train", *asked, "--json")
    assert code == 0, err
    answer = json.loads(out)
    card = answer["card"]
    assert (card["task"], card["horizon_bars"], card["symbols"]) == ("sign", 2, ["BTCUSDT", "ETHUSDT"])
    assert {"prior", "mlp", "logistic", "xgboost"} <= {expert["name"] for expert in card["experts"]}
    load_bundle(home / "models" / answer["sha256"], answer["sha256"], card["feature_schema_sha256"])
    with store.session() as session:
        version = model_versions.get(session, answer["sha256"])
        (row,) = ledger.rows(session, "ml_trained", version.slot)
    assert (version.status, version.slot) == ("candidate", "sign:2:1h")
    assert json.loads(row.payload)["trials"] == card["trials"] == len(card["experts"])
    assert ModelRegistry(store, SystemClock(), home / "models").load_active(version.slot, "0" * 64) is None
    code, out, _ = run(capsys, "models", "show", answer["sha256"][:12])
    assert code == 0 and "candidate" in out
    # What its trees say of a bar is their features' shares, to the last of them, and peers are asked for by name.
    paths = []
    for symbol in ("BTCUSDT", "ETHUSDT"):
        paths.append(home / f"made_1h_{symbol}.csv")
        write_csv(paths[-1], csv_lines(archive.candles(symbol)))
    about = ("ml", "explain", "--model", answer["sha256"][:12], "--data", str(paths[0]), "--json")
    code, out, err = run(capsys, *about, "--peer", str(paths[1]))
    assert code == 0, err
    told = json.loads(out)
    assert told["expert"] == "xgboost" and len(told["contributions"]) == len(card["features"])
    total = told["bias"] + sum(each["share"] for each in told["contributions"])
    assert total == pytest.approx(told["log_odds"], abs=1e-9) and told["gap"] <= 1e-5
    code, out, _ = run(capsys, *about)
    alone = json.loads(out)
    assert code == 0 and alone["unknown_inputs"] == ["peers"] and alone["n_unknown"] > told["n_unknown"]
    # Too little memory: a row that says so, and nothing else has changed.
    code, _, err = run(capsys, "train", *asked, "--memory-mb", "64")
    assert code == 1 and "memory" in err
    with store.session() as session:
        versions = model_versions.of_slot(session, version.slot)
    assert sorted(each.status for each in versions) == ["candidate", "failed"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "give either --data or --symbols"),
        (("--symbols", "BTCUSDT", "--model-type", "oracle"), "is no model"),
        (("--symbols", "BTCUSDT", "--horizon", "90m"), "no whole number of 1h bars"),
        (("--symbols", "BTCUSDT", "--horizon", "2h", "--lookahead", "3"), "is 2 bars and --lookahead says 3"),
        (("--symbols", "BTCUSDT", "--threshold", "0.1"), "a sign has no threshold"),
        (("--symbols", "BTCUSDT", "--start-date", "2026-02-01", "--end-date", "2026-01-01"), "not before the end"),
        (("--symbols", "BTCUSDT", "--start-date", "2140-01-01"), "has not come yet"),
        (("--symbols", "BTCUSDT", "--horizon", "²h"), "no whole number of 1h bars"),
        (("--symbols", "BTCUSDT", "--horizon", "600h"), "At most 500"),
        (("--symbols", "BTCUSDT", "--task", "big_move", "--threshold", "nan"), "is no number"),
        (("--data", "nowhere.csv", "--exchange", "binance"), "--exchange is for --symbols"),
        (("--symbols", "BTCUSDT", "--out", "/dev/null/x"), "cannot be made"),
        (("--symbols", "ETHUSDT"), "has no 1h candles of ETHUSDT"),
        (("--data", "nowhere.csv"), "nowhere.csv"),
    ],
)
def test_a_wrong_wish_is_named_in_one_line(home, capsys, arguments, why):
    archive = BarArchive(home / "bars", SystemClock(), 3_600_000)
    write_market(archive, demo_market(3, datetime(2026, 1, 1, tzinfo=UTC), 2, 60, 1))
    code, out, err = run(capsys, "train", *arguments)
    assert (code, out) == (2, "")
    assert why in err and "Traceback" not in err
