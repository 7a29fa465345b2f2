import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select
from websockets.exceptions import ConnectionClosed

from core.clock import to_ns
from core.model.generated import AdvanceTo, RateUpdate, Reached
from core.store import frames
from core.store.tables import dead_letter
from tests.unit.strategies.bridge_peer import START, Peer, Worker, state_changed


@pytest.fixture
def worker(tmp_path):
    made = Worker(tmp_path)
    yield made
    made.store.dispose()


@pytest.fixture
def peer():
    return Peer()


def rate(value: float) -> RateUpdate:
    return RateUpdate(krw_per_quote=value, observed_at_ns=1)


async def refusal(peer, port, **options) -> str:
    with pytest.raises(ConnectionClosed) as caught:
        async with peer.dial(port, **options):
            pass
    return caught.value.rcvd.reason


async def test_messages_of_the_engine_are_committed_once_and_acknowledged(worker, peer):
    peer.made = [state_changed(n) for n in range(1, 6)]
    async with worker.serving() as server, peer.dial(server.port):
        await peer.send_from(1)
        await peer.read_until_acked(5)
        assert worker.seen == peer.made
        await peer.send_from(1)
        peer.made.append(state_changed(6))
        await peer.send_from(6)
        await peer.read_until_acked(6)
    assert worker.seen == peer.made


async def test_after_a_restart_of_the_worker_the_engine_is_told_where_to_go_on(worker, peer):
    peer.made = [state_changed(1), state_changed(2)]
    async with worker.serving() as server, peer.dial(server.port):
        await peer.send_from(1)
        await peer.read_until_acked(2)
    peer.made.append(state_changed(3))
    async with worker.serving() as server, peer.dial(server.port):
        assert peer.welcomed.received_seq == 2
        await peer.send_from(3)
        await peer.read_until_acked(3)
    assert worker.seen == peer.made


async def test_a_message_leaves_when_its_transaction_commits_and_not_before(worker, peer):
    async with worker.serving() as server, peer.dial(server.port):
        with pytest.raises(RuntimeError), worker.store.session() as session:
            server.send(session, rate(1.0))
            raise RuntimeError("rolled back")
        with worker.store.session() as session:
            assert server.send(session, rate(2.0)) == 1
        assert await peer.read() == rate(2.0)


async def test_what_the_engine_had_not_acknowledged_is_sent_again_and_nothing_else(worker, peer):
    async with worker.serving() as server:
        with worker.store.session() as session:
            seqs = [server.send(session, rate(float(n))) for n in range(1, 4)]
        async with peer.dial(server.port):
            for _ in seqs:
                await peer.read()
            peer.received_seq = 2  # the third was lost with the engine before it reached the disk
        async with peer.dial(server.port):
            assert await peer.read() == rate(3.0)
            await peer.beat()
            await server.wait_acked(3)
    with worker.store.session() as session:
        assert frames.acked_seq(session) == 3
        assert frames.unacked_after(session, 0) == ()


async def test_granted_time_returns_when_the_engine_reached_it_and_its_effects_are_committed(worker, peer):
    async with worker.serving() as server, peer.dial(server.port):
        to = START + timedelta(hours=1)
        grant = asyncio.ensure_future(server.advance_to(to))
        assert await peer.read() == AdvanceTo(to_ns=to_ns(to))
        peer.made = [
            state_changed(1),
            Reached(to_ns=to_ns(to), bars=4, feed_ended=False, actions_sha256="ab"),
        ]
        await peer.send_from(1)
        assert (await grant).bars == 4
        assert worker.seen == [state_changed(1)]
    with worker.store.session() as session:
        assert frames.reached_at(session, "engine-1") == to


async def test_a_failing_handler_rolls_back_and_the_frame_becomes_a_dead_letter_after_five_tries(worker, peer):
    peer.made = [state_changed(n) for n in range(1, 4)]
    worker.broken = {2}
    async with worker.serving() as server:
        for _ in range(5):
            with pytest.raises(ConnectionClosed):
                async with peer.dial(server.port):
                    assert peer.welcomed.received_seq == 0
                    await peer.send_from(1)
                    await peer.read()
            worker.seen.clear()
            while server.connected:
                await asyncio.sleep(0)
        async with peer.dial(server.port):
            await peer.send_from(1)
            await peer.read_until_acked(3)
    assert worker.seen == [state_changed(1), state_changed(3)]
    assert "message 2 (state_changed)" in worker.alerts[0]
    with worker.store.session() as session:
        assert session.execute(select(dead_letter.c.kind, dead_letter.c.channel)).all() == [("state_changed", "bridge")]


async def test_a_stranger_gets_no_session(worker, peer):
    async with worker.serving() as server:
        assert "signature" in await refusal(peer, server.port, signs_with=b"not the shared secret at all")
        assert "protocol 1" in await refusal(peer, server.port, protocol=1)
        assert "another link" in await refusal(peer, server.port, worker_nonce="0" * 32)
        assert not server.connected


async def test_a_second_engine_is_refused_while_one_is_alive(worker, peer):
    async with worker.serving() as server, peer.dial(server.port):
        assert "connected already" in await refusal(Peer("engine-2"), server.port)
        peer.made = [state_changed(1)]
        await peer.send_from(1)
        await peer.read_until_acked(1)


async def test_a_side_that_lost_its_state_is_refused_with_the_way_out(worker, peer):
    peer.made = [state_changed(1)]
    async with worker.serving() as server:
        async with peer.dial(server.port):
            await peer.send_from(1)
            await peer.read_until_acked(1)
        assert "made 0 messages but 1 were received" in await refusal(Peer(), server.port)
        ahead = Peer("engine-2")
        ahead.received_seq = 9
        assert "9 messages but this database made 0" in await refusal(ahead, server.port)


async def test_a_fresh_engine_starts_after_what_an_older_one_acknowledged(worker, peer):
    async with worker.serving() as server:
        with worker.store.session() as session:
            server.send(session, rate(1.0))
        async with peer.dial(server.port):
            await peer.read()
            await peer.beat()
            await server.wait_acked(1)
        with worker.store.session() as session:
            server.send(session, rate(2.0))
        fresh = Peer("engine-2")
        async with fresh.dial(server.port):
            assert fresh.welcomed.resume_seq == 2
            assert await fresh.read() == rate(2.0)


async def test_a_gap_ends_the_connection_and_commits_nothing(worker, peer):
    peer.made = [state_changed(1), state_changed(2)]
    async with worker.serving() as server:
        with pytest.raises(ConnectionClosed):
            async with peer.dial(server.port):
                await peer.send_from(2)
                await peer.read()
    assert worker.seen == []


async def test_a_kind_without_a_handler_is_an_error_at_construction(worker):
    from strategies.bridge import BridgeServer

    with pytest.raises(ValueError, match="trade_event"):
        BridgeServer(worker.store, b"x" * 32, {}, worker.clock)


async def test_messages_nobody_waits_for_are_gathered_and_one_that_is_waited_for_ends_that(worker, peer, monkeypatch):
    monkeypatch.setattr("strategies.bridge.link.GATHER_S", 3600.0)
    peer.made = [state_changed(n) for n in range(1, 4)]
    peer.made.append(Reached(to_ns=to_ns(START), bars=4, feed_ended=False, actions_sha256="ab"))
    async with worker.serving() as server, peer.dial(server.port):
        commits = []
        commit = server._rooms.inbox.commit

        def counted(engine_id, codec, batch, acked):
            commits.append([item.seq for item in batch])
            return commit(engine_id, codec, batch, acked)

        monkeypatch.setattr(server._rooms.inbox, "commit", counted)
        await peer.pipe.send(peer.packet((1, 1)))
        await peer.read_until_acked(1)
        for seq in (2, 3, 4):
            await peer.pipe.send(peer.packet((seq, seq)))
        await peer.read_until_acked(4)
    assert commits == [[1], [2, 3, 4]]
    assert worker.seen == peer.made[:3]
