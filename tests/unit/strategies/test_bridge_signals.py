import random

import pytest

from core.model.generated import GapFill
from strategies.bridge.frame import FrameError
from strategies.bridge.signals import MAX_AGE_NS, MAX_HELD, SignalExpired, SignalLane, SignalsFull
from tests.unit.strategies.bridge_peer import START_NS, prediction

MS = 10**6


def due(lane, credit=10_000, now_ns=START_NS, limit=10_000):
    found = []
    while len(found) < limit and (item := lane.next_due(credit, now_ns)) is not None:
        found.append(item[:2])
    return found


def test_signals_leave_in_order_once_and_within_the_credit():
    lane = SignalLane()
    sent = [prediction(n, symbol=f"S{n}") for n in range(1, 5)]
    assert [lane.offer(signal, START_NS) for signal in sent] == [1, 2, 3, 4]
    assert due(lane, credit=3) == [(1, sent[0]), (2, sent[1]), (3, sent[2])]
    assert due(lane, credit=3) == []
    assert due(lane) == [(4, sent[3])]
    assert lane.acknowledge(4) and not lane.acknowledge(4)
    assert lane.counts().acked == 4 and lane.counts().held == 0


def test_a_newer_prediction_of_the_same_symbol_horizon_and_model_replaces_one_that_waits():
    lane = SignalLane()
    other = prediction(2, symbol="ETHUSDT")
    lane.offer(prediction(1), START_NS)
    lane.offer(other, START_NS)
    newest = prediction(3)
    lane.offer(newest, START_NS)
    assert due(lane) == [(1, GapFill(through=1, expired=0, conflated=1)), (2, other), (3, newest)]


def test_what_expires_while_it_waits_is_never_sent_and_its_numbers_are_named():
    lane = SignalLane()
    for n in range(1, 4):
        lane.offer(prediction(n, symbol=f"S{n}", ttl_ms=5), START_NS)
    fresh = prediction(4)
    lane.offer(fresh, START_NS)
    assert due(lane, now_ns=START_NS + 6 * MS) == [(1, GapFill(through=3, expired=3, conflated=0)), (4, fresh)]
    counts = lane.counts()
    assert (counts.made, counts.expired, counts.held) == (4, 3, 1)


def test_nothing_is_kept_longer_than_thirty_seconds_whatever_it_says():
    lane = SignalLane()
    lane.offer(prediction(1, ttl_ms=3_600_000), START_NS)
    assert due(lane, now_ns=START_NS + MAX_AGE_NS + 1) == [(1, GapFill(through=1, expired=1, conflated=0))]


def test_an_expired_signal_is_refused_and_counted():
    lane = SignalLane()
    with pytest.raises(SignalExpired, match="expired 1 ms"):
        lane.offer(prediction(1, ttl_ms=1), START_NS + 2 * MS)
    assert lane.counts().refused == 1 and lane.counts().made == 0


def test_the_4097th_signal_is_refused_until_there_is_room():
    lane = SignalLane()
    for n in range(MAX_HELD):
        lane.offer(prediction(n, symbol=f"S{n}", ttl_ms=5 if n < 10 else 10_000), START_NS)
    with pytest.raises(SignalsFull, match="4096 signals wait"):
        lane.offer(prediction(1, symbol="more"), START_NS)
    lane.offer(prediction(1, symbol="S99"), START_NS)
    lane.offer(prediction(1, symbol="more"), START_NS + 6 * MS)
    counts = lane.counts()
    assert (counts.refused, counts.expired, counts.conflated) == (1, 10, 1)
    assert counts.held == MAX_HELD - 9


def test_a_signal_replaced_after_it_was_sent_counts_as_arrived_unless_its_link_broke_first():
    lane = SignalLane()
    first, second, third = (prediction(n) for n in (1, 2, 3))
    lane.offer(first, START_NS)
    due(lane)
    lane.offer(second, START_NS)
    assert due(lane) == [(2, second)]
    lane.acknowledge(1)
    assert lane.counts().conflated == 0
    lane.offer(third, START_NS)
    assert lane.resume(True, 1) == 2
    assert due(lane) == [(2, GapFill(through=2, expired=0, conflated=1)), (3, third)]


def test_after_a_reconnect_what_the_engine_has_is_done_and_the_rest_goes_again():
    lane = SignalLane()
    sent = [prediction(n, symbol=f"S{n}") for n in range(1, 4)]
    for signal in sent:
        lane.offer(signal, START_NS)
    due(lane)
    assert lane.resume(True, 2) == 3
    assert due(lane) == [(3, sent[2])]
    assert lane.resume(False, 0) == 3


def test_impossible_claims_are_refused():
    lane = SignalLane()
    lane.offer(prediction(1), START_NS)
    with pytest.raises(FrameError, match="acknowledges signal 1"):
        lane.acknowledge(1)
    with pytest.raises(FrameError, match="has signal 9"):
        lane.resume(True, 9)
    due(lane)
    lane.acknowledge(1)
    with pytest.raises(FrameError, match="had acknowledged signal 1"):
        lane.acknowledge(0)
    with pytest.raises(FrameError, match="now has 0"):
        lane.resume(True, 0)


@pytest.mark.parametrize("seed", range(40))
def test_every_number_is_accounted_for_whatever_happens(seed):
    """A receiver that only counts must come to the lane's own figures, over broken links, expiry and conflation."""
    rng = random.Random(seed)
    lane = SignalLane(max_held=20)
    now_ns, received, told, signals, gaps = START_NS, 0, 0, 0, [0, 0]
    made = 0
    for _ in range(600):
        now_ns += rng.randrange(3 * MS)
        what = rng.random()
        if what < 0.5:
            ttl_ms = rng.choice((2, 20, 10_000))
            try:
                made = lane.offer(prediction(1, symbol=f"S{rng.randrange(30)}", ttl_ms=ttl_ms, at_ns=now_ns), now_ns)
            except SignalsFull:
                assert lane.counts().held == 20
        elif what < 0.8:
            for seq, signal in due(lane, told + rng.randrange(12), now_ns, rng.randrange(1, 9)):
                if rng.random() < 0.1:
                    received = lane.resume(True, received) - 1
                    break
                assert seq == received + 1
                if isinstance(signal, GapFill):
                    assert signal.expired + signal.conflated == signal.through - seq + 1
                    gaps = [gaps[0] + signal.expired, gaps[1] + signal.conflated]
                    received = signal.through
                else:
                    signals, received = signals + 1, seq
        elif what < 0.95:
            told = received
            lane.acknowledge(told)
        else:
            lane.resume(True, received)
            told = received
        counts = lane.counts()
        assert counts.acked + counts.expired + counts.conflated + counts.held == counts.made == made
        assert counts.held <= 20
    for seq, signal in due(lane, 10**9, now_ns + 60 * 10**9):
        assert isinstance(signal, GapFill) and seq == received + 1
        gaps = [gaps[0] + signal.expired, gaps[1] + signal.conflated]
        received = signal.through
    lane.acknowledge(received)
    counts = lane.counts()
    assert (counts.acked, counts.expired, counts.conflated, counts.held) == (signals, *gaps, 0)
    assert received == made
