"""A fit that is killed at any epoch goes on and ends with the very weights of one that was not."""

from dataclasses import replace

import numpy as np
import pytest

from tests.trainer import planted, require_trainer

require_trainer()

from ml.train.checkpoints import Checkpoint, Checkpoints
from ml.train.fitting import Surroundings, fit_net, split_by_order
from tests.unit.ml.trainer.test_nets import NETS, QUICK

EPOCHS = 4
RECIPE = replace(NETS["lstm"], n_layers=2, fitting=replace(QUICK, epochs=EPOCHS, batch_size=32))


class _Killed(BaseException):
    pass


def crash_on_pass(wanted):
    passes = iter(range(1_000))

    def crash(point):
        if next(passes) == wanted:
            raise _Killed(point)

    return crash


def run(checkpoints=None, crash=lambda _: None, recipe=RECIPE, seen=None):
    x, segment, y = planted(300)
    rows = np.arange(300)
    around = Surroundings(checkpoints, (lambda _: None) if seen is None else seen.append, crash)
    return fit_net(recipe, x, segment, rows, y, np.ones(300), split_by_order(recipe, segment, rows), 3, around)


def weights(fitted):
    return {name: part.numpy().tobytes() for name, part in fitted.net.state_dict().items()}


@pytest.fixture(scope="module")
def uninterrupted():
    return run()


@pytest.mark.parametrize("crash_at", range(2 * EPOCHS))
def test_a_killed_fit_ends_with_the_same_weights(tmp_path, uninterrupted, crash_at):
    checkpoints = Checkpoints(tmp_path / "lstm.npz", "key")
    with pytest.raises(_Killed):
        run(checkpoints, crash_on_pass(crash_at))
    seen = []
    resumed = run(checkpoints, seen=seen)
    assert len(seen) == EPOCHS - (crash_at + 1) // 2
    assert weights(resumed) == weights(uninterrupted)
    assert resumed.history == uninterrupted.history


def test_a_finished_fit_is_read_and_not_repeated(tmp_path, uninterrupted):
    checkpoints = Checkpoints(tmp_path / "lstm.npz", "key")
    run(checkpoints)
    seen = []
    assert weights(run(checkpoints, seen=seen)) == weights(uninterrupted)
    assert seen == []


@pytest.mark.parametrize("damage", ["other key", "cut off", "no file", "not NumPy", "pickle"])
def test_what_is_no_checkpoint_of_this_fit_is_none(tmp_path, damage):
    path = tmp_path / "lstm.npz"
    Checkpoints(path, "key").save(Checkpoint({"a": np.arange(3.0)}, {"history": []}))
    kept = Checkpoints(path, "key").load()
    assert kept is not None
    np.testing.assert_array_equal(kept.arrays["a"], np.arange(3.0))
    assert kept.facts == {"history": []}
    if damage == "cut off":
        path.write_bytes(path.read_bytes()[:-30])
    elif damage == "no file":
        path.unlink()
    elif damage == "not NumPy":
        path.write_bytes(b"rubbish")
    elif damage == "pickle":
        np.savez(path, a=np.array([{}], dtype=object), facts=np.zeros(1, np.uint8))
    assert Checkpoints(path, "other" if damage == "other key" else "key").load() is None
