"""Bars in, predictions out: what is said, kept, sent and settled, and when nothing may be said."""

import math
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from structlog.testing import capture_logs

from core.clock import from_ns, to_ns
from core.errors import Refused, StoreUnavailable
from core.model.generated import Prediction
from core.model.prediction import PredictionRecord
from core.store import Store, predictions
from feedback.signals import SignalRoom
from feedback.signals.bars import Aggregator, Candle, Screen
from feedback.signals.market_view import HourlyRegime, Volatility
from feedback.signals.recommendation import recommend
from feedback.signals.records import MEAN_SIZE, implied_volatility_bps, message_of
from feedback.signals.room import outcome_of
from market.candles import from_ms
from market.regimes import classify
from ml.features.registry import load_registry
from ml.features.stream import FeatureStream
from tests.signal_world import FIRST_MS, MINUTE_MS, Lane, a_bundle_for, a_room, bars, play, renamed


def of(records: list[PredictionRecord], interval: str) -> list[PredictionRecord]:
    return [record for record in records if record.interval == interval]


def test_every_closed_bar_of_every_interval_is_spoken_of_and_the_fused_view_beside(store: Store) -> None:
    lane = Lane()
    served = [a_bundle_for(ms * MINUTE_MS, 3, seed=ms) for ms in (1, 5, 15, 60)]
    records = play(a_room(store, lane, served), bars(120))
    counts = Counter(record.interval for record in records)
    assert counts == {"1m": 120, "5m": 24, "15m": 8, "1h": 2, "fused": 120}
    for record in records:
        assert record.at == from_ms(FIRST_MS) + timedelta(minutes=round((record.at - from_ms(FIRST_MS)).seconds / 60))
        assert record.direction == pytest.approx(2 * record.probability - 1)
        assert record.confidence == max(record.probability, 1 - record.probability)
        assert record.is_sent == (not record.silence)
    hour = of(records, "1h")[0]
    assert (hour.at, hour.horizon_ms, hour.horizon_bars) == (from_ms(FIRST_MS + 60 * MINUTE_MS), 3 * 3_600_000, 3)
    fused = of(records, "fused")[-1]
    assert fused.horizon_ms == 3 * 3_600_000 and [m.name for m in fused.members] == ["1m", "5m", "15m", "1h", "prior"]
    assert all(member.probability is not None for member in fused.members)
    assert len({record.model_sha256 for record in records}) == 5
    with store.session() as session:
        assert predictions.count(session) == (len(records), len(lane.got))
        assert {r.prediction_id for r in predictions.latest(session, 1000)} == {r.prediction_id for r in records}


def test_what_is_sent_says_what_is_kept(store: Store) -> None:
    lane = Lane()
    records = play(a_room(store, lane, [a_bundle_for(MINUTE_MS, 2)]), bars(200))
    sent = [record for record in records if record.is_sent]
    assert 10 < len(sent) == len(lane.got) < len(records)
    for record, message in zip(sent, lane.got, strict=True):
        assert message == message_of(record) and isinstance(message, Prediction)
        assert message.at_ns == to_ns(record.at) and message.expires_at_ns == message.at_ns + 30_000_000_000
        assert message.direction * message.expected_move_bps > 0
        assert record.expected_volatility_bps is not None
        assert message.expected_move_bps == pytest.approx(record.direction * record.expected_volatility_bps * MEAN_SIZE)
        assert message.horizon_ms == 2 * MINUTE_MS and message.model == "sign-1m"
        assert record.side == ("up" if record.probability > 0.5 else "down")
    unsent = {record.silence for record in records if not record.is_sent}
    assert unsent <= {"the conformal set is 'both'", "the conformal set is 'none'", "the volatility is not known yet"}


def test_the_same_bars_give_the_same_ids_and_another_model_others(store: Store, tmp_path: object) -> None:
    candles, lane = bars(40), Lane()
    first = play(a_room(store, lane, [a_bundle_for(MINUTE_MS, 2)]), candles)
    n_kept = len(first)
    again = play(a_room(store, lane, [a_bundle_for(MINUTE_MS, 2)]), candles)
    assert again == first
    other = play(a_room(store, lane, [a_bundle_for(MINUTE_MS, 2, seed=8)]), candles)
    assert not {r.prediction_id for r in other} & {r.prediction_id for r in first}
    with store.session() as session:
        assert predictions.count(session)[0] == 2 * n_kept


def test_a_start_in_the_middle_goes_on_as_if_nothing_had_been(store: Store) -> None:
    candles = bars(90)
    through = play(a_room(store, Lane(), [a_bundle_for(MINUTE_MS, 2), a_bundle_for(5 * MINUTE_MS, 2)]), candles)
    lane = Lane()
    room = a_room(store, lane, [a_bundle_for(MINUTE_MS, 2), a_bundle_for(5 * MINUTE_MS, 2)])
    for candle in candles[:60]:
        room.warm_up(candle.opened_at_ms + MINUTE_MS, {"BTCUSDT": candle})
    assert lane.got == []
    later = play(room, candles[60:])
    assert later == [record for record in through if record.at > from_ms(FIRST_MS + 60 * MINUTE_MS)]


def test_outcomes_are_set_when_the_horizon_is_over(store: Store) -> None:
    candles = bars(30)
    records = play(a_room(store, Lane(), [a_bundle_for(MINUTE_MS, 4)]), candles)
    with store.session() as session:
        kept = {record.prediction_id: record for record in predictions.latest(session, 100)}
    for at, record in enumerate(records):
        outcome = kept[record.prediction_id].outcome
        if at + 4 >= len(candles):
            assert outcome is None
            continue
        move = candles[at + 4].close / candles[at].close - 1
        assert outcome is not None and outcome.move_bps == pytest.approx(1e4 * move)
        assert outcome.label == int(move > 0) and outcome.is_hit == ((record.probability >= 0.5) == (move > 0))
        assert outcome.settled_at == from_ms(candles[at + 4].opened_at_ms + MINUTE_MS) == record.due_at


def test_an_outcome_whose_bar_never_came_stays_unknown(store: Store) -> None:
    candles = bars(12)
    records = play(a_room(store, Lane(), [a_bundle_for(MINUTE_MS, 2)]), [*candles[:6], *candles[8:]])
    with store.session() as session:
        kept = {record.prediction_id: record for record in predictions.latest(session, 100)}
        assert predictions.open_until(session, from_ms(FIRST_MS + 10 * MINUTE_MS)) == []
    by_bar = {record.at: kept[record.prediction_id].outcome for record in records}
    minutes = [round((at - from_ms(FIRST_MS)).total_seconds() / 60) for at in by_bar]
    unknown = [m for m, outcome in zip(minutes, by_bar.values(), strict=True) if outcome is None]
    # Bars 7 and 8 are missing: what was due at their closes is never known; the last two are still open.
    assert unknown == [5, 6, 11, 12]


def test_a_bar_that_could_not_be_kept_is_kept_with_the_next_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    candles = bars(12)
    lane = Lane()
    room = a_room(store, lane, [a_bundle_for(MINUTE_MS, 2)])
    said = play(room, candles[:6])
    with monkeypatch.context() as patch, pytest.raises(StoreUnavailable):
        patch.setattr(predictions, "add_new", lambda *_: (_ for _ in ()).throw(StoreUnavailable("down", "wait")))
        play(room, candles[6:7])
    said += play(room, candles[7:])
    assert [round((one.at - from_ms(FIRST_MS)).total_seconds() / 60) for one in said] == list(range(1, 13))
    with store.session() as session:
        kept = predictions.latest(session, 100)
    assert len(kept) == 12 and sum(one.outcome is None for one in kept) == 2
    assert len(lane.got) == sum(one.is_sent for one in said)


def test_a_candle_that_is_not_believed_settles_nothing(store: Store) -> None:
    candles = bars(12)
    wild = replace(candles[6], close=candles[6].close * 3, high=candles[6].high * 3)
    said = play(a_room(store, Lane(), [a_bundle_for(MINUTE_MS, 2)]), [*candles[:6], wild, *candles[7:]])
    with store.session() as session:
        kept = {one.prediction_id: one.outcome for one in predictions.latest(session, 100)}
    due = next(one for one in said if one.due_at == from_ms(FIRST_MS + 7 * MINUTE_MS))
    assert kept[due.prediction_id] is None
    assert all(outcome is None or abs(outcome.move_bps) < 1_000 for outcome in kept.values())


def test_a_prediction_that_the_bridge_refuses_is_kept_and_counted(store: Store) -> None:
    lane = Lane(refuses=True)
    room = a_room(store, lane, [a_bundle_for(MINUTE_MS, 2)])
    candles = bars(200)
    with capture_logs() as logs:
        records = play(room, candles[:120])
        n_signals = sum(record.is_sent for record in records)
        assert n_signals > 1 and (room.counts.n_sent, room.counts.n_refused_signals) == (0, n_signals)
        assert [line["event"] for line in logs] == ["predictions are not sent"]
        lane.refuses = False
        assert any(record.is_sent for record in play(room, candles[120:]))
    assert [(line["event"], line.get("n_not_sent")) for line in logs[1:]] == [("predictions are sent again", n_signals)]


def test_a_model_says_nothing_of_symbols_it_was_not_made_for(store: Store) -> None:
    room = a_room(store, Lane(), [a_bundle_for(MINUTE_MS, 2)], symbols=("BTCUSDT", "XRPUSDT"))
    candle, other = bars(1)[0], bars(1, seed=3)[0]
    records = room.on_bars(FIRST_MS + MINUTE_MS, {"BTCUSDT": candle, "XRPUSDT": other})
    assert [record.symbol for record in records] == ["BTCUSDT"]


def test_models_of_other_bars_or_labels_are_refused(store: Store) -> None:
    room = a_room(store, Lane(), base_ms=5 * MINUTE_MS)
    assert room.intervals_ms == (300_000, 900_000, 3_600_000)
    for bundle in (a_bundle_for(MINUTE_MS, 1), a_bundle_for(2 * 3_600_000, 1), a_bundle_for(300_000, 1, task="meta")):
        with pytest.raises(Refused, match="Here models speak of"):
            room.install(bundle)
    assert room.served() == {}
    assert room.on_bars(FIRST_MS, {"BTCUSDT": bars(1)[0]}) == ()


def test_a_model_that_takes_over_speaks_from_the_next_bar_on_and_a_retired_one_is_silent(store: Store) -> None:
    old, new = a_bundle_for(MINUTE_MS, 2), a_bundle_for(MINUTE_MS, 2, weight=-1.0, seed=2)
    room, candles = a_room(store, Lane(), [old]), bars(30)
    assert {r.model_sha256 for r in play(room, candles[:20])} == {old.sha256}
    room.install(new)
    assert {r.model_sha256 for r in play(room, candles[20:25])} == {new.sha256}
    assert room.served() == {(MINUTE_MS, "sign", 2): new.sha256}
    room.retire(new.sha256)
    assert play(room, candles[25:]) == []


def test_models_of_several_horizons_speak_beside_each_other(store: Store) -> None:
    near, far = a_bundle_for(MINUTE_MS, 2), a_bundle_for(MINUTE_MS, 9, seed=2)
    room, candles = a_room(store, Lane(), [near]), bars(40)
    play(room, candles[:30])
    room.install(far)
    records = play(room, candles[30:])
    assert [r.horizon_bars for r in records[:2]] == [2, 9]
    throughout = play(a_room(store, Lane(), [near, far]), candles)
    assert [r for r in throughout if r.horizon_bars == 9][30:] == [r for r in records if r.horizon_bars == 9]


def test_the_volatility_of_a_big_move_model_is_used_where_one_speaks(store: Store) -> None:
    big = a_bundle_for(MINUTE_MS, 2, task="big_move", threshold=0.003)
    records = play(a_room(store, Lane(), [a_bundle_for(MINUTE_MS, 2), big]), bars(60))
    by_task = {task: [r for r in records if r.task == task] for task in ("sign", "big_move")}
    for sign, how_much in zip(by_task["sign"], by_task["big_move"], strict=True):
        assert 0.02 <= how_much.probability <= 0.90
        assert sign.expected_volatility_bps == pytest.approx(implied_volatility_bps(how_much.probability, 0.003))
        assert not how_much.is_sent and how_much.direction == 0
    # Half of all normal moves are beyond 0.6745 deviations.
    assert implied_volatility_bps(0.5, 0.006745) == pytest.approx(100, rel=1e-4)
    outcome = outcome_of(by_task["big_move"][0], from_ns(0), by_task["big_move"][0].close * 0.99)
    assert outcome.label == 1


@pytest.mark.parametrize("probability", [0.0, 0.0001, 0.0199, 0.9001, 0.9999, 1.0])
def test_a_big_move_that_is_as_good_as_sure_or_excluded_tells_no_volatility(probability: float) -> None:
    assert implied_volatility_bps(probability, 0.02) is None
    assert implied_volatility_bps(0.90, 0.02) == pytest.approx(1591.6, abs=0.1)
    assert implied_volatility_bps(0.02, 0.02) == pytest.approx(86.0, abs=0.1)


def test_where_a_big_move_tells_no_volatility_the_returns_do(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    candles, sign = bars(60), a_bundle_for(MINUTE_MS, 2)
    monkeypatch.setattr("feedback.signals.records.IMPLIES_TO", 0.5)
    big = a_bundle_for(MINUTE_MS, 2, 6.0, task="big_move", threshold=0.003)
    records = play(a_room(store, Lane(), [sign, big]), candles)
    how_much = {one.at: one.probability for one in records if one.task == "big_move"}
    by_returns = {one.at: one for one in play(a_room(store, Lane(), [sign]), candles)}
    outside = [one for one in records if one.task == "sign" and how_much[one.at] > 0.5]
    assert 10 < len(outside) < 50
    for one in outside:
        alone = by_returns[one.at]
        assert one.expected_volatility_bps == alone.expected_volatility_bps
        assert one.expected_move_bps == alone.expected_move_bps


# --- bars that may not be spoken of ---
def test_a_feed_that_stands_still_for_a_minute_says_nothing(store: Store) -> None:
    candles = bars(20)
    still = [Candle(c.opened_at_ms, *[candles[9].close] * 4, 0.0) for c in candles[10:13]]
    room = a_room(store, Lane(), [a_bundle_for(MINUTE_MS, 2)])
    records = play(room, [*candles[:10], *still, *candles[13:]])
    minutes = [round((r.at - from_ms(FIRST_MS)).total_seconds() / 60) for r in records]
    assert minutes == [*range(1, 11), *range(14, 21)]
    assert {reason for reason in room.counts.silences} == {
        "the feed stands still for 60 s", "the feed stands still for 120 s", "the feed stands still for 180 s",
    }  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        {"close": math.nan}, {"close": -1.0, "low": -2.0}, {"open": 0.0, "low": 0.0}, {"high": 1.0},
        {"close": 1e4, "high": 1e4}, {"volume": -1.0}, {"high": math.inf},
    ],
)  # fmt: skip
def test_a_candle_that_cannot_be_right_is_not_read(store: Store, wrong: dict[str, float]) -> None:
    candles = bars(20)
    room = a_room(store, Lane(), [a_bundle_for(MINUTE_MS, 2)])
    records = play(room, [*candles[:10], replace(candles[10], **wrong), *candles[11:]])
    assert room.counts.n_refused_candles >= 1
    fresh = play(a_room(store, Lane(), [a_bundle_for(MINUTE_MS, 2)]), candles[-5:])
    # What came before it is forgotten: the carried state says what one says that begins behind it.
    last = [member.probability for member in records[-1].members if member.name == "rows"]
    assert last == [member.probability for member in fresh[-1].members if member.name == "rows"]
    assert all(math.isfinite(record.probability) for record in records)


def test_a_price_that_really_doubled_is_read_from_the_next_bar_on() -> None:
    screen, candles = Screen(MINUTE_MS), bars(5)
    doubled = [replace(c, open=c.open * 3, high=c.high * 3, low=c.low * 3, close=c.close * 3) for c in candles[2:]]
    assert [screen.passes(c) for c in [*candles[:2], *doubled]] == [True, True, False, True, True]


def test_bars_that_come_again_late_or_revised_change_nothing(store: Store) -> None:
    candles = bars(20)
    room = a_room(store, Lane(), [a_bundle_for(MINUTE_MS, 2)])
    revised = replace(candles[9], close=candles[9].close * 1.01, high=candles[9].high * 1.02)
    records = play(room, [*candles[:10], candles[9], revised, candles[3], *candles[10:]])
    assert records == play(a_room(store, Lane(), [a_bundle_for(MINUTE_MS, 2)]), candles)
    assert room.counts.n_refused_candles == 3


def test_a_missing_bar_restarts_the_features_that_are_really_used(store: Store) -> None:
    candles = bars(260)
    names = load_registry().names
    bundle = renamed(a_bundle_for(MINUTE_MS, 2), features=names[:4])

    def room() -> SignalRoom:
        made = SignalRoom(store, ("BTCUSDT",), MINUTE_MS, names, FeatureStream, Lane().send, order_notional=1.0)
        made.install(bundle)
        return made

    broken = play(room(), [*candles[:100], *candles[101:]])
    alone = play(room(), candles[101:])
    tail = {r.at: [m.probability for m in r.members] for r in broken if r.at > from_ms(FIRST_MS + 101 * MINUTE_MS)}
    assert tail == {r.at: [m.probability for m in r.members] for r in alone} and len(tail) > 100


# --- parts ---
def test_longer_bars_are_made_of_whole_ones_only() -> None:
    candles, aggregator = bars(30), Aggregator(MINUTE_MS, 5 * MINUTE_MS)
    made = [whole for at, c in enumerate(candles) if at not in (7, 20) and (whole := aggregator.add(c)) is not None]
    assert [(c.opened_at_ms - FIRST_MS) // MINUTE_MS for c in made] == [0, 10, 15, 25]
    parts, whole = candles[10:15], made[1]
    assert (whole.open, whole.close) == (parts[0].open, parts[-1].close)
    assert (whole.high, whole.low) == (max(c.high for c in parts), min(c.low for c in parts))
    assert whole.volume == sum(c.volume for c in parts)


def test_volatility_and_turnover_are_those_of_the_bars() -> None:
    known = Volatility(MINUTE_MS)
    candles = bars(3000, seed=5)
    for candle in candles[:20]:
        known.add(candle)
    assert known.bps_over(MINUTE_MS) is None
    for candle in candles[20:]:
        known.add(candle)
    per_bar = known.bps_over(MINUTE_MS)
    assert per_bar == pytest.approx(20, rel=0.35)
    assert known.bps_over(4 * MINUTE_MS) == pytest.approx(2 * (per_bar or 0))
    assert known.turnover_per_s() == pytest.approx(50 * candles[-1].close / 60, rel=0.02)


def test_the_regime_is_that_of_the_last_whole_hour() -> None:
    candles, view = bars(60 * 60, seed=6), HourlyRegime()
    for at, candle in enumerate(candles):
        view.add(candle, candle.opened_at_ms + MINUTE_MS)
        if at % 600 == 599:
            hours = np.array([c.close for c in candles[59 : at + 1 : 60]])
            assert view.regime == classify(hours)[-1]


@pytest.mark.parametrize(
    ("turnover", "horizon_ms", "move", "wanted", "params"),
    [
        (10_000.0, 3_600_000, 1.0, "immediate", {}),
        (None, 3_600_000, 1.0, "twap", {"slices": 10.0}),
        (400.0, 3_600_000, 1.0, "vwap", {"slices": 3.0}),
        (4_000.0, 300_000, 1.0, "twap", {"slices": 4.0}),
        (100.0, 3_600_000, 1.0, "pov", {"participation": 0.1}),
        (400.0, 3_600_000, -5.0, "almgren_chriss", {"slices": 3.0, "urgency": 2.5}),
        (1.0, 3_600_000, 8.0, "almgren_chriss", {"slices": 20.0, "urgency": 4.0}),
    ],
)
def test_how_an_order_is_worked_follows_its_size_and_urgency(
    turnover: float | None, horizon_ms: int, move: float, wanted: str, params: dict[str, float]
) -> None:
    found = recommend(10_000.0, turnover, horizon_ms, move, 10.0)
    assert (found.algorithm, found.params) == (wanted, params)


def test_old_predictions_are_forgotten_and_younger_ones_stay(store: Store) -> None:
    records = play(a_room(store, Lane(), [a_bundle_for(MINUTE_MS, 2)]), bars(20))
    with store.session() as session:
        assert predictions.prune(session, records[12].at) == 12
        assert predictions.prune(session, records[12].at) == 0
        assert [r.at for r in predictions.since(session, from_ms(0))] == [r.at for r in records[12:]]
        assert [r.at for r in predictions.newest_of_each(session)] == [records[-1].at]
        assert len(predictions.since(session, from_ms(0), sent_only=True)) == sum(r.is_sent for r in records[12:])
        assert predictions.latest(session, 9, "ETHUSDT") == predictions.latest(session, 9, None, "5m") == []
