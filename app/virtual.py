"""The driver of demo and replay: it grants the engine time, keeps the clock and lets the cycles run when they are due.

Everything else is as in production: the same engine, bridge, handlers and cycles. The clock stands at the time of the
engine's last report, so an answer comes when it was asked for. Killed anywhere, a run goes on from the store: the clock
stands where the last committed `reached` put it, and an open cycle is finished before more time is granted.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from app.engine_process import EngineProcess, point_engine_at, start_engine
from app.home import Home
from app.wiring import Rooms
from core.clock import VirtualClock
from core.errors import Unavailable
from core.log import get_logger
from core.model.generated import Reached
from core.settings import Settings
from core.store import frames
from feedback.signals.drift import DriftWatch
from feedback.signals.speaker import Speaker

GRANT_TIMEOUT_S = 120.0
ALIVE_CHECK_S = 0.5
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
    """A run over recorded bars from `start_at` to `end_at` of simulated time; no cycle is due before `first_due_at`."""

    settings: Settings
    home: Home
    rooms: Rooms
    clock: VirtualClock
    start_at: datetime
    first_due_at: datetime
    end_at: datetime
    on_progress: Callable[[Progress], None]
    speaker: Speaker | None = None
    """Models that speak of every bar that closes; the engine hears them before the next one is played."""
    watch: DriftWatch | None = None
    """What watches them: it judges each bar before the next one is played."""

    async def drive(self) -> int:
        """Run to the end and return the number of bars the engine processed."""
        await self.rooms.server.start()
        point_engine_at(self.home, self.rooms.server.addresses[0])
        engine = start_engine(self.settings, self.home)
        try:
            await self._while_alive(engine, self.rooms.server.wait_connected())
            bars = await self._advance_until_end(engine)
        finally:
            await engine.stop()
            await self.rooms.server.stop()
        return bars

    async def _advance_until_end(self, engine: EngineProcess) -> int:
        # What is due at this very time is run once more after a kill. Between two due times, where a run with models
        # may have been killed, nothing is run that would not have been.
        due_at = self._next_due(self.clock.now() - timedelta(microseconds=1))
        # What a kill left unsaid about the bars of this time is said before any later bar is played.
        to = self.clock.now() if self.speaker is not None else max(self.clock.now(), min(due_at, self.end_at))
        while True:
            reached: Reached = await self._while_alive(engine, self.rooms.server.advance_to(to))
            # The clock stands at `to` now, or further: a grant that was under way at a kill comes to its end first.
            if self.clock.now() >= due_at:
                await self._run_cycles(engine)
                await self._while_alive(engine, self._all_acked())
                due_at = self._next_due(self.clock.now())
            at = self.clock.now()
            self.on_progress(Progress(at, self.start_at, self.end_at, reached.bars))
            if at >= self.end_at:
                # Nothing is played after the last bar: nobody would wait for what the engine answers to words about it.
                return reached.bars
            await self._speak(engine)
            to = min(due_at, self.end_at)
            if self.speaker is not None:
                to = min(to, self.speaker.next_close(at))

    def _next_due(self, after: datetime) -> datetime:
        return max(self.rooms.scheduler.next_due(after)[0], self.first_due_at)

    async def _speak(self, engine: EngineProcess) -> None:
        """Let the models speak of what has closed, and wait until the engine has heard them."""
        if self.speaker is None:
            return
        said = await asyncio.to_thread(self.speaker.speak)
        if any(record.is_sent for record in said):
            await self._while_alive(engine, self.rooms.server.wait_signals_acked())
        if self.watch is not None:
            await asyncio.to_thread(self.watch.look)

    async def _run_cycles(self, engine: EngineProcess) -> None:
        """Run what is due. Leaves at once when the engine dies meanwhile; a Ctrl-C waits for the cycle to end.

        A cycle without an engine would end in its thread, with a report that a resumed run could not repeat.
        """
        task = asyncio.ensure_future(asyncio.to_thread(self.rooms.scheduler.tick))
        interrupted: asyncio.CancelledError | None = None
        while not task.done():
            try:
                await asyncio.wait({task}, timeout=ALIVE_CHECK_S)
            except asyncio.CancelledError as error:
                interrupted = error
            try:
                engine.require_alive()
            except Unavailable as error:
                get_logger("virtual").critical(
                    "engine lost in a cycle", reason=str(error), remedy="Go on with --resume"
                )
                os._exit(1)
        task.result()
        if interrupted is not None:
            raise interrupted

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
                    done, _ = await asyncio.wait({task}, timeout=ALIVE_CHECK_S)
                    if done:
                        return task.result()
                    engine.require_alive()
        except TimeoutError:
            message = f"the engine did not answer within {GRANT_TIMEOUT_S:.0f} s"
            raise Unavailable(message, f"See {engine.log}") from None
        finally:
            task.cancel()
