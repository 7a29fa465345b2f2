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
    try:
        context.load_verify_locations(cafile=files.ca)
        context.load_cert_chain(files.cert, files.key)
    except (OSError, ssl.SSLError) as error:
        raise BadInput(
            f"the bridge's TLS files {files.ca}, {files.cert}, {files.key} cannot be used: {error}",
            "bridge.tls needs PEM files: ca, cert (signed by ca) and key (of cert)",
        ) from None
    return context
