import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest

from core.clock import VirtualClock, from_ns
from core.model.generated import Command, ParamsAck, ParamsUpdate, TradeEvent
from core.settings_sections import PROJECT_ROOT
from core.store import Store, frames
from strategies.bridge.frame import Sealer
from strategies.bridge.packet import Codec
from tests.integration.engine_world import HOUR_NS, Engine, engine_config, make_worker, told
from tests.servers import end_with_tests

N_BARS = 400
START = from_ns(20 * HOUR_NS)
END = from_ns(N_BARS * HOUR_NS)


@pytest.fixture
def engine(tmp_path: Path):
    made = Engine(tmp_path)
    yield made
    made.kill()


@pytest.fixture
async def world(engine: Engine, store: Store, tmp_path: Path):
    """A started engine and a worker, connected."""
    clock = VirtualClock(START)
    server = make_worker(store, tmp_path, clock)
    await server.start()
    engine.start(engine_config(tmp_path, server.port))
    async with asyncio.timeout(20):
        await server.wait_connected()
    yield server, clock
    await server.stop()


def hour(n: int):
    return from_ns(n * HOUR_NS)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def grant(server, n: int):
    async with asyncio.timeout(20):
        return await server.advance_to(hour(n))


async def test_granted_time_brings_every_trade_mark_and_signal_and_nothing_later(world, store):
    server, _ = world
    reached = await grant(server, 200)
    assert (reached.bars, reached.feed_ended) == (180, False)
    trades = [msgspec.json.decode(body, type=TradeEvent) for _, body in told(store, "trade_event")]
    assert len(trades) > 5
    assert all(t.exit.filled_at_ns <= 200 * HOUR_NS for t in trades)
    assert [t.trade_id for t in trades] == [f"engine-1:sma-1-{n}" for n in range(1, len(trades) + 1)]
    assert len(told(store, "equity_mark")) == len(range(24, 201, 6))
    end = await grant(server, N_BARS)
    assert end.feed_ended and end.bars == N_BARS - 20


async def test_an_engine_that_begins_anew_under_another_name_repeats_no_id(world, engine, store, tmp_path):
    server, _ = world
    await grant(server, 200)
    engine.stop()
    again = {"engine_id": "engine-2", "state_dir": str(tmp_path / "state-2")}
    engine.start(engine_config(tmp_path, server.port, **again))
    async with asyncio.timeout(20):
        while (await server.wait_connected()).engine_id != "engine-2":
            await asyncio.sleep(0.001)
    await grant(server, 200)
    made = [json.loads(body)["trade_id"] for _, body in told(store, "trade_event")]
    half = len(made) // 2
    assert half > 5 and made[half:] == [one.replace("engine-1", "engine-2") for one in made[:half]]


async def test_a_replay_of_the_journal_agrees_with_the_running_engine(world, store, engine):
    server, _ = world
    reached = await grant(server, N_BARS)
    replayed = engine.replay()
    assert (replayed["actions_sha256"], replayed["bars"]) == (reached.actions_sha256, reached.bars)
    assert engine.replay() == replayed
    assert engine.ask("journal", "verify")["records"] == replayed["records"]


def update(base, fast: float, **changes) -> ParamsUpdate:
    from core.native import validate_params

    params = base.params | {"fast": fast}
    fields = dict(
        deployment_id=f"deploy-{fast}", instance_id=base.instance_id, base_version=base.params_version,
        base_sha256=base.params_sha256, version=base.params_version + 1, params=params,
        params_sha256=validate_params("sma_cross", params), rules=None, capital_share=1.0, origin="test",
        issued_at_ns=0, expires_at_ns=2**62,
    )  # fmt: skip
    return ParamsUpdate(**(fields | changes))


async def deploy(server, store, message: ParamsUpdate) -> ParamsAck:
    before = len(told(store, "params_ack"))
    with store.session() as session:
        seq = server.send(session, message)
    async with asyncio.timeout(10):
        await server.wait_acked(seq)
        while len(told(store, "params_ack")) == before:
            await asyncio.sleep(0.01)
    return msgspec.json.decode(told(store, "params_ack")[-1][1], type=ParamsAck)


async def test_parameters_change_once_and_only_on_the_version_they_were_made_for(world, store):
    server, _ = world
    await grant(server, 100)
    base = server.last_hello.instances[0]
    change = update(base, 3.0)
    first = await deploy(server, store, change)
    assert (first.applied, first.version, first.params_sha256) == (True, 2, change.params_sha256)
    again = await deploy(server, store, change)
    assert again == first
    stale = await deploy(server, store, update(base, 4.0))
    assert not stale.applied and stale.version == 2 and "base" in stale.reason
    expired = await deploy(server, store, update(base, 4.0, expires_at_ns=100 * HOUR_NS))
    assert not expired.applied and "expired" in expired.reason
    wrong = await deploy(
        server, store, update(base, 3.0, deployment_id="d9", base_version=2, version=3, base_sha256=first.params_sha256)
    )
    assert wrong.applied
    await grant(server, 200)
    trades = [msgspec.json.decode(body, type=TradeEvent) for _, body in told(store, "trade_event")]
    assert {t.params_version for t in trades} == {1, 3}


async def test_a_slot_takes_a_share_closes_without_one_and_a_killed_engine_knows_both(engine, store, tmp_path):
    server = make_worker(store, tmp_path, VirtualClock(START))
    await server.start()
    config = engine_config(tmp_path, server.port)
    [live] = config["instances"]
    slot = {"instance_id": "sma-1.shadow", "mode": "shadow", "capital_share": 0.0}
    config["instances"] = [live, live | slot]
    engine.start(config)
    await grant(server, 100)
    assert {trade.instance_id for trade in closed(store)} == {"sma-1"}
    base = server.last_hello.instances[1]
    assert (base.mode, base.capital_share, str(base.capital)) == ("shadow", 0.0, "0")
    first = await deploy(server, store, update(base, 3.0, capital_share=0.5))
    assert (first.applied, first.version, first.capital_share) == (True, 2, 0.5)
    engine.kill()
    engine.start(config)
    await grant(server, 200)
    assert {str(t.qty) for t in closed(store) if t.instance_id == "sma-1.shadow"} == {"0.5"}
    assert (server.last_hello.instances[1].capital_share, server.last_hello.instances[1].params_version) == (0.5, 2)
    held = server.last_hello.instances[1]
    last = await deploy(server, store, update(held, 3.0, deployment_id="d-idle", capital_share=0.0))
    assert (last.applied, last.capital_share) == (True, 0.0)
    reached = await grant(server, N_BARS)
    after = [t for t in closed(store) if t.instance_id == "sma-1.shadow" and t.entry.decided_at_ns >= last.at_ns]
    assert after == [] and engine.replay()["actions_sha256"] == reached.actions_sha256
    await server.stop()


def closed(store) -> list[TradeEvent]:
    return [msgspec.json.decode(body, type=TradeEvent) for _, body in told(store, "trade_event")]


async def test_a_frame_signed_with_another_secret_changes_nothing(world, store):
    server, _ = world
    command = Command(command_id="c1", action="halt", by="stranger", reason="mischief")
    codec = Codec("json")
    payload = codec.packet((0, 1024, 0, 0), None, [codec.item(1, command)], [])
    server._link._wire.send(Sealer(b"not the shared secret at all").seal(payload))
    async with asyncio.timeout(10):
        while server.connected:
            await asyncio.sleep(0.01)
        await server.wait_connected()
    assert server.last_hello.state == "active"
    assert told(store, "command_ack") == []


async def test_a_large_order_waits_for_the_advisor_and_carries_its_answer(engine, store, tmp_path):
    server = make_worker(store, tmp_path, VirtualClock(START))
    await server.start()
    config = engine_config(tmp_path, server.port)
    config["advice"] = config["advice"] | {"enabled": True}
    engine.start(config)
    await grant(server, 200)
    asked = [json.loads(body)["advice_id"] for _, body in told(store, "advice_request")]
    trades = [msgspec.json.decode(body, type=TradeEvent) for _, body in told(store, "trade_event")]
    assert [t.advice_id for t in trades] == asked[: len(trades)]
    assert {str(t.qty) for t in trades} == {"0.5"}
    await server.stop()


async def test_in_real_time_an_advisor_that_does_not_answer_in_time_is_a_no(engine, store, tmp_path):
    server = make_worker(store, tmp_path, VirtualClock(START), advises=False)
    await server.start()
    config = engine_config(tmp_path, server.port, n_bars=60, pace="realtime")
    config["advice"] = config["advice"] | {"enabled": True, "deadline_ms": 150}
    # The first bars fall due only after the worker is connected, or its absence would already be the answer.
    shift_feed(tmp_path / "bars.npy", config)
    engine.start(config)
    async with asyncio.timeout(20):
        while not any(json.loads(body)["outcome"] == "advisor_timeout" for _, body in told(store, "signal_event")):
            await asyncio.sleep(0.05)
    assert told(store, "advice_request") and not told(store, "trade_event")
    await server.stop()


def shift_feed(path: Path, config: dict[str, object]) -> None:
    """Move the feed so that its traded part begins in two seconds and its bars close every 50 ms."""
    bars = np.load(path)
    n = np.arange(len(bars))
    first = time.time_ns() + 2 * 10**9 - 20 * 50_000_000
    bars["opened_at_ns"], bars["closed_at_ns"] = first + n * 50_000_000, first + (n + 1) * 50_000_000
    np.save(path, bars)
    config["trade_from_ns"] = int(bars["closed_at_ns"][19])


async def test_a_halt_over_the_control_socket_works_with_the_worker_dead_and_is_told_later(engine, store, tmp_path):
    port = free_port()
    load = make_worker(store, tmp_path, VirtualClock(START), port)
    engine.start(engine_config(tmp_path, port))
    engine.wait_for_socket()
    assert engine.ask("status")["connected"] is False
    assert engine.ask("halt", "--by", "kim", "--reason", "odd fills")["state"] == "halted"
    engine.kill()
    engine.start(engine_config(tmp_path, port))
    engine.wait_for_socket()
    await load.start()
    reached = await grant(load, 200)
    assert reached.bars == 180
    assert told(store, "trade_event") == []
    ack = json.loads(told(store, "command_ack")[0][1])
    assert (ack["by"], ack["reason"], ack["state"]) == ("kim", "odd fills", "halted")
    assert load.last_hello.state == "halted"
    assert engine.ask("resume", "--by", "kim")["state"] == "active"
    await grant(load, N_BARS)
    assert told(store, "trade_event")
    await load.stop()


def test_a_second_engine_on_the_same_state_is_refused_and_a_stop_is_clean(engine, tmp_path):
    config = engine_config(tmp_path, free_port())
    (tmp_path / "bridge.secret").write_text("0123456789abcdef0123456789abcdef")
    (tmp_path / "bridge.secret").chmod(0o600)
    engine.start(config)
    engine.wait_for_socket()
    second = Engine(tmp_path)
    second.start(config)
    assert second.process.wait(timeout=10) == 1
    assert "belongs to an engine that is running" in (tmp_path / "engine.log").read_text()
    second.process = None
    assert engine.stop() == 0


def run_worker(store: Store, folder: Path, port: int) -> subprocess.Popen[bytes]:
    database = store.engine.url.database
    command = [sys.executable, "-m", "tests.integration.bridge_worker", database, str(folder), str(port), str(N_BARS)]
    return subprocess.Popen(command, cwd=PROJECT_ROOT, preexec_fn=end_with_tests)


def n_told(store: Store) -> int:
    return len(told(store))


@pytest.mark.parametrize("victim", ["engine", "worker", "both"])
def test_everything_arrives_once_and_in_order_however_often_a_side_is_killed(victim, engine, store, tmp_path):
    port = free_port()
    make_worker(store, tmp_path, VirtualClock(START), port)
    config = engine_config(tmp_path, port)
    engine.start(config)
    worker = run_worker(store, tmp_path, port)
    deaths, next_death = 0, 5
    deadline = time.monotonic() + 180
    while worker.poll() is None and time.monotonic() < deadline:
        if n_told(store) < next_death:
            time.sleep(0.005)
            continue
        deaths, next_death = deaths + 1, next_death + 25
        if victim in ("engine", "both"):
            engine.kill()
            engine.start(config)
        if victim in ("worker", "both"):
            os.kill(worker.pid, signal.SIGKILL)
            worker.wait()
            worker = run_worker(store, tmp_path, port)
    assert worker.wait(timeout=5) == 0
    assert deaths >= 3
    engine.stop()
    with store.session() as session:
        assert frames.reached_at(session, "engine-1") == END
    bodies = told(store)
    ids = [json.loads(body)["trade_id"] for kind, body in bodies if kind == "trade_event"]
    assert ids == [f"engine-1:sma-1-{n}" for n in range(1, len(ids) + 1)] and len(ids) > 10
    at = [json.loads(body)["at_ns"] // HOUR_NS for kind, body in bodies if kind == "equity_mark"]
    assert at == list(range(24, N_BARS + 1, 6))
    assert len(bodies) == engine.replay()["messages"]
