"""Every carrier under the same conversation: messages both ways, signals, broken links, peers that break rules."""

import asyncio
import os
import shutil
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from redis.asyncio import Redis
from websockets.exceptions import InvalidHandshake

from core.errors import BadInput
from core.model.generated import GapFill, RateUpdate
from strategies.bridge import SignalExpired, TlsFiles
from strategies.bridge.carriers import listener_at
from strategies.bridge.carriers.redis import GROUP, LINKS
from strategies.bridge.frame import MAX_FRAME_BYTES
from tests.servers import running_redis
from tests.unit.strategies.bridge_peer import START_NS, Peer, Worker, prediction, state_changed


@pytest.fixture
def tls(tmp_path) -> TlsFiles:
    return make_tls(tmp_path / "tls")


def make_tls(folder) -> TlsFiles:
    """An authority and one certificate of it, for both sides."""
    folder.mkdir()
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name, name = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, n)]) for n in ("ca", "bridge"))
    now = datetime.now(UTC)

    def build(subject, public, extension, critical):
        certificate = x509.CertificateBuilder().subject_name(subject).issuer_name(ca_name).public_key(public)
        certificate = certificate.serial_number(x509.random_serial_number())
        certificate = certificate.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        return certificate.add_extension(extension, critical).sign(ca_key, hashes.SHA256())

    ca = build(ca_name, ca_key.public_key(), x509.BasicConstraints(ca=True, path_length=None), True)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("localhost")])
    cert = build(name, key.public_key(), names, False)
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(ca.public_bytes(pem))
    (folder / "cert.pem").write_bytes(cert.public_bytes(pem))
    plain = serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return TlsFiles(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")


def client_tls(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=files.ca)
    context.load_cert_chain(files.cert, files.key)
    return context


@pytest.fixture
def make_worker(tmp_path):
    made = []

    def make(**options) -> Worker:
        made.append(Worker(tmp_path, **options))
        return made[-1]

    yield make
    for worker in made:
        worker.store.dispose()


async def converse(worker: Worker, server, dialled) -> None:
    peer = Peer()
    peer.made = [state_changed(n) for n in range(1, 4)]
    with worker.store.session() as session:
        server.send(session, RateUpdate(krw_per_quote=1.0, observed_at_ns=1))
    async with dialled(peer):
        assert server.connected
        await peer.send_from(1)
        await peer.read_until_acked(3)
        assert await peer.read() == RateUpdate(krw_per_quote=1.0, observed_at_ns=1)
        assert server.send_signal(prediction(1)) == 1
        assert await peer.read_signals(1) == [(1, prediction(1))]
        await asyncio.to_thread(server.send_signal, prediction(2))
        assert (await peer.read_signals(2))[1] == (2, prediction(2))
        while worker.signals_acked[-1:] != [2]:
            await asyncio.sleep(0)
    while server.connected:
        await asyncio.sleep(0)
    server.send_signal(prediction(3))
    server.send_signal(prediction(4))
    async with dialled(peer):
        await peer.beat()
        signals = await peer.read_signals(4)
    assert signals[2:] == [(3, GapFill(through=3, expired=0, conflated=1)), (4, prediction(4))]
    assert worker.seen == peer.made
    figures = server.figures()
    assert (figures.signals_made, figures.signals_conflated, figures.counts["links_opened"]) == (4, 1, 2)


@pytest.mark.parametrize("style", [("json", "none"), ("msgpack", "zlib")], ids="-".join)
@pytest.mark.parametrize("scheme", ["tcp", "ws", "tcps", "wss"])
async def test_a_conversation_over_sockets(make_worker, tls, scheme, style):
    path = "/ai_bridge" if scheme.startswith("ws") else ""
    worker = make_worker(listen=[f"{scheme}://127.0.0.1:0{path}"], tls=tls)
    async with worker.serving() as server:
        context = client_tls(tls) if scheme.endswith("s") and scheme != "ws" else None

        def dialled(peer):
            return peer.dial(server.addresses[1], ssl=context, encoding=style[0], compression=style[1])

        await converse(worker, server, dialled)


@pytest.mark.parametrize("scheme", ["tcps", "wss"])
async def test_a_stranger_without_a_certificate_of_our_authority_never_gets_a_challenge(
    make_worker, tls, tmp_path, scheme
):
    path = "/ai_bridge" if scheme == "wss" else ""
    worker = make_worker(listen=[f"{scheme}://127.0.0.1:0{path}"], tls=tls)
    strangers = make_tls(tmp_path / "other")
    async with worker.serving() as server:
        bare = ssl.create_default_context(cafile=tls.ca)
        forged = ssl.create_default_context(cafile=tls.ca)
        forged.load_cert_chain(strangers.cert, strangers.key)
        for context in (bare, forged):
            with pytest.raises((OSError, EOFError, InvalidHandshake)):
                async with Peer().dial(server.addresses[1], ssl=context):
                    pass
        assert server.figures().counts["frames_sent"] == 0


async def test_a_tcp_frame_that_is_announced_too_long_ends_the_connection(make_worker):
    worker = make_worker(listen=["tcp://127.0.0.1:0"])
    async with worker.serving() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(server.addresses[1].rsplit(":", 1)[1]))
        writer.write((MAX_FRAME_BYTES + 1).to_bytes(4, "big"))
        assert len(await reader.read()) > 4  # the challenge, then the end
        writer.close()
        assert server.figures().counts["links_refused"] == 1


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:0", "ws://127.0.0.1:0/ai_bridge"])
async def test_a_stopped_listener_leaves_no_connection_behind(address):
    class Mute:
        def on_frame(self, frame: bytes) -> None: ...
        def on_writable(self) -> None: ...
        def on_closed(self, reason: str) -> None:
            reasons.append(reason)

    reasons: list[str] = []
    listener = listener_at(address, None)
    await listener.start(lambda wire: Mute())
    reader, writer = await asyncio.open_connection("127.0.0.1", int(listener.address.rsplit(":", 1)[1].split("/")[0]))
    while not listener._wires._transports:  # the server's half is made in a turn of its own
        await asyncio.sleep(0)
    await listener.stop()
    async with asyncio.timeout(4):
        assert await reader.read() == b""
    assert reasons == (["the worker stopped"] if address.startswith("tcp") else [])
    writer.close()
    await writer.wait_closed()


async def test_frames_may_come_in_any_pieces(make_worker):
    worker = make_worker(listen=["tcp://127.0.0.1:0"])
    async with worker.serving() as server:
        peer = Peer()
        peer.made = [state_changed(n) for n in range(1, 4)]
        async with peer.dial(server.addresses[1]):
            stream = b"".join(
                len(frame).to_bytes(4, "big") + frame for frame in [peer.packet((n, n)) for n in (1, 2, 3)]
            )
            for at in range(0, len(stream), 7):
                peer.pipe.writer.write(stream[at : at + 7])
                await peer.pipe.writer.drain()
                await asyncio.sleep(0)
            await peer.read_until_acked(3)
    assert worker.seen == peer.made


async def test_an_expired_signal_is_refused_by_name(make_worker):
    worker = make_worker()
    async with worker.serving() as server:
        with pytest.raises(SignalExpired):
            server.send_signal(prediction(1, ttl_ms=1, at_ns=START_NS - 10**9))
        with pytest.raises(BadInput, match="longer than 65536"):
            server.send_signal(prediction(1, symbol="S" * 65_536))
        assert server.figures().signals_refused == 1 and server.figures().success_rate == 0.0


async def test_an_engine_that_dials_again_takes_the_place_of_its_dead_link(make_worker):
    worker = make_worker(listen=["tcp://127.0.0.1:0"])
    async with worker.serving() as server:
        first, again = Peer(), Peer()
        async with first.dial(server.addresses[1]):
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                async with again.dial(server.addresses[1]):
                    pass
            while server.connected:
                await asyncio.sleep(0)
            async with again.dial(server.addresses[1]):
                assert server.connected


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("udp://127.0.0.1:1", "no address of the bridge"),
        ("tcp://10.0.0.1:1", "without TLS"),
        ("redis://10.0.0.1:6379/0", "without TLS"),
        ("wss://127.0.0.1:1/ai_bridge", "needs certificates"),
        ("tcp://127.0.0.1", "names no port"),
        ("tcp://127.0.0.1:1/x", "has a path"),
        ("ws://127.0.0.1:1/other", "must end in /ai_bridge"),
        ("tcp://127.0.0.1:99999", "no address of the bridge"),
        ("nonsense", "no address of the bridge"),
    ],
)
def test_an_address_that_cannot_be_served_is_refused(address, reason):
    with pytest.raises(BadInput, match=reason):
        listener_at(address)


def test_tls_files_that_cannot_be_used_are_named(tmp_path):
    missing = TlsFiles(tmp_path / "ca", tmp_path / "cert", tmp_path / "key")
    with pytest.raises(BadInput, match="cannot be used"):
        listener_at("tcps://0.0.0.0:0", missing)


@pytest.fixture
def redis_url():
    program = shutil.which("redis-server")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("redis-server is missing")
        pytest.skip("redis-server is not installed")
    with running_redis(program) as url:
        yield url


class RedisPipe:
    """An engine's half of one link over streams."""

    def __init__(self, redis: Redis, link: str) -> None:
        self.redis, self.last, self.frames = redis, "0-0", []
        self.up, self.down = (f"xcrack:bridge:engine-1:{link}:{way}" for way in ("up", "down"))

    async def send(self, frame: bytes) -> None:
        await self.redis.xadd(self.up, {"f": frame})

    async def recv(self) -> bytes:
        while not self.frames:
            found = await self.redis.xread({self.down: self.last}, block=100)
            for batch in found.values() if isinstance(found, dict) else [entries for _, entries in found or []]:
                for self.last, fields in batch[0] if isinstance(batch[0], list) else batch:
                    self.frames.append(fields)
        fields = self.frames.pop(0)
        if b"x" in fields:
            raise EOFError(fields[b"x"].decode())
        return fields[b"f"]


@asynccontextmanager
async def over_redis(url: str, peer: Peer, n: list[int], hangs_up: bool = True):
    """Announce a link and open it."""
    n[0] += 1
    link = f"{n[0]:032x}"
    async with Redis.from_url(url) as redis:
        peer.pipe = RedisPipe(redis, link)
        await redis.xadd(LINKS, {"engine_id": "engine-1", "link": link})
        await peer.pipe.send(peer.hello(await peer.pipe.recv()))
        await peer.pipe.send(peer.welcome(await peer.pipe.recv()))
        peer._unread = []
        while peer.credit == 0:
            peer._unread += peer.take(await peer.pipe.recv())
        yield peer
        if hangs_up:
            await redis.xadd(peer.pipe.up, {"x": "the test is over"})


def redis_worker(make_worker, url: str) -> Worker:
    worker = make_worker()
    make = worker.make

    def with_redis():
        from strategies.bridge.carriers.redis import RedisListener

        server = make()
        server._listen.append(RedisListener(url))
        return server

    worker.make = with_redis
    return worker


async def test_a_conversation_over_redis_streams(make_worker, redis_url):
    worker, n = redis_worker(make_worker, redis_url), [0]
    async with worker.serving() as server:
        await converse(worker, server, lambda peer: over_redis(redis_url, peer, n))
    async with Redis.from_url(redis_url) as redis:
        assert (await redis.xpending(LINKS, GROUP))["pending"] == 0
        assert 0 < await redis.ttl(f"xcrack:bridge:engine-1:{1:032x}:down") <= 3600


async def test_an_entry_that_redis_lost_ends_the_link_and_the_next_one_repairs_it(make_worker, redis_url):
    worker, n, peer = redis_worker(make_worker, redis_url), [0], Peer()
    peer.made = [state_changed(n) for n in range(1, 4)]
    async with worker.serving() as server:
        async with over_redis(redis_url, peer, n, hangs_up=False):
            peer.packet((1, 1))  # sealed, and lost on its way
            await peer.pipe.send(peer.packet((2, 3)))
            with pytest.raises(EOFError, match="signature"):
                await peer.read_until_acked(3)
        while server.connected:
            await asyncio.sleep(0)
        async with over_redis(redis_url, peer, n):
            assert peer.welcomed.received_seq == 0
            await peer.send_from(1)
            await peer.read_until_acked(3)
    assert worker.seen == peer.made


async def test_announcements_with_impossible_names_or_of_long_ago_are_passed_over(make_worker, redis_url):
    async with Redis.from_url(redis_url) as redis:
        await redis.xadd(LINKS, {"engine_id": "engine-1", "link": "a" * 32}, id="1000-0")
        await redis.xadd(LINKS, {"engine_id": "../x", "link": "b" * 32})
        await redis.xadd(LINKS, {"engine_id": "engine-1", "link": "short"})
        worker, n, peer = redis_worker(make_worker, redis_url), [0], Peer()
        async with worker.serving() as server, over_redis(redis_url, peer, n):
            assert server.figures().counts["frames_sent"] < 5
        assert sorted(await redis.keys("*:down")) == [f"xcrack:bridge:engine-1:{1:032x}:down".encode()]
