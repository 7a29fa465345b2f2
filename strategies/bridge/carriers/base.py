"""What every carrier is, seen from the bridge."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class Wire(Protocol):
    """One connection. Everything happens in the event loop, without waiting."""

    carrier: str
    """Name of the carrier: tcp, tcps, ws, wss or redis."""

    @property
    def is_full(self) -> bool:
        """Whether the peer does not read as fast as we write; `on_writable` tells when to go on."""
        ...

    def send(self, frame: bytes) -> None:
        """Send a frame, now if the system takes it, else as soon as it does. After `close` it does nothing."""
        ...

    def close(self, reason: str) -> None:
        """Close, telling the peer why where the carrier can. Closing twice is allowed."""
        ...


class Receiver(Protocol):
    """Who takes what a wire brings."""

    def on_frame(self, frame: bytes) -> None:
        """Take a frame."""
        ...

    def on_writable(self) -> None:
        """Go on sending."""
        ...

    def on_closed(self, reason: str) -> None:
        """Know that the wire is gone; called once, and last."""
        ...


Accept = Callable[[Wire], Receiver]
"""Takes a new connection and gives who receives from it; it may send at once."""


class Listener(Protocol):
    """Waits for engines at one address."""

    @property
    def address(self) -> str:
        """The address, with the real port once it is started."""
        ...

    async def start(self, accept: Accept) -> None:
        """Listen. An address in use raises OSError."""
        ...

    async def stop(self) -> None:
        """Stop listening and close what is still open; return when every connection is gone."""
        ...


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of mutual TLS: who signs the peer's certificate, our own certificate, our key."""

    ca: Path
    cert: Path
    key: Path
