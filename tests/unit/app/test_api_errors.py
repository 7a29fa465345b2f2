from collections.abc import Iterator
from pathlib import Path

import pytest

from core.clock import VirtualClock
from core.errors import StoreUnavailable
from core.store import Store
from tests.web_world import KEY_SECRET, Web, make_web

PROBLEM = {"type", "title", "status", "detail", "remedy", "instance"}


@pytest.fixture
def web(store: Store, clock: VirtualClock, tmp_path: Path) -> Iterator[Web]:
    yield make_web(store, clock, tmp_path)


def post(web: Web, data: bytes | str, kind: str = "application/json"):
    return web.client.post("/api/ai-feedback", data=data, content_type=kind, headers=web.bearer("feedback"))


def assert_problem(answer, status: int) -> dict:
    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"
    problem = answer.get_json()
    assert set(problem) == PROBLEM and problem["status"] == status and problem["detail"]
    return problem


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/nothing", 404),
        ("GET", "/nothing", 404),
        ("GET", "/api/proposals/nothing", 404),
        ("GET", "/api/reports/yearly/2026-01-01", 404),
        ("GET", "/api/reports/daily/tomorrow", 400),
        ("GET", "/api/trades?limit=0", 400),
        ("GET", "/api/trades?limit=1&limit=2", 400),
        ("GET", "/api/trades?nonsense=1", 400),
        ("GET", "/api/trades?cursor=99999999", 400),
        ("GET", "/api/ai-insights?x=1", 400),
        ("DELETE", "/api/trades", 405),
        ("POST", "/api/ai-insights", 405),
    ],
)
def test_every_error_is_a_problem_document(web: Web, method: str, path: str, status: int) -> None:
    assert_problem(web.client.open(path, method=method), status)


def test_the_method_that_is_not_allowed_comes_with_those_that_are(web: Web) -> None:
    assert "GET" in web.client.delete("/api/trades").headers["Allow"]


def test_a_body_of_another_kind_is_refused(web: Web) -> None:
    assert_problem(post(web, "target_kind=general", "application/x-www-form-urlencoded"), 415)


def test_a_body_over_64_kib_is_refused(web: Web) -> None:
    assert_problem(post(web, b'{"text": "' + b"x" * 70_000 + b'"}'), 413)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b'{"target_kind": "general", "text": ' + b"9" * 50_000 + b"}",
        b'{"target_kind": "general", "text": NaN}',
        b"\xff\xfe",
        b'{"target_kind": "general", "text": "a", "scopes": ["admin"]}',
    ],
)
def test_bodies_made_to_break_a_parser_are_bad_requests(web: Web, body: bytes) -> None:
    problem = assert_problem(post(web, body), 400)
    assert "99999" not in problem["detail"]


def test_too_many_requests_are_told_when_to_come_back(web: Web) -> None:
    statuses = [post(web, b"{}").status_code for _ in range(31)]
    assert statuses[:30] == [400] * 30
    answer = post(web, b"{}")
    assert_problem(answer, 429)
    assert int(answer.headers["Retry-After"]) > 0


def test_inventing_keys_opens_no_fresh_allowance(web: Web) -> None:
    spent = [web.client.get("/api/trades", headers={"Authorization": f"Basic {n}"}).status_code for n in range(1_201)]
    assert spent == [401] * 1_200 + [429]


def test_a_database_that_is_down_is_503_with_retry_after(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(self):
        raise StoreUnavailable("the database did not answer: locked", "Check that it runs")

    monkeypatch.setattr(Store, "session", down)
    answer = web.client.get("/api/trades")
    assert_problem(answer, 503)
    assert answer.headers["Retry-After"] == "5"


def test_what_nobody_foresaw_is_500_without_a_traceback_or_a_secret(
    web: Web, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(self):
        raise RuntimeError("secret detail xck_0123456789abcdef")

    monkeypatch.setattr(Store, "session", broken)
    problem = assert_problem(web.client.get("/api/trades"), 500)
    assert "secret detail" not in str(problem)
    log = "".join(capsys.readouterr())
    assert "RuntimeError" in log
    assert "0123456789abcdef" not in log and KEY_SECRET not in log


def test_an_error_of_a_page_is_a_page_in_the_readers_language(web: Web) -> None:
    answer = web.client.get("/nothing?lang=ko", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert "찾을 수 없습니다" in answer.get_data(as_text=True)
