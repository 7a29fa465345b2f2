"""A streamed answer, chunk by chunk, over a pool of warm connections: for the caller who needs the first word only.

By hand over aiohttp and not through the SDK, which takes longer for a call than the call may take on one's own machine,
and half a second to import. aiohttp is imported at the first use. There are no timeouts in here: a server that drips
comments outlives every read timeout, so whoever calls holds the deadline and cancels.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from pydantic import SecretStr

from core.model.analysis import RenderedPrompt
from feedback.analyzer.answers import clean_text
from feedback.analyzer.profiles import ProviderProfile

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

KEEP_ALIVE_S = 75.0
PING_S = 5.0
"""So long a ping may take."""
MAX_BYTES = 256 * 1024
"""A first word needs less; a server that babbles is cut off."""
_MAX_ERROR = 300


@dataclass(frozen=True, slots=True)
class TokenOdds:
    """The token at one place, and the likeliest ones there, as (token, natural logarithm of its probability)."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one event of the stream brought."""

    text: str
    odds: tuple[TokenOdds, ...] = ()
    model: str = ""


class StreamFault(Exception):
    """No stream, or one that broke. `status` is the ledger's word for it; `is_free` means that no work was done."""

    def __init__(self, status: str, detail: str, is_free: bool = False, retry_after_s: float = 0.0) -> None:
        super().__init__(f"{status}: {detail}")
        self.status = status
        self.detail = detail[:_MAX_ERROR]
        self.is_free = is_free
        self.retry_after_s = retry_after_s


class _Top(msgspec.Struct):
    token: str
    logprob: float


class _Place(msgspec.Struct):
    token: str
    logprob: float
    top_logprobs: list[_Top] | None = None


class _Odds(msgspec.Struct):
    content: list[_Place] | None = None


class _Delta(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    logprobs: _Odds | None = None


class _Event(msgspec.Struct):
    choices: list[_Choice] = []
    model: str | None = None
    error: Any = None


@dataclass(frozen=True, slots=True)
class StreamTransport:
    """Connections to one server. Open it once; `chunks` is for any number of callers at the same time."""

    profile: ProviderProfile
    base_url: str
    session: "ClientSession"

    @classmethod
    @asynccontextmanager
    async def open(
        cls, profile: ProviderProfile, base_url: str, api_key: SecretStr
    ) -> AsyncIterator["StreamTransport"]:
        """Yield a transport; its connections are closed on leaving."""
        import aiohttp

        headers = {"authorization": f"Bearer {api_key.get_secret_value() or 'none'}"}
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=None)
        async with aiohttp.ClientSession(connector=connector, headers=headers, timeout=timeout) as session:
            yield cls(profile, base_url.rstrip("/"), session)

    async def chunks(self, model: str, prompt: RenderedPrompt, max_tokens: int) -> AsyncIterator[Chunk]:
        """Yield the chunks of an answer to `prompt`, without thinking, as they come. Close it to hang up at once.

        Raises StreamFault.
        """
        import aiohttp

        try:
            async with self.session.post(
                f"{self.base_url}/chat/completions", json=self._body(model, prompt, max_tokens)
            ) as response:
                try:
                    await _require_stream(response)
                    async for event in _events(response):
                        yield _read(event)
                finally:
                    # Not given back to the pool: what is still to come must not reach the next caller.
                    response.close()
        except aiohttp.ClientConnectorError as error:
            raise StreamFault("connection", f"the server cannot be reached: {type(error).__name__}", True) from None
        except (aiohttp.ClientError, OSError) as error:
            raise StreamFault("connection", f"the connection broke: {type(error).__name__}") from None
        except ValueError as error:
            raise StreamFault("not_json", f"the stream cannot be read: {type(error).__name__}") from None

    async def ping(self) -> bool:
        """Have a connection ready: ask for the list of models, which costs nothing. Tells whether anybody answered."""
        import aiohttp

        try:
            async with asyncio.timeout(PING_S), self.session.get(f"{self.base_url}/models") as response:
                # Read to its end, so that the connection goes back to the pool.
                await response.content.read(MAX_BYTES)
                return True
        except (TimeoutError, aiohttp.ClientError, OSError):
            return False

    def _body(self, model: str, prompt: RenderedPrompt, max_tokens: int) -> Mapping[str, Any]:
        return {
            "model": model,
            "messages": [{"role": "system", "content": prompt.prefix}, {"role": "user", "content": prompt.body}],
            self.profile.max_tokens_field: max_tokens,
            "temperature": 0,
            "stream": True,
            "logprobs": True,
            "top_logprobs": 5,
            **self.profile.always_body,
            **self.profile.thinking_off_body,
        }


async def _require_stream(response: "ClientResponse") -> None:
    kind = response.headers.get("content-type", "")
    if response.status != 200:
        text = (await response.content.read(_MAX_ERROR)).decode("utf-8", "replace")
        wait = response.headers.get("retry-after", "")
        seconds = float(wait) if re.fullmatch(r"\d{1,6}(\.\d+)?", wait) else 0.0
        raise StreamFault(f"http_{response.status}", text, True, seconds)
    if "text/event-stream" not in kind:
        raise StreamFault("not_json", f"the server answered 200 with '{kind[:60]}' in place of a stream")


async def _events(response: "ClientResponse") -> AsyncIterator[bytes]:
    """Yield the data of each server-sent event; comments and blank lines, which keep a connection alive, are none."""
    n_bytes = 0
    async for line in response.content:
        n_bytes += len(line)
        if n_bytes > MAX_BYTES:
            raise StreamFault("not_json", f"more than {MAX_BYTES} bytes came without an answer")
        data = line.strip().removeprefix(b"data:").strip() if line.startswith(b"data:") else b""
        if data == b"[DONE]":
            return
        if data:
            yield data


def _read(event: bytes) -> Chunk:
    try:
        found = msgspec.json.decode(event, type=_Event)
    except (msgspec.DecodeError, RecursionError) as error:
        raise StreamFault("not_json", f"an event of the stream is no chunk: {str(error)[:120]}") from None
    if found.error is not None:
        raise StreamFault("empty", f"the server reports an error within the stream: {_plain(found.error)}")
    choice = found.choices[0] if found.choices else _Choice()
    places = choice.logprobs.content if choice.logprobs is not None else None
    text = choice.delta.content if choice.delta is not None else None
    return Chunk(text or "", tuple(_odds(place) for place in places or ()), clean_text(found.model or "")[:200])


def _plain(said: object) -> str:
    try:
        return clean_text(str(said))[:200]
    except RecursionError:
        return "nested too deep to read"


def _odds(place: _Place) -> TokenOdds:
    return TokenOdds(place.token, place.logprob, tuple((top.token, top.logprob) for top in place.top_logprobs or ()))
