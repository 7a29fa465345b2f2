"""Carriers move frames between the engine and this process; an address names its carrier."""

from strategies.bridge.carriers.base import Accept, Listener, Receiver, TlsFiles, Wire
from strategies.bridge.carriers.listen import listener_at

__all__ = ["Accept", "Listener", "Receiver", "TlsFiles", "Wire", "listener_at"]
