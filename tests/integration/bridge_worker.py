"""A worker process for kill tests: serves the bridge on a given port and grants time, day by day, to the end.

python -m tests.integration.bridge_worker DATABASE FOLDER PORT LAST_HOUR
"""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

from core.clock import VirtualClock, from_ns
from core.store import frames, open_store
from tests.integration.engine_world import HOUR_NS, make_worker


async def grant_all(database: str, folder: Path, port: int, last_hour: int) -> None:
    """Grant from where the engine last was, in steps of a day."""
    store = open_store(f"sqlite:///{database}")
    with store.session() as session:
        at = frames.reached_at(session, "engine-1") or from_ns(20 * HOUR_NS)
    clock = VirtualClock(at)
    server = make_worker(store, folder, clock, port)
    await server.start()
    end = from_ns(last_hour * HOUR_NS)
    while clock.now() < end:
        to = min(clock.now() + timedelta(hours=24), end)
        await server.advance_to(to)
        clock.advance_to(to)
    await server.stop()


if __name__ == "__main__":
    asyncio.run(grant_all(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
