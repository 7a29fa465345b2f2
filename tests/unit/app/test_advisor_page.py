"""The advisor on page, API and command line: every figure with its doubt, and a machine's words as words."""

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.cli import main
from core.clock import VirtualClock
from core.model.advice import AdviceNote, AdviceOutcome
from core.store import Store, advice
from tests import factories
from tests.conftest import START
from tests.web_world import SCRIPT, Web, make_web


@pytest.fixture
def web(store: Store, clock: VirtualClock, tmp_path: Path) -> Web:
    return make_web(store, clock, tmp_path)


def keep_answers(store: Store, n: int = 40) -> None:
    """One answer a day: every third unanswered, every second of the rest a no."""
    with store.session() as session:
        for k in range(n):
            at = START - timedelta(hours=17 * k + 3)
            over: dict[str, Any] = {"size_class": "large", "rule_factor": 1.0, "latency_ms": 300.0 + k}
            if k % 3 == 0:
                over |= {"source": "policy", "failure": "timeout", "reason": "llm_timeout"}
                over |= {"approve": False, "size_factor": 0.0}
            else:
                good = k % 2 == 0
                over |= {"source": "llm:m", "p_yes": 0.8 if good else 0.2, "p_good": 0.8 if good else 0.2}
                over |= {"approve": good, "size_factor": float(good), "reason": "llm_yes" if good else "llm_no"}
            advice.add(session, factories.advice(f"a{k}", at, **over))
            made = Decimal("3") if k % 4 < 2 else Decimal("-4")
            advice.add_outcome(session, AdviceOutcome(f"a{k}", at, START, "bars", made, ""))
        advice.add_note(session, AdviceNote("a1", f"Volatility is high. {SCRIPT}", "m", "call-1", START))


def test_an_empty_page_says_what_is_missing(web: Web) -> None:
    page = web.client.get("/advisor?lang=en").get_data(as_text=True)
    assert "Nothing is settled yet." in page and "No model was asked." in page and "<circle" not in page


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("Worth so far", "No answer in time", "Brier score", "Large orders that were stopped")),
        ("ko", ("지금까지의 가치", "시간 안에 답 없음", "브라이어", "멈춘 대형 주문")),
    ],
)
def test_the_page_shows_value_speed_rate_and_calibration(
    web: Web, store: Store, language: str, words: tuple[str, ...]
) -> None:
    keep_answers(store)
    page = web.client.get(f"/advisor?lang={language}").get_data(as_text=True)
    for word in (*words, "26 / 40", "<circle", "<polyline"):
        assert word in page, word


def test_the_models_own_words_are_shown_as_words(web: Web, store: Store) -> None:
    keep_answers(store)
    page = web.client.get("/advisor").get_data(as_text=True)
    assert "Volatility is high." in page and "<script>" not in page


@pytest.mark.parametrize(("name", "n_lines"), [("worth", 30), ("calibration", 11)])
def test_the_series_come_as_csv(web: Web, store: Store, name: str, n_lines: int) -> None:
    keep_answers(store)
    answer = web.client.get(f"/advisor/{name}.csv")
    assert answer.status_code == 200 and answer.mimetype == "text/csv"
    assert len(answer.get_data(as_text=True).splitlines()) == pytest.approx(n_lines, abs=2)


def test_another_series_is_unknown(web: Web) -> None:
    assert web.client.get("/advisor/other.csv").status_code == 404


def test_the_api_tells_the_same(web: Web, store: Store) -> None:
    keep_answers(store)
    log = web.client.get("/api/advice?limit=3").get_json()["items"]
    assert [one["advice_id"] for one in log] == ["a0", "a1", "a2"]
    assert log[0]["failure"] == "timeout" and log[1]["note"].startswith("Volatility")
    assert (log[0]["full_usd"], log[0]["settled_by"]) == ("3", "bars")
    value = web.client.get("/api/advisor-value?days=30").get_json()["value"]
    assert value["answering"]["n_asked"] == 40 and value["answering"]["n_answered"] == 26
    assert value["per_day"]["low"] <= value["per_day"]["value"] <= value["per_day"]["high"]
    assert len(value["bins"]) == 10


def test_the_command_line_lists_and_sums_up(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keep_answers(store)
    monkeypatch.setenv("XCRACK_HOME", str(tmp_path))

    def said(*arguments: str) -> str:
        with pytest.raises(SystemExit) as leave:
            main(("advisor", *arguments))
        assert not leave.value.code
        return capsys.readouterr().out

    listed = said("log", "--limit", "2")
    assert "llm_timeout" in listed and "Volatility" in listed and "+3.00 (bars)" in listed
    objects = json.loads(said("log", "--limit", "2", "--json"))
    assert objects[1]["note"]["model"] == "m" and objects[0]["note"] is None
    assert "The model answered 26 of 40 (65 %); not: timeout 14." in said("value", "--language", "en")
    assert json.loads(said("value", "--json"))["n_settled"] == 40
