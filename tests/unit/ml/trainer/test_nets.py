"""The nets: they learn what is there, find nothing where nothing is, and read no further than they say."""

from dataclasses import replace

import numpy as np
import pytest

from tests.trainer import auc, planted, require_trainer

require_trainer()

import torch

from core.errors import BadInput
from ml.models.gru import Gru
from ml.models.lstm import Lstm
from ml.models.mlp import Mlp
from ml.models.prior import FittedShare
from ml.models.tcn import Tcn
from ml.models.transformer import Transformer
from ml.train.fitting import MAX_PARAMETERS, FitSettings, device_of, n_parameters

QUICK = FitSettings(epochs=6, batch_size=64, learning_rate=5e-3, purge_bars=5, device="cpu")
NETS = {
    "lstm": Lstm(width=12, n_layers=1, lookback=6, fitting=QUICK),
    "gru": Gru(width=12, n_layers=2, lookback=6, fitting=QUICK),
    "transformer": Transformer(width=12, n_heads=2, n_layers=2, reach=4, fitting=QUICK),
    "tcn": Tcn(width=12, n_blocks=2, fitting=QUICK),
}
ALL = {**NETS, "mlp": Mlp(width=16, dropout=0.0, fitting=QUICK)}


def fit(net, x, segment, y, n_train=1_100, seed=3):
    rows = np.arange(n_train)
    return net.fit(x, segment, rows, y[rows], np.ones(n_train), seed)


@pytest.mark.parametrize("name", ALL)
def test_a_planted_signal_is_learned_and_shuffled_labels_teach_nothing(name):
    x, segment, y = planted(4_000)
    test = np.arange(1_110, 4_000)
    skill = auc(y[test], fit(ALL[name], x, segment, y).predict(x, segment, test))
    # The newest of three rows alone, which is all that the perceptron sees, ranks about 70 % right.
    assert skill > (0.66 if name == "mlp" else 0.88)
    shuffled = np.random.default_rng(4).permutation(y)
    assert abs(auc(shuffled[test], fit(ALL[name], x, segment, shuffled).predict(x, segment, test)) - 0.5) < 0.05


@pytest.mark.parametrize("name", ALL)
def test_a_prediction_reads_its_lookback_within_its_segment_and_nothing_else(name):
    x, segment, y = planted(900, n_segments=2)
    fitted = fit(replace(ALL[name], fitting=replace(QUICK, epochs=1)), x, segment, y, 300)
    rows = np.array([449, 450, 451, 700])
    before = fitted.predict(x, segment, rows)
    for changed in (slice(701, None), slice(450, 451), slice(0, 449), slice(0, 701 - ALL[name].lookback)):
        other = x.copy()
        other[changed] += 9.0
        moved = fitted.predict(other, segment, rows) != before
        reads = [
            any(
                max(row - ALL[name].lookback + 1, np.flatnonzero(segment == segment[row])[0]) <= seen <= row
                for seen in range(900)[changed]
            )
            for row in rows
        ]
        assert moved.tolist() == reads


def test_rows_beyond_the_training_rows_and_their_lookback_change_no_fit():
    x, segment, y = planted(600)
    first = fit(NETS["gru"], x, segment, y, 400)
    other = x.copy()
    other[400:] = 99.0
    again = fit(NETS["gru"], other, segment, y, 400)
    rows = np.arange(400)
    np.testing.assert_array_equal(first.predict(x, segment, rows), again.predict(x, segment, rows))
    assert first.history == again.history


@pytest.mark.parametrize("name", ["lstm", "gru", "transformer"])
def test_row_by_row_is_the_same_as_the_window(name):
    """A Transformer's for ever, a recurrent net's until the window is full."""
    recipe = NETS[name]
    net = recipe.build(4).eval()
    for n, part in enumerate(net.parameters()):
        torch.nn.init.normal_(part, std=0.3, generator=torch.Generator().manual_seed(n))
    n_rows = 40 if name == "transformer" else recipe.lookback
    x = torch.randn(2, n_rows, 4, generator=torch.Generator().manual_seed(1))
    state = [torch.zeros(2, *shape) for shape in net.state_shapes().values()]
    with torch.inference_mode():
        for at in range(n_rows):
            logits, *state = net.step(x[:, at], *state)
            window = net(x[:, max(0, at + 1 - recipe.lookback) : at + 1])
            np.testing.assert_allclose(logits, window, atol=1e-5)
    assert {name: tuple(part.shape[1:]) for name, part in zip(net.state_shapes(), state, strict=True)} == (
        net.state_shapes()
    )


@pytest.mark.parametrize("recipe", [Lstm(), Gru(), Transformer(), Tcn(), Mlp()])
def test_the_default_size_is_small_for_as_many_features_as_there_are(recipe):
    assert 20_000 < n_parameters(recipe.build(300)) <= MAX_PARAMETERS


def test_a_net_that_is_too_large_is_refused_with_its_size():
    x, segment, y = planted(300)
    with pytest.raises(BadInput, match=r"lstm would have .* 200,000 is the most"):
        fit(Lstm(width=256, lookback=4), x, segment, y, 300)


def test_the_same_seed_gives_the_same_bits_and_another_one_another_net():
    x, segment, y = planted(500)
    rows = np.arange(500)
    first, again, other = (fit(NETS["tcn"], x, segment, y, 400, seed).predict(x, segment, rows) for seed in (3, 3, 4))
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


@pytest.mark.parametrize("class_weight", ["balanced", "none"])
def test_weighting_rare_ones_up_leaves_the_probabilities_as_rare_as_they_are(class_weight):
    x, segment, y = planted(1_500, share=0.1)
    fitted = fit(replace(NETS["gru"], fitting=replace(QUICK, class_weight=class_weight)), x, segment, y)
    p = fitted.predict(x, segment, np.arange(1_110, 1_500))
    assert 0.05 < p.mean() < 0.16
    assert (fitted.shift < -1.5) == (class_weight == "balanced")


def test_a_fit_stops_when_it_gets_no_better_and_keeps_its_best_epoch():
    x, segment, y = planted(500)
    eager = replace(QUICK, epochs=60, learning_rate=0.05, patience=3)
    history = fit(replace(NETS["gru"], fitting=eager), x, segment, y, 400).history
    best = min(history, key=lambda epoch: epoch.valid_loss)
    assert len(history) == best.number + 3 < 60
    assert best.is_best


def test_one_class_only_gives_the_prior():
    x, segment, _ = planted(100)
    fitted = fit(NETS["lstm"], x, segment, np.ones(100), 100)
    assert isinstance(fitted, FittedShare)


def test_what_nothing_can_be_learned_from_is_said():
    x, segment, y = planted(60, n_segments=30)
    with pytest.raises(BadInput, match="no run of bars is as long as the 6 rows"):
        fit(NETS["lstm"], x, segment, y, 60)
    x, segment, y = planted(11, n_segments=1)
    with pytest.raises(BadInput, match="nothing to learn from"):
        fit(NETS["lstm"], x, segment, y, 11)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_named():
    assert device_of("auto").type == "cpu"
    with pytest.raises(BadInput, match="no CUDA device"):
        device_of("cuda")
