"""Models speak in a replay: the engine hears each prediction before the next bar, acts, and says what came of it."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.home import Home
from app.replay import Summary
from core.clock import to_ns
from core.model.prediction import PredictionRecord
from core.model.trade import PerformanceRecord
from core.store import open_store, performance, predictions
from market.predictions import PredictionArchive
from tests.model_replays import DAYS, START, run_replay, settings_of

Told = tuple[Summary, list[PredictionRecord], list[PerformanceRecord]]


def run(folder: Path, **models: Any) -> Told:
    home = Home(folder).create()
    summary = asyncio.run(run_replay(home, **models))
    store = open_store(settings_of(home).store_url)
    with store.session() as session:
        said = list(reversed(predictions.latest(session, 1_000)))
        heard = performance.latest(session, 1_000, "ai-1")
    store.dispose()
    return summary, said, heard


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Told]:
    folder = tmp_path_factory.mktemp("models")
    return folder, run(folder)


def test_every_bar_is_predicted_and_the_engine_answers_every_signal_at_its_own_bar(
    replayed: tuple[Path, Told],
) -> None:
    _, (summary, said, heard) = replayed
    times = [record.at for record in said]
    assert times == sorted(times) and {b - a for a, b in zip(times, times[1:], strict=False)} == {timedelta(minutes=15)}
    assert abs(summary.bars - len(said)) <= 1 and len(said) >= 90
    sent = {record.prediction_id: record for record in said if record.is_sent}
    assert len(sent) > 5 and {record.prediction_id for record in heard} <= set(sent)
    # The last two have a horizon that ends after the run.
    assert {record.prediction_id for record in heard} >= set(list(sent)[:-3])
    for record in heard:
        assert record.received_at == sent[record.prediction_id].at, "it was heard after its bar and before the next"
    assert "taken" in {record.outcome for record in heard} and summary.trades > 0
    assert not {"stale", "expired", "future"} & {record.outcome for record in heard}


def test_what_was_taken_moved_as_the_store_says(replayed: tuple[Path, Told]) -> None:
    _, (_, said, heard) = replayed
    known = {record.prediction_id: record for record in said}
    lived = [record for record in heard if record.realised_move_bps is not None]
    assert lived
    for record in lived:
        outcome = known[record.prediction_id].outcome
        assert outcome is not None and record.realised_move_bps == pytest.approx(outcome.move_bps, abs=0.05)


def test_what_was_sent_lies_in_the_archive_for_backtests(replayed: tuple[Path, Told]) -> None:
    folder, (_, said, _) = replayed
    kept = PredictionArchive(Home(folder).predictions).load(("BTCUSDT",), START, START + timedelta(days=DAYS + 1))
    assert kept.at_ns.tolist() == [to_ns(record.at) for record in said if record.is_sent]


def test_the_same_bars_and_models_give_the_same_predictions_trades_and_reports(
    replayed: tuple[Path, Told], tmp_path: Path
) -> None:
    summary, said, heard = run(tmp_path)
    assert (said, heard) == replayed[1][1:]
    assert summary.report_sha256 == replayed[1][0].report_sha256


def test_without_the_setting_nobody_speaks(tmp_path: Path) -> None:
    summary, said, heard = run(tmp_path, in_replay=False)
    assert (said, heard, summary.trades) == ([], [], 0)
