"""One question to an OpenAI-compatible server: every attempt under one deadline, in the ledger, and behind the door.

The SDK's own retries and timeouts stay off: a server that drips keep-alive bytes outlives a read timeout, and an
attempt that the ledger does not see is money that the cap does not see.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Generic, TypeVar

from pydantic import SecretStr

from core.log import get_logger, redact_text
from core.model.analysis import LlmCall, RenderedPrompt, Task
from feedback.analyzer.answers import InvalidAnswer
from feedback.analyzer.ledger import CostLedger, Outcome
from feedback.analyzer.profiles import ProviderProfile, StructuredMode
from feedback.analyzer.protocol import AnalyzerFailure
from feedback.analyzer.transport import Reply, Transport, refuses_response_format

T = TypeVar("T")
MAX_REPAIRS = 2
MAX_RETRIES = 2
_BACKOFF_S = 0.5
_LONGEST_WAIT_S = 30.0
_TRANSIENT = frozenset(("http_408", "http_409", "http_429", "http_500", "http_502", "http_503", "http_504"))
_RETRIED = _TRANSIENT | {"connection", "not_json", "empty"}
# What a chat server adds to a message: role words and separators.
_MESSAGE_OVERHEAD_BYTES = 64


@dataclass(frozen=True, slots=True)
class Question(Generic[T]):
    """A rendered prompt and what reads its answer; `parse` raises InvalidAnswer."""

    task: Task
    prompt: RenderedPrompt
    schema: Mapping[str, Any]
    max_tokens: int
    thinking: bool
    parse: Callable[[str], T]
    salvage: Callable[[str], T]
    """Parses what repairs could not mend, keeping sound parts only; raises InvalidAnswer where nothing is sound."""
    may_recall: bool = True
    """Whether an answer that was paid for before is good enough."""


@dataclass(frozen=True, slots=True)
class Answered(Generic[T]):
    """A parsed answer with the calls that it took."""

    value: T
    model: str
    call_ids: tuple[str, ...]
    cost_usd: Decimal
    latency_ms: float
    mode: StructuredMode


@dataclass(frozen=True, slots=True)
class LlmClient:
    """Asks one model of one server. `lowered` remembers which structured modes the server refused."""

    profile: ProviderProfile
    base_url: str
    model: str
    api_key: SecretStr
    timeout_s: float
    max_output_tokens: int
    ledger: CostLedger
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    lowered: dict[tuple[str, str], int] = field(default_factory=dict)

    def ask(self, question: Question[T]) -> Answered[T]:
        """Return the answer, also one paid for before a crash. Raises AnalyzerFailure with the reason in one word."""
        known = self.ledger.recall(question.prompt)
        if known and question.may_recall:
            return self._recalled(question, known)
        return asyncio.run(_Conversation(self, question).run())

    @property
    def mode(self) -> StructuredMode:
        """The structured mode in use: the best one that the server has not refused."""
        return self.profile.structured_modes[self.lowered.get((self.base_url, self.model), 0)]

    def lower_mode(self) -> bool:
        """Step down to the next structured mode for this server and model; False when there is none."""
        key = (self.base_url, self.model)
        step = self.lowered.get(key, 0) + 1
        if step >= len(self.profile.structured_modes):
            return False
        self.lowered[key] = step
        return True

    def _recalled(self, question: Question[T], calls: Sequence[LlmCall]) -> Answered[T]:
        answer, ids, cost = calls[-1], _ids(calls), _cost(calls)
        try:
            value = question.salvage(answer.response_text)
        except InvalidAnswer as error:
            raise AnalyzerFailure("invalid", f"a stored answer is not valid any more: {error}", ids, cost) from None
        return Answered(value, answer.resolved_model or answer.model, ids, cost, answer.latency_ms, self.mode)


class _Conversation(Generic[T]):
    """The attempts at one question, in order, until an answer, a failure or the deadline."""

    def __init__(self, client: LlmClient, question: Question[T]) -> None:
        self.client = client
        self.question = question
        self.calls: list[LlmCall] = []
        self.max_tokens = min(question.max_tokens, client.max_output_tokens)
        self.retries = 0
        self.repairs = 0
        self.has_doubled = False
        self.faults: Sequence[str] = ()

    async def run(self) -> Answered[T]:
        """Return the answer or raise AnalyzerFailure."""
        async with Transport.open(self.client.profile, self.client.base_url, self.client.api_key) as transport:
            # The event loop's own clock: a network deadline is about real seconds, also while other time is virtual.
            deadline = asyncio.get_running_loop().time() + self.client.timeout_s
            while True:
                reply = await self._attempt(transport, deadline)
                answered = self._judge(reply)
                if answered is not None:
                    return answered
                await self._wait(reply, deadline)

    async def _attempt(self, transport: Transport, deadline: float) -> Reply:
        client, question = self.client, self.question
        messages = self._messages()
        size = sum(len(m["content"].encode()) + _MESSAGE_OVERHEAD_BYTES for m in messages)
        call = client.ledger.reserve(
            question.task, client.profile.name, client.model, question.prompt, size, self.max_tokens
        )
        self.calls.append(call)
        if call.status != "reserved":
            raise self._failure(call.status, call.error)
        return await transport.ask(
            client.model, messages, self.max_tokens, question.thinking, client.mode, question.schema, deadline
        )

    def _messages(self) -> list[dict[str, str]]:
        prompt = self.question.prompt
        messages = [{"role": "system", "content": prompt.prefix}, {"role": "user", "content": prompt.body}]
        if self.faults:
            listed = "\n".join(f"- {fault}" for fault in self.faults)
            content = f"Your last answer was refused:\n{listed}\nAnswer again with the whole json object."
            messages.append({"role": "user", "content": content})
        return messages

    def _judge(self, reply: Reply) -> Answered[T] | None:
        """Settle the call; return the answer, or None to try again. Raises AnalyzerFailure when that is useless."""
        if reply.status != "ok":
            self._settle(reply, reply.status, reply.error)
            self._after_fault(reply)
            return None
        if reply.finish_reason == "length":
            self._settle(reply, "invalid", "the answer was cut at max_tokens")
            if self.has_doubled:
                raise self._failure("invalid", f"the answer did not fit into {self.max_tokens} tokens")
            self.has_doubled, self.max_tokens = True, 2 * self.max_tokens
            return None
        parse = self.question.salvage if self.repairs == MAX_REPAIRS else self.question.parse
        try:
            value = parse(reply.text)
        except InvalidAnswer as error:
            self._settle(reply, "invalid", str(error))
            if self.repairs == MAX_REPAIRS:
                raise self._failure("invalid", f"{MAX_REPAIRS} repairs did not mend the answer: {error}") from None
            self.repairs, self.faults = self.repairs + 1, error.faults
            return None
        settled = self._settle(reply, "ok", "")
        model = settled.resolved_model or settled.model
        return Answered(value, model, _ids(self.calls), _cost(self.calls), reply.latency_ms, self.client.mode)

    def _after_fault(self, reply: Reply) -> None:
        """Return where another attempt makes sense; raises AnalyzerFailure elsewhere."""
        if (
            reply.status in ("http_400", "http_422")
            and refuses_response_format(reply.error)
            and self.client.lower_mode()
        ):
            return
        if reply.status not in _RETRIED or self.retries == MAX_RETRIES:
            raise self._failure(reply.status, reply.error)
        self.retries += 1

    async def _wait(self, reply: Reply, deadline: float) -> None:
        """Back off after a transient fault: Retry-After or doubling half seconds, never past the deadline."""
        if reply.status not in _RETRIED:
            return
        seconds = max(_BACKOFF_S * 2 ** (self.retries - 1), reply.retry_after_s)
        if seconds > _LONGEST_WAIT_S or asyncio.get_running_loop().time() + seconds >= deadline:
            raise self._failure(reply.status, f"{reply.error}; waiting {seconds:g} s would pass the deadline")
        await self.client.sleep(seconds)

    def _settle(self, reply: Reply, status: str, error: str) -> LlmCall:
        outcome = Outcome(
            status=status,
            text=reply.text,
            error=redact_text(error)[:2_000],
            resolved_model=reply.model,
            tokens=reply.tokens,
            is_free=reply.is_free,
            latency_ms=reply.latency_ms,
        )
        self.calls[-1] = settled = self.client.ledger.settle(self.calls[-1], outcome)
        get_logger("analyzer").info(
            "llm_call",
            call_id=settled.call_id,
            task=settled.task,
            status=settled.status,
            model=settled.resolved_model or settled.model,
            cost_usd=str(settled.cost_usd),
        )
        return settled

    def _failure(self, reason: str, message: str) -> AnalyzerFailure:
        return AnalyzerFailure(reason, redact_text(message)[:500], _ids(self.calls), _cost(self.calls))


def _ids(calls: Sequence[LlmCall]) -> tuple[str, ...]:
    return tuple(call.call_id for call in calls)


def _cost(calls: Sequence[LlmCall]) -> Decimal:
    return sum((call.cost_usd for call in calls), Decimal(0))
