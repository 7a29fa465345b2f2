"""Canaries on pages, in the API and in the overview: what is shown, to whom, and how a person stops one."""

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from app.canaries import facts_of, way_of
from app.dashboard.charts import Series, Span, build_chart
from core.clock import VirtualClock
from core.model.canary import CanaryStage
from core.store import Store, audit, canaries, param_versions, requests
from tests.canaries import canary
from tests.canary_pages import HOSTILE, OPEN, OVER, PROPOSAL, SEALED_FIGURES, keep
from tests.web_world import Web, fill, make_web

PAGE = f"/canaries/{OPEN}"


@pytest.fixture
def web(store: Store, clock: VirtualClock, tmp_path: Path) -> Iterator[Web]:
    fill(store, clock.now())
    yield make_web(store, clock, tmp_path)


@pytest.fixture
def closed(store: Store, clock: VirtualClock, tmp_path: Path) -> Iterator[Web]:
    """The same where nobody reads without a key."""
    fill(store, clock.now())
    yield make_web(store, clock, tmp_path, web={"public_read": False})


def text_of(web: Web, path: str) -> str:
    answer = web.client.get(path)
    assert answer.status_code == 200, (path, answer.status_code)
    return answer.get_data(as_text=True)


def sign_in(web: Web, scope: str) -> None:
    page = web.client.get("/login").get_data(as_text=True)
    token = page.split('name="csrf_token" value="')[1].split('"')[0]
    web.client.post("/login", data={"csrf_token": token, "key": web.keys[scope]})


def send(web: Web, confirm: str, action: str = "", **form: str) -> int:
    """Open the page that asks for a confirmation and send its form; returns the status."""
    page = text_of(web, confirm)
    hidden = {
        name: page.split(f'name="{name}" value="')[1].split('"')[0]
        for name in ("csrf_token", "seen")
        if f'name="{name}"' in page
    }
    return web.client.post(action or confirm, data={**hidden, **form}).status_code


def asked(web: Web) -> list[tuple[str, str, str, str]]:
    with web.store.session() as session:
        return [(one.kind, one.subject_id, one.by, one.reason) for one in requests.open(session)]


def test_the_list_tells_where_each_stands_and_what_ended_the_others(web: Web) -> None:
    page = text_of(web, "/canaries?lang=en")
    for words in ("25\u202f%", "18 of 20 days", 'aria-current="step"', "may be better or worse", "Taken back"):
        assert words in page, words
    assert page.count('class="way"') == 1, "only what is under way has a way"
    assert "too few to tell: 16 of the 30 days with a result that an interval needs" in page
    korean = text_of(web, "/canaries?lang=ko")
    assert "20일 중 18일" in korean and "판단하기에 부족" in korean and "되돌림" in korean


def test_the_page_shows_way_charts_faults_decisions_and_the_difference_of_parameters(web: Web) -> None:
    page = text_of(web, f"{PAGE}?lang=en")
    for words in (
        "Difference so far (d)",
        "Loss budget gone at",
        "−$352.57",
        "Promised",
        "90 % interval, good on every day at once",
        "Boundary −c",
        "marks have a gap",
        "not marked",
        "Decided the next morning",
        "Older days (26)",
        "1.875",
        "40 of 20 days",
        "Nothing to watch for yet.",
        PROPOSAL,
    ):
        assert words in page, words
    assert 'class="band"' in page and page.count("<polyline") >= 5
    assert HOSTILE not in page and "&lt;script&gt;" in page
    assert "<script" not in page and " style=" not in page


def test_what_rests_on_sealed_days_is_for_those_who_may_approve(closed: Web) -> None:
    sign_in(closed, "read")
    for path in ("/canaries", PAGE, f"/canaries/{OVER}", f"{PAGE}/days.csv", "/parameters", "/"):
        page = text_of(closed, path)
        assert not [figure for figure in SEALED_FIGURES if figure in page or figure[:5] in page], path
    page = text_of(closed, f"{PAGE}?lang=en")
    assert "only people who may approve see them" in page and "18 of 20 days" in page and "marks have a gap" in page
    assert "Taken back: it met the boundary" in text_of(closed, f"/canaries/{OVER}?lang=en")
    sign_in(closed, "admin")
    assert "Until the loss budget is gone" in text_of(closed, f"{PAGE}?lang=en")


def test_nobody_gets_in_without_a_key_where_reading_is_closed(closed: Web) -> None:
    for path in ("/canaries", PAGE, f"{PAGE}/stop", f"{PAGE}/days.csv", "/parameters/momentum-1/rollback"):
        assert closed.client.get(path).status_code == 303, path
    for path in ("/api/canaries", f"/api/canaries/{OPEN}"):
        assert closed.client.get(path).status_code == 401, path
        assert closed.client.get(path, headers=closed.bearer("feedback")).status_code == 403, path


@pytest.mark.parametrize("path", ["/canaries/none", "/canaries/none/days.csv"])
def test_an_unknown_canary_is_404_with_words(web: Web, path: str) -> None:
    answer = web.client.get(path, headers={"Accept": "text/html"})
    assert answer.status_code == 404 and "there is no canary none" in answer.get_data(as_text=True)
    api = web.client.get("/api/canaries/none")
    assert api.status_code == 404 and "no canary none" in api.get_json()["detail"]


def test_the_csv_holds_every_day_with_sum_and_bounds(web: Web) -> None:
    rows = list(csv.DictReader(io.StringIO(text_of(web, f"{PAGE}/days.csv"))))
    assert len(rows) == 40 and rows[-1]["low_usd"] and not rows[0]["low_usd"]
    assert rows[14]["fault"] == "gap" and rows[20]["d_usd"] == ""


def test_stopping_asks_for_a_confirmation_a_name_and_a_reason(web: Web) -> None:
    assert "Stop this canary" not in text_of(web, f"{PAGE}?lang=en"), "nobody is signed in"
    assert web.client.get(f"{PAGE}/stop").status_code == 401
    sign_in(web, "approve")
    assert "Stop this canary" in text_of(web, f"{PAGE}?lang=en")
    confirm = text_of(web, f"{PAGE}/stop?lang=en")
    assert "25\u202f% of the capital go back to the old parameters" in confirm and "approve-key" in confirm
    assert send(web, f"{PAGE}/stop", reason=" ") == 400
    assert asked(web) == []
    assert send(web, f"{PAGE}/stop", reason="exchange maintenance") == 303
    assert asked(web) == [("stop_canary", OPEN, "approve-key", "exchange maintenance")]
    assert "Waiting for the worker" in text_of(web, f"{PAGE}?lang=en")
    assert web.client.post(f"{PAGE}/stop", data={"reason": "no token"}).status_code == 403
    with web.store.session() as session:
        assert audit.latest(session, 1)[0].action == "asked_stop_canary"


def test_a_key_without_the_scope_cannot_stop(web: Web) -> None:
    sign_in(web, "feedback")
    assert web.client.get(f"{PAGE}/stop").status_code == 403


def test_one_that_is_over_cannot_be_stopped(web: Web) -> None:
    sign_in(web, "approve")
    assert "Nothing is left to stop" in text_of(web, f"/canaries/{OVER}/stop?lang=en")
    answer = web.client.post(f"/api/canaries/{OVER}/stop", json={"reason": "late"}, headers=web.bearer("approve"))
    assert answer.status_code == 409 and "rolled_back" in answer.get_json()["detail"]


def test_the_api_lists_shows_and_stops_without_a_figure_of_sealed_days(web: Web) -> None:
    listed = web.client.get("/api/canaries").get_json()["items"]
    assert [(one["canary_id"], one["ended_by"]) for one in listed] == [(OPEN, ""), (OVER, "boundary")]
    assert [one["canary_id"] for one in web.client.get("/api/canaries?open=true").get_json()["items"]] == [OPEN]
    shown = web.client.get(f"/api/canaries/{OPEN}")
    one = shown.get_json()
    assert (one["stage"], one["share"], one["n_days"], one["n_needed"]) == ("canary", 0.25, 18, 20)
    assert [place["state"] for place in one["way"]] == ["done", "done", "here", "ahead", "ahead", "ahead"]
    assert len(one["days"]) == 40 and one["days"][14]["fault"] == "gap" and one["days"][20]["candidate_usd"] is None
    assert [move["share"] for move in one["moves"]] == [0.1, 0.25]
    told = shown.get_data(as_text=True) + web.client.get("/api/canaries").get_data(as_text=True)
    assert not [figure for figure in SEALED_FIGURES if figure in told] and "d_usd" not in told
    body = {"reason": "exchange maintenance"}
    answer = web.client.post(f"/api/canaries/{OPEN}/stop", json=body, headers=web.bearer("approve"))
    assert (answer.status_code, answer.get_json()["kind"]) == (202, "stop_canary")
    assert web.client.post(f"/api/canaries/{OPEN}/stop", json={}, headers=web.bearer("approve")).status_code == 400


def test_overview_and_proposal_lead_to_the_canary(web: Web) -> None:
    overview = text_of(web, "/?lang=en")
    assert "Changes earning their capital:" in overview and f'href="{PAGE}"' in overview
    assert f'href="{PAGE}"' in text_of(web, f"/proposals/{PROPOSAL}?lang=en")
    assert "earning their capital" not in text_of(web, "/proposals?lang=en")


def test_the_parameters_page_shows_slots_lineage_and_the_open_canary(web: Web) -> None:
    page = text_of(web, "/parameters?lang=en")
    for words in (
        "What runs beside it",
        "Canary (part of the capital)",
        "75\u202f%",
        "idle",
        "Only the share of the capital moved",
        'href="/proposals/proposal-in-force"',
        'href="/api/analyses/analysis-1"',
        "llm:deepseek-flash",
        "Sealed test",
        "Let through by",
        f'href="{PAGE}"',
    ):
        assert words in page, words
    assert "Go back one change" not in page
    sign_in(web, "admin")
    assert "Go back one change" in text_of(web, "/parameters?lang=en")


def test_going_back_names_what_changes_and_stops_an_open_canary(web: Web) -> None:
    sign_in(web, "admin")
    plain = text_of(web, "/parameters/mm-1/rollback?lang=en")
    assert "numbers of version 1" in plain and "spread_threshold" in plain and "<strong>46</strong>" in plain
    other = text_of(web, "/parameters/momentum-1/rollback?lang=en")
    assert OPEN in other and "The live parameters stay as they are." in other
    assert send(web, "/parameters/momentum-1/rollback", reason="worse") == 303
    assert asked(web) == [("rollback", OPEN, "admin-key", "worse")]


def test_going_back_is_refused_when_it_would_undo_something_else_than_was_confirmed(web: Web) -> None:
    sign_in(web, "admin")
    page = text_of(web, "/parameters/momentum-1/rollback")
    token = page.split('name="csrf_token" value="')[1].split('"')[0]
    with web.store.session() as session:
        under_way = canaries.get(session, OPEN)
        canaries.put(session, replace(under_way, stage="rolled_back", share=0.0))
    form = {"csrf_token": token, "seen": OPEN, "reason": "worse"}
    assert web.client.post("/parameters/momentum-1/rollback", data=form).status_code == 409
    assert asked(web) == []


def test_going_back_from_the_first_version_is_404_with_words(web: Web) -> None:
    with web.store.session() as session:
        first = replace(param_versions.active(session, "mm-1"), instance_id="fresh-1", version=1, active=False)
        param_versions.add(session, first)
        param_versions.activate(session, "fresh-1", 1)
    sign_in(web, "admin")
    answer = web.client.get("/parameters/fresh-1/rollback", headers={"Accept": "text/html"})
    assert answer.status_code == 404 and "nothing leads back" in answer.get_data(as_text=True)


@pytest.mark.parametrize(
    ("stage", "step", "states"),
    [
        ("shadow", -1, "here ahead ahead ahead ahead ahead"),
        ("canary", 2, "done done done here ahead ahead"),
        ("promoted", 3, "done done done done here ahead"),
        ("confirmed", 3, "done done done done done done"),
        ("rolled_back", 0, "done ended ahead ahead ahead ahead"),
        ("stopped", 3, "done done done done ended ahead"),
    ],
)
def test_the_way_says_where_it_stands_or_ended(stage: CanaryStage, step: int, states: str) -> None:
    way = way_of(canary(stage=stage, step=step), [])
    assert [place.state for place in way] == states.split()
    assert [place.share for place in way] == [0.0, 0.1, 0.25, 0.5, 1.0, 1.0]


@pytest.mark.parametrize(
    ("stage", "reason", "ended_by"),
    [
        ("stopped", "the live instance runs other parameters now", "replaced"),
        ("rolled_back", "kim: holidays", "person"),
        ("rolled_back", "guard: within the day, loss budget: -200.00 USD", "loss_budget"),
        ("confirmed", "", ""),
    ],
)
def test_what_ended_it_is_told_without_a_figure(store: Store, stage: CanaryStage, reason: str, ended_by: str) -> None:
    made = canary(stage=stage, step=3, reason=reason, ended_on=canary().started_on + timedelta(days=9))
    with store.session() as session:
        canaries.add(session, made)
        assert facts_of(session, made).ended_by == ended_by


def test_a_canary_of_its_first_day_says_that_it_is_too_few(web: Web) -> None:
    with web.store.session() as session:
        keep(session, canary(canary_id="canary-young", instance_id="mm-1", proposal_id="proposal-in-force"), [])
        young = canary(canary_id="canary-day", instance_id="other-1", proposal_id="proposal-waiting")
        keep(session, young, [2.5])
    assert "No whole day yet." in text_of(web, "/canaries/canary-young?lang=en")
    assert "no day with a result yet" in text_of(web, "/canaries?lang=en")
    page = text_of(web, "/canaries/canary-day?lang=en")
    assert "Too few days to draw." in page and "too few to tell: 1 of the 30 days" in page


def test_a_chart_draws_bands_marks_and_the_names_that_have_room() -> None:
    band = [(None, None), *[(-1.0, 1.0)] * 4, (None, None), *[(-2.0, 2.0)] * 5]
    spans = (Span(0, "a"), Span(5, "b"), Span(10, "c"))
    values = tuple(float(n) for n in range(11))
    chart = build_chart("t", "d", [Series("a", "x", values)], ("1", "2"), band=band, spans=spans, has_zero=True)
    assert chart is not None
    assert [len(points.split()) for points in chart.bands] == [8, 10]
    assert chart.marks == (360.0, 720.0) and [name for _, name in chart.names] == ["a", "b"]
    steps = build_chart("t", "d", [Series("a", "x", (0.0, 0.0, 1.0), is_step=True)], ("1", "2"))
    assert steps is not None and len(steps.lines[0].runs[0].split()) == 5, "it holds until it jumps"
    assert chart.y_zero is not None and 0 < chart.y_zero < 220
