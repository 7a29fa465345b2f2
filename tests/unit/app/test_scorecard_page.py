"""Where people meet the scorecard: page, series, API, bot and command line say the same, and an empty one teaches."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from app.cli import main
from app.dashboard.scorecard_charts import band_chart, histogram, interval_chart
from app.telegram import Desk, Incoming
from core.clock import VirtualClock, kst_day
from core.model.analysis import PatternWeek
from core.model.proposal import PLACEBO
from core.model.scorecard import Figure
from core.settings import Settings
from core.settings_sections import GateSettings
from core.store import Store, ledger, pattern_weeks, scorecards, twin_days
from feedback.scorecard import load_scorecard
from tests.scorecard_world import followed, keep_followed
from tests.scorecard_world import twin_days as made_days
from tests.web_world import Web, make_web

SEALED_P = 0.0123456


def fill(store: Store, clock: VirtualClock) -> None:
    """A year of proposals of a model and of placebos, forty days beside the twin, thirty placebo tests."""
    first = clock.now() - timedelta(days=400)
    with store.session() as session:
        for week in range(50):
            for k in range(4):
                at = first + timedelta(days=7 * week, hours=k)
                keep_followed(session, followed("llm:small", at, "worse" if k == 0 else "better", n=k, prompt="p.v1"))
                if k < 2 and week < 30:
                    keep_followed(session, followed(PLACEBO, at, "worse" if k else "better", n=k))
        for k in range(30):
            ledger.append(session, clock.now(), "placebo_test", "m", f"x{k}", {"p_value": max(SEALED_P, k / 30)})
        for day in made_days(kst_day(clock.now()) - timedelta(days=41), [1.0, 3.0] * 20):
            twin_days.add(session, day)
        pattern_weeks.add(session, PatternWeek(kst_day(clock.now()), 2, 1, 0, 1))


@pytest.fixture
def web(store: Store, clock: VirtualClock, tmp_path: Path) -> Iterator[Web]:
    fill(store, clock)
    yield make_web(store, clock, tmp_path)


def test_the_page_draws_accuracy_improvement_placebos_and_budget_with_their_figures(web: Web) -> None:
    page = web.client.get("/scorecard?lang=en").get_data(as_text=True)
    for words in (
        "Language model (small, p.v1)",
        "75 % (90 % interval ",
        "of placebos, too few to tell: 30 weeks of 38",
        "+$2.00 (90 % interval ",
        "0.2",
        "too few to tell: 0 screened changes of 20",
        "0 of 13 sealed tests used",
        "nothing was promoted yet",
    ):
        assert words in page, words
    for drawn in ('class="whisker"', 'class="whisker faint"', 'class="band"', 'class="bar"', "<meter", "<polyline"):
        assert drawn in page, drawn
    korean = web.client.get("/scorecard?lang=ko").get_data(as_text=True)
    assert "제안 정확도" in korean and "위약은 판단하기에 부족: 38주 중 30주" in korean


def test_a_missing_row_is_said_first_and_no_share_is_drawn(web: Web) -> None:
    with web.store.session() as session:
        ledger.append(session, web.clock.now(), "aftermath", "m", "x", {"aftermath_id": "gone", "sha256": ""})
    page = web.client.get("/scorecard?lang=en").get_data(as_text=True)
    assert 'role="alert"' in page and "gone is on the ledger and its row is gone" in page
    assert 'class="whisker"' not in page and "75 %" not in page


def test_how_placebo_p_values_lie_is_for_those_who_may_approve(
    web: Web, store: Store, clock: VirtualClock, tmp_path: Path
) -> None:
    assert 'class="bar"' in web.client.get("/scorecard").get_data(as_text=True), "a reader on this machine"
    closed = make_web(store, clock, tmp_path, web={"public_read": False})
    path = closed.client.get("/login").get_data(as_text=True)
    token = path.split('name="csrf_token" value="')[1].split('"')[0]
    closed.client.post("/login", data={"csrf_token": token, "key": closed.keys["read"]})
    page = closed.client.get("/scorecard?lang=en").get_data(as_text=True)
    assert 'class="bar"' not in page and "only people who may approve" in page
    assert closed.client.get("/scorecard/placebos.csv").status_code == 404
    assert closed.client.get("/scorecard/accuracy.csv").status_code == 200


def test_every_chart_has_its_series(web: Web) -> None:
    def rows(name: str) -> list[dict[str, str]]:
        answer = web.client.get(f"/scorecard/{name}.csv")
        return list(csv.DictReader(io.StringIO(answer.get_data(as_text=True))))

    month = next(
        row for row in rows("accuracy") if (row["arm"], row["model"], row["horizon_days"]) == ("llm", "", "30")
    )
    assert (month["better"], month["worse"], month["share"]) == ("150", "50", "0.75")
    improvement = rows("improvement")
    assert len(improvement) == 40 and improvement[-1]["difference_usd"] == "80.0" and improvement[0]["low_usd"] == ""
    assert sum(int(row["n"]) for row in rows("placebos")) == 30
    assert web.client.get("/scorecard/other.csv").status_code == 404


def test_the_api_tells_every_figure_and_no_single_p_value(web: Web) -> None:
    told = web.client.get("/api/scorecard").get_json()
    card = told["card"]
    [llm] = [row for row in card["accuracy"] if (row["arm"], row["model"], row["horizon_days"]) == ("llm", "", 30)]
    assert llm["share"]["value"] == 0.75 and llm["share"]["n"] == 200
    assert llm["over_placebo"]["reason"] == "placebo_too_few_weeks" and llm["over_placebo"]["value"] is None
    assert card["improvement"]["usd_per_day"]["value"] == 2.0
    insights = web.client.get("/api/ai-insights").get_json()
    assert insights["scorecard"] == told
    assert str(SEALED_P) not in json.dumps(insights)


def test_the_card_shown_is_that_of_the_last_daily_cycle(web: Web) -> None:
    before = web.clock.now() - timedelta(days=3)
    with web.store.session() as session:
        scorecards.add(session, kst_day(before), load_scorecard(session, before, GateSettings()))
        ledger.append(session, web.clock.now(), "aftermath", "m", "x", {"aftermath_id": "gone", "sha256": ""})
    told = web.client.get("/api/scorecard").get_json()
    assert told["stale"] is True and told["data_as_of"].startswith(f"{before:%Y-%m-%dT%H:%M}")
    assert told["card"]["fault"] == "", "what came later is for the next cycle"


def test_the_bot_and_the_command_line_say_the_same(
    web: Web, clock: VirtualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings.model_validate({"telegram": {"allowed_ids": [1]}})
    desk = Desk(web.store, clock, settings, lambda: "nonce")
    replies = [desk.answer(Incoming(n, 1, 5, text, clock.now())) for n, text in enumerate(("/scorecard", "/성적"))]
    assert replies[0] == replies[1] and replies[0] is not None
    monkeypatch.setenv("XCRACK_HOME", str(tmp_path))
    monkeypatch.setenv("XCRACK_STORE__URL", str(web.store.engine.url))
    for arguments in (("scorecard",), ("scorecard", "--json")):
        with pytest.raises(SystemExit) as leave:
            main(arguments)
        assert not leave.value.code
    lines = capsys.readouterr().out.splitlines()
    document = json.loads(lines[-1])
    assert "Language model, 30 days, share that beat what it would have replaced: 75 %" in replies[0].text
    # The command line looks at the wall clock: nothing is waiting there, and no aftermath is late.
    assert lines[0] == replies[0].text.splitlines()[0] and document["accuracy"][0]["arm"] == "llm"


def test_an_empty_scorecard_teaches(store: Store, clock: VirtualClock, tmp_path: Path) -> None:
    page = make_web(store, clock, tmp_path).client.get("/scorecard?lang=en").get_data(as_text=True)
    assert page.count('class="empty"') == 4 and "Seven and thirty days later" in page and "<svg" not in page


def test_an_interval_without_a_point_is_drawn_without_one() -> None:
    rows = [("a", Figure(None, 0.25, 0.75, 9), "few"), ("b", Figure(0.5, 0.4, 0.6, 99), "told")]
    chart = interval_chart([*rows, ("c", Figure(None, None, None, 0), "none")])
    assert chart is not None and [(row.x_low, row.x_high, row.x) for row in chart.rows] == [
        (180.0, 540.0, None), (288.0, 432.0, 360.0), (None, None, None),
    ]  # fmt: skip
    assert interval_chart([("c", Figure(None, None, None, 0), "none")]) is None


def test_a_histogram_counts_both_ends_and_knows_the_even_height() -> None:
    drawn = histogram([0.0, 0.05, 0.1, 1.0])
    assert drawn is not None and [one.n for one in drawn.bins] == [2, 1, 0, 0, 0, 0, 0, 0, 0, 1]
    even = 220 - drawn.bins[1].height * 0.4
    assert drawn.y_even == pytest.approx(even) and histogram([]) is None


def test_a_band_begins_where_its_bounds_do_and_zero_is_on_the_chart() -> None:
    path = [
        (date(2026, 3, 1) + timedelta(days=k), 10.0 + k, 5.0 if k > 1 else None, 20.0 if k > 1 else None)
        for k in range(4)
    ]
    chart = band_chart(path)
    assert chart is not None and chart.band.count(" ") == 3 and chart.line.count(" ") == 3
    assert 0 < chart.y_zero <= 220 and (chart.first_label, chart.last) == ("2026-03-01", 13.0)
    assert band_chart(path[:1]) is None
