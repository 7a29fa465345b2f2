"""Predictions on page and API: figures with their doubt, narrowed by label, symbol and bars, and text as text."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from app.cli import main
from app.dashboard.formats import kst
from core.clock import VirtualClock
from core.store import Store, performance, predictions
from tests.conftest import START
from tests.signal_pages import MODEL, N_HOURS, an_answer, plant, prediction
from tests.web_world import SCRIPT, Web, make_web


@pytest.fixture
def web(store: Store, clock: VirtualClock, tmp_path: Path) -> Web:
    with store.session() as session:
        plant(session, clock.now())
    return make_web(store, clock, tmp_path)


@pytest.mark.parametrize(("language", "words"), [("en", "No prediction is kept."), ("ko", "보관된 예측이 없습니다.")])
def test_an_empty_page_says_what_to_do_next(
    store: Store, clock: VirtualClock, tmp_path: Path, language: str, words: str
) -> None:
    page = make_web(store, clock, tmp_path).client.get(f"/signals?lang={language}").get_data(as_text=True)
    assert words in page and "xcrack train" in page and "<circle" not in page


def test_without_an_outcome_the_page_says_what_it_waits_for(store: Store, clock: VirtualClock, tmp_path: Path) -> None:
    with store.session() as session:
        predictions.add_new(session, [prediction("p", clock.now())])
    page = make_web(store, clock, tmp_path).client.get("/signals?lang=en").get_data(as_text=True)
    assert "No outcome is known yet." in page and "1 predictions wait" in page and "rsi_14 0.031" in page


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("Prediction against outcome", "no promise", "Coverage of the sets", "Weekday (KST)", "Up or down")),
        ("ko", ("예측과 결과", "약속도 아닙니다", "예측 집합의 포함률", "요일 (KST)", "상승·하락")),
    ],
)
def test_the_page_shows_figures_charts_and_the_newest(web: Web, language: str, words: tuple[str, ...]) -> None:
    page = web.client.get(f"/signals?lang={language}").get_data(as_text=True)
    for word in (*words, "<circle", 'class="miss"', "sign-1h", "rsi_14"):
        assert word in page, word
    assert "47" in page, "94 settled ones of two symbols are 47 moments"


def test_few_outcomes_are_called_too_few(web: Web) -> None:
    page = web.client.get("/signals?lang=en").get_data(as_text=True)
    assert "too few to tell" in page, "by the hour there are two moments each"


def test_a_label_a_symbol_and_bars_narrow_the_page(web: Web) -> None:
    big = web.client.get("/signals?task=big_move&lang=en").get_data(as_text=True)
    assert "no big move" in big and "No outcome is known yet." in big
    one = web.client.get("/signals?symbol=ETHUSDT&lang=en").get_data(as_text=True)
    assert "<td>ETHUSDT</td>" in one and "<td>BTCUSDT</td>" not in one
    assert "No prediction is kept." in web.client.get("/signals?interval=1m&lang=en").get_data(as_text=True)
    assert web.client.get(f"/signals?symbol={'x' * 41}").status_code == 400


def test_figures_of_more_than_can_be_read_rest_on_a_random_choice_of_all_days(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = web.client.get("/api/prediction-scores").get_json()
    assert whole["n_made"] == whole["n_read"] == 2 * N_HOURS + 1
    assert "chosen at random" not in web.client.get("/signals?lang=en").get_data(as_text=True)
    monkeypatch.setattr("app.api.signals.MAX_SCORED", 40)
    found = web.client.get("/api/prediction-scores").get_json()
    assert (found["n_made"], found["n_read"]) == (2 * N_HOURS + 1, 40)
    reach = [datetime.fromisoformat(found["record"][name]) for name in ("first_at", "last_at")]
    assert reach[1] - reach[0] > timedelta(hours=40), "the newest alone reach 20 hours back"
    page = web.client.get("/signals?lang=en").get_data(as_text=True)
    assert "40 of the 97 predictions of these days, chosen at random" in page
    newest = web.client.get("/api/predictions?task=sign&limit=1").get_json()["items"][0]
    with web.app.test_request_context():
        assert kst(datetime.fromisoformat(newest["at"])) in page, "the newest are listed, chosen or not"


def test_trials_join_answers_to_the_predictions_they_name_however_old(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with web.store.session() as session:
        (oldest,) = predictions.find(session, f"BTCUSDT-{N_HOURS - 1}")
        performance.add(session, an_answer(oldest))
    monkeypatch.setattr("app.cli.ml_life.MAX_ROWS", 1)
    monkeypatch.setenv("XCRACK_HOME", str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        main(["ml", "trials", "--json"])
    assert ended.value.code == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert results["by_symbol"]["BTCUSDT"]["n_taken"] == 1


def test_text_of_a_model_is_text(web: Web) -> None:
    with web.store.session() as session:
        bad = {"model": SCRIPT, "reasons": ((SCRIPT, 0.1),), "silence": SCRIPT, "regime": SCRIPT, "is_sent": False}
        predictions.add_new(session, [prediction("bad", START, 0.6, 1, **bad)])
    page = web.client.get("/signals").get_data(as_text=True)
    assert "<script>" not in page and "&lt;script&gt;" in page
    csv = web.client.get("/signals/groups.csv").get_data(as_text=True)
    assert "regime" in csv


@pytest.mark.parametrize(("name", "n_lines"), [("calibration", 11), ("moves", 1 + 2 * (N_HOURS - 1))])
def test_the_numbers_of_a_chart_come_as_csv(web: Web, name: str, n_lines: int) -> None:
    answer = web.client.get(f"/signals/{name}.csv")
    assert answer.mimetype == "text/csv" and len(answer.get_data(as_text=True).splitlines()) == n_lines


def test_the_groups_come_as_csv_and_another_series_is_unknown(web: Web) -> None:
    lines = web.client.get("/signals/groups.csv?symbol=BTCUSDT").get_data(as_text=True).splitlines()
    assert lines[0].startswith("by,name,n,") and any(line.startswith("symbol,BTCUSDT,47,47") for line in lines)
    assert web.client.get("/signals/other.csv").status_code == 404


def test_the_api_lists_what_fits(web: Web) -> None:
    def asked(query: str) -> list[dict[str, object]]:
        items: list[dict[str, object]] = web.client.get(f"/api/predictions?{query}").get_json()["items"]
        return items

    newest = asked("limit=3")
    assert len(newest) == 3 and {one["outcome"] for one in newest} == {"open"}
    right, wrong = asked("outcome=hit&limit=500"), asked("outcome=miss&limit=500")
    assert len(right) + len(wrong) == 2 * (N_HOURS - 1) and all(one["outcome"] == "hit" for one in right)
    assert [one["task"] for one in asked("task=big_move")] == ["big_move"]
    assert asked("model=ffff") == [] and len(asked(f"model={MODEL[:8]}&symbol=BTCUSDT&limit=500")) == N_HOURS + 1
    assert newest[-1]["reasons"] == [["rsi_14", 0.031], ["log_return_1", -0.012]]
    assert web.client.get("/api/predictions?outcome=right").status_code == 400


def test_the_api_tells_scores_with_intervals(web: Web) -> None:
    record = web.client.get("/api/prediction-scores?symbol=BTCUSDT").get_json()["record"]
    whole = record["whole"]
    assert whole["n"] == 47 and whole["accuracy"]["low"] < whole["accuracy"]["value"] < whole["accuracy"]["high"]
    assert set(record["groups"]) == {"confidence", "model", "interval", "regime", "symbol", "hour", "weekday"}
    assert web.client.get("/api/prediction-scores?task=none").get_json()["record"]["whole"] is None
