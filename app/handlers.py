"""What the worker does with each message of the engine, always inside the transaction that takes the message."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from core.clock import Clock, VirtualClock, from_ns
from core.model.canonical import short_id
from core.model.generated import Command, CommandAck, Hello, Message, ParamsAck, Reached, StateChanged
from core.model.operations import Notification, Request, Severity
from core.store import Session, audit, deployments, engine_states, notifications, param_versions
from feedback.advisor import RealTimeAIAdvisor
from feedback.alerts import AlertDesk
from feedback.cycles.canaries import CanaryRoom
from feedback.logger import TradingLogger
from strategies.rollout import Rollout

Handler = Callable[[Session, Any], None]


@dataclass(frozen=True, slots=True)
class EngineDesk:
    """Keeps what the engine says of itself, and passes people's orders on to it."""

    clock: Clock
    alerts: AlertDesk
    send: Callable[[Session, Message], int]

    def on_hello(self, session: Session, hello: Hello) -> None:
        """Keep the engine's state, and alert when it does not run the parameters that the store says it runs."""
        detail = msgspec.to_builtins(hello)
        engine_states.put(session, hello.engine_id, hello.state, from_ns(hello.reached_ns), self.clock.now(), detail)
        for instance in hello.instances:
            active = param_versions.find_active(session, instance.instance_id)
            under_way = any(d.state == "pushed" for d in deployments.of_instance(session, instance.instance_id))
            if active is not None and active.sha256 != instance.params_sha256 and not under_way:
                facts = {"reason": f"it runs version {instance.params_version}, the store says {active.version}"}
                self.alerts.raise_once(session, "rejected", instance.instance_id, "critical", facts)

    def on_reached(self, session: Session, reached: Reached) -> None:
        """Note that the engine was heard, and how far it is."""
        engine_states.note_reached(session, from_ns(reached.to_ns), self.clock.now())

    def on_state(self, session: Session, changed: StateChanged) -> None:
        """Keep a new trading state, and tell people who changed it and what releases it."""
        at = from_ns(changed.at_ns)
        self._note_state(session, changed.state, at, changed.by, changed.reason)
        text = f"{changed.state.upper()} · {changed.by}: {changed.reason}"
        note = short_id("note", "state", changed.state, changed.at_ns, changed.by)
        severity: Severity = "info" if changed.state == "active" else "critical"
        notifications.add(session, Notification(note, "state", severity, text, at, None))

    def on_command_ack(self, session: Session, ack: CommandAck) -> None:
        """Keep what became of an order to the engine."""
        self._note_state(session, ack.state, from_ns(ack.at_ns), ack.by, ack.reason)

    def command(self, session: Session, request: Request) -> str:
        """Send a halt, reduction or resumption; the engine acts once, however often the message comes."""
        action = request.kind
        assert action in {"halt", "resume", "reduce"}, "the caller passes only these"
        self.send(session, Command(command_id=request.request_id, action=action, by=request.by, reason=request.reason))
        return f"{action} is on its way to the engine"

    def _note_state(self, session: Session, state: str, at: datetime, by: str, reason: str) -> None:
        known = engine_states.latest(session)
        if known is not None:
            engine_states.put(session, known.engine_id, state, at, self.clock.now(), known.detail)
        audit.append(session, at, by or "engine", "state", state, {"reason": reason})


def build_handlers(
    logger: TradingLogger, rollout: Rollout, canaries: CanaryRoom, advisor: RealTimeAIAdvisor, desk: EngineDesk
) -> Mapping[str, Handler]:
    """Return the handler of every kind the engine sends."""

    def on_params_ack(session: Session, ack: ParamsAck) -> None:
        alert = rollout.on_ack(session, ack)
        if alert:
            desk.alerts.raise_once(session, "rejected", ack.deployment_id, "critical", {"reason": alert})
        canaries.on_ack(session, ack)

    return {
        "trade_event": _quietly(logger.log_trade),
        "signal_event": _quietly(logger.log_signal),
        "equity_mark": _quietly(logger.log_equity),
        "performance_feedback": _quietly(logger.log_performance),
        "params_ack": on_params_ack,
        "command_ack": desk.on_command_ack,
        "advice_request": _quietly(advisor.answer),
        "state_changed": desk.on_state,
        "reached": desk.on_reached,
    }


def _quietly(keep: Callable[[Session, Any], object]) -> Handler:
    """Return a handler that drops what `keep` returns; what it refused is in the quarantine."""

    def handler(session: Session, message: Any) -> None:
        keep(session, message)

    return handler


def at_market_time(clock: VirtualClock, handlers: Mapping[str, Handler]) -> Mapping[str, Handler]:
    """Return the handlers, each run when the clock stands at the time its message tells.

    A grant covers hours: with a clock that stood at its end, every advice would come too late.
    """
    return {kind: _after_moving(clock, handler) for kind, handler in handlers.items()}


def _after_moving(clock: VirtualClock, handler: Handler) -> Handler:
    def moved(session: Session, message: Any) -> None:
        at_ns = message.to_ns if isinstance(message, Reached) else getattr(message, "at_ns", None)
        if at_ns is not None:
            # A frame whose first try failed comes again, after the clock has moved on.
            clock.advance_to(max(clock.now(), from_ns(at_ns)))
        handler(session, message)

    return moved
