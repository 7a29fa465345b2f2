"""The driver of a virtual run, where a person interrupts it."""

import asyncio
import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from app.virtual import VirtualRun
from core.clock import VirtualClock
from tests.conftest import START


class _Engine:
    """An engine that lives."""

    def require_alive(self) -> None:
        return None


def _run(tick: Any) -> VirtualRun:
    rooms = SimpleNamespace(scheduler=SimpleNamespace(tick=tick))
    nothing = cast(Any, None)
    return VirtualRun(nothing, nothing, cast(Any, rooms), VirtualClock(START), START, START, START, nothing)


def test_an_interruption_waits_for_the_cycle_under_way_so_that_its_report_stays_the_same() -> None:
    began, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def tick() -> None:
        began.set()
        may_end.wait(10)
        ended.set()

    async def interrupt() -> bool:
        driver = asyncio.ensure_future(_run(tick)._run_cycles(cast(Any, _Engine())))
        await asyncio.to_thread(began.wait, 10)
        driver.cancel()
        await asyncio.wait({driver}, timeout=0.05)
        left_early = driver.done()
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await driver
        return left_early

    assert asyncio.run(interrupt()) is False
    assert ended.is_set()
