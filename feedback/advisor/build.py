"""From settings to a desk: whether a model is asked, which one, and over which connections."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from core.clock import Clock
from core.model.advice import AdviceRecord
from core.model.generated import Message
from core.settings import Settings
from core.store import Session, Store
from feedback.advisor.advisor import RealTimeAIAdvisor
from feedback.advisor.desk import AdviceDesk
from feedback.advisor.llm import Endpoint, LlmDecider
from feedback.advisor.reasons import ReasonWriter
from feedback.analyzer.build import build_client
from feedback.analyzer.client import LlmClient
from feedback.analyzer.stream import StreamTransport

UsdKrw = Callable[[Session, datetime], tuple[Decimal, bool]]
Send = Callable[[Session, Message], int]
REASON_TIMEOUT_S = 20.0


def build_advisor(
    settings: Settings, store: Store, clock: Clock, usd_krw: UsdKrw, send: Send, may_ask: bool
) -> tuple[RealTimeAIAdvisor, AdviceDesk | None]:
    """Return the advisor, and the desk that must run while it is to ask a model; None where it asks none.

    Where time is not real nobody may be asked: a call takes real time, and what it says comes from outside of the run.
    """
    advisor = RealTimeAIAdvisor(clock, settings.advisor, usd_krw, send, stands_still=not may_ask)
    client = advice_client(settings, store, clock) if may_ask else None
    if client is None:
        return advisor, None
    desk = build_desk(settings, store, clock, advisor, client, DeskPools.make())
    return replace(advisor, desk=desk), desk


def advice_client(settings: Settings, store: Store, clock: Clock) -> LlmClient | None:
    """Return the client of the advisor's model, or None where no model is asked: switched off, or without a key."""
    if not settings.advisor.llm:
        return None
    chosen = settings.analyzer.model_copy(update={"model": settings.advisor.model or settings.analyzer.model})
    client = build_client(chosen, store, clock)
    return None if client is None else replace(client, timeout_s=REASON_TIMEOUT_S)


def build_desk(
    settings: Settings, store: Store, clock: Clock, advisor: RealTimeAIAdvisor, client: LlmClient, pools: "DeskPools"
) -> AdviceDesk:
    """Return the desk that asks `client`'s model."""
    writer = ReasonWriter(client, store, clock, settings.language)

    def explain(record: AdviceRecord) -> None:
        writer.offer(pools.reasons, record)

    return AdviceDesk(
        store,
        clock,
        advisor,
        lambda: open_decider(settings, client, pools),
        pools.store,
        explain if settings.advisor.reasons else None,
    )


@dataclass(frozen=True, slots=True)
class DeskPools:
    """Threads of the desk: those that write to the store, apart from the bridge's; and one for reasons."""

    store: Executor
    reasons: Executor

    @classmethod
    def make(cls) -> "DeskPools":
        """Return pools whose threads start at the first use."""
        return cls(
            ThreadPoolExecutor(2, thread_name_prefix="advice"), ThreadPoolExecutor(1, thread_name_prefix="reason")
        )


@asynccontextmanager
async def open_decider(settings: Settings, client: LlmClient, pools: "DeskPools") -> AsyncIterator[LlmDecider]:
    """Yield what asks `client`'s model, with its connections open; the pools are shut down in the end."""
    async with AsyncExitStack() as stack:
        endpoint = Endpoint(
            await stack.enter_async_context(StreamTransport.open(client.profile, client.base_url, client.api_key)),
            client.model,
        )
        hedge = None
        if (other := settings.advisor.hedge_endpoint) is not None:
            key = other.api_key if other.api_key.get_secret_value() else client.api_key
            opened = await stack.enter_async_context(StreamTransport.open(client.profile, other.base_url, key))
            prices = client.ledger.prices.served_at(other.base_url)
            hedge = Endpoint(opened, other.model or client.model, replace(client.ledger, prices=prices))
        decider = LlmDecider(endpoint, hedge, client.profile.name, client.ledger, settings.advisor, pools.store)
        # The price table takes a while to load, which the first order need not wait for.
        loop = asyncio.get_running_loop()
        now = client.ledger.clock.now()
        for each in (endpoint, hedge):
            if each is not None:
                prices = (each.ledger or client.ledger).prices
                await loop.run_in_executor(pools.store, prices.ceiling_usd, each.model, 1, 1, now)
        warming = asyncio.create_task(decider.keep_warm())
        try:
            yield decider
        finally:
            warming.cancel()
            with suppress(asyncio.CancelledError):
                await warming
            await decider.drain()
            # An idle thread would keep the process from ending.
            pools.store.shutdown(wait=False)
            pools.reasons.shutdown(wait=False, cancel_futures=True)
