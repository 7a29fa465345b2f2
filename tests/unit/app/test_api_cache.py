from pathlib import Path

import pytest
from redis import Redis

from app.api.cache import KEYS
from core.clock import VirtualClock
from core.errors import BadInput
from core.store import Store, alerts
from tests.servers import free_port
from tests.web_world import Web, fill, make_web


@pytest.fixture
def redis(redis_url: str) -> Redis:
    client = Redis.from_url(redis_url)
    client.flushall()
    return client


def with_redis(store: Store, clock: VirtualClock, home: Path, url: str) -> Web:
    fill(store, clock.now())
    return make_web(store, clock, home, redis={"url": url})


def test_the_second_answer_comes_from_the_cache_and_is_the_same(
    store: Store, clock: VirtualClock, tmp_path: Path, redis: Redis, redis_url: str
) -> None:
    web = with_redis(store, clock, tmp_path, redis_url)
    first = web.client.get("/api/ai-insights")
    assert sorted(redis.keys()) == sorted(key.encode() for key in KEYS.values())
    assert all(0 < redis.ttl(key) <= 15 for key in KEYS.values())
    with store.session() as session:
        alerts.resolve(session, "alert-1", clock.now())
    assert web.client.get("/api/ai-insights").data == first.data
    redis.flushall()
    assert web.client.get("/api/ai-insights").data != first.data


@pytest.mark.parametrize("lie", [b"null", b"{", b'[{"id": 1}]', b'[],"risk_warnings":[]'])
def test_a_cache_that_lies_is_passed_over(
    store: Store, clock: VirtualClock, tmp_path: Path, redis: Redis, redis_url: str, lie: bytes
) -> None:
    web = with_redis(store, clock, tmp_path, redis_url)
    first = web.client.get("/api/ai-insights").data
    redis.set(KEYS["suggested_adjustments"], lie)
    assert web.client.get("/api/ai-insights").data == first


def test_a_dead_redis_changes_nothing_and_is_left_alone_for_a_while(
    store: Store, clock: VirtualClock, tmp_path: Path
) -> None:
    web = with_redis(store, clock, tmp_path, f"redis://127.0.0.1:{free_port()}/0")
    assert web.client.get("/api/ai-insights").status_code == 200
    cache = web.app.extensions["xcrack"].cache
    assert cache._is_resting()
    assert web.client.get("/api/ai-insights").get_json()["latest_analysis"]["id"] == "analysis-1"


def test_a_url_that_redis_cannot_read_is_refused_at_the_start(
    store: Store, clock: VirtualClock, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=r"redis\.url"):
        make_web(store, clock, tmp_path, redis={"url": "http://127.0.0.1"})
