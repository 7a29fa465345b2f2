"""The session over a faulty wire: frames lost, repeated, swapped or changed, links cut, either side killed."""

import random

import pytest

from core.model.generated import AdvanceTo, GapFill
from strategies.bridge.frame import FrameError
from strategies.bridge.handshake import Handshake
from strategies.bridge.packet import Codec, kind_and_body
from strategies.bridge.session import BUFFER_MESSAGES, MESSAGE_WINDOW, Outbound, Session
from strategies.bridge.signals import SignalsFull
from tests.unit.strategies.bridge_engine import SECRET, EngineHalf
from tests.unit.strategies.bridge_peer import START_NS, prediction, state_changed

STYLES = [("json", "none"), ("json", "zlib"), ("msgpack", "none"), ("msgpack", "zlib")]


class WorkerHalf:
    """A session with the store that a real worker has: `made`, `acked` and `received` survive a kill."""

    def __init__(self) -> None:
        self.made: list[AdvanceTo] = []
        self.acked = 0
        self.received: list[object] = []
        self.epochs: list[Session] = []
        self.restart()

    def restart(self) -> None:
        self.session = Session(f"epoch {len(self.epochs)}")
        self.epochs.append(self.session)
        self.handshake: Handshake | None = None
        self.uncommitted: list[object] = []

    def challenge(self, n: int) -> bytes:
        self.session.link_down()
        self.uncommitted = []
        self.handshake = Handshake(SECRET, f"{n:032x}")
        return self.handshake.challenge()

    def welcome(self, frame: bytes) -> bytes:
        hello = self.handshake.read_hello(frame)
        assert len(self.received) <= hello.sent_seq and self.acked <= hello.received_seq <= len(self.made)
        self.acked = hello.received_seq
        signals_seq = self.session.signals.resume(hello.epoch == self.session.epoch, hello.signals_received)
        answer = self.handshake.welcome(hello, len(self.received), self.acked + 1, self.session.epoch, signals_seq)
        self.codec, self.compress = self.handshake.codec(hello), hello.compression == "zlib"
        self.session.link_up(self.codec, len(self.received), self.acked + 1)
        return answer

    def take(self, frame: bytes, now_ns: int) -> None:
        flags, payload = self.handshake.opener.open(frame, may_unpack=self.compress)
        assert flags == self.codec.flags
        received = self.session.receive(self.codec.parse_packet(payload), now_ns)
        self.uncommitted += [self.codec.parse(item) for item in received.messages]

    def commit(self) -> None:
        self.received += self.uncommitted
        self.uncommitted = []
        self.acked = max(self.acked, self.session.acked_seq)
        self.session.confirm(len(self.received))

    def transmit(self, now_ns: int) -> bytes | None:
        waiting = self.made[self.session.loaded_seq : self.session.loaded_seq + min(7, max(self.session.room, 0))]
        first = self.session.loaded_seq + 1
        if self.session.is_up:
            self.session.load([Outbound(first + n, *kind_and_body(m)) for n, m in enumerate(waiting)])
        payload = self.session.transmit(now_ns)
        if payload is None:
            return None
        return self.handshake.sealer.seal(payload, self.codec.flags, compress=self.compress)


class World:
    """Both sides and the wire between them, driven by one random generator."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.style = dict(zip(("encoding", "compression"), STYLES[seed % 4], strict=True))
        self.engine_dies, self.worker_dies = seed % 2 == 1, seed % 3 > 0
        self.worker, self.engine = WorkerHalf(), EngineHalf()
        self.engine.message_window, self.engine.signal_window = self.rng.choice((3, 1024)), self.rng.choice((2, 4096))
        self.now_ns, self.n_links, self.faulty = START_NS, 0, True
        self.lives: list[list[tuple[int, object]]] = [self.engine.signals]
        self.down: list[bytes] = []
        self.up: list[bytes] = []
        self.stage = "cut"

    def step(self) -> None:
        self.now_ns += self.rng.randrange(3_000_000)
        self.engine.now_ns = self.now_ns + 5_000_000_000
        if self.faulty:
            self.trouble()
        try:
            self.talk()
        except (FrameError, AssertionError) as error:
            if isinstance(error, AssertionError) and not self.harmed:
                raise
            if not self.harmed:
                raise AssertionError(f"a sound link ended: {error}") from error
            self.stage = "cut"

    def trouble(self) -> None:
        rng = self.rng
        if rng.random() < 0.5:
            self.worker.made.append(AdvanceTo(to_ns=len(self.worker.made)))
        if rng.random() < 0.5:
            self.engine.made.append(state_changed(len(self.engine.made)))
        if rng.random() < 0.7:
            ttl_ms = rng.choice((1, 50, 20_000))
            signal = prediction(1, symbol=f"S{rng.randrange(9)}", ttl_ms=ttl_ms, at_ns=self.now_ns)
            self.worker.session.signals.offer(signal, self.now_ns)
        chance = rng.random()
        if chance < 0.02:
            self.stage = "cut"
        elif chance < 0.03 and self.worker_dies:
            self.worker.restart()
            self.stage = "cut"
        elif chance < 0.04 and self.engine_dies:
            self.engine.kill()
            self.lives.append(self.engine.signals)
            self.stage = "cut"
        wire = rng.choice((self.down, self.up))
        if wire and rng.random() < 0.04 and self.stage == "up":
            self.harm(wire)

    def harm(self, wire: list[bytes]) -> None:
        self.harmed = True
        at = self.rng.randrange(len(wire))
        match self.rng.randrange(4):
            case 0:
                del wire[at]
            case 1:
                wire.insert(at, wire[at])
            case 2:
                wire.append(wire.pop(at))
            case 3:
                frame = bytearray(wire[at])
                frame[self.rng.randrange(len(frame))] ^= 1 << self.rng.randrange(8)
                wire[at] = bytes(frame)

    def talk(self) -> None:
        if self.stage == "cut":
            self.dial()
            return
        worker, engine, rng = self.worker, self.engine, self.rng
        if self.down and rng.random() < 0.7:
            engine.take(self.down.pop(0))
        if self.up and rng.random() < 0.7:
            worker.take(self.up.pop(0), self.now_ns)
        if rng.random() < 0.3:
            worker.commit()
        if rng.random() < 0.2:
            worker.session.beat(self.now_ns)
        if (frame := worker.transmit(self.now_ns)) is not None:
            self.down.append(frame)
        if (frame := engine.due(rng.randrange(1, 9))) is not None:
            self.up.append(frame)
        elif rng.random() < 0.3:
            self.up.append(engine.packet(beat=rng.random() < 0.2))
        assert len(worker.session._waiting) <= BUFFER_MESSAGES
        assert worker.session.delivered_seq <= worker.session.durable_seq + MESSAGE_WINDOW

    def dial(self) -> None:
        self.n_links += 1
        self.down, self.up, self.harmed = [], [], False
        hello = self.engine.hello(self.worker.challenge(self.n_links), self.n_links, **self.style)
        self.up.append(self.engine.welcome(self.worker.welcome(hello)))
        self.stage = "up"

    def settle(self) -> None:
        """No more faults and nothing new: go on until nothing is under way."""
        self.faulty, self.stage = False, "cut"
        for _ in range(2000):
            self.step()
            signals = self.worker.session.signals.counts()
            quiet = (
                self.worker.acked == len(self.worker.made) == len(self.engine.received)
                and len(self.worker.received) == len(self.engine.made) == self.engine.acked
                and self.worker.session.signals.acked_through == signals.made
            )
            if quiet:
                return
        raise AssertionError("they never came to rest")


@pytest.mark.parametrize("seed", range(100))
def test_nothing_is_lost_nothing_comes_twice_and_every_signal_is_accounted_for(seed):
    world = World(seed)
    for _ in range(400):
        world.step()
    world.settle()
    worker, engine = world.worker, world.engine
    assert engine.received == worker.made and len(worker.made) > 100
    assert worker.received == engine.made and len(engine.made) > 100
    assert world.n_links > 3
    for session in worker.epochs:
        counts = session.signals.counts()
        assert counts.acked + counts.expired + counts.conflated + counts.held == counts.made
    for life in world.lives:
        assert len({signal.at_ns for _, signal in life if not isinstance(signal, GapFill)}) == sum(
            not isinstance(signal, GapFill) for _, signal in life
        )
    last = worker.session.signals.counts()
    assert last.held == 0
    if not world.engine_dies and not world.worker_dies:
        gaps = [signal for _, signal in engine.signals if isinstance(signal, GapFill)]
        assert last.acked == len(engine.signals) - len(gaps)
        assert (last.expired, last.conflated) == (sum(g.expired for g in gaps), sum(g.conflated for g in gaps))
        assert engine.signals_received == last.made


def linked() -> tuple[WorkerHalf, EngineHalf]:
    worker, engine = WorkerHalf(), EngineHalf()
    worker.take(engine.welcome(worker.welcome(engine.hello(worker.challenge(1)))), START_NS)
    engine.take(worker.transmit(START_NS))
    return worker, engine


def test_messages_leave_before_signals_and_both_in_one_packet():
    worker, engine = linked()
    worker.made = [AdvanceTo(to_ns=n) for n in range(3)]
    worker.session.signals.offer(prediction(1), START_NS)
    assert engine.take(worker.transmit(START_NS)) == worker.made
    assert [seq for seq, _ in engine.signals] == [1]
    assert worker.transmit(START_NS) is None


def test_nothing_is_sent_before_a_credit_was_given_and_nothing_beyond_it():
    worker, engine = WorkerHalf(), EngineHalf()
    engine.message_window, engine.signal_window = 2, 1
    worker.made = [AdvanceTo(to_ns=n) for n in range(3)]
    for symbol in "AB":
        worker.session.signals.offer(prediction(1, symbol=symbol), START_NS)
    first = engine.welcome(worker.welcome(engine.hello(worker.challenge(1))))
    assert engine.take(worker.transmit(START_NS)) == [] and engine.signals == []
    worker.take(first, START_NS)
    assert engine.take(worker.transmit(START_NS)) == worker.made[:2]
    assert len(engine.signals) == 1 and worker.transmit(START_NS) is None
    worker.take(engine.packet(), START_NS)
    assert engine.take(worker.transmit(START_NS)) == worker.made[2:]
    assert len(engine.signals) == 2


def test_a_long_queue_is_cut_into_packets():
    worker, engine = linked()
    worker.session.load([Outbound(n, "advance_to", '{"to_ns":1' + " " * 100_000 + "}") for n in range(1, 8)])
    n_packets = 0
    while (frame := worker.transmit(START_NS)) is not None:
        engine.take(frame)
        n_packets += 1
    assert n_packets == 4 and engine.received_seq == 7


def test_heartbeats_tell_the_round_trip_and_the_clock_of_the_engine():
    worker, engine = linked()
    ms = 1_000_000
    engine.now_ns = START_NS + 5_000 * ms + 2 * ms
    worker.session.beat(START_NS)
    engine.take(worker.transmit(START_NS))
    engine.now_ns += 100 * ms
    worker.take(engine.packet(beat=True), START_NS + 106 * ms)
    assert worker.session.monitor.last_round_trip_ns == 6 * ms
    assert worker.session.monitor.offset_ns == 4_999 * ms
    assert worker.session.monitor.round_trips().p99 == 6.0


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [
        ((1, 1024, 0, 4096), "acknowledges message 1, which was never sent"),
        ((0, 1023, 0, 4096), "took back a credit"),
        ((0, 1024, 1, 4096), "acknowledges signal 1"),
    ],
)
def test_a_peer_that_claims_the_impossible_loses_the_link(numbers, reason):
    worker, _ = linked()
    payload = worker.codec.packet(numbers, None, [], [])
    with pytest.raises(FrameError, match=reason):
        worker.session.receive(worker.codec.parse_packet(payload), START_NS)


@pytest.mark.parametrize(
    ("seq", "reason"), [(0, "came where 1"), (2, "came where 1"), (MESSAGE_WINDOW + 1, "only 1024 may be sent")]
)
def test_a_message_out_of_its_place_ends_the_link(seq, reason):
    worker, engine = linked()
    codec = Codec("json")
    payload = codec.packet((0, 1024, 0, 4096), None, [codec.item(seq, state_changed(1))], [])
    with pytest.raises(FrameError, match=reason):
        worker.session.receive(codec.parse_packet(payload), START_NS)


def test_a_storm_of_signals_without_an_engine_takes_bounded_memory():
    lane = Session("epoch").signals
    for n in range(20_000):
        try:
            lane.offer(prediction(n, symbol=f"S{n}", ttl_ms=1 + n % 7, at_ns=START_NS + n * 1000), START_NS + n * 1000)
        except SignalsFull:
            continue
    counts = lane.counts()
    assert counts.held <= 4096 and counts.acked + counts.expired + counts.held == counts.made
