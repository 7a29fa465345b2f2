"""The worker's side of the bridge to the engine. Knows frames, sequences and transactions, not what a message means."""

from strategies.bridge.frame import FrameError, open_frame, seal
from strategies.bridge.secret import load_secret
from strategies.bridge.server import BridgeServer

__all__ = ["BridgeServer", "FrameError", "load_secret", "open_frame", "seal"]
