"""Round trips of the same prediction between two Python processes over `websockets` with json on asyncio.

    python bridge_websockets.py FOLDER N

The other process decodes the message, encodes it again and sends it back. Prints percentiles in microseconds.
"""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

WARM_UP = 200
MESSAGE = {
    "prediction_id": "p1", "at_ns": 0, "symbol": "BTCUSDT", "direction": 0.5, "confidence": 0.6,
    "expected_move_bps": 25.0, "expected_volatility_bps": 20.0, "horizon_ms": 60_000, "expires_at_ns": 0,
    "model": "ensemble", "model_sha256": "ab" * 32, "feature_schema": "cd" * 32, "recommended_strategy": "twap",
    "regime": "range", "reasons": [["rsi", 0.4], ["volume", 0.2]], "strategy_params": {"slices": 4.0},
}  # fmt: skip


async def echo(port_file: Path) -> None:
    """Send back what comes, until the process is ended."""

    async def answer(socket) -> None:
        async for text in socket:
            await socket.send(json.dumps(json.loads(text)))

    async with serve(answer, "127.0.0.1", 0, compression=None) as server:
        port_file.with_suffix(".partial").write_text(str(next(iter(server.sockets)).getsockname()[1]))
        port_file.with_suffix(".partial").rename(port_file)
        await asyncio.Future()


async def measure(port: int, n: int) -> list[float]:
    """Return `n` round trips in microseconds."""
    taken = []
    async with connect(f"ws://127.0.0.1:{port}", compression=None) as socket:
        for k in range(WARM_UP + n):
            now_ns = time.time_ns()
            message = MESSAGE | {"prediction_id": f"p{k}", "at_ns": now_ns, "expires_at_ns": now_ns + 10**10}
            started = time.perf_counter_ns()
            await socket.send(json.dumps(message))
            json.loads(await socket.recv())
            taken.append((time.perf_counter_ns() - started) / 1e3)
    return sorted(taken[WARM_UP:])


def main(folder: Path, n: int) -> None:
    """Start the other process, measure, and end it."""
    port_file = folder / "port"
    port_file.unlink(missing_ok=True)
    other = subprocess.Popen([sys.executable, __file__, str(folder)])
    try:
        while not port_file.exists():
            if other.poll() is not None:
                raise SystemExit("the echo ended at once")
            time.sleep(0.01)
        taken = asyncio.run(measure(int(port_file.read_text()), n))
    finally:
        other.terminate()
        other.wait(10)
    print(json.dumps({"p50": taken[len(taken) // 2], "p99": taken[int(len(taken) * 0.99)]}))


if __name__ == "__main__":
    if len(sys.argv) == 2:
        asyncio.run(echo(Path(sys.argv[1]) / "port"))
    else:
        main(Path(sys.argv[1]), int(sys.argv[2]))
