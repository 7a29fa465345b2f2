"""The optional Redis cache of the insights. The database is the truth: a cache that fails or lies is passed over."""

from collections.abc import Mapping
from typing import Protocol, cast

import msgspec
from pydantic_core import from_json
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.api.insights_model import Insights
from core.clock import Clock
from core.errors import BadInput
from core.log import get_logger
from core.settings_sections import RedisSettings

KEYS: Mapping[str, str] = {
    "latest_analysis": "ai:latest_analysis",
    "suggested_adjustments": "ai:adjustments",
    "pattern_alerts": "ai:patterns",
    "risk_warnings": "ai:risks",
    "performance_prediction": "ai:prediction",
    "scorecard": "ai:scorecard",
}
KEEP_S = 15
"""Longest time that an answer may lag behind the database."""
TIMEOUT_S = 0.5
REST_S = 30.0
"""After a failure Redis is left alone for so long, so that a silent one costs one slow answer and not every one."""


class InsightsCache(Protocol):
    """Keeps the insights for seconds."""

    def load(self) -> Insights | None:
        """Return the kept insights, or None."""
        ...

    def keep(self, insights: Insights) -> None:
        """Keep the insights."""
        ...


class NoCache:
    """No cache: every answer comes from the database."""

    def load(self) -> Insights | None:
        """Return None."""
        return None

    def keep(self, insights: Insights) -> None:
        """Keep nothing."""


class RedisCache:
    """The insights under six keys of a Redis server."""

    def __init__(self, client: Redis, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._resting_until = 0.0

    def load(self) -> Insights | None:
        """Return the kept insights when all six keys hold valid ones; None otherwise, also when Redis is down."""
        if self._is_resting():
            return None
        try:
            held = cast(list[bytes | None], self._client.mget(list(KEYS.values())))
        except (RedisError, OSError) as error:
            self._rest(error)
            return None
        if any(part is None for part in held):
            return None
        try:
            # Each part is read by itself: joined as text, one part could speak for another.
            return Insights.model_validate(
                {name: from_json(part or b"") for name, part in zip(KEYS, held, strict=True)}
            )
        except ValueError:
            get_logger("web").warning("cache_refused")
            return None

    def keep(self, insights: Insights) -> None:
        """Keep the insights for `KEEP_S` seconds; a Redis that is down changes nothing."""
        if self._is_resting():
            return
        parts = insights.model_dump(mode="json")
        try:
            with self._client.pipeline(transaction=True) as pipe:
                for name, key in KEYS.items():
                    pipe.set(key, msgspec.json.encode(parts[name]), ex=KEEP_S)
                pipe.execute()
        except (RedisError, OSError) as error:
            self._rest(error)

    def _is_resting(self) -> bool:
        return self._clock.monotonic() < self._resting_until

    def _rest(self, error: Exception) -> None:
        self._resting_until = self._clock.monotonic() + REST_S
        get_logger("web").warning("cache_down", error=type(error).__name__, resting_s=REST_S)


def open_cache(settings: RedisSettings, clock: Clock) -> InsightsCache:
    """Return the cache of the settings; nothing is connected yet. Raises BadInput for a URL Redis cannot read."""
    if not settings.url:
        return NoCache()
    try:
        client = Redis.from_url(
            settings.url,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            # The library's default tries ten times, which turns one dead server into seconds per request.
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError as error:
        raise BadInput(f"redis.url cannot be read: {error}", "Use redis://HOST:PORT/DB, or unset it") from None
    return RedisCache(client, clock)
