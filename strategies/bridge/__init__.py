"""The worker's side of the bridge to the engine. Knows frames, sequences and transactions, not what a message means."""

from strategies.bridge.carriers import TlsFiles
from strategies.bridge.frame import FrameError
from strategies.bridge.monitor import BridgeFigures
from strategies.bridge.secret import load_secret
from strategies.bridge.server import BridgeServer
from strategies.bridge.signals import SignalExpired, SignalsFull

__all__ = ["BridgeFigures", "BridgeServer", "FrameError", "SignalExpired", "SignalsFull", "TlsFiles", "load_secret"]
