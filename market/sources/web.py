"""Reading one small document from a configured address: bounded in time, size and hosts.

Only addresses from the settings are read, never one that a document names. A redirect is followed on the same host
only. Compressed answers are refused, so that a small body cannot grow into a large one.
"""

import asyncio
from dataclasses import dataclass
from typing import TypeVar

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from core.errors import BadInput, Unavailable

MAX_BYTES = 1_000_000
MAX_REDIRECTS = 3
D = TypeVar("D", bound=BaseModel)
_AGENT = "xcrack (market context)"


class Document(BaseModel):
    """A JSON answer of which we read some fields; the others are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class WebReader:
    """Reads documents. `timeout_s` bounds a whole read, not a single packet; tests inject `transport`."""

    timeout_s: float
    transport: httpx.AsyncBaseTransport | None = None

    async def read(self, url: str) -> bytes:
        """Return the body at `url`. Raises BadInput for a URL that is not plain http(s), Unavailable otherwise."""
        target = _parse_url(url)
        try:
            async with asyncio.timeout(self.timeout_s), self._client() as client:
                return await self._follow(client, target)
        except TimeoutError:
            raise Unavailable(f"{target.host} did not answer within {self.timeout_s:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unavailable(f"{target.host} cannot be read: {type(error).__name__}") from error

    async def read_document(self, url: str, kind: type[D]) -> D:
        """Return the JSON at `url` as `kind`. Raises as `read`, and Unavailable for another shape."""
        body = await self.read(url)
        try:
            return kind.model_validate_json(body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the document"
            raise Unavailable(f"{httpx.URL(url).host} answered in an unknown form: {where}: {first['msg']}") from None

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=self.transport,
            timeout=self.timeout_s,
            follow_redirects=False,
            trust_env=False,
            headers={"accept-encoding": "identity", "user-agent": _AGENT},
        )

    async def _follow(self, client: httpx.AsyncClient, target: httpx.URL) -> bytes:
        url = target
        for _ in range(MAX_REDIRECTS + 1):
            async with client.stream("GET", url) as response:
                if not response.is_redirect:
                    return await _body(response)
                url = url.join(response.headers["location"])
            if (url.scheme, url.host, url.port) != (target.scheme, target.host, target.port):
                raise Unavailable(f"{target.host} redirects to another host, which is not followed")
        raise Unavailable(f"{target.host} redirects more than {MAX_REDIRECTS} times")


async def _body(response: httpx.Response) -> bytes:
    host = response.url.host
    if response.status_code != 200:
        raise Unavailable(f"{host} answered {response.status_code}")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise Unavailable(f"{host} answered compressed although it was asked not to")
    body = bytearray()
    async for chunk in response.aiter_bytes():  # nothing is compressed here, so these are the bytes sent
        body += chunk
        if len(body) > MAX_BYTES:
            raise Unavailable(f"{host} answered more than {MAX_BYTES} bytes")
    return bytes(body)


def _parse_url(url: str) -> httpx.URL:
    try:
        target = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise BadInput(f"'{url[:100]}' is no URL: {error}", "Correct the key under `sources` in the settings") from None
    if target.scheme not in {"http", "https"} or not target.host or target.userinfo:
        raise BadInput(
            "a source URL must be http(s) with a host and without a password",
            "Correct the key under `sources` in the settings",
        )
    return target
