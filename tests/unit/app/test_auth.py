import os
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from app.auth import load_web_secret
from app.dashboard.sign_in import safe_next
from core.clock import VirtualClock
from core.errors import SettingsError
from core.settings import load_settings
from core.store import Store, api_keys
from tests.web_world import KEY_SECRET, PLACES, Web, fill, make_web


@pytest.fixture
def web(store: Store, clock: VirtualClock, tmp_path: Path) -> Iterator[Web]:
    fill(store, clock.now())
    yield make_web(store, clock, tmp_path, web={"public_read": False})


SCOPES = {
    "/api/ai-feedback": "feedback",
    "/api/ai/predict": "read",
    "/api/proposals/{proposal_id}/approve": "approve",
    "/api/proposals/{proposal_id}/reject": "approve",
    "/api/canaries/{canary_id}/stop": "approve",
    "/api/parameters/{instance_id}/rollback": "admin",
}


def test_each_route_and_method_of_the_description_needs_its_scope(web: Web) -> None:
    spec = web.client.get("/api/openapi.json").get_json()
    tried = 0
    for path, methods in spec["paths"].items():
        for method in methods:
            if path in {"/healthz", "/readyz", "/api/openapi.json"}:
                continue
            wanted = SCOPES[path] if method == "post" else "read"

            def ask(headers: dict, path: str = path, method: str = method) -> int:
                return web.client.open(path.format(**PLACES), method=method.upper(), headers=headers).status_code

            assert ask({}) == 401, (method, path)
            assert ask({"Authorization": "Bearer xck_00000000_" + "a" * 43}) == 401
            for scope in api_keys.SCOPES:
                allowed = scope in {wanted, "admin"}
                assert (ask(web.bearer(scope)) == 403) is not allowed, (scope, method, path)
            tried += 1
    assert tried >= 20


@pytest.mark.parametrize("header", ["", "Basic abc", "Bearer ", "Bearer xck_nonsense", "xck_00000000_aaaa"])
def test_a_header_that_is_no_key_is_not_let_in(web: Web, header: str) -> None:
    answer = web.client.get("/api/trades", headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_revoked_and_an_expired_key_are_worth_nothing(web: Web) -> None:
    with web.store.session() as session:
        key, text = api_keys.create(
            session, "short", ["read"], KEY_SECRET, web.clock.now(), web.clock.now() + timedelta(hours=1)
        )
    assert web.client.get("/api/trades", headers={"Authorization": f"Bearer {text}"}).status_code == 200
    web.clock.advance_to(web.clock.now() + timedelta(hours=2))
    assert web.client.get("/api/trades", headers={"Authorization": f"Bearer {text}"}).status_code == 401
    with web.store.session() as session:
        read = next(key for key in api_keys.list_keys(session) if key.name == "read-key")
        api_keys.revoke(session, read.key_id, web.clock.now())
    assert web.client.get("/api/trades", headers=web.bearer("read")).status_code == 401


def test_reading_is_open_on_loopback_alone_and_only_under_a_local_name(
    store: Store, clock: VirtualClock, tmp_path: Path
) -> None:
    client = make_web(store, clock, tmp_path).client
    assert client.get("/api/trades").status_code == 200
    assert client.get("/api/trades", headers={"Host": "evil.example"}).status_code == 401
    assert client.get("/api/trades", headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 401
    assert client.get("/api/trades", environ_base={"REMOTE_ADDR": "203.0.113.9"}).status_code == 401
    assert client.get("/api/trades", headers={"Authorization": "Bearer xck_bad"}).status_code == 401
    assert client.post("/api/ai-feedback", json={"target_kind": "general", "text": "x"}).status_code == 401


def test_an_address_that_is_not_loopback_is_never_open(store: Store, clock: VirtualClock, tmp_path: Path) -> None:
    client = make_web(store, clock, tmp_path, web={"host": "0.0.0.0"}).client
    assert client.get("/api/trades").status_code == 401
    assert client.get("/").status_code == 303


def sign_in(web: Web, scope: str, **over: str):
    page = web.client.get("/login").get_data(as_text=True)
    token = page.split('name="csrf_token" value="')[1].split('"')[0]
    return web.client.post("/login", data={"csrf_token": token, "key": web.keys[scope], **over})


def test_a_page_sends_a_stranger_to_the_door_and_back(web: Web) -> None:
    answer = web.client.get("/proposals?state=queued")
    assert answer.status_code == 303
    assert answer.location == "/login?next=%2Fproposals%3Fstate%3Dqueued"
    assert sign_in(web, "read", next="/proposals?state=queued").location == "/proposals?state=queued"
    assert web.client.get("/proposals").status_code == 200


def test_revoking_the_key_ends_the_session_at_once(web: Web) -> None:
    sign_in(web, "read")
    assert web.client.get("/").status_code == 200
    with web.store.session() as session:
        read = next(key for key in api_keys.list_keys(session) if key.name == "read-key")
        api_keys.revoke(session, read.key_id, web.clock.now())
    assert web.client.get("/").status_code == 303


def test_a_wrong_key_is_told_so_and_signs_nobody_in(web: Web) -> None:
    answer = sign_in(web, "read", key="xck_00000000_" + "b" * 43)
    assert answer.status_code == 401
    assert web.client.get("/").status_code == 303


def test_the_session_cookie_is_strict_and_hidden_from_scripts(web: Web) -> None:
    cookie = sign_in(web, "read").headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    assert web.keys["read"] not in cookie


def test_the_api_never_looks_at_the_cookie(web: Web) -> None:
    sign_in(web, "admin")
    assert web.client.get("/api/trades").status_code == 401
    assert web.client.post("/api/ai-feedback", json={"target_kind": "general", "text": "x"}).status_code == 401


def test_a_form_without_its_token_is_refused(web: Web) -> None:
    sign_in(web, "admin")
    answer = web.client.post("/feedback", data={"target_kind": "general", "text": "x"})
    assert answer.status_code == 403
    answer = web.client.post("/proposals/proposal-waiting/decide", data={"decision": "approve"})
    assert answer.status_code == 403


def test_guessing_keys_at_the_door_is_slowed(web: Web) -> None:
    statuses = [sign_in(web, "read", key="xck_guess").status_code for _ in range(11)]
    assert statuses == [401] * 10 + [429]


@pytest.mark.parametrize("path", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:1", ""])
def test_signing_in_never_leads_to_another_site(path: str) -> None:
    assert safe_next(path) == ""


def test_the_secret_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    settings = load_settings({}, {"home": str(tmp_path / "home")})
    secret = load_web_secret(settings)
    assert len(secret) == 64 and load_web_secret(settings) == secret
    path = tmp_path / "home" / "web.secret"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["web.secret"]


def test_a_short_secret_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="32"):
        load_web_secret(load_settings({}, {"home": str(tmp_path), "web": {"secret_key": "short"}}))
    (tmp_path / "web.secret").write_text("")
    with pytest.raises(SettingsError, match=r"web\.secret"):
        load_web_secret(load_settings({}, {"home": str(tmp_path)}))
