"""A language model as a decider: one streamed call, at most one second call, and nobody waits past the deadline."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import Executor
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, cast

from core.log import get_logger, redact_text
from core.model.advice import FailureReason
from core.model.analysis import LlmCall, RenderedPrompt
from core.settings_advisor import AdvisorSettings
from feedback.advisor.breaker import Breaker
from feedback.advisor.first_token import FirstToken, Reading
from feedback.advisor.hedge import Hedging
from feedback.advisor.port import Decided, NoDecision, Question
from feedback.analyzer.ledger import CostLedger, Outcome
from feedback.analyzer.stream import Chunk, StreamFault

_BYTES_STEP = 512
"""Prompts of nearly the same size reserve the same amount, so that sums over many of them stay cheap."""
_MESSAGE_OVERHEAD_BYTES = 128
_NOT_COUNTED: frozenset[FailureReason] = frozenset({"over_budget", "shed", "breaker_open"})
"""Failures that say nothing of the server."""


class Transport(Protocol):
    """Connections to one server."""

    def chunks(self, model: str, prompt: RenderedPrompt, max_tokens: int) -> AsyncIterator[Chunk]:
        """Yield the chunks of an answer; raises StreamFault."""
        ...

    async def ping(self) -> bool:
        """Have a connection ready."""
        ...


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server, its connections, the model that is asked there, and what that costs."""

    transport: Transport
    model: str
    ledger: CostLedger | None = None
    """None means the decider's."""


@dataclass(slots=True)
class _Attempt:
    """One request on its way, as the race sees it."""

    endpoint: Endpoint
    task: asyncio.Task[Decided]
    has_begun: asyncio.Event


@dataclass(slots=True)
class LlmDecider:
    """Asks one model, at one or two servers. Lives in one event loop; the ledger is written to in `executor`."""

    endpoint: Endpoint
    hedge_endpoint: Endpoint | None
    provider: str
    ledger: CostLedger
    settings: AdvisorSettings
    executor: Executor
    breaker: Breaker = field(init=False)
    hedging: Hedging = field(init=False)
    n_under_way: int = 0
    used_at: float = float("-inf")
    _settling: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Settling takes turns: nobody waits for it, and answers want to be written meanwhile."""
    _attempts: set[asyncio.Task[Decided]] = field(default_factory=set)
    _background: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        chosen = self.settings
        self.breaker = Breaker(chosen.breaker_share, chosen.breaker_open_s, chosen.slow_ms / 1000)
        self.hedging = Hedging(chosen.hedge_share)

    async def decide(self, question: Question, until: float) -> Decided:
        """See Decider. Whatever the server does, this ends at `until`."""
        loop = asyncio.get_running_loop()
        if self.n_under_way >= self.settings.max_concurrent:
            raise NoDecision("shed", f"{self.n_under_way} calls are under way")
        started = self.used_at = loop.time()
        if not self.breaker.enter(started):
            raise NoDecision("breaker_open", "too many calls failed of late")
        may_hedge = self.breaker.state(started) == "closed"
        call_ids: list[str] = []
        self.n_under_way += 1
        try:
            decided = await self._before(until, self._race(question, may_hedge, call_ids))
        except NoDecision as failure:
            if failure.reason in _NOT_COUNTED:
                self.breaker.leave()
            else:
                self.breaker.fail(loop.time())
            raise NoDecision(failure.reason, failure.detail, tuple(call_ids)) from None
        except BaseException:
            self.breaker.leave()
            raise
        finally:
            self.n_under_way -= 1
        self.breaker.succeed(loop.time(), loop.time() - started)
        self._later(self._ping())
        return replace(decided, call_ids=tuple(call_ids))

    async def keep_warm(self) -> None:
        """Ping whenever nobody called for a while, and once at the beginning; never ends by itself."""
        loop = asyncio.get_running_loop()
        while True:
            if loop.time() - self.used_at >= self.settings.ping_s:
                await self._ping()
                self.used_at = loop.time()
            await asyncio.sleep(self.used_at + self.settings.ping_s - loop.time())

    async def drain(self) -> None:
        """Return when what goes on after decisions is done."""
        while going := [*self._attempts, *self._background]:
            await asyncio.gather(*going, return_exceptions=True)

    async def _before(self, until: float, work: Coroutine[Any, Any, Decided]) -> Decided:
        try:
            async with asyncio.timeout_at(until):
                return await work
        except TimeoutError:
            raise NoDecision("timeout", "no answer before the deadline") from None

    async def _race(self, question: Question, may_hedge: bool, call_ids: list[str]) -> Decided:
        """Return the first answer of one call, or of two where the first one hesitates; cancel the loser."""
        self.hedging.called()
        attempts = [self._begin(self.endpoint, question, call_ids)]
        try:
            delay_s = self.hedging.delay_s() if may_hedge else None
            if delay_s is not None:
                await asyncio.wait({attempts[0].task}, timeout=delay_s)
                if not attempts[0].task.done() and not attempts[0].has_begun.is_set() and self.hedging.take():
                    attempts.append(self._begin(self.hedge_endpoint or self.endpoint, question, call_ids))
            waiting = {attempt.task for attempt in attempts}
            while True:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                good = [task for task in done if task.exception() is None]
                if good:
                    return good[0].result()
                if not waiting:
                    return done.pop().result()
        finally:
            for attempt in attempts:
                if not attempt.task.done():
                    attempt.task.cancel()

    def _begin(self, endpoint: Endpoint, question: Question, call_ids: list[str]) -> _Attempt:
        has_begun = asyncio.Event()
        task = asyncio.create_task(self._ask(endpoint, question, call_ids, has_begun))
        self._attempts.add(task)
        task.add_done_callback(self._forget_attempt)
        return _Attempt(endpoint, task, has_begun)

    async def _ask(
        self, endpoint: Endpoint, question: Question, call_ids: list[str], has_begun: asyncio.Event
    ) -> Decided:
        """Reserve, stream to the first word, hang up, settle. Money is given back only where nothing was asked."""
        call = await self._reserve(endpoint, question, call_ids)
        loop = asyncio.get_running_loop()
        started = loop.time()
        outcome = Outcome("timeout", error="given up before an answer came")
        model = endpoint.model
        reader = FirstToken()
        try:
            chunks = cast(Any, endpoint.transport.chunks(endpoint.model, question.prompt, self.settings.max_tokens))
            async with aclosing(chunks):
                async for chunk in chunks:
                    if not has_begun.is_set():
                        has_begun.set()
                        self.hedging.saw_first_chunk(loop.time() - started)
                    model = chunk.model or model
                    reading = reader.read(chunk)
                    if reading is not None:
                        outcome = _answered(reading, model)
                        return Decided(reading.p_yes, f"llm:{model}", reading.is_bare)
            raise reader.end()
        except StreamFault as fault:
            outcome = Outcome(fault.status, error=fault.detail, is_free=fault.is_free)
            self.breaker.hold(loop.time(), self._quiet_s(fault))
            raise NoDecision(_reason_of(fault), fault.detail) from None
        except NoDecision as failure:
            outcome = Outcome("invalid", error=failure.detail, resolved_model=model)
            raise
        except asyncio.CancelledError:
            if not has_begun.is_set():
                # It would have taken longer still; to leave it out would call every slow server a fast one.
                self.hedging.saw_first_chunk(loop.time() - started)
            raise
        finally:
            self._later(self._settle(call, outcome, (loop.time() - started) * 1000))

    async def _reserve(self, endpoint: Endpoint, question: Question, call_ids: list[str]) -> LlmCall:
        prompt = question.prompt
        size = len(prompt.prefix.encode()) + len(prompt.body.encode()) + _MESSAGE_OVERHEAD_BYTES
        size = -(-size // _BYTES_STEP) * _BYTES_STEP
        ledger = endpoint.ledger or self.ledger
        loop = asyncio.get_running_loop()
        reserving = loop.run_in_executor(
            self.executor, ledger.reserve,
            "advice", self.provider, endpoint.model, prompt, size, self.settings.max_tokens, False,
        )  # fmt: skip
        try:
            call = await asyncio.shield(reserving)
        except asyncio.CancelledError:
            # The thread goes on and may reserve after all; nothing will be asked, so that is to cost nothing.
            self._later(self._give_back(reserving))
            raise
        call_ids.append(call.call_id)
        if call.status != "reserved":
            raise NoDecision("over_budget", call.error)
        return call

    def _quiet_s(self, fault: StreamFault) -> float:
        """Return for how long the server wants to be left alone; an empty balance is not filled within seconds."""
        return self.settings.breaker_open_s if fault.status == "http_402" else fault.retry_after_s

    async def _give_back(self, reserving: "asyncio.Future[LlmCall]") -> None:
        call = await reserving
        if call.status == "reserved":
            await self._settle(call, Outcome("timeout", error="the deadline passed before it was asked", is_free=True))

    async def _settle(self, call: LlmCall, outcome: Outcome, latency_ms: float = 0.0) -> None:
        settled = Outcome(
            status=outcome.status,
            text=outcome.text,
            error=redact_text(outcome.error),
            resolved_model=outcome.resolved_model,
            is_free=outcome.is_free,
            latency_ms=latency_ms,
        )
        async with self._settling:
            await asyncio.get_running_loop().run_in_executor(self.executor, self.ledger.settle, call, settled)

    async def _ping(self) -> None:
        """Have a connection ready at every server: the last one was hung up on."""
        for endpoint in {id(e.transport): e for e in (self.endpoint, self.hedge_endpoint) if e is not None}.values():
            await endpoint.transport.ping()

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._forget)

    def _forget_attempt(self, task: "asyncio.Task[Decided]") -> None:
        self._attempts.discard(task)
        if not task.cancelled():
            # One that fails after the race is over is nobody's error any more.
            task.exception()

    def _forget(self, task: "asyncio.Task[None]") -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # What was not settled counts at its reservation, which is safe.
            get_logger("advisor").error("work after a decision failed", error=redact_text(repr(error)))


def _answered(reading: Reading, model: str) -> Outcome:
    text = ("yes" if reading.p_yes >= 0.5 else "no") if reading.is_bare else f"p={reading.p_yes:.4f}"
    return Outcome("ok", text, resolved_model=model)


def _reason_of(fault: StreamFault) -> FailureReason:
    """A provider's empty balance is a budget of ours that is spent."""
    return "over_budget" if fault.status == "http_402" else "error"
