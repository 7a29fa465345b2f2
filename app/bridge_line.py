"""The line between the engine of `xcrack up` and the worker: where it is dialled, checked before anything starts."""

from urllib.parse import urlsplit

from core.errors import BadInput
from core.settings_sections import BridgeSettings, BridgeTlsSettings
from strategies.bridge import BridgeServer, TlsFiles
from strategies.bridge.carriers import listener_at
from strategies.bridge.carriers.tls import require_engine_files
from strategies.bridge.carriers.ws import WsListener

SECURE = frozenset({"wss", "tcps"})


def tls_files(tls: BridgeTlsSettings | None) -> TlsFiles | None:
    """Return one side's files as the carriers take them."""
    return None if tls is None else TlsFiles(tls.ca_file, tls.cert_file, tls.key_file)


def dialled_address(bridge: BridgeSettings) -> str:
    """Return where the engine dials, as the settings say it."""
    return bridge.dial or WsListener(bridge.host, bridge.port).address


def bound_address(bridge: BridgeSettings, server: BridgeServer) -> str:
    """Return where the engine dials now that the worker listens: with the real port where any was taken."""
    return server.addresses[1 + bridge.listen.index(bridge.dial) if bridge.dial else 0]


def engine_tls(bridge: BridgeSettings) -> BridgeTlsSettings | None:
    """Return the files that the engine dials with; None where the line is not encrypted."""
    return bridge.engine_tls if urlsplit(bridge.dial).scheme in SECURE else None


def require_listenable(bridge: BridgeSettings) -> None:
    """Raise BadInput for an address that the worker could not listen at, naming it, or for files that do not fit."""
    for address in bridge.listen:
        listener_at(address, tls_files(bridge.tls))


def require_dialable(bridge: BridgeSettings) -> None:
    """Raise BadInput where an engine that starts beside the worker could not find it."""
    require_listenable(bridge)
    address = dialled_address(bridge)
    parts = urlsplit(address)
    if parts.username is not None or parts.password is not None:
        raise BadInput(
            "the engine dials no address with a user or a password in it",
            "Let bridge.dial name one without, or leave it empty",
        )
    if not parts.port:
        raise BadInput(
            f"the engine cannot know which port to dial: {address} names none",
            "Give bridge.port, or the address in bridge.listen and bridge.dial, a number above 0",
        )
    if parts.scheme in SECURE:
        files = tls_files(bridge.engine_tls)
        if files is None:
            raise BadInput(
                f"the engine needs certificates to dial {address}",
                "Set bridge.engine_tls: ca_file, cert_file, key_file",
            )
        require_engine_files(files)
