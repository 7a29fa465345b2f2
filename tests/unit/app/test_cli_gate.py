"""`xcrack gate evaluate` as people and programs meet it, with a handful of worlds."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

import app.cli.gate
from app.cli import main
from app.cli.svg import Estimate, draw_estimates
from core.errors import BadInput
from strategies.gate.evaluation import Sizes
from strategies.gate.evaluation.batches import Batch, Tally
from strategies.gate.evaluation.results import PassLine
from strategies.ray_tasks import RayRunner
from strategies.tasks import LocalRunner
from tests.servers import free_port

TINY = Sizes(
    decisions=10,
    per_ir=2,
    years=1,
    mixed_years=1,
    climbs=1,
    leaks=2,
    trends=2,
    attacks=1,
    canaries=1,
    draws=1,
)
RULE_KEYS = {
    "rule", "null_accept", "null_accept_ci", "any_false_per_quarter", "power", "hill_climb_false", "attacks",
}  # fmt: skip


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(app.cli.gate, "QUICK", TINY)
    # So few worlds say nothing of the gate; whether lines are met is another test's.
    monkeypatch.setattr("strategies.gate.evaluation.results.pass_lines", lambda ours, canary: ())
    monkeypatch.setenv("XCRACK_HOME", str(tmp_path))
    monkeypatch.delenv("XCRACK_DATA_DIR", raising=False)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as leave:
        main(["gate", "evaluate", "--quick", "--workers", "1", *arguments])
    output = capsys.readouterr()
    return int(leave.value.code or 0), output.out, output.err


def test_json_plots_going_on_and_the_code_of_a_missed_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    out = tmp_path / "gate"
    code, text, progress = run(capsys, "--json", "--seed", "3", "--out", str(out))
    document = json.loads(text)
    assert code == 0 and "100%" in progress
    assert document["seed"] == 3 and document["rules"][0]["rule"] == "xcrack"
    for rule in document["rules"]:
        assert set(rule) >= RULE_KEYS
        assert set(rule["power"]) == {"1", "2", "3", "4", "6"}
        assert set(rule["attacks"]) == {"leverage", "leverage_with_noise", "identical", "nan", "penny_picker"}
        low, high = rule["null_accept_ci"]
        assert low <= rule["null_accept"] <= high
    for name in ("null_acceptance", "power", "false_by_quarter", "gain_mature", "gain_rich"):
        page = ElementTree.fromstring((out / f"{name}.svg").read_text(encoding="utf-8"))
        assert page.findtext("{http://www.w3.org/2000/svg}title")
        assert "xCrack's gate" in "".join(page.itertext())

    def never(batch: Batch) -> Tally:
        raise AssertionError("everything was there")

    never.__module__, never.__qualname__ = "strategies.gate.evaluation.batches", "run_batch"
    monkeypatch.setattr("strategies.gate.evaluation.run_batch", never)
    code, text, _ = run(capsys, "--json", "--seed", "3", "--out", str(out), "--resume")
    again = json.loads(text)
    assert code == 0
    assert {**again, "duration_s": 0} == {**document, "duration_s": 0}

    lines = (PassLine("E1", "null proposals accepted", 0.5, 0.01, True), PassLine("E4", "power", 0.9, 0.6, False))
    monkeypatch.setattr("strategies.gate.evaluation.results.pass_lines", lambda ours, canary: lines)
    code, text, _ = run(capsys, "--seed", "3", "--out", str(out), "--resume")
    assert code == 1
    assert "MISSED" in text and "met" in text and "xCrack's gate" in text


def test_going_on_needs_a_folder(capsys: pytest.CaptureFixture[str]):
    code, _, error = run(capsys, "--resume")
    assert code == 2 and "--out" in error and "Traceback" not in error


@pytest.mark.parametrize(
    ("arguments", "setting", "runs"),
    [
        ([], "", LocalRunner),
        (["--ray", "head:6379"], "", RayRunner("head:6379")),
        ([], "head:6379", RayRunner("head:6379")),
        (["--ray", "other:1"], "head:6379", RayRunner("other:1")),
        (["--ray", ""], "head:6379", LocalRunner),
        (["--workers", "1"], "head:6379", LocalRunner(1)),
    ],
)
def test_a_cluster_does_the_work_where_one_is_named(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    setting: str,
    runs: object,
):
    asked = []

    def stop(runner: object, *_: object) -> None:
        asked.append(runner)
        raise BadInput("far enough")

    monkeypatch.setattr(app.cli.gate, "evaluate", stop)
    monkeypatch.setenv("XCRACK_SCALE__RAY_ADDRESS", setting)
    with pytest.raises(SystemExit):
        main(["gate", "evaluate", "--quick", *arguments])
    assert "far enough" in capsys.readouterr().err
    assert asked[0] == runs or type(asked[0]) is runs


def test_workers_are_of_this_machine_and_ray_is_a_cluster(capsys: pytest.CaptureFixture[str]):
    code, _, error = run(capsys, "--ray", "head:6379")
    assert code == 2 and "Give one of them" in error


def test_a_cluster_that_nobody_answers_for_is_one_line(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as leave:
        main(["gate", "evaluate", "--quick", "--ray", f"127.0.0.1:{free_port()}"])
    error = capsys.readouterr().err
    assert leave.value.code == 1 and "no Ray cluster answers" in error and "Traceback" not in error


def test_a_row_of_estimates_marks_value_interval_and_limit():
    page = draw_estimates("Title & more", "what", [Estimate("a < b", 0.1, 0.2, 0.4)], mark=0.3)
    drawn = ElementTree.fromstring(page)
    assert "a < b" in "".join(drawn.itertext()) and "0.2" in "".join(drawn.itertext())
    dot = drawn.find("{http://www.w3.org/2000/svg}circle")
    assert dot is not None
    # Half way from zero to .4, which is the right edge.
    assert float(dot.attrib["cx"]) == pytest.approx((250 + 720) / 2)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(("--recorded", "/nowhere"), "no folder /nowhere/ohlcv"), (("--out", "/proc/nowhere"), "into /proc/nowhere")],
)
def test_a_wrong_folder_is_named_before_any_work(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, str], says: str
) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "") and says in err and "%" not in err
