"""What every answer carries, and how often a caller may ask."""

import ipaddress

from flask import Flask, Response, request
from flask_limiter import ApplicationLimit, Limiter
from flask_limiter.util import get_remote_address

from core.model.canonical import sha256_of

MAX_BODY_BYTES = 64 * 1024
DEFAULT_LIMIT = "600 per minute"
WRITE_LIMIT = "30 per minute"
SIGN_IN_LIMIT = "10 per minute"
"""Per key and address, counted in the memory of each web process."""
ADDRESS_LIMIT = "1200 per minute"
"""Per address over all routes, whatever keys it shows: an invented key must not open a fresh allowance."""

# No script at all: the pages need none, so an injected one has no way to run.
_CSP = (
    "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}


def is_loopback(host: str) -> bool:
    """Return whether `host` (a name or an address, without port) means this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def asked_from_this_machine() -> bool:
    """Return whether the request came over loopback under a loopback name.

    The Host header is checked too: a foreign name that was made to resolve to 127.0.0.1 reads nothing. A request that
    a proxy passed on is not local, whatever address the proxy has.
    """
    host = request.host.rsplit(":", 1)[0] if not request.host.endswith("]") else request.host
    forwarded = any(name in request.headers for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP"))
    return not forwarded and is_loopback(request.remote_addr or "") and is_loopback(host)


def caller_bucket() -> str:
    """Return the bucket that a request is counted in: the key it shows (hashed) and its address."""
    shown = request.headers.get("Authorization", "")
    return f"{get_remote_address()}|{sha256_of(shown)[:16] if shown else '-'}"


def build_limiter(app: Flask) -> Limiter:
    """Return the app's limiter; Flask-WTF and the views read it from `app.extensions`."""
    return Limiter(
        caller_bucket,
        app=app,
        default_limits=[DEFAULT_LIMIT],
        application_limits=[ApplicationLimit(ADDRESS_LIMIT, key_function=get_remote_address)],
        storage_uri="memory://",
        strategy="moving-window",
        # Its own headers would put Retry-After on every answer; `app.problems` puts it on those that need it.
        headers_enabled=False,
    )


def register_headers(app: Flask) -> None:
    """Put the security headers on every answer of `app`."""

    @app.after_request
    def _harden(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        if request.endpoint != "static":
            response.headers.setdefault("Cache-Control", "no-store")
        return response
