"""Mutual TLS for carriers that leave the machine: no peer without a certificate of our own authority."""

import ssl

from core.errors import BadInput
from strategies.bridge.carriers.base import TlsFiles


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """Return the context of a listener: TLS 1.3, the engine's certificate is demanded and checked.

    A file that is missing, unreadable or no PEM raises BadInput.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    _load(context, files, "bridge.tls")
    return context


def require_engine_files(files: TlsFiles) -> None:
    """Raise BadInput where the engine could not dial with these files; the same rules as for the listener's."""
    _load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), files, "bridge.engine_tls")


def _load(context: ssl.SSLContext, files: TlsFiles, setting: str) -> None:
    try:
        context.load_verify_locations(cafile=files.ca)
        context.load_cert_chain(files.cert, files.key)
    except (OSError, ssl.SSLError) as error:
        raise BadInput(
            f"the bridge's TLS files {files.ca}, {files.cert}, {files.key} cannot be used: {error}",
            f"{setting} needs PEM files: ca_file (signed the other side's), cert_file (our own), key_file (its key)",
        ) from None
