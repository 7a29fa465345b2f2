"""An advisor with a model behind a streaming server, all in one loop of virtual time."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import SecretStr

from core.clock import VirtualClock
from core.model.analysis import LlmCall
from core.settings_advisor import AdvisorSettings
from core.store import Session, Store, llm_calls
from feedback.advisor.llm import Endpoint, LlmDecider
from feedback.advisor.port import Decided, NoDecision, Question
from feedback.analyzer.ledger import CostLedger
from feedback.analyzer.prices import ModelPrice, PriceTable
from feedback.analyzer.profiles import PROFILES
from feedback.analyzer.render import render
from feedback.analyzer.stream import StreamTransport
from tests.factories import NOON
from tests.llm_streams import Mode, StreamServer, streaming_llm
from tests.virtual_loop import InlineExecutor

KEY = "sk-test-0123456789abcdef"
CENT = PriceTable(
    "deepseek", {"m": ModelPrice(input_mtok=Decimal(0), cached_mtok=Decimal(0), output_mtok=Decimal(10_000))}
)
"""One output token costs one cent."""
RATE = Decimal("1400")


def fresh_rate(_: Session, __: datetime) -> tuple[Decimal, bool]:
    return RATE, False


def question(n: int = 1) -> Question:
    return Question(f"momentum-1-a{n}", render("realtime/advice", {"facts": f'{{"n":{n}}}'}, "en"))


@dataclass
class AdvisorWorld:
    """A decider, the servers it asks, and the store of its ledger."""

    decider: LlmDecider
    server: StreamServer
    second: StreamServer | None
    store: Store

    async def ask(self, until: float, n: int = 1) -> Decided | str:
        """Return the answer, or the reason why there is none."""
        try:
            return await self.decider.decide(question(n), until)
        except NoDecision as failure:
            return failure.reason

    async def calls(self) -> list[LlmCall]:
        """Return the ledger's rows, oldest first, once everything is settled."""
        await self.decider.drain()
        with self.store.session() as session:
            return llm_calls.latest(session, 10_000)[::-1]


@asynccontextmanager
async def advisor_world(
    store: Store, *modes: Mode, second: tuple[Mode, ...] = (), cap_usd: str = "100", **over: Any
) -> AsyncIterator[AdvisorWorld]:
    """Yield a decider whose server answers in `modes`, with `over` among the advisor's settings."""
    settings = AdvisorSettings.model_validate(over)
    ledger = CostLedger(store, VirtualClock(NOON), CENT, Decimal(cap_usd), Decimal(cap_usd))
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(streaming_llm(*each)) for each in (modes, second) if each]
        endpoints = [
            Endpoint(
                await stack.enter_async_context(
                    StreamTransport.open(PROFILES["deepseek"], server.base_url, SecretStr(KEY))
                ),
                "m",
            )
            for server in servers
        ]
        hedge = endpoints[1] if second else None
        decider = LlmDecider(endpoints[0], hedge, "deepseek", ledger, settings, InlineExecutor())
        yield AdvisorWorld(decider, servers[0], servers[1] if second else None, store)
        await decider.drain()
