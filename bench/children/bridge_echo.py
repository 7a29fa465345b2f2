"""Round trips of bytes between an asyncio protocol and a process that sends back what comes, and does nothing else.

    python bridge_echo.py N

What is left of a trip over the bridge when neither side does any work. Prints percentiles in microseconds.
"""

import asyncio
import json
import socket
import subprocess
import sys
import time

WARM_UP = 200
N_BYTES = 500
"""About what a prediction takes on the wire."""


def send_back() -> None:
    """Accept one connection, whose port is printed first, and send back what comes over it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        connection, _ = server.accept()
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while came := connection.recv(1 << 16):
            connection.sendall(came)


class Trips(asyncio.Protocol):
    """Counts what came back of the bytes that were sent, and tells who waits for all of them."""

    def __init__(self) -> None:
        self.missing = 0
        self.whole: asyncio.Future[int] | None = None

    def data_received(self, data: bytes) -> None:
        """Tell when the last byte came back."""
        self.missing -= len(data)
        if self.missing == 0 and self.whole is not None:
            self.whole.set_result(time.perf_counter_ns())


async def measure(port: int, n: int) -> list[float]:
    """Return `n` round trips in microseconds."""
    loop = asyncio.get_running_loop()
    transport, trips = await loop.create_connection(Trips, "127.0.0.1", port)
    message, taken = bytes(N_BYTES), []
    for _ in range(WARM_UP + n):
        trips.missing, trips.whole = len(message), loop.create_future()
        started_ns = time.perf_counter_ns()
        transport.write(message)
        taken.append((await trips.whole - started_ns) / 1e3)
    transport.close()
    return sorted(taken[WARM_UP:])


def main(n: int) -> None:
    """Start the other process, measure, and end it."""
    other = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None
        taken = asyncio.run(measure(int(other.stdout.readline()), n))
    finally:
        other.terminate()
        other.wait(10)
    print(json.dumps({"p50": taken[len(taken) // 2], "p99": taken[int(len(taken) * 0.99)]}))


if __name__ == "__main__":
    if len(sys.argv) == 1:
        send_back()
    else:
        main(int(sys.argv[1]))
