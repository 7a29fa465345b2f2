"""Large orders asked about while the model's server has one fault: how long until the answer is stored and sent.

    python advisor_calls.py FOLDER MODE N

From the transaction that takes the question to the commit of the one that answers it, eight at a time, on a store on
disk. The breaker is held closed, so that every call meets the fault. Prints one JSON object, times in milliseconds.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

import msgspec
from pydantic import SecretStr

from core.clock import SystemClock, to_ns
from core.model.generated import AdviceAnswer, Message
from core.settings_advisor import AdvisorSettings
from core.store import Session, Store, advice, open_store, schema
from core.store.session import after_commit
from feedback.advisor import AdviceDesk, RealTimeAIAdvisor
from feedback.advisor.breaker import Breaker
from feedback.advisor.llm import Endpoint, LlmDecider
from feedback.analyzer.ledger import CostLedger
from feedback.analyzer.prices import PriceTable
from feedback.analyzer.profiles import PROFILES
from feedback.analyzer.stream import StreamTransport
from tests import factories

AT_ONCE = 8


class Closed(Breaker):
    """Lets every call through."""

    def enter(self, now: float) -> bool:
        """Return True."""
        return True


def rate(_: Session, __: datetime) -> tuple[Decimal, bool]:
    """Return a fresh rate."""
    return Decimal(1400), False


class Caller:
    """Takes questions as the bridge does, and notes when each answer was committed."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.done: dict[str, asyncio.Event] = {}
        self.at: dict[str, float] = {}
        self.loop = asyncio.get_running_loop()

    def send(self, session: Session, message: Message) -> int:
        """Note the time once the caller's transaction is committed."""
        assert isinstance(message, AdviceAnswer)

        def sent() -> None:
            self.at[message.advice_id] = time.perf_counter()
            self.loop.call_soon_threadsafe(self.done[message.advice_id].set)

        after_commit(session, sent)
        return 0

    def take(self, advisor: RealTimeAIAdvisor, advice_id: str) -> None:
        """Take one question, which the engine asks now and waits 950 ms for."""
        request = factories.advice_request(advice_id=advice_id)
        now_ns = to_ns(SystemClock().now())
        asked = msgspec.structs.replace(request, at_ns=now_ns, deadline_ns=now_ns + 950_000_000)
        with self.store.session() as session:
            advisor.answer(session, asked)


async def measure(folder: Path, base_url: str, n: int) -> dict[str, object]:
    """Return times and reasons of `n` calls."""
    store = open_store(f"sqlite:///{folder / 'advisor.db'}")
    schema.migrate(store)
    settings = AdvisorSettings(max_concurrent=AT_ONCE, reasons=False)
    clock, caller = SystemClock(), Caller(store)
    pool = ThreadPoolExecutor(2)
    ledger = CostLedger(store, clock, PriceTable(None, {}, is_own=True), Decimal(100), Decimal(100))

    @asynccontextmanager
    async def opened():
        async with StreamTransport.open(PROFILES["vllm"], base_url, SecretStr("")) as transport:
            decider = LlmDecider(Endpoint(transport, "m"), None, "vllm", ledger, settings, pool)
            decider.breaker = Closed(settings.breaker_share, settings.breaker_open_s, 1.0)
            yield decider
            await decider.drain()

    plain = RealTimeAIAdvisor(clock, settings, rate, caller.send)
    desk = AdviceDesk(store, clock, plain, opened, pool)
    advisor = replace(plain, desk=desk)
    bridge = ThreadPoolExecutor(1)
    took: list[float] = []
    names = iter([f"a{k}" for k in range(n)])

    async def work() -> None:
        for name in names:
            caller.done[name] = asyncio.Event()
            started = time.perf_counter()
            await caller.loop.run_in_executor(bridge, caller.take, advisor, name)
            await caller.done[name].wait()
            took.append((caller.at[name] - started) * 1000)

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(desk.running())
        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(work())
    far = timedelta(days=1)
    with store.session() as session:
        records = advice.between(session, clock.now() - far, clock.now() + far)
    return {
        "ms": took,
        "reasons": Counter(record.reason for record in records),
        "approved": sum(record.approve for record in records),
        "answered": sum(record.p_yes is not None for record in records),
    }


def main(folder: Path, mode: str, n: int) -> None:
    """Start the server, measure, and print."""
    stub = [sys.executable, str(Path(__file__).with_name("llm_stub.py")), mode]
    with subprocess.Popen(stub, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None and server.stdin is not None
        port = int(server.stdout.readline())
        made = asyncio.run(measure(folder, f"http://127.0.0.1:{port}/v1", n))
        server.stdin.close()
        server.kill()
    print(json.dumps(made))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
