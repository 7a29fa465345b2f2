"""`xcrack backtest` and `xcrack sweep` as people meet them: strategies, rule sets, the drawn curve."""

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import ShellComplete

from app.cli import cli, main
from core.settings_sections import PROJECT_ROOT
from tests.candle_factory import csv_lines, walk, write_csv
from tests.servers import free_port

RULES: dict[str, Any] = {
    "name": "breakout",
    "entry_long": {"above": ["close", {"highest": {"window": 20}}]},
    "exit_long": {"below": ["close", {"lowest": {"window": 10}}]},
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XCRACK_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "a_BTCUSDT.csv", csv_lines(walk(600)))
    (tmp_path / "rules.json").write_text(json.dumps(RULES), encoding="utf-8")
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as leave:
        main(arguments)
    output = capsys.readouterr()
    return int(leave.value.code or 0), output.out, output.err


def backtest(capsys: pytest.CaptureFixture[str], strategy: str, *more: str) -> tuple[int, str, str]:
    return run(capsys, "backtest", "--strategy", strategy, "--bars", "a_BTCUSDT.csv", *more)


def test_a_rule_set_is_played_and_its_hash_is_in_the_result(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = backtest(capsys, "rules", "--rules", "rules.json", "--json")
    first = json.loads(out)
    assert code == 0 and first["n_trades"] > 3
    (home / "rules.json").write_text(json.dumps(RULES | {"name": "other"}), encoding="utf-8")
    _, out, _ = backtest(capsys, "rules", "--rules", "rules.json", "--json")
    second = json.loads(out)
    assert second["net_pnl_usd"] == first["net_pnl_usd"] and second["params_sha256"] != first["params_sha256"]


@pytest.mark.parametrize(
    ("strategy", "more", "says"),
    [
        ("rules", [], "needs a rule set"),
        ("sma_cross", ["--rules", "rules.json"], "takes no rule set"),
        ("rules", ["--rules", "none.json"], "cannot read the rule set none.json"),
        ("predictive", [], "'predictive' decides on predictions"),
        ("micro_arbitrage", [], "'micro_arbitrage' decides on quotes"),
        ("sma_cross", ["--plot", "equity.gif"], "ends in .svg"),
        ("sma_cross", ["--plot", "equity.PNG"], "equity.PNG: a curve is written as SVG only"),
        ("sma_cross", ["--plot", "nowhere/equity.svg"], "does not exist"),
    ],
)
def test_what_cannot_be_played_or_drawn_is_refused_in_one_line(
    home: Path, capsys: pytest.CaptureFixture[str], strategy: str, more: list[str], says: str
) -> None:
    code, out, err = backtest(capsys, strategy, *more)
    assert code == 2 and says in err and "Traceback" not in err and out == ""


def test_a_wrong_rule_says_where_it_stands(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = RULES | {"exit_long": {"below": ["close", {"rsi": {"window": 14}}]}}
    (home / "rules.json").write_text(json.dumps(wrong), encoding="utf-8")
    code, _, err = backtest(capsys, "rules", "--rules", "rules.json")
    assert code == 2 and "rules.json: rules at exit_long: cannot compare a price and a plain number" in err


def test_the_curve_is_drawn_beside_the_numbers(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = backtest(capsys, "sma_cross", "--plot", "equity.svg", "--json")
    assert code == 0 and json.loads(out)["n_bars"] == 600 and "equity.svg" in err
    drawn = ElementTree.parse(home / "equity.svg").getroot()
    lines = drawn.findall("{http://www.w3.org/2000/svg}polyline")
    points = [point for line in lines for point in line.attrib["points"].split()]
    assert len(lines) == 1 and len(points) == 600


def test_a_sweep_of_a_rule_set_lists_its_points(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--strategy", "rules", "--rules", "rules.json", "--bars", "a_BTCUSDT.csv", "--grid", "size=5,10"]
    code, out, _ = run(capsys, "sweep", *arguments, "--json")
    assert code == 0 and sorted(each["params"]["size"] for each in json.loads(out)) == [5.0, 10.0]


def test_help_and_completion_name_the_strategies_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "backtest", "--help")
    words = " ".join(out.split())
    assert "One of market_making, momentum_scalping, rules, sma_cross." in words
    assert "nothing about liquidation, micro_arbitrage, predictive" in words
    completion = ShellComplete(cli, {}, "xcrack", "_XCRACK_COMPLETE")
    offered = completion.get_completions(["backtest", "--strategy"], "m")
    assert [each.value for each in offered] == ["market_making", "momentum_scalping"]


def test_a_small_sweep_is_played_here_and_a_large_one_asks_the_cluster(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["sweep", "--strategy", "sma_cross", "--bars", "a_BTCUSDT.csv", "--grid", "fast=5,10", "--json"]
    address = f"127.0.0.1:{free_port()}"
    _, here, _ = run(capsys, *asked)
    code, out, told = run(capsys, *asked, "--ray", address)
    assert (code, out) == (0, here) and "too small a sweep" in told
    monkeypatch.setattr("strategies.sweeps.WORTH_SENDING_S", 2 * 600 / 100e6)
    monkeypatch.setenv("XCRACK_SCALE__RAY_ADDRESS", address)
    code, out, told = run(capsys, *asked)
    assert (code, out) == (1, "") and f"no Ray cluster answers at {address}" in told
    assert run(capsys, *asked, "--ray", "")[:2] == (0, here)


def test_the_rule_set_that_the_readme_names_can_be_played(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    named = "docs/examples/breakout.json"
    assert named in (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
    rules = str(PROJECT_ROOT / named)
    with pytest.raises(SystemExit) as leave:
        main(["backtest", "--strategy", "rules", "--rules", rules, "--bars", "a_BTCUSDT.csv", "--json"])
    assert leave.value.code in (0, None) and json.loads(capsys.readouterr().out)["n_bars"] == 600
