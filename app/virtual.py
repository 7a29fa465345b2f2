"""The driver of demo and replay: it owns the clock, grants the engine time and lets the cycles run when they are due.

Everything else is as in production: the same engine, bridge, handlers and cycles. Killed anywhere, it goes on from the
store: the clock stands where the engine's last committed `reached` put it, and an open run is finished first.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from app.engine_process import EngineProcess, point_engine_at, start_engine
from app.home import Home
from app.wiring import Rooms
from core.clock import VirtualClock
from core.errors import Unavailable
from core.model.generated import Reached
from core.settings import Settings
from core.store import frames

GRANT_TIMEOUT_S = 120.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is."""

    at: datetime
    start_at: datetime
    end_at: datetime
    bars: int

    @property
    def share(self) -> float:
        """Part of the simulated time that has passed, 0 to 1."""
        return (self.at - self.start_at) / (self.end_at - self.start_at)


@dataclass(frozen=True, slots=True)
class VirtualRun:
    """A run over recorded bars from `start_at` to `end_at` of simulated time."""

    settings: Settings
    home: Home
    rooms: Rooms
    clock: VirtualClock
    start_at: datetime
    end_at: datetime
    on_progress: Callable[[Progress], None]

    async def drive(self) -> int:
        """Run to the end and return the number of bars the engine processed."""
        await self.rooms.server.start()
        point_engine_at(self.home, self.rooms.server.port)
        engine = start_engine(self.settings, self.home)
        try:
            await self._while_alive(engine, self.rooms.server.wait_connected())
            await asyncio.to_thread(self.rooms.scheduler.tick)
            bars = await self._advance_until_end(engine)
        finally:
            await engine.stop()
            await self.rooms.server.stop()
        return bars

    async def _advance_until_end(self, engine: EngineProcess) -> int:
        bars = 0
        while self.clock.now() < self.end_at:
            due_at, _ = self.rooms.scheduler.next_due(self.clock.now())
            to = min(due_at, self.end_at)
            # The clock goes first: what the engine reports up to `to` is then never from the future.
            self.clock.advance_to(to)
            reached: Reached = await self._while_alive(engine, self.rooms.server.advance_to(to))
            bars = reached.bars
            await asyncio.to_thread(self.rooms.scheduler.tick)
            await self._while_alive(engine, self._all_acked())
            self.on_progress(Progress(to, self.start_at, self.end_at, bars))
        return bars

    async def _all_acked(self) -> None:
        """Return when the engine holds everything the cycles sent: it processes no later event before that."""

        def last_seq() -> int:
            with self.rooms.store.session() as session:
                return frames.made_seq(session)

        await self.rooms.server.wait_acked(await asyncio.to_thread(last_seq))

    async def _while_alive(self, engine: EngineProcess, awaitable: Coroutine[None, None, T]) -> T:
        """Await, but not longer than the engine lives or the grant may last."""
        task = asyncio.ensure_future(awaitable)
        try:
            async with asyncio.timeout(GRANT_TIMEOUT_S):
                while True:
                    done, _ = await asyncio.wait({task}, timeout=0.5)
                    if done:
                        return task.result()
                    engine.require_alive()
        except TimeoutError:
            message = f"the engine did not answer within {GRANT_TIMEOUT_S:.0f} s"
            raise Unavailable(message, f"See {engine.log}") from None
        finally:
            task.cancel()
