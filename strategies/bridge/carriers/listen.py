"""From an address to its carrier."""

from urllib.parse import urlsplit

from core.errors import BadInput
from strategies.bridge.carriers.base import Listener, TlsFiles
from strategies.bridge.carriers.tcp import TcpListener
from strategies.bridge.carriers.tls import server_context
from strategies.bridge.carriers.ws import PATH, WsListener

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def listener_at(address: str, tls: TlsFiles | None = None) -> Listener:
    """Return the listener of an address: `ws`, `wss`, `tcp`, `tcps` or `redis`. Raises BadInput.

    Without TLS only addresses of this machine are taken.
    """
    shown = address[:200]
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise BadInput(f"'{shown}' is no address of the bridge: {error}") from None
    if parts.scheme not in ("ws", "wss", "tcp", "tcps", "redis") or not host:
        raise BadInput(f"'{shown}' is no address of the bridge", "Use ws://, wss://, tcp://, tcps:// or redis://")
    is_secure = parts.scheme in ("wss", "tcps")
    if not is_secure and host not in LOOPBACK:
        raise BadInput(f"'{shown}' leaves this machine without TLS", "Use wss:// or tcps:// with bridge.tls")
    if is_secure and tls is None:
        raise BadInput(f"'{shown}' needs certificates", "Set bridge.tls: ca_file, cert_file, key_file")
    if parts.scheme == "redis":
        # Only who listens there pays for loading the client.
        from strategies.bridge.carriers.redis import RedisListener

        return RedisListener(address)
    if port is None:
        raise BadInput(f"'{shown}' names no port", "0 takes any free one")
    context = server_context(tls) if is_secure and tls is not None else None
    if parts.scheme in ("tcp", "tcps"):
        if parts.path not in ("", "/"):
            raise BadInput(f"'{shown}' has a path, which TCP does not know")
        return TcpListener(host, port, context)
    if parts.path != PATH:
        raise BadInput(f"'{shown}' must end in {PATH}")
    return WsListener(host, port, context)
