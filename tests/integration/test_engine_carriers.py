"""A real engine and the worker over each carrier and style: granted time, signals, a link that breaks."""

import asyncio
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from core.clock import VirtualClock, from_ns
from core.model.generated import PerformanceFeedback
from core.store import Store
from strategies.bridge import BridgeServer, load_secret
from strategies.bridge.inbox import HANDLED_KINDS, OPTIONAL_KINDS
from tests.integration.engine_world import HOUR_NS, Engine, engine_config
from tests.servers import end_with_tests
from tests.unit.strategies.bridge_peer import prediction
from tests.unit.strategies.test_bridge_carriers import make_tls

START = from_ns(20 * HOUR_NS)
LATER = from_ns(60 * HOUR_NS)


@pytest.fixture
def engine(tmp_path: Path):
    made = Engine(tmp_path)
    yield made
    made.kill()


@pytest.fixture
def redis_port(tmp_path: Path):
    program = shutil.which("redis-server")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("redis-server is missing")
        pytest.skip("redis-server is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, preexec_fn=end_with_tests)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.01)
    yield port
    process.kill()
    process.wait()


async def converse(engine: Engine, store: Store, folder: Path, listen: str, **changes: object) -> dict[str, int]:
    """Grant time, send predictions, break the link in between; return what was counted."""
    feedback: list[PerformanceFeedback] = []

    def note(session, message) -> None:
        if isinstance(message, PerformanceFeedback):
            feedback.append(message)

    clock = VirtualClock(START)
    tls = make_tls(folder / "tls") if listen.startswith(("tcps", "wss")) else None
    secret = load_secret(folder / "bridge.secret")
    kinds = HANDLED_KINDS | OPTIONAL_KINDS
    server = BridgeServer(store, secret, {kind: note for kind in kinds}, clock, listen=[listen], tls=tls)
    await server.start()
    config = engine_config(folder, server.port, bridge_url=server.addresses[1], **changes)
    if tls is not None:
        config["bridge_tls"] = {"ca_file": str(tls.ca), "cert_file": str(tls.cert), "key_file": str(tls.key)}
    predictive = {
        "kelly_fraction": 0.25, "max_horizon": 14_400.0, "min_confidence": 0.55, "min_horizon": 10.0, "min_move": 0.0,
        "participation": 10.0, "size": 10.0, "slices": 5.0, "stop_loss": 2.0, "target_volatility": 50.0,
    }  # fmt: skip
    config["instances"] = [config["instances"][0] | {"strategy": "predictive", "params": predictive}]
    engine.start(config)
    try:
        async with asyncio.timeout(30):
            await server.advance_to(START)
            at_ns = 20 * HOUR_NS
            for n in range(1, 4):
                server.send_signal(prediction(n, at_ns=at_ns))
                while server.figures().signals_acked + server.figures().signals_conflated < n:
                    await asyncio.sleep(0)
            server._link.end("cut by the test")
            server.send_signal(prediction(4, at_ns=at_ns))
            while server.figures().signals_held:
                await asyncio.sleep(0)
            reached = await server.advance_to(LATER)
            while len(feedback) < 4:
                await asyncio.sleep(0)
    finally:
        await server.stop()
    assert (reached.to_ns, reached.bars) == (60 * HOUR_NS, 40)
    assert {f.prediction_id for f in feedback} == {"p1", "p2", "p3", "p4"}
    figures = server.figures()
    assert (figures.signals_made, figures.signals_acked, figures.success_rate) == (4, 4, 1.0)
    return figures.counts


@pytest.mark.parametrize(
    ("listen", "encoding", "compression"),
    [
        ("tcp://127.0.0.1:0", "json", "none"),
        ("tcp://127.0.0.1:0", "msgpack", "zlib"),
        ("ws://127.0.0.1:0/ai_bridge", "msgpack", "none"),
        ("tcps://127.0.0.1:0", "json", "zlib"),
        ("wss://127.0.0.1:0/ai_bridge", "json", "none"),
    ],
)
async def test_an_engine_over_sockets_loses_nothing_when_its_link_breaks(
    engine, store, tmp_path, listen, encoding, compression
):
    counts = await converse(engine, store, tmp_path, listen, bridge_encoding=encoding, bridge_compression=compression)
    assert counts["links_opened"] == 2 and counts["messages_refused"] == 0


async def test_an_engine_over_redis_loses_nothing_when_its_link_breaks(engine, store, tmp_path, redis_port):
    counts = await converse(engine, store, tmp_path, f"redis://127.0.0.1:{redis_port}/0", bridge_encoding="msgpack")
    assert counts["links_opened"] == 2 and counts["messages_refused"] == 0
