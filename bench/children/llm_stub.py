"""A chat server that streams in one mode, in a process of its own, until its input ends.

    python llm_stub.py MODE

Prints its port.
"""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from tests.llm_streams import streaming_llm


async def serve(mode: str) -> None:
    """Serve until the input ends."""
    async with streaming_llm(mode) as server:
        print(server.port, flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
