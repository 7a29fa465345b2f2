"""The wire: one request, one `Reply`, whatever the server does. The only importer of the SDK, at the first request."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from feedback.analyzer.answers import clean_text
from feedback.analyzer.prices import Tokens
from feedback.analyzer.profiles import ProviderProfile, StructuredMode

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI
    from openai.types.chat import ChatCompletion, ChatCompletionMessageParam

_MAX_TOKENS_BELIEVED = 10_000_000
_MAX_TEXT = 400_001
_MAX_NAME = 200


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of one request. `status` is `ok`, or the word that the ledger keeps for the fault."""

    status: str
    text: str = ""
    finish_reason: str = ""
    model: str = ""
    tokens: Tokens | None = None
    """None where the server gave no believable usage figure."""
    error: str = ""
    is_free: bool = False
    retry_after_s: float = 0.0
    latency_ms: float = 0.0


class Transport:
    """A connection pool to one server for the length of one question."""

    def __init__(self, sdk: "AsyncOpenAI", profile: ProviderProfile) -> None:
        self._sdk = sdk
        self._profile = profile

    @classmethod
    @asynccontextmanager
    async def open(cls, profile: ProviderProfile, base_url: str, api_key: SecretStr) -> AsyncIterator["Transport"]:
        """Yield a transport; its connections are closed on leaving."""
        from openai import AsyncOpenAI

        # A server on one's own machine takes any key, but the SDK wants one.
        async with AsyncOpenAI(
            api_key=api_key.get_secret_value() or "none", base_url=base_url, max_retries=0, timeout=None
        ) as sdk:
            # The SDK takes these from the environment and would tell them to every server.
            sdk.organization = sdk.project = None
            yield cls(sdk, profile)

    async def ask(
        self,
        model: str,
        messages: Sequence[Mapping[str, str]],
        max_tokens: int,
        thinking: bool,
        mode: StructuredMode,
        schema: Mapping[str, Any],
        deadline: float,
    ) -> Reply:
        """Return the reply before `deadline` (seconds of the event loop's clock), or one that names the fault."""
        import openai

        loop = asyncio.get_running_loop()
        started = loop.time()
        body = {**self._profile.always_body, **({} if thinking else self._profile.thinking_off_body)}
        options: dict[str, Any] = {self._profile.max_tokens_field: max_tokens, **_response_format(mode, schema)}
        try:
            async with asyncio.timeout_at(deadline):
                answer = await self._sdk.chat.completions.create(
                    model=model, messages=[_message(m) for m in messages], extra_body=body or None, **options
                )
            reply = _read(answer)
        except TimeoutError:
            reply = Reply("timeout", error="no complete answer before the deadline")
        except openai.APIStatusError as error:
            reply = _read_status(error)
        except openai.APIConnectionError as error:
            cause = type(error.__cause__).__name__
            # Only a connection that never came about is known to have cost nothing.
            reply = Reply("connection", error=f"the server cannot be reached: {cause}", is_free=cause == "ConnectError")
        except (openai.OpenAIError, ValueError, AttributeError, TypeError, LookupError, RecursionError) as error:
            # The SDK builds its objects without checking them: any shape may be missing in what a server sends.
            reply = Reply("not_json", error=f"the server's answer is no chat completion: {type(error).__name__}")
        return replace(reply, latency_ms=(loop.time() - started) * 1000)


def refuses_response_format(error: str) -> bool:
    """Return whether a 400 or 422 is about the structured mode and not about the rest of the request."""
    return re.search(r"response_format|json_schema|json_object|structured", error, re.IGNORECASE) is not None


def _message(message: Mapping[str, str]) -> "ChatCompletionMessageParam":
    if message["role"] == "system":
        return {"role": "system", "content": message["content"]}
    return {"role": "user", "content": message["content"]}


def _response_format(mode: StructuredMode, schema: Mapping[str, Any]) -> dict[str, Any]:
    if mode == "json_schema":
        return {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": dict(schema)}}}
    return {"response_format": {"type": "json_object"}} if mode == "json_object" else {}


def _read(answer: "ChatCompletion | object") -> Reply:
    """Return the reply in an answer with status 200. HTML arrives as a bare text, an error body without choices."""
    from openai.types.chat import ChatCompletion

    if not isinstance(answer, ChatCompletion):
        return Reply("not_json", error="the server answered 200 with something that is no chat completion")
    tokens = _read_usage(answer)
    model = clean_text(answer.model)[:_MAX_NAME] if isinstance(answer.model, str) else ""
    if not answer.choices:
        detail = clean_text(str((answer.model_extra or {}).get("error", "no choices")))
        return Reply("empty", model=model, tokens=tokens, error=f"an answer without choices: {detail[:300]}")
    choice = answer.choices[0]
    # Lone surrogates cannot be stored; the limit keeps a babbling server out of the database.
    text = (choice.message.content or "").encode("utf-8", "replace").decode()[:_MAX_TEXT]
    if choice.finish_reason == "content_filter":
        return Reply(
            "filtered", text, "content_filter", model, tokens, "the server's content filter stopped the answer"
        )
    if not text.strip() and choice.finish_reason != "length":
        return Reply("empty", "", str(choice.finish_reason), model, tokens, "a blank answer")
    return Reply("ok", text, str(choice.finish_reason), model, tokens)


def _read_usage(answer: "ChatCompletion") -> Tokens | None:
    usage = answer.usage
    if usage is None:
        return None
    cached: object = (usage.model_extra or {}).get("prompt_cache_hit_tokens")
    if cached is None and usage.prompt_tokens_details is not None:
        cached = usage.prompt_tokens_details.cached_tokens
    counts = (usage.prompt_tokens, cached or 0, usage.completion_tokens)
    if not all(type(n) is int and 0 <= n <= _MAX_TOKENS_BELIEVED for n in counts):
        return None
    prompt, hit, out = (int(str(n)) for n in counts)
    return Tokens(prompt, min(hit, prompt), out)


def _read_status(error: "APIStatusError") -> Reply:
    """Return the reply for a refused request: it did no work, so it is free."""
    text = str(error.message).encode("utf-8", "replace").decode()[:500]
    if error.status_code == 402:
        text = f"the provider's balance is used up: {text}"
    wait = error.response.headers.get("retry-after", "")
    seconds = float(wait) if re.fullmatch(r"\d{1,6}(\.\d+)?", wait) else 0.0
    return Reply(f"http_{error.status_code}", error=text, is_free=True, retry_after_s=seconds)
