"""Every page in a real browser: two widths, two languages, nothing but this machine, and forms that work."""

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from werkzeug.serving import WSGIRequestHandler, make_server

from core.clock import VirtualClock
from core.store import Store, feedback_notes, requests
from tests.canary_pages import OPEN
from tests.web_world import Web, fill, make_web

CHROMIUM = Path("/usr/bin/chromium")
WIDTHS = (375, 1440)
PAGES = {
    "overview": ("/", {"en": "Equity, last 30 days", "ko": "최근 30일 평가액"}),
    "signals": ("/signals", {"en": "Prediction against outcome", "ko": "예측과 결과"}),
    "models": ("/models", {"en": "None serves", "ko": "활성 모델이 없어"}),
    "advisor": ("/advisor", {"en": "How the model answers", "ko": "모델의 응답"}),
    "scorecard": ("/scorecard", {"en": "Accuracy of suggestions", "ko": "제안 정확도"}),
    "proposals": ("/proposals", {"en": "Last word of the gate", "ko": "게이트 최종 판정"}),
    "proposal": ("/proposals/proposal-waiting", {"en": "Block by block", "ko": "구간별 결과"}),
    "canaries": ("/canaries", {"en": "Those that are over", "ko": "끝난 카나리"}),
    "canary": (f"/canaries/{OPEN}", {"en": "Until the loss budget is gone", "ko": "손실 예산 소진까지"}),
    "parameters": ("/parameters", {"en": "limits exposure", "ko": "노출 한도"}),
    "trades": ("/trades", {"en": "Execution", "ko": "체결 시간"}),
    "feedback": ("/feedback", {"en": "Notes and what became", "ko": "남긴 의견과 그 결과"}),
    "alerts": ("/alerts", {"en": "Drawdown of mm-1", "ko": "위급"}),
    "reports": ("/reports", {"en": "Daily report", "ko": "일일 리포트"}),
    "report": ("/reports/daily/2026-03-01", {"en": "Daily report", "ko": "일일 리포트"}),
    "login": ("/login", {"en": "API key", "ko": "API 키"}),
}


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def web(store: Store, clock: VirtualClock, tmp_path: Path) -> Iterator[tuple[Web, str]]:
    fill(store, clock.now())
    made = make_web(store, clock, tmp_path)
    server = make_server("127.0.0.1", 0, made.app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield made, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def browser() -> Iterator:
    from playwright.sync_api import sync_playwright

    binary = str(CHROMIUM) if CHROMIUM.is_file() else shutil.which("chromium")
    if binary is None:
        reason = "chromium is not installed"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    arguments = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=binary, args=arguments)
        yield made
        made.close()


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_is_whole_quiet_and_fits(web: tuple[Web, str], browser, width: int, language: str) -> None:
    _, base = web
    scheme = "dark" if language == "ko" else "light"
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    complaints: list[str] = []
    hosts: set[str | None] = set()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
    for name, (path, words) in PAGES.items():
        answer = page.goto(f"{base}{path}?lang={language}")
        assert answer.status == 200, path
        assert words[language] in page.inner_text("body"), path
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, f"{path} scrolls sideways by {overflow} px at {width} px"
        assert page.evaluate("document.documentElement.lang") == language
        _keep_picture(page, f"{name}-{language}-{width}")
    assert complaints == []
    assert hosts == {"127.0.0.1"}
    context.close()


def test_a_person_signs_in_leaves_a_note_and_approves_with_the_keyboard(web: tuple[Web, str], browser) -> None:
    made, base = web
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-US")
    page = context.new_page()
    page.goto(f"{base}/proposals/proposal-waiting")
    page.get_by_role("main").get_by_role("link", name="Sign in").click()
    page.get_by_label("API key").fill(made.keys["admin"])
    page.keyboard.press("Enter")
    page.wait_for_url("**/proposals/proposal-waiting")
    page.get_by_label("Reason").fill("the folds agree")
    page.get_by_role("button", name="Approve").press("Enter")
    page.get_by_text("Waiting for the worker").wait_for()
    page.get_by_role("link", name="Leave a note on this proposal").click()
    assert page.get_by_label("Which one").input_value() == "proposal-waiting"
    page.get_by_label("hold", exact=True).check()
    page.get_by_label("In your words").fill("wait for the weekend")
    page.get_by_role("button", name="Save the note").click()
    page.get_by_text("Saved.").wait_for()
    assert "wait for the weekend" in page.inner_text("main")
    with made.store.session() as session:
        assert [(one.kind, one.reason) for one in requests.open(session)] == [("approve", "the folds agree")]
        assert feedback_notes.latest(session, 1)[0].tags == ("hold",)
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("link", name="Sign in").wait_for()
    context.close()


def test_a_person_goes_from_the_list_to_a_canary_and_stops_it_after_a_confirmation(
    web: tuple[Web, str], browser
) -> None:
    made, base = web
    context = browser.new_context(viewport={"width": 375, "height": 800}, locale="en-US")
    page = context.new_page()
    page.goto(f"{base}/login?next=/canaries")
    page.get_by_label("API key").fill(made.keys["admin"])
    page.keyboard.press("Enter")
    page.wait_for_url("**/canaries")
    page.get_by_role("main").get_by_role("link", name="momentum-1").first.click()
    page.wait_for_url(f"**/canaries/{OPEN}")
    page.get_by_role("link", name="Stop this canary").click()
    page.get_by_text("Stop the canary of momentum-1?").wait_for()
    page.get_by_role("link", name="Leave it as it is").click()
    page.wait_for_url(f"**/canaries/{OPEN}")
    page.get_by_role("link", name="Stop this canary").click()
    page.get_by_role("button", name="Stop it").click()
    assert page.url.endswith("/stop"), "without a reason the form is not sent"
    page.get_by_label("Reason").fill("exchange maintenance")
    page.get_by_role("button", name="Stop it").press("Enter")
    page.get_by_text("Waiting for the worker: stop the canary").wait_for()
    with made.store.session() as session:
        [wish] = requests.open(session)
    assert (wish.kind, wish.subject_id, wish.by, wish.reason) == (
        "stop_canary",
        OPEN,
        "admin-key",
        "exchange maintenance",
    )
    context.close()


def test_the_first_tab_stop_skips_to_the_content(web: tuple[Web, str], browser) -> None:
    page = browser.new_page()
    page.goto(f"{web[1]}/?lang=en")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def _keep_picture(page, name: str) -> None:
    folder = os.environ.get("XCRACK_SHOTS")
    if folder:
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)
