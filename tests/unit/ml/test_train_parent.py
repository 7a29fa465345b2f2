"""The trainer's parent: what it makes of a child that succeeds, fails, dies, babbles or will not end."""

import json

import pytest

from core.errors import Unavailable
from ml.train import parent
from ml.train.parent import require_trainer, run_trainer
from ml.train.plan import TrainPlan

PLAN = TrainPlan(
    tables=(), work="", bundles="", task="sign", horizon_bars=1, threshold=0.0, models=("mlp",), code_sha256="",
    trained_at_ms=0,
)  # fmt: skip
READ = "import json, os, signal, sys, time\nplan = json.loads(sys.stdin.readline())\n"


def a_trainer(folder, body):
    package = folder / "ml" / "train"
    package.mkdir(parents=True)
    (folder / "ml" / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(READ + body)
    return folder


def say(**told):
    return f"print({json.dumps(json.dumps(told))}, flush=True)\n"


def test_what_the_trainer_tells_is_passed_on_and_its_last_word_is_the_outcome(tmp_path):
    body = (
        say(kind="epoch", number=1) + "print('a library warns')\nprint(plan['seed'])\n" + say(kind="done", sha256="ab")
    )
    told = []
    outcome = run_trainer(PLAN, a_trainer(tmp_path, body), told.append)
    assert (outcome.code, outcome.is_done, outcome.last.sha256) == (0, True, "ab")
    assert [each.kind for each in told] == ["epoch", "done"]


@pytest.mark.parametrize(
    ("body", "code", "reason"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", -9, "was killed by signal 9"),
        ("sys.exit(3)", 3, "ended with code 3 and said nothing"),
        (say(kind="failed", reason="no memory") + "sys.exit(4)", 4, "no memory"),
        ("", 0, "ended with code 0 and said nothing"),
    ],
)
def test_a_trainer_that_ends_without_a_bundle_has_failed_with_a_reason(tmp_path, body, code, reason):
    outcome = run_trainer(PLAN, a_trainer(tmp_path, body), lambda _: None)
    assert (outcome.code, outcome.is_done) == (code, False)
    assert reason in outcome.last.reason


def test_an_interruption_ends_the_trainer_before_it_goes_on(tmp_path):
    mark = tmp_path / "ended"
    body = f"def end(*_):\n    open({str(mark)!r}, 'w').close()\n    sys.exit(130)\n"
    body += "signal.signal(signal.SIGTERM, end)\n" + say(kind="epoch") + "signal.pause()\n"

    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_trainer(PLAN, a_trainer(tmp_path, body), interrupt)
    assert mark.exists()


def test_a_trainer_that_will_not_end_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(parent, "_END_WITHIN_S", 0.2)
    body = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + say(kind="epoch") + "signal.pause()\n"

    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_trainer(PLAN, a_trainer(tmp_path, body), interrupt)


def test_missing_packages_are_named_with_the_way_to_install_them(monkeypatch):
    monkeypatch.setattr(parent, "find_spec", lambda name: None if name == "torch" else object())
    with pytest.raises(Unavailable, match=r"not installed: torch\. .*make train-tools"):
        require_trainer()
