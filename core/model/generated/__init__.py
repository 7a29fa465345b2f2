"""Messages of the bridge, one module each, generated from the Rust types by scripts/schemas.py."""

from core.model.generated._base import Message
from core.model.generated.advance_to import AdvanceTo
from core.model.generated.advice_answer import AdviceAnswer
from core.model.generated.advice_request import AdviceRequest
from core.model.generated.challenge import Challenge
from core.model.generated.command import Command
from core.model.generated.command_ack import CommandAck
from core.model.generated.equity_mark import EquityMark
from core.model.generated.gap_fill import GapFill
from core.model.generated.heartbeat import Heartbeat
from core.model.generated.hello import Hello
from core.model.generated.mev_opportunity import MevOpportunity
from core.model.generated.params_ack import ParamsAck
from core.model.generated.params_update import ParamsUpdate
from core.model.generated.performance_feedback import PerformanceFeedback
from core.model.generated.prediction import Prediction
from core.model.generated.rate_update import RateUpdate
from core.model.generated.reached import Reached
from core.model.generated.signal_event import SignalEvent
from core.model.generated.state_changed import StateChanged
from core.model.generated.trade_event import TradeEvent
from core.model.generated.welcome import Welcome

__all__ = ["AdvanceTo", "AdviceAnswer", "AdviceRequest", "Challenge", "Command", "CommandAck", "EquityMark", "GapFill", "Heartbeat", "Hello", "KINDS", "Message", "MevOpportunity", "ParamsAck", "ParamsUpdate", "PerformanceFeedback", "Prediction", "RateUpdate", "Reached", "SignalEvent", "StateChanged", "TradeEvent", "Welcome"]

KINDS: dict[str, type[Message]] = {
    "advance_to": AdvanceTo,
    "advice_answer": AdviceAnswer,
    "advice_request": AdviceRequest,
    "challenge": Challenge,
    "command": Command,
    "command_ack": CommandAck,
    "equity_mark": EquityMark,
    "gap_fill": GapFill,
    "heartbeat": Heartbeat,
    "hello": Hello,
    "mev_opportunity": MevOpportunity,
    "params_ack": ParamsAck,
    "params_update": ParamsUpdate,
    "performance_feedback": PerformanceFeedback,
    "prediction": Prediction,
    "rate_update": RateUpdate,
    "reached": Reached,
    "signal_event": SignalEvent,
    "state_changed": StateChanged,
    "trade_event": TradeEvent,
    "welcome": Welcome,
}
"""Struct of every kind."""
