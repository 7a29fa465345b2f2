"""The driver of predictions: bars in order, none twice, late symbols waited for; scores, and the archive."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from core.clock import VirtualClock
from core.errors import Corrupt
from core.model.canonical import short_id
from core.model.prediction import PredictionRecord
from core.store import Store, predictions
from feedback.signals.bars import Candle, columns_of
from feedback.signals.feed import archive_feed, recorded_feed
from feedback.signals.performance import Performance, load_scores, may_be_archived, one_voice, settled_lately
from feedback.signals.speaker import Speaker
from market.bars import BarArchive
from market.candles import from_ms, ms_of
from market.predictions import PredictionArchive
from tests.signal_pages import prediction
from tests.signal_world import FIRST_MS, MINUTE_MS, Lane, a_bundle_for, a_room, bars, play

START = from_ms(FIRST_MS)
SYMBOLS = ("BTCUSDT", "ETHUSDT")


def minutes(n: int) -> timedelta:
    return timedelta(minutes=n)


@pytest.fixture
def candles() -> dict[str, list[Candle]]:
    return {"BTCUSDT": bars(120), "ETHUSDT": bars(120, seed=2)}


def an_archive(folder: Path, clock: VirtualClock, candles: dict[str, list[Candle]]) -> BarArchive:
    archive = BarArchive(folder, clock)
    for symbol, series in candles.items():
        archive.write(symbol, MINUTE_MS, columns_of(series), "test")
    return archive


def by_hand(store: Store, candles: dict[str, list[Candle]], since: int) -> Iterator[object]:
    room = a_room(store, Lane(), [a_bundle_for(MINUTE_MS, 2)], SYMBOLS)
    for at in range(120):
        closed = {symbol: series[at] for symbol, series in candles.items()}
        ask = room.warm_up if at < since else room.on_bars
        yield from ask(FIRST_MS + (at + 1) * MINUTE_MS, closed) or ()


@pytest.mark.parametrize("is_recorded", [True, False])
def test_every_bar_is_spoken_of_once_and_in_order(
    store: Store, tmp_path: Path, candles: dict[str, list[Candle]], is_recorded: bool
) -> None:
    clock = VirtualClock(START + minutes(60))
    archive = an_archive(tmp_path, clock, candles)
    if is_recorded:
        feed = recorded_feed(replace(archive, clock=VirtualClock(START + minutes(120))), SYMBOLS, START, clock)
    else:
        feed = archive_feed(archive, SYMBOLS)
    speaker = Speaker(a_room(store, Lane(), [a_bundle_for(MINUTE_MS, 2)], SYMBOLS), feed, clock, START)
    assert {record.at for record in speaker.speak()} == {START + minutes(60)}
    assert speaker.speak() == ()
    said = []
    for to in (61, 62, 90, 90, 120):
        clock.advance_to(START + minutes(to))
        said += speaker.speak()
    assert said == [r for r in by_hand(store, candles, 60) if r.at > START + minutes(60)]
    assert speaker.next_close(START + minutes(3)) == START + minutes(4)
    assert speaker.next_close(START + timedelta(seconds=185)) == START + minutes(4)


def test_what_closes_before_it_may_speak_is_past_and_is_learned_from(
    store: Store, tmp_path: Path, candles: dict[str, list[Candle]]
) -> None:
    clock = VirtualClock(START + minutes(10))
    feed = archive_feed(an_archive(tmp_path, clock, candles), SYMBOLS)
    room = a_room(store, Lane(), [a_bundle_for(MINUTE_MS, 2)], SYMBOLS)
    speaker = Speaker(room, feed, clock, START, from_at=START + minutes(60))
    speaker.warm_up(clock.now())
    assert speaker.speak() == ()
    assert speaker.next_close(clock.now()) == START + minutes(60)
    said = []
    for to in (60, 61, 120):
        clock.advance_to(START + minutes(to))
        said += speaker.speak()
    assert said == [record for record in by_hand(store, candles, 59) if record is not None]


def test_a_symbol_that_is_late_is_waited_for_and_then_left_behind(
    store: Store, tmp_path: Path, candles: dict[str, list[Candle]]
) -> None:
    clock = VirtualClock(START + minutes(60))
    archive = an_archive(tmp_path, clock, {"BTCUSDT": candles["BTCUSDT"], "ETHUSDT": candles["ETHUSDT"][:61]})
    speaker = Speaker(
        a_room(store, Lane(), [a_bundle_for(MINUTE_MS, 2)], SYMBOLS), archive_feed(archive, SYMBOLS), clock, START
    )
    speaker.speak()
    clock.advance_to(START + minutes(62) + timedelta(seconds=1))
    assert {(r.symbol, r.at) for r in speaker.speak()} == {(symbol, START + minutes(61)) for symbol in SYMBOLS}
    clock.advance_to(START + minutes(62) + timedelta(seconds=5))
    assert {(r.symbol, r.at) for r in speaker.speak()} == {("BTCUSDT", START + minutes(62))}


def test_bars_are_fetched_only_when_one_must_have_closed(store: Store, tmp_path: Path) -> None:
    clock, fetched = VirtualClock(START + minutes(60)), []
    feed = archive_feed(an_archive(tmp_path, clock, {"BTCUSDT": bars(120)}), ("BTCUSDT",))
    room = a_room(store, Lane(), [a_bundle_for(MINUTE_MS, 2)])
    speaker = Speaker(room, feed, clock, START, lambda: fetched.append(clock.now()))
    for seconds in (0, 20, 59, 60, 61, 130):
        clock.advance_to(START + minutes(60) + timedelta(seconds=seconds))
        speaker.speak()
    # Twice at the start: before the past is read, and for the bar that closes then.
    assert [round((at - START).total_seconds()) - 3600 for at in fetched] == [0, 0, 60, 130]


def test_what_closed_while_nobody_ran_is_spoken_of_by_the_next_start(
    store: Store, tmp_path: Path, candles: dict[str, list[Candle]]
) -> None:
    clock = VirtualClock(START + minutes(60))
    archive = an_archive(tmp_path, clock, {symbol: series[:55] for symbol, series in candles.items()})
    for to in (60, 70, 75):
        clock.advance_to(START + minutes(to))

        def carry(to: int = to) -> None:
            for symbol, series in candles.items():
                archive.write(symbol, MINUTE_MS, columns_of(series[:to]), "test")

        room = a_room(store, Lane(), [a_bundle_for(MINUTE_MS, 5)], SYMBOLS)
        Speaker(room, archive_feed(archive, SYMBOLS), clock, START, carry).speak()
    with store.session() as session:
        kept = predictions.latest(session, 1_000)
    assert {one.at for one in kept} == {START + minutes(n) for n in range(60, 76)}
    assert all((one.outcome is not None) == (one.due_at <= START + minutes(75)) for one in kept)


def a_performance(store: Store, folder: Path, at: datetime) -> Performance:
    return Performance(store, VirtualClock(at), PredictionArchive(folder), keep_days=14)


def test_what_was_sent_is_archived_once_for_backtests(store: Store, tmp_path: Path) -> None:
    lane = Lane()
    first = ms_of(START + timedelta(days=1))
    served = [a_bundle_for(MINUTE_MS, 2, seed=1), a_bundle_for(5 * MINUTE_MS, 2, seed=5)]
    records = play(a_room(store, lane, served), bars(200, first_ms=first))
    sent = [record for record in records if record.is_sent]
    performance = a_performance(store, tmp_path, START + timedelta(days=3))
    n_new = performance.archive_sent()
    voices = one_voice(sent)
    assert 0 < n_new == len(voices) < len(sent)
    assert performance.archive_sent() == 0
    said = performance.archive.load(("BTCUSDT",), START, START + timedelta(days=3))
    assert sorted(zip(said.at_ns.tolist(), said.confidence.tolist(), strict=True)) == sorted(
        (int(r.at.timestamp()) * 1_000_000_000, r.confidence) for r in voices
    )
    # A fused view and the longer bars share a horizon here; the archive hears the fused one.
    assert {r.interval for r in voices} >= {"fused", "1m"} and "5m" not in {r.interval for r in voices}


def sent(n: int, symbols: Sequence[str] = SYMBOLS, **over: Any) -> list[PredictionRecord]:
    """One prediction of every symbol at each of `n` minutes."""
    return [
        prediction(f"{symbol}-{at:03d}", START + minutes(at), due_at=START + minutes(at + 60), symbol=symbol, **over)
        for at in range(1, n + 1)
        for symbol in symbols
    ]


def keep(store: Store, records: Iterable[PredictionRecord]) -> None:
    with store.session() as session:
        predictions.add_new(session, list(records))


def n_archived(performance: Performance, symbol: str) -> int:
    return len(performance.archive.load((symbol,), START, START + timedelta(days=60)))


def test_a_row_that_the_archive_refuses_takes_no_other_row_with_it(
    store: Store, other_store: Store, tmp_path: Path
) -> None:
    records = sent(9)
    keep(other_store, [replace(records[4], probability=0.7, confidence=0.7)])
    assert a_performance(other_store, tmp_path, START + timedelta(days=1)).archive_sent() == 1
    performance = a_performance(store, tmp_path, START + timedelta(days=1))
    broken = replace(records[7], confidence=1.5, prediction_id="broken")
    keep(store, [broken if record is records[7] else record for record in records])
    with capture_logs() as logs:
        assert performance.archive_sent() == 16
    (refused,) = [each for each in logs if each.get("prediction") == "broken"]
    (differs,) = [each for each in logs if "n_set_aside" in each]
    assert "is no prediction" in refused["reason"] and "another prediction of BTCUSDT" in differs["reason"]
    assert differs["n_set_aside"] == 1
    assert (n_archived(performance, "BTCUSDT"), n_archived(performance, "ETHUSDT")) == (9, 8)
    said = performance.archive.load(("BTCUSDT",), records[4].at - minutes(1), records[4].at)
    assert said.confidence.tolist() == [0.7]
    assert performance.archive_sent() == 0


def test_an_archive_that_cannot_be_written_is_caught_up_with(store: Store, tmp_path: Path) -> None:
    keep(store, sent(5))
    performance = a_performance(store, tmp_path, START + timedelta(days=1))
    file = tmp_path / "ETHUSDT" / f"{START:%Y-%m}.parquet"
    file.parent.mkdir()
    file.write_bytes(b"torn")
    with pytest.raises(Corrupt):
        performance.archive_sent()
    file.unlink()
    performance.archive_sent()
    assert [n_archived(performance, symbol) for symbol in SYMBOLS] == [5, 5]


@pytest.mark.parametrize("limit", [1, 2, 3, 5])
def test_no_closing_time_is_cut_between_two_looks(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    keep(store, sent(6, ("ADAUSDT", "BTCUSDT", "ETHUSDT")))
    after, read = START, []
    with store.session() as session:
        while found := predictions.since(session, after, limit=limit):
            after, read = found[-1].at, read + found
    assert len(read) == 18
    monkeypatch.setattr("feedback.signals.performance.MAX_ARCHIVED", limit)
    performance = a_performance(store, tmp_path, START + timedelta(days=1))
    assert sum(performance.archive_sent() for _ in range(7)) == 18
    assert [n_archived(performance, symbol) for symbol in ("ADAUSDT", "BTCUSDT", "ETHUSDT")] == [6, 6, 6]


def settled(n: int, interval: str, horizon_bars: int, step: timedelta, begin: datetime) -> list[PredictionRecord]:
    """Predictions whose outcome is known, half of them right."""
    return [
        prediction(
            short_id("prediction", interval, horizon_bars, at),
            begin + at * step,
            label=at % 2,
            interval=interval,
            horizon_bars=horizon_bars,
        )
        for at in range(1, n + 1)
    ]


def test_scores_cover_all_the_days_and_keep_horizons_apart(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feedback.signals.performance.MAX_SCORED", 200)
    hour = timedelta(hours=1)
    keep(store, settled(168, "1h", 1, hour, START) + settled(20, "1h", 5, hour, START))
    keep(store, settled(600, "1m", 5, minutes(1), START + timedelta(days=6)))
    keep(store, settled(30, "4h", 1, hour, START - timedelta(days=3)))
    found = a_performance(store, tmp_path, START + timedelta(days=7)).look()
    # What is left of hours when minutes are many is all of them, and of minutes a sample that says that it is one.
    assert {name: score.n for name, score in found.scores.items()} == {
        "sign:1:1h": 168,
        "sign:5:1h": 20,
        "sign:5:1m": 200,
    }
    assert (found.n_settled, found.n_scored, found.n_made) == (788, 388, 818)
    assert found.n_sent_lately == 788
    (minute,) = [one for one in settled_lately(store, START + timedelta(days=7)) if one.interval == "1m"]
    middle = START + timedelta(days=6) + minutes(300)
    assert minute.records == sorted(minute.records, key=lambda one: one.at)
    assert 60 < sum(one.at > middle for one in minute.records) < 140


def test_a_model_is_not_archived_about_the_day_in_which_it_was_trained(store: Store, tmp_path: Path) -> None:
    records = play(a_room(store, Lane(), [a_bundle_for(MINUTE_MS, 2)]), bars(60))
    young = [replace(record, trained_until=START - minutes(30)) for record in records]
    assert all(may_be_archived(record) for record in records)
    assert not any(may_be_archived(record) for record in young)


def test_scores_are_those_of_the_outcomes_with_an_interval(store: Store, tmp_path: Path) -> None:
    records = play(a_room(store, Lane(), [a_bundle_for(MINUTE_MS, 2)]), bars(200))
    found = a_performance(store, tmp_path, START + timedelta(days=1)).look()
    with store.session() as session:
        kept = [r for r in predictions.latest(session, 500) if r.outcome is not None]
        assert load_scores(session) == found
    score = found.scores["sign:2:1m"]
    hits = [r.outcome.is_hit for r in kept if r.outcome is not None]
    assert (score.n, found.n_made) == (len(records) - 2, len(records))
    assert score.accuracy == pytest.approx(np.mean(hits))
    assert score.accuracy_ci is not None and score.accuracy_ci[0] < score.accuracy < score.accuracy_ci[1]
    a_performance(store, tmp_path, START + timedelta(days=15)).look()
    with store.session() as session:
        assert predictions.count(session) == (0, 0)
