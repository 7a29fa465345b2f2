"""A form that is smaller or quicker is served only where it decides and scores as the exact one; else it is not."""

from dataclasses import replace

import numpy as np
import pytest

from tests.trainer import require_trainer

require_trainer()

from core.errors import Refused
from ml.calibration import Platt, logit
from ml.labels import Labels
from ml.train import assemble as assembled
from ml.train.assemble import _Judge, assemble
from ml.train.tables import Pool
from tests.unit.ml.trainer.test_export import ALL, K, fitted_net

N = 400
ROWS = np.arange(100, N)
EVERY = np.arange(N)
STEPPED = ("lstm", "transformer")


@pytest.fixture(scope="module")
def pool():
    dice = np.random.default_rng(8)
    y = dice.integers(0, 2, N).astype(np.float64)
    labels = Labels(y, EVERY + 1, y)
    zeros = np.zeros(N, dtype=np.int64)
    names = tuple(f"column_{place}" for place in range(K))
    x = dice.normal(size=(N, K))
    return Pool(("BTCUSDT",), 60_000, names, "schema", x, zeros, zeros, EVERY * 60_000, labels, "data")


def exact(p):
    return p


def moved(p):
    """Hardly another number, and every decision the same."""
    return p + np.where(p >= 0.5, 1e-4, -1e-4)


def moved_later(p):
    """The same from row 50 on; what comes before, a new state's first window, stays."""
    return np.where(np.arange(len(p)) < 50, p, moved(p))


def one_turned(p):
    """The least sure decision is another; the scores are as good as the same."""
    turned, at = p.copy(), 200 + np.argmin(np.abs(p[200:] - 0.5))
    turned[at] = 1 - p[at]
    return turned


def overconfident(p):
    """Every decision is the same, and each wrong one costs much more, from row 50 on."""
    sure = np.where(p >= 0.5, 0.9999, 0.0001)
    return np.where(np.arange(len(p)) < 50, p, sure)


def even(fitted, pool):
    """Return the net with its median probability at one half, so that the least sure decision is very unsure."""
    middle = np.median(fitted.predict(pool.x, pool.segment, EVERY))
    return replace(fitted, shift=fitted.shift - float(logit(middle)))


@pytest.fixture
def built(monkeypatch, pool):
    """Assemble a net whose files are fakes: each answers with the trainer's probabilities, changed as is told."""

    def build(name, int8=exact, step=exact, step_int8=exact, rows=ROWS, has_int8=True):
        fitted = even(fitted_net(name), pool)
        whole = fitted.predict(pool.x, pool.segment, EVERY)
        carried = step(whole)
        answers = {
            b"window": whole[rows],
            b"small window": int8(whole[rows]),
            b"step": carried[None],
            b"small step": step_int8(carried)[None],
        }
        fakes = {
            "export_window": lambda *_: b"window",
            "export_step": lambda *_: b"step",
            "quantise": lambda data: b"small " + data if has_int8 else None,
            "session_of": lambda data: data,
            "run_windows": lambda data, x: answers[data],
            "run_steps": lambda data, states, x: answers[data],
        }
        for what, fake in fakes.items():
            monkeypatch.setattr(assembled, what, fake)
        return assemble(ALL[name], fitted, pool, rows, Platt())[0]

    return build


def test_int8_that_decides_and_scores_alike_is_kept(built):
    for name, form in (("mlp", "tabular"), ("tcn", "window")):
        card = built(name, int8=moved)
        assert set(card.files) == {"model", "int8"} and card.form == form
        assert card.errors["int8"] == pytest.approx(1e-4)


@pytest.mark.parametrize("broken", [one_turned, overconfident])
def test_int8_that_turns_a_decision_or_scores_worse_is_left_out_and_its_error_is_told(built, broken):
    card = built("mlp", int8=broken)
    assert set(card.files) == {"model"} and card.form == "tabular" and card.errors["int8"] > 0


def test_a_net_that_cannot_be_made_small_is_served_as_it_is(built):
    card = built("mlp", has_int8=False)
    assert set(card.files) == {"model"} and set(card.errors) == {"model"}


def test_decisions_are_those_of_the_calibrated_probabilities():
    """Calibration decides at 0.6: what crosses one half alone decides nothing."""
    judge = _Judge(np.array([0.49, 0.59, 0.9]), np.array([0.0, 1.0, 1.0]), Platt(1.0, -float(logit(np.array(0.6)))))
    assert judge.turns_nothing(np.array([0.51, 0.49, 0.61]))
    assert not judge.turns_nothing(np.array([0.49, 0.61, 0.9]))
    assert not judge.turns_nothing(np.array([0.49, 0.59, 0.59]))


@pytest.mark.parametrize("name", STEPPED)
def test_a_carried_state_that_scores_alike_is_served(built, name):
    # One decision that turns is no matter here: scores alone choose between the forms.
    for step in (exact, moved_later, one_turned):
        card = built(name, step=step)
        assert card.form == "step" and card.states
        assert set(card.files) == {"model", "int8", "step", "step_int8"}


@pytest.mark.parametrize("name", STEPPED)
def test_a_carried_state_that_scores_otherwise_falls_back_to_windows(built, name):
    card = built(name, step=overconfident)
    assert card.form == "window" and "step_int8" not in card.files and "int8" in card.files
    assert card.errors["step_carried"] > 0.1


@pytest.mark.parametrize("name", STEPPED)
@pytest.mark.parametrize("broken", [one_turned, overconfident])
def test_int8_of_the_carried_form_is_held_to_the_exact_carried_form(built, name, broken):
    card = built(name, step_int8=broken)
    assert card.form == "step" and set(card.files) == {"model", "int8", "step"}
    assert card.errors["step_int8"] > 0


def test_a_step_file_that_says_something_else_of_its_first_window_is_refused(built):
    with pytest.raises(Refused, match="lstm .step form. differs"):
        built("lstm", step=lambda p: p + 1e-3)


def test_one_label_proves_no_score(built):
    assert "int8" not in built("mlp", rows=ROWS[:1]).files
    assert "int8" in built("mlp", rows=ROWS[:2]).files


def test_noise_is_one_standard_error_of_the_mean_loss_on_either_side():
    """Every loss changes by the same amount: 0.95 standard errors are noise, 1.05 are not, neither up nor down."""
    dice = np.random.default_rng(9)
    p, y = dice.uniform(0.3, 0.7, 500), dice.integers(0, 2, 500).astype(np.float64)
    right = np.where(y > 0.5, p, 1 - p)
    error = float(np.log(right).std(ddof=1)) / 500**0.5
    judge = _Judge(p, y, Platt())

    def changed(by):
        other = right * np.exp(-by)
        return np.where(y > 0.5, other, 1 - other)

    assert [judge.is_within_noise(changed(part * error)) for part in (0, 0.95, -0.95)] == [True] * 3
    assert [judge.is_within_noise(changed(part * error)) for part in (1.05, -1.05, 5)] == [False] * 3
