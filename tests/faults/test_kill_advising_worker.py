"""`kill -9` of a real worker while a model is asked about an order: the next worker answers the question, once."""

import asyncio
import json
import multiprocessing
import os
import shutil
import time
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from app.home import Home
from app.replay import PLAN, Plan
from app.worker import run_worker
from core.clock import SystemClock, to_ns
from core.model.generated import AdviceAnswer
from core.settings import load_settings
from core.store import Store, advice, open_store, setting_facts
from tests import factories
from tests.llm_streams import StreamServer, streaming_llm
from tests.servers import free_port
from tests.unit.strategies.bridge_engine import SECRET
from tests.unit.strategies.bridge_peer import Peer

ADVICE_ID = "momentum-1-a1"
READY_WITHIN_S = 60.0


class Worker:
    """`xcrack worker` on a home of its own, and how it is started again."""

    def __init__(self, folder: Path, database: Path, llm_url: str) -> None:
        self.home, self.port = Home(folder).create(), free_port()
        shutil.copyfile(database, folder / "xcrack.db")
        self.home.bridge_secret.write_bytes(SECRET)
        self.home.bridge_secret.chmod(0o600)
        self.home.engine_config.write_text(json.dumps({"symbols": []}))
        now = SystemClock().now()
        with self.store() as store, store.session() as session:
            setting_facts.put(session, PLAN, Plan(7, now, now + timedelta(days=1), 0, ("BTCUSDT",)), now)
        self.settings = {
            "home": str(folder),
            "bridge": {"port": self.port},
            "analyzer": {"base_url": llm_url, "api_key": "sk-test-0123456789"},
            "advisor": {"call_ms": 900},
        }
        self.process: BaseProcess | None = None

    def store(self) -> "_Opened":
        return _Opened(self.home.path / "xcrack.db")

    def start(self) -> None:
        # In a process that has loaded its modules already: three starts would cost ten seconds else.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["app.worker", "feedback.advisor.llm"])
        self.process = context.Process(target=_work, args=(self.home.path, self.settings))
        self.process.start()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.join()

    async def ready(self) -> None:
        """Return when the bridge takes connections."""
        until = time.monotonic() + READY_WITHIN_S
        while True:
            assert self.process is not None
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                assert self.process.is_alive() and time.monotonic() < until, self.words()
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return

    def words(self) -> str:
        return (self.home.path / "worker.log").read_text()[-3_000:]

    def rows(self) -> tuple[int, list[tuple[str, bool]]]:
        """Return how many questions are open, and reason and lateness of each answer."""
        with self.store() as store, store.session() as session:
            answers = advice.latest(session, 10)
            return len(advice.all_pending(session)), [(each.reason, each.is_late) for each in answers]


def _work(folder: Path, settings: dict[str, Any]) -> None:
    log = os.open(folder / "worker.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    run_worker(load_settings({}, settings))


class _Opened:
    def __init__(self, path: Path) -> None:
        self.store = open_store(f"sqlite:///{path}")

    def __enter__(self) -> Store:
        return self.store

    def __exit__(self, *_: object) -> None:
        self.store.dispose()


async def ask_and_kill(worker: Worker, engine: Peer, server: StreamServer) -> None:
    """Ask as the engine does, and kill the worker while the model is being asked."""
    worker.start()
    await worker.ready()
    async with engine.dial(worker.port):
        engine.made.append(factories.advice_request(SystemClock().now(), advice_id=ADVICE_ID))
        await engine.send_from(1)
        while not server.requests:
            await asyncio.sleep(0.001)
        worker.kill()
    assert worker.rows() == (1, []), "killed between question and answer"
    while to_ns(SystemClock().now()) <= engine.made[0].deadline_ns:  # with time left, the next one could still decide
        await asyncio.sleep(0.01)


async def walk_through(worker: Worker, server: StreamServer) -> None:
    engine = Peer()
    await ask_and_kill(worker, engine, server)
    worker.start()
    await worker.ready()
    async with engine.dial(worker.port):
        first = await engine.read()
        assert isinstance(first, AdviceAnswer)
        assert (first.advice_id, first.approve, first.reason) == (ADVICE_ID, False, "late")
        assert worker.rows() == (0, [("late", True)])
        # The engine asks again, as after a restart of its own: the same answer, and nobody decides a second time.
        engine.made.append(engine.made[0])
        await engine.send_from(len(engine.made))
        assert await engine.read() == first
    assert len(server.requests) == 1 and worker.rows() == (0, [("late", True)])
    worker.kill()
    worker.start()
    await worker.ready()
    async with engine.dial(worker.port):
        await engine.beat()
        await engine.read_until_acked(len(engine.made))
    assert [message for message in engine.received if isinstance(message, AdviceAnswer)] == [first, first]
    assert len(server.requests) == 1 and worker.rows() == (0, [("late", True)])


def test_a_question_under_way_at_a_kill_is_answered_once_by_the_next_worker(
    migrated_sqlite: Path, tmp_path: Path
) -> None:
    async def run() -> None:
        async with asyncio.timeout(READY_WITHIN_S), streaming_llm("hang") as server:
            worker = Worker(tmp_path / "home", migrated_sqlite, server.base_url)
            try:
                await walk_through(worker, server)
            finally:
                worker.kill()

    asyncio.run(run())
