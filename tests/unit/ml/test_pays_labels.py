"""Whether a side pays: one label in training, serving, trials and store, and none where it could not be settled."""

import numpy as np
import pytest

from app.cli import main
from core.model.trials import ModelTrial, Pair
from core.store import Store, predictions
from feedback.signals.room import outcome_of
from feedback.signals.trial_steps import Heard, take
from market.candles import from_ms
from ml.features.table import FeatureTable
from ml.labels import SETTLED_AT_CLOSE, SIDES, big_move_label, closing_label, meta_label, pays_label, sign_label
from ml.serve import ServedModel
from tests.serving_world import NAMES, a_served_bundle
from tests.signal_pages import prediction
from tests.signal_world import FIRST_MS, MINUTE_MS, Lane, a_bundle_for, a_room, bars, play

N, HORIZON, COST = 400, 3, 0.002


def a_table(seed: int = 2) -> FeatureTable:
    dice = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(dice.normal(0, 0.002, N)))
    close[50] = close[50 - HORIZON]
    at = np.arange(N, dtype=np.int64) * MINUTE_MS
    segment = (np.arange(N) >= 200).astype(np.int64)
    return FeatureTable("BTCUSDT", MINUTE_MS, (), "5" * 64, at, close, close, close, segment, np.empty((N, 0)))


@pytest.mark.parametrize("task", SETTLED_AT_CLOSE)
def test_two_closes_settle_what_a_table_is_labelled_with(task: str) -> None:
    table = a_table()
    labels = {
        "sign": lambda: sign_label(table, HORIZON),
        "big_move": lambda: big_move_label(table, HORIZON, COST),
    }.get(task, lambda: pays_label(table, task, HORIZON, COST))()
    known = np.flatnonzero(labels.is_known)
    assert len(known) > 380 and {0.0, 1.0} <= set(labels.y[known])
    for row in known:
        before, after = float(table.close[row]), float(table.close[row + HORIZON])
        assert closing_label(task, COST, before, after) == labels.y[row]
    if task == "sign":
        assert closing_label(task, 0.0, 100.0, 100.0) is None and not labels.is_known[50 - HORIZON]


@pytest.mark.parametrize("task", SIDES)
def test_a_side_pays_where_a_strategy_that_always_signals_it_earns_more_than_its_fees(task: str) -> None:
    table = a_table()
    side = np.full(N, SIDES[task])
    theirs = meta_label(table, side, HORIZON, 1.0, 20.0, use_barriers=False)
    ours = pays_label(table, task, HORIZON, 0.002)
    np.testing.assert_array_equal(ours.y, theirs.y)
    assert closing_label(task, 0.002, 100.0, 100.0 * np.exp(0.003 * SIDES[task])) == 1
    assert closing_label(task, 0.002, 100.0, 100.0 * np.exp(0.001 * SIDES[task])) == 0


def test_what_serves_speaks_of_it_sends_no_signal_and_settles_by_the_close(store: Store) -> None:
    lane = Lane()
    changes = {"task": "pays_long", "threshold": 0.001}
    room = a_room(store, lane, [a_bundle_for(MINUTE_MS, 2, **changes), a_bundle_for(MINUTE_MS, 2)])
    candles = bars(60)
    play(room, candles)
    with store.session() as session:
        kept = [one for one in predictions.latest(session, 500) if one.task == "pays_long"]
    assert len(kept) == 60 and not any(one.is_sent or one.direction for one in kept)
    assert {one.silence for one in kept} <= {"it says whether, not which way"} | {
        one.silence for one in kept if one.silence.startswith("the conformal set")
    }
    closes = {FIRST_MS + (at + 1) * MINUTE_MS: candle.close for at, candle in enumerate(candles)}
    settled = [one for one in kept if one.outcome is not None]
    assert len(settled) == 58
    for one in settled:
        at_ms = int(one.at.timestamp() * 1000)
        move = np.log(closes[at_ms + 2 * MINUTE_MS] / closes[at_ms])
        assert one.outcome is not None and one.outcome.label == int(move > 0.001)
    assert {task for _, task, _ in room.served()} == {"sign", "pays_long"}


def test_the_store_and_a_trial_settle_alike() -> None:
    record = prediction("p", from_ms(FIRST_MS), 0.6, task="pays_short", threshold=0.001, close=100.0)
    found = outcome_of(record, from_ms(FIRST_MS + MINUTE_MS), 99.5)
    assert (found.label, found.is_hit) == (1, True)
    assert outcome_of(record, from_ms(FIRST_MS + MINUTE_MS), 99.95).label == 0
    waiting = (Pair("BTCUSDT", FIRST_MS, 100.0, 0.4, 0.6),)
    trial = ModelTrial("pays_short:1:1m", "a" * 64, "b" * 64, FIRST_MS - 1, FIRST_MS, waiting=waiting)
    for close, hits in ((99.5, 1), (99.95, 0)):
        after = take(trial, FIRST_MS + MINUTE_MS, {"BTCUSDT": Heard(close, None, None)}, MINUTE_MS, 0.001)
        assert (after.second.n, after.second.n_hits) == (1, hits)


@pytest.mark.parametrize("task", SIDES)
def test_a_served_model_teaches_its_weights_the_same_label(task: str) -> None:
    model = ServedModel.open(a_served_bundle(task=task, threshold=0.001), NAMES)
    up, down = 100.5, 99.5
    assert (model.label(100.0, up), model.label(100.0, down)) == ((1.0, 0.0) if task == "pays_long" else (0.0, 1.0))


@pytest.mark.parametrize(
    ("task", "why"),
    [
        ("triple_barrier", "highs and lows on the way"),
        ("meta_label", "own signals come after the bar"),
        ("oracle", "'oracle' is no question"),
    ],
)
def test_what_could_not_be_settled_is_not_trained_and_why(
    task: str, why: str, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("XCRACK_HOME", str(tmp_path_factory.mktemp("home")))
    with pytest.raises(SystemExit) as ended:
        main(["train", "--data", "none_BTCUSDT.csv", "--task", task])
    error = capsys.readouterr().err
    assert ended.value.code == 2 and why in error and "Traceback" not in error
