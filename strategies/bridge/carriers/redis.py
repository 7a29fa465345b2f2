"""Frames over Redis Streams: every link has a pair of streams of its own, announced in one stream of all links.

Streams, never pub/sub, which forgets what nobody reads at that moment. Redis may lose entries all the same: a frame
that is missing breaks its link, and the session repairs it on the next one.
"""

import asyncio
import re
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from core.log import get_logger
from strategies.bridge.carriers.base import Accept, Receiver
from strategies.bridge.carriers.tcp import WRITE_HIGH_BYTES

LINKS = "xcrack:bridge:links"
GROUP = "worker"
CONSUMER = "worker"
MAX_ENTRIES = 100_000
EXPIRE_S = 3600
BLOCK_MS = 1000
SOCKET_TIMEOUT_S = 5.0
"""Longer than a blocking read, or the client would give up on a quiet stream."""
ANNOUNCED_AT_MOST_MS_AGO = 15_000
RETRY_S = 0.5
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_LINK = re.compile(r"[0-9a-f]{32}")


class RedisWire:
    """One link. A reader and a writer are its two tasks; whichever ends first ends the link."""

    carrier = "redis"

    def __init__(self, redis: Redis, engine_id: str, link: str) -> None:
        self._redis = redis
        self._up, self._down = f"xcrack:bridge:{engine_id}:{link}:up", f"xcrack:bridge:{engine_id}:{link}:down"
        self._unsent: deque[bytes] = deque()
        self._n_unsent_bytes = 0
        self._is_due = asyncio.Event()
        self._closing: str | None = None
        self._receiver: Receiver | None = None
        self._was_full = False

    @property
    def is_full(self) -> bool:
        """Whether more waits to be written than is reasonable."""
        self._was_full = self._was_full or self._n_unsent_bytes > WRITE_HIGH_BYTES
        return self._n_unsent_bytes > WRITE_HIGH_BYTES

    def send(self, frame: bytes) -> None:
        """Have the writer add the frame to the stream."""
        if self._closing is None:
            self._unsent.append(frame)
            self._n_unsent_bytes += len(frame)
            self._is_due.set()

    def close(self, reason: str) -> None:
        """Have the writer say the reason and end."""
        self._closing = self._closing or reason
        self._is_due.set()

    async def run(self, accept: Accept) -> None:
        """Carry frames until the link is over."""
        self._receiver = accept(self)
        tasks = [asyncio.ensure_future(self._read(self._receiver)), asyncio.ensure_future(self._write(self._receiver))]
        reason = "the worker stopped"
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            reason = next(iter(done)).result()
        except RedisError as error:
            reason = f"Redis failed: {error}"
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._receiver.on_closed(reason)

    async def _read(self, receiver: Receiver) -> str:
        last = b"0-0"
        while True:
            found = await self._redis.xread({self._up: last}, count=256, block=BLOCK_MS)
            for entry_id, fields in _entries(found):
                last = entry_id
                if b"f" not in fields:
                    return "the engine closed the link: " + fields.get(b"x", b"").decode(errors="replace")[:200]
                if self._closing is None:
                    receiver.on_frame(fields[b"f"])

    async def _write(self, receiver: Receiver) -> str:
        while True:
            await self._is_due.wait()
            self._is_due.clear()
            while self._unsent:
                batch, self._unsent, self._n_unsent_bytes = self._unsent, deque(), 0
                await self._add([{"f": frame} for frame in batch])
            if self._closing is not None:
                await self._add([{"x": self._closing.encode()}])
                return self._closing
            if self._was_full:
                self._was_full = False
                receiver.on_writable()

    async def _add(self, entries: list[dict[Any, Any]]) -> None:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for fields in entries:
                pipeline.xadd(self._down, fields, maxlen=MAX_ENTRIES, approximate=True)
            pipeline.expire(self._down, EXPIRE_S)
            await pipeline.execute()


class RedisListener:
    """Watches the stream of links. Redis may be down: it looks again every half second."""

    def __init__(self, url: str) -> None:
        self._url = url
        # No retries: a retried XADD could add a frame twice, and a link that failed is opened anew in any case.
        self._redis: Redis = Redis.from_url(
            url, retry=Retry(NoBackoff(), 0), socket_connect_timeout=1.0, socket_timeout=SOCKET_TIMEOUT_S
        )
        self._watch: asyncio.Task[None] | None = None
        self._links: set[asyncio.Task[None]] = set()
        self._log = get_logger("bridge")

    @property
    def address(self) -> str:
        """The address as configured."""
        return self._url

    async def start(self, accept: Accept) -> None:
        """Watch for links."""
        self._watch = asyncio.create_task(self._watch_links(accept))

    async def stop(self) -> None:
        """Stop watching, let links say goodbye for a moment, and disconnect."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        if self._links:
            _, unfinished = await asyncio.wait(self._links, timeout=1.0)
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)
        await self._redis.aclose()

    async def _watch_links(self, accept: Accept) -> None:
        said = ""
        while True:
            try:
                await self._take_links(accept)
            except RedisError as error:
                if str(error) != said:
                    said = str(error)
                    self._log.warning("the bridge has no Redis", url=_without_password(self._url), error=said)
                await asyncio.sleep(RETRY_S)

    async def _take_links(self, accept: Accept) -> None:
        with suppress(ResponseError):  # the group exists
            await self._redis.xgroup_create(LINKS, GROUP, id="0", mkstream=True)
        # What an earlier worker took and did not finish is ours now: there is one worker.
        claimed = await self._redis.xautoclaim(LINKS, GROUP, CONSUMER, min_idle_time=0, count=1000)
        await self._open(accept, list(claimed[1]))
        while True:
            found = await self._redis.xreadgroup(GROUP, CONSUMER, {LINKS: ">"}, count=100, block=BLOCK_MS)
            await self._open(accept, _entries(found))

    async def _open(self, accept: Accept, announced: list[tuple[bytes, Mapping[bytes, bytes]]]) -> None:
        if not announced:
            return
        seconds, micros = await self._redis.time()
        now_ms = int(seconds) * 1000 + int(micros) // 1000
        for entry_id, fields in announced:
            await self._redis.xack(LINKS, GROUP, entry_id)
            engine_id = fields.get(b"engine_id", b"").decode(errors="replace")
            link = fields.get(b"link", b"").decode(errors="replace")
            if now_ms - int(entry_id.split(b"-")[0]) > ANNOUNCED_AT_MOST_MS_AGO:
                continue  # its engine has given up long ago
            if not _NAME.fullmatch(engine_id) or not _LINK.fullmatch(link):
                self._log.warning("a link with an impossible name was announced", entry=entry_id.decode())
                continue
            task = asyncio.create_task(RedisWire(self._redis, engine_id, link).run(accept))
            self._links.add(task)
            task.add_done_callback(self._links.discard)


def _entries(answer: Any) -> list[tuple[bytes, Mapping[bytes, bytes]]]:
    """Return the entries of one stream from an answer of XREAD, which is a list in RESP2 and a map in RESP3."""
    if not answer:
        return []
    if isinstance(answer, Mapping):
        batches = next(iter(answer.values()))
        return [entry for batch in batches for entry in batch] if isinstance(batches[0], list) else list(batches)
    return list(answer[0][1])


def _without_password(url: str) -> str:
    return re.sub(r"//[^@/]*@", "//", url)
