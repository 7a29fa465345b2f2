"""`xcrack ml explain`: stored reasons of a prediction, and every feature's part in what a model says of a bar."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.cli import main
from core.store import open_store, predictions, schema
from ml.bundle import Bundle, ExpertCard, file_facts, write_bundle
from ml.features.registry import load_registry
from tests.candle_factory import csv_lines, walk, write_csv
from tests.conftest import START
from tests.serving_world import an_expert, tabular
from tests.signal_pages import prediction
from tests.signal_world import a_bundle_for, renamed
from tests.unit.ml.test_explain import a_booster

N = 200
BAR_MS = 15 * 60_000
COLUMNS = ("return_1_bar", "return_2_bars", "return_5_bars", "funding_rate_bps")
LINE = {"weights": (0.8, -0.3, 0.2, 0.5), "bias": (0.1,)}


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XCRACK_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Candles of 15 minutes without a gap."""
    return write_csv(tmp_path / "made_15m_BTCUSDT.csv", csv_lines(walk(N, START, price=100.0, seed=4)))


def a_line(**calibration: Any) -> Bundle:
    """A bundle with a logistic line on four of the registry's columns."""
    registry = load_registry()
    line = ExpertCard("logistic", "logistic", "builtin", 1, "scaled", {}, dict(calibration), numbers=LINE)
    plain = a_bundle_for(BAR_MS, 1, symbols=("BTCUSDT",))
    return renamed(
        plain,
        features=COLUMNS,
        feature_schema_sha256=registry.schema_sha256,
        experts=(*plain.card.experts, line),
        scaler={"mean": [0.0] * 4, "scale": [0.001] * 3 + [1.0], "clip": [5.0] * 4},
    )


def write(bundle: Bundle, models: Path) -> Path:
    return write_bundle(models, bundle.card, bundle.files)


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["ml", "explain", *map(str, arguments)])
    return int(ended.value.code or 0)


def test_shares_and_bias_sum_to_what_the_expert_says_and_every_feature_has_value_unit_and_meaning(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(a_line(kind="platt", scale=0.5, bias=0.2), tmp_path / "models")
    assert run("--bundle", folder, "--data", file, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    shares = {each["feature"]: each["share"] for each in told["contributions"]}
    assert told["log_odds"] == pytest.approx(told["bias"] + sum(shares.values()), abs=1e-12)
    assert told["expert_probability"] == pytest.approx(1 / (1 + np.exp(-told["log_odds"])), abs=1e-9)
    assert told["bias"] == pytest.approx(0.5 * 0.1 + 0.2) and told["gap"] <= 1e-9
    by_name = {each["feature"]: each for each in told["contributions"]}
    closes = [float(line.split(",")[4]) for line in file.read_text().splitlines()[1:]]
    moved = by_name["return_1_bar"]
    assert moved["value"] == pytest.approx(np.log(closes[-1] / closes[-2]), rel=1e-6)
    assert moved["share"] == pytest.approx(0.5 * 0.8 * np.clip(moved["value"] / 0.001, -5, 5), rel=1e-9)
    assert (moved["unit"], moved["meaning"]) == ("log", "log(close, lag(close, 1))")
    assert (by_name["funding_rate_bps"]["value"], by_name["funding_rate_bps"]["share"]) == (None, 0.0)
    assert told["inputs"] == ["candle", "funding"]
    assert (told["n_unknown"], told["unknown_inputs"]) == (1, ["funding"])
    sizes = [abs(each["share"]) for each in told["contributions"]]
    assert sizes == sorted(sizes, reverse=True)


def test_another_bar_of_the_file_is_explained_by_when_it_closed(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(a_line(), tmp_path / "models")
    told = []
    for bar in ("2026-03-02T08:00Z", "2026-03-02T17:00+09:00", "2026-03-02T08:15Z"):
        assert run("--bundle", folder, "--data", file, "--bar", bar, "--json") == 0
        told.append(json.loads(capsys.readouterr().out))
    assert told[0] == told[1] and told[0]["closed_at"] == "2026-03-02T08:00:00Z"
    assert told[2]["log_odds"] != told[0]["log_odds"]


def test_people_get_a_table_whose_rows_add_up(file: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(a_line(), home / "models")
    assert run("--model", folder.name[:8], "--data", file) == 0
    out = capsys.readouterr().out
    assert "return_1_bar" in out and "log(close, lag(close, 1))" in out and "not given: funding" in out
    lines = [line.split() for line in out.splitlines() if line.strip()]
    start = next(at for at, words in enumerate(lines) if words[:2] == ["feature", "value"])
    # The last number with a sign and four decimals: a value may have one too, and comes before.
    shares = [[word for word in words if re.fullmatch(r"[+-]\d\.\d{4}", word)] for words in lines[start + 1 :]]
    shown = {words[0]: float(found[-1]) for words, found in zip(lines[start + 1 :], shares, strict=True)}
    together = shown.pop("together")
    assert sum(shown.values()) == pytest.approx(together, abs=5e-4) and len(shown) == 5


def test_trees_that_are_not_those_that_predict_are_found(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trees = bytes(a_booster().save_raw(raw_format="json"))
    card, model = an_expert("xgboost", "tabular", tabular((0.4, 0.1, 0.0, 0.0)), "scaled")
    card = replace(card, files={**card.files, "trees": file_facts("xgboost.trees.json", trees)})
    plain = a_line()
    files = {**plain.files, "xgboost.onnx": model, "xgboost.trees.json": trees}
    bundle = replace(renamed(plain, experts=(*plain.card.experts, card)), files=files)
    assert run("--bundle", write(bundle, tmp_path / "models"), "--data", file, "--json") == 1
    assert "sum to" in capsys.readouterr().err


@pytest.fixture
def kept(home: Path) -> None:
    home.mkdir()
    store = open_store(f"sqlite:///{home / 'xcrack.db'}")
    schema.migrate(store)
    with store.session() as session:
        reasons = (("return_1_bar", 0.031), ("a_column_of_before", -0.012))
        predictions.add_new(session, [prediction("prediction-older", START.replace(hour=1), reasons=reasons)])
        predictions.add_new(session, [prediction("prediction-newest", START, 0.55, reasons=reasons[:1])])
    store.dispose()


@pytest.mark.usefixtures("kept")
def test_a_stored_prediction_is_explained_by_its_reasons_the_newest_without_an_id(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("--json") == 0
    newest = json.loads(capsys.readouterr().out)
    assert (newest["prediction_id"], newest["probability"], len(newest["contributions"])) == (
        "prediction-newest", 0.55, 1,
    )  # fmt: skip
    assert run("prediction-old", "--json") == 0
    older = json.loads(capsys.readouterr().out)
    first, second = older["contributions"]
    assert (first["share"], first["unit"], first["group"]) == (0.031, "log", "returns")
    assert (second["feature"], second["meaning"], second["value"]) == ("a_column_of_before", "", None)
    assert run() == 0
    assert "log(close, lag(close, 1))" in capsys.readouterr().out


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["predict"], "more than one prediction begins with 'predict'"),
        (["prediction-%"], "no prediction begins with 'prediction-%'"),
        (["--bar", "2026-03-02T08:00Z"], "no file of candles"),
        (["prediction-old", "--data", "x_BTCUSDT.csv"], "are named"),
        (["--data", "x_BTCUSDT.csv"], "one of --bundle and --model"),
        (["--data", "x_BTCUSDT.csv", "--model", "abcdef"], "'abcdef' has fewer than 8 digits"),
        (["--data", "x_BTCUSDT.csv", "--model", "abcdefab"], "0 models begin with 'abcdefab'"),
        (["--data", "x_BTCUSDT.csv", "--bundle", "nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_meant_is_one_line(arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert why in error and "Traceback" not in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--bar", "yesterday"], "is not a time with a zone"),
        (["--bar", "2026-03-02T08:01Z"], "no candle of the file closes at 2026-03-02T08:01:00Z"),
        (["--symbol", "DOGEUSDT"], "speaks of BTCUSDT and not of DOGEUSDT"),
    ],
)
def test_a_bar_or_symbol_that_is_not_there_is_named(
    file: Path, tmp_path: Path, arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(a_line(), tmp_path / "models")
    assert run("--bundle", folder, "--data", file, *arguments) == 2
    assert why in capsys.readouterr().err


def test_candles_of_another_length_and_models_of_nets_alone_are_refused(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = a_line()
    hourly = write(renamed(bundle, interval_ms=3_600_000), tmp_path / "models")
    assert run("--bundle", hourly, "--data", file) == 2
    assert "bars of 1h and the file holds bars of 15m" in capsys.readouterr().err
    nets = write(renamed(bundle, experts=bundle.card.experts[:-1]), tmp_path / "models")
    assert run("--bundle", nets, "--data", file) == 3
    assert "no expert" in capsys.readouterr().err


def test_without_a_store_or_a_prediction_it_says_so(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 2
    assert "no store" in capsys.readouterr().err
    home.mkdir()
    schema.migrate(open_store(f"sqlite:///{home / 'xcrack.db'}"))
    assert run() == 2
    assert "nothing was predicted here yet" in capsys.readouterr().err
