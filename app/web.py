"""Serves dashboard and API under gunicorn."""

import errno
import socket
from typing import Any

import click
from gunicorn.app.base import BaseApplication

from app import create_app
from core.clock import Clock
from core.errors import BadInput
from core.settings import Settings


class _Server(BaseApplication):  # type: ignore[misc]
    """gunicorn with our app; each worker process makes its own store connections."""

    def __init__(self, settings: Settings, listener: socket.socket, clock: Clock | None) -> None:
        self._settings = settings
        self._listener = listener
        self._clock = clock
        super().__init__()

    def load_config(self) -> None:
        """Give gunicorn its few settings."""
        address = self._listener.getsockname()
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        self.cfg.set("bind", [f"fd://{self._listener.fileno()}"])
        self.cfg.set("workers", 1)
        self.cfg.set("threads", 4)
        self.cfg.set("worker_class", "gthread")
        self.cfg.set("graceful_timeout", 5)
        self.cfg.set("accesslog", None)
        self.cfg.set("loglevel", "warning")
        self.cfg.set("control_socket_disable", True)
        self.cfg.set("when_ready", lambda _: click.echo(f"ready http://{host}:{address[1]}/"))

    def load(self) -> Any:
        """Return the app, made in the worker process."""
        return create_app(self._settings, clock=self._clock)


def serve_forever(settings: Settings, clock: Clock | None = None) -> None:
    """Serve until a signal, printing `ready URL` once requests are answered; a port in use raises BadInput."""
    listener = listen(settings.web.host, settings.web.port)
    _Server(settings, listener, clock).run()


def listen(host: str, port: int) -> socket.socket:
    """Return a bound socket; a port in use or a foreign address raises BadInput."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
        raise BadInput(f"{host}:{port} {why}", "Stop the other program, or set web.port (XCRACK_WEB__PORT)") from None
    listener.listen(128)
    listener.set_inheritable(True)
    return listener
