"""The bridge under load for minutes: everything at once, over a link that breaks at random, against a real engine."""

import asyncio
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from core.clock import VirtualClock, from_ns, to_ns
from core.model.generated import (
    Command,
    CommandAck,
    EquityMark,
    Message,
    ParamsAck,
    ParamsUpdate,
    PerformanceFeedback,
    TradeEvent,
)
from core.native import validate_params
from core.store import Session, Store
from strategies.bridge import BridgeServer, SignalsFull, load_secret
from strategies.bridge.inbox import HANDLED_KINDS
from tests.integration.engine_world import HOUR_NS, Engine, engine_config
from tests.unit.strategies.bridge_peer import prediction

SOAK_S = float(os.environ.get("XCRACK_SOAK_S", "600"))
N_BARS = 200_000
BATCH = 256
FULL_S = 600.0
MIN_RATE = 50_000
"""Messages a second over the full time; a shorter run is mostly its start and its breaks."""
FATES = ("delivered", "expired", "stale", "future", "unreadable")
"""What the engine can make of a signal that it received."""
MAX_GROWTH = 1.3
"""By so much either process may grow between one third of the time and its end."""


class Ledger:
    """What came in, counted so that a loss or a repetition shows, without keeping it."""

    def __init__(self) -> None:
        self.n: Counter[str] = Counter()
        self.last: dict[str, int] = {}
        self.out_of_order = 0
        self.params_version = 1
        self.uncommitted: list[Message] = []

    def note(self, session: Session, message: Message) -> None:
        """Count a message; ids that count up must have no gap and no repetition."""
        self.n[type(message).__name__] += 1
        match message:
            case PerformanceFeedback():
                self.follows(message.instance_id + " feedback", int(message.feedback_id.rsplit("-p", 1)[1]))
            case TradeEvent():
                self.follows(message.instance_id + " trade", int(message.trade_id.rsplit("-", 1)[1]))
            case EquityMark():
                self.follows(message.instance_id + " mark", message.at_ns // HOUR_NS, step=6)
            case CommandAck():
                self.follows("command", int(message.command_id.removeprefix("c")))
            case ParamsAck():
                self.follows("deployment", int(message.deployment_id.removeprefix("d")))
                self.params_version = message.version

    def follows(self, what: str, n: int, step: int = 1) -> None:
        """Note the next number of a series."""
        self.out_of_order += what in self.last and n != self.last[what] + step
        self.last[what] = n


class Load:
    """What the worker sends, as fast as it can."""

    def __init__(self, server: BridgeServer, store: Store, clock: VirtualClock, rng: random.Random) -> None:
        self.server, self.store, self.clock, self.rng = server, store, clock, rng
        self.n_signals = self.n_full = self.n_commands = self.n_updates = self.n_breaks = 0
        self.end = time.monotonic() + SOAK_S

    @property
    def is_on(self) -> bool:
        return time.monotonic() < self.end

    async def signals(self) -> None:
        """Half of them of a symbol nobody trades; few are of the same symbol, horizon and model."""
        while self.is_on:
            for _ in range(BATCH):
                at_ns = to_ns(self.clock.now())
                self.n_signals += 1
                symbol = "BTCUSDT" if self.n_signals % 50 == 0 else f"S{self.n_signals % 5000}"
                try:
                    self.server.send_signal(prediction(self.n_signals, symbol=symbol, at_ns=at_ns))
                except SignalsFull:
                    self.n_full += 1
                    await asyncio.sleep(0.001)
            await asyncio.sleep(0)

    async def time(self) -> None:
        """Grants of market time, which make trades, marks and signals of the strategies."""
        while self.is_on and to_ns(self.clock.now()) < (N_BARS - 10) * HOUR_NS:
            to = from_ns(to_ns(self.clock.now()) + HOUR_NS)
            await self.server.advance_to(to)
            self.clock.advance_to(to)
            await asyncio.sleep(0.1)  # an hour in no time would let every signal expire

    async def orders(self) -> None:
        """Commands and parameters."""
        base = self.server.last_hello.instances[0]
        params_sha256 = [validate_params("sma_cross", base.params | {"fast": fast}) for fast in (2.0, 3.0)]
        version, sha256 = base.params_version, base.params_sha256
        while self.is_on:
            self.n_commands += 1
            self.n_updates += 1
            action = "reduce" if self.n_commands % 50 == 0 else "resume"
            fast, after = float(2 + self.n_updates % 2), params_sha256[self.n_updates % 2]
            update = ParamsUpdate(
                deployment_id=f"d{self.n_updates}", instance_id=base.instance_id, base_version=version,
                base_sha256=sha256, version=version + 1, params=base.params | {"fast": fast}, params_sha256=after,
                capital_share=1.0, rules=None, origin="soak", issued_at_ns=0, expires_at_ns=2**62,
            )  # fmt: skip
            version, sha256 = version + 1, after
            command = Command(command_id=f"c{self.n_commands}", action=action, by="soak", reason="load")
            seq = await asyncio.to_thread(self._send, [command, update])
            await self.server.wait_acked(seq)

    def _send(self, messages: list[Message]) -> int:
        with self.store.session() as session:
            return [self.server.send(session, message) for message in messages][-1]

    async def breaks(self) -> None:
        """Cut the link, at random moments."""
        while self.is_on:
            await asyncio.sleep(self.rng.uniform(0.5, 4.0))
            if self.server._link is not None:
                self.server._link.end("cut by the test")
                self.n_breaks += 1


def rss_of(*processes: subprocess.Popen[bytes] | None) -> tuple[float, ...]:
    pids = [os.getpid(), *(process.pid for process in processes if process is not None)]
    return tuple(psutil.Process(pid).memory_info().rss / 2**20 for pid in pids)


@pytest.mark.soak
async def test_ten_minutes_of_everything_over_a_link_that_breaks(store: Store, tmp_path: Path, capsys):
    ledger, clock, engine = Ledger(), VirtualClock(from_ns(20 * HOUR_NS)), Engine(tmp_path)
    handlers = {kind: ledger.note for kind in HANDLED_KINDS | {"reached"}}
    secret = load_secret(tmp_path / "bridge.secret")
    server = BridgeServer(store, secret, handlers, clock, listen=["tcp://127.0.0.1:0"])
    await server.start()
    config = engine_config(tmp_path, server.port, n_bars=N_BARS, bridge_url=server.addresses[1])
    predictive = {
        "kelly_fraction": 0.25, "max_horizon": 14_400.0, "min_confidence": 0.55, "min_horizon": 10.0, "min_move": 0.0,
        "participation": 10.0, "size": 10.0, "slices": 5.0, "stop_loss": 2.0, "target_volatility": 50.0,
    }  # fmt: skip
    config["instances"] += [config["instances"][0] | {
        "instance_id": "predictive-1", "strategy": "predictive", "params": predictive,
    }]  # fmt: skip
    engine.start(config)
    try:
        async with asyncio.timeout(30):
            await server.wait_connected()
        load = Load(server, store, clock, random.Random(20250101))
        started = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(work()) for work in (load.signals, load.time, load.orders, load.breaks)]
            await asyncio.sleep(SOAK_S / 3)
            early = rss_of(engine.process)
        took_s = time.monotonic() - started
        late = rss_of(engine.process)
        assert all(task.done() for task in running)
        async with asyncio.timeout(60):
            while server.figures().signals_held or server._link is None or server._link._inbound:
                await asyncio.sleep(0.05)
            await server.advance_to(clock.now())
        figures, inside = server.figures(), engine.ask("status", "--json")
    finally:
        await server.stop()
        engine.kill()
    received = sum(ledger.n.values())
    rate = (figures.signals_acked + received + load.n_commands + load.n_updates) / took_s
    with capsys.disabled():
        sys.stdout.write(
            f"\n{rate:,.0f} messages/s over {took_s:.0f} s: {figures}\n{ledger.n}\nMiB early {early} late {late}\n"
        )
        sys.stdout.write(f"{ {key: inside[key] for key in ('bridge', 'latency') if key in inside} }\n")
    assert load.n_breaks > SOAK_S / 10
    assert figures.signals_acked + figures.signals_expired + figures.signals_conflated == figures.signals_made
    assert figures.signals_made + load.n_full == load.n_signals and figures.signals_refused == load.n_full
    counts = inside["bridge"]["counts"]
    assert sum(counts[f"signals_{fate}"] for fate in FATES) == counts["signals_received"] == figures.signals_acked
    assert counts["signals_delivered"] > 0 and counts["signals_unreadable"] == counts["messages_unreadable"] == 0
    if SOAK_S >= FULL_S:
        assert rate >= MIN_RATE, f"{rate:,.0f} messages/s, at least {MIN_RATE:,} are due"
    assert ledger.out_of_order == 0
    assert ledger.last["command"] == ledger.n["CommandAck"] == load.n_commands
    assert ledger.last["deployment"] == ledger.n["ParamsAck"] == load.n_updates
    assert ledger.n["TradeEvent"] > 0 and ledger.n["PerformanceFeedback"] > 0
    assert figures.counts["messages_refused"] == 0
    for before, after in zip(early, late, strict=True):
        assert after < before * MAX_GROWTH + 20
