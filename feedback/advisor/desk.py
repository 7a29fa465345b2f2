"""Works off questions outside of the transaction that took them: decide within the deadline, then record and send.

Every question is a row before it is worked on, and the row goes in the transaction that stores and sends the answer. So
a kill anywhere leaves either the row, which the next start answers by the policy, or the answer, which the bridge has.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from typing import TypeVar

from core.clock import Clock
from core.errors import StoreUnavailable
from core.log import get_logger, redact_text
from core.model.advice import AdviceRecord, FailureReason, PendingAdvice
from core.store import Store, advice
from feedback.advisor.advisor import RealTimeAIAdvisor
from feedback.advisor.calibration import Calibration
from feedback.advisor.port import Decided, Decider, NoDecision, Question
from feedback.advisor.settle import load_calibrations
from feedback.analyzer.render import render

T = TypeVar("T")
REPLY_S = 0.1
"""Kept of the engine's patience for storing the answer and bringing it there."""
RETRY_S = (0.1, 0.5, 2.0, 5.0)
"""Pauses while the database does not answer; the last one from then on."""
STOP_S = 2.0
REFRESH_S = 3_600.0
"""How old what was learned of settled trades may become."""
TEMPLATE = "realtime/advice"
Explain = Callable[[AdviceRecord], None]
OpenDecider = Callable[[], AbstractAsyncContextManager[Decider]]


class AdviceDesk:
    """One for a worker. `stamp` and `begin` are for any thread, the rest for the loop."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        advisor: RealTimeAIAdvisor,
        open_decider: OpenDecider,
        executor: Executor,
        explain: Explain | None = None,
    ) -> None:
        """`advisor` judges and closes; `executor` writes to the store, apart from the threads of the bridge.

        `explain` is given every answer in which a model narrowed an order, in the loop, and must not block.
        """
        self._store, self._clock, self._advisor = store, clock, advisor
        self._open_decider, self._executor, self._explain = open_decider, executor, explain
        self._log = get_logger("advisor")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._decider: Decider | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._calibrations: dict[str, Calibration] = {}
        self._calibrated_at = float("-inf")

    def stamp(self) -> float:
        """See Desk."""
        return 0.0 if self._loop is None else self._loop.time()

    def begin(self, question: PendingAdvice, arrived: float) -> None:
        """See Desk. A question that comes while this does not run waits as a row for the next start."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop was closed meanwhile
                self._loop.call_soon_threadsafe(self._take_up, question, arrived)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Answer what an earlier process left open, then whatever comes, until left; what is under way is finished."""
        async with AsyncExitStack() as stack:
            self._decider = await stack.enter_async_context(self._open_decider())
            self._loop = asyncio.get_running_loop()
            for left in await self._in_thread(self._load):
                await self._close(left, self._fall_back(left))
            try:
                yield
            finally:
                if self._tasks:
                    await asyncio.wait(self._tasks, timeout=STOP_S)
                self._loop = None
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)

    async def idle(self) -> None:
        """Return when nothing is under way."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    def _take_up(self, question: PendingAdvice, arrived: float) -> None:
        if self._loop is None:
            return
        task = self._loop.create_task(self._answer(question, arrived))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, pending: PendingAdvice, arrived: float) -> None:
        record = await self._decide(pending, arrived)
        was_open = await self._close(pending, record)
        has_narrowed = record.p_yes is not None and record.size_factor < pending.rule.size_factor
        if was_open and has_narrowed and self._explain is not None:
            self._explain(record)
        loop = asyncio.get_running_loop()
        if loop.time() - self._calibrated_at > REFRESH_S:
            self._calibrated_at = loop.time()
            self._calibrations = await self._in_thread(self._calibrate)

    async def _decide(self, pending: PendingAdvice, arrived: float) -> AdviceRecord:
        loop = asyncio.get_running_loop()
        said: Decided | FailureReason
        call_ids: tuple[str, ...] = ()
        try:
            said = await self._ask(pending, self._until(pending, arrived))
            call_ids = said.call_ids
        except NoDecision as failure:
            said, call_ids = failure.reason, failure.call_ids
            self._log.warning("no advice of the model", advice_id=pending.rule.advice_id, reason=str(failure))
        except Exception as error:
            # An order waits; whatever is wrong here, the policy has an answer.
            said = "error"
            self._log.error("the advisor met a defect", error=redact_text(repr(error)))
        calibration = Calibration() if isinstance(said, str) else self._calibrations.get(said.source, Calibration())
        record = self._advisor.judge(pending.rule, said, calibration, self._clock.now())
        return replace(record, call_ids=call_ids, latency_ms=round((loop.time() - arrived) * 1000, 3))

    async def _ask(self, pending: PendingAdvice, until: float) -> Decided:
        if until <= asyncio.get_running_loop().time():
            raise NoDecision("timeout", "it came too late to ask")
        assert self._decider is not None
        prompt = render(TEMPLATE, {"facts": pending.rule.facts}, "en")
        return await self._decider.decide(Question(pending.rule.advice_id, prompt), until)

    def _until(self, pending: PendingAdvice, arrived: float) -> float:
        """Return when the decision must stand, on the loop's clock: the call's own limit, or the engine's patience."""
        left_s = (pending.deadline_at - self._clock.now()).total_seconds() - REPLY_S
        now = asyncio.get_running_loop().time()
        return min(arrived + self._advisor.settings.call_ms / 1000, now + left_s)

    def _fall_back(self, pending: PendingAdvice) -> AdviceRecord:
        return self._advisor.judge(pending.rule, "timeout", Calibration(), self._clock.now())

    async def _close(self, pending: PendingAdvice, record: AdviceRecord) -> bool:
        """Record and send in one transaction, however long the database needs; False when it was answered before."""

        def close() -> bool:
            with self._store.session() as session:
                return self._advisor.close(session, pending, record)

        tries = 0
        while True:
            try:
                return await self._in_thread(close)
            except StoreUnavailable as error:
                self._log.error("an answer waits for the database", advice_id=record.advice_id, reason=str(error))
            await asyncio.sleep(RETRY_S[min(tries, len(RETRY_S) - 1)])
            tries += 1

    def _load(self) -> list[PendingAdvice]:
        self._calibrations = self._calibrate()
        render(TEMPLATE, {"facts": "{}"}, "en")  # compiled before the first order waits for it
        with self._store.session() as session:
            return advice.all_pending(session)

    def _calibrate(self) -> dict[str, Calibration]:
        with self._store.session() as session:
            return load_calibrations(session, self._clock.now())

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)
