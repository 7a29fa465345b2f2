"""People and operations: feedback, alerts, jobs, requests, audit."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from core.model.language import Language

Severity = Literal["info", "warning", "critical"]


@dataclass(frozen=True, slots=True)
class EngineState:
    """The newest word of an engine. `at` is market time, `heard_at` the worker's clock."""

    engine_id: str
    state: str
    """active, reducing or halted."""
    at: datetime
    heard_at: datetime
    detail: dict[str, Any]
    """The engine's own `hello` or heartbeat, as JSON."""


@dataclass(frozen=True, slots=True)
class FeedbackNote:
    """A person's note. `text` is stored and shown escaped; only tag and target ever reach an analysis."""

    note_id: str
    author: str
    at: datetime
    target_kind: Literal["trade", "proposal", "strategy", "general"]
    target_id: str
    tags: tuple[str, ...]
    """Of: good, bad, hold, risky, too_early, too_late, wrong_size, false_signal."""
    text: str
    used_in: tuple[str, ...]
    """Dataset ids that counted it."""
    effect: str
    """What became of it, in words."""


@dataclass(frozen=True, slots=True)
class Alert:
    """Something a person should know, and what to do."""

    alert_id: str
    kind: str
    severity: Severity
    subject: str
    message: str
    action: str
    raised_at: datetime
    resolved_at: datetime | None


@dataclass(frozen=True, slots=True)
class Request:
    """A wish of web, CLI or Telegram that only the worker may carry out."""

    request_id: str
    kind: Literal[
        "approve",
        "reject",
        "rollback",
        "stop_canary",
        "promote_model",
        "rollback_model",
        "halt",
        "resume",
        "reduce",
        "daily_cycle",
        "weekly_cycle",
    ]
    subject_id: str
    by: str
    via: Literal["web", "cli", "telegram"]
    reason: str
    at: datetime
    state: Literal["open", "done", "failed"]
    result: str


@dataclass(frozen=True, slots=True)
class Report:
    """A written report in one language."""

    report_id: str
    kind: Literal["daily", "weekly"]
    on: date
    language: Language
    markdown: str
    html: str
    sha256: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Notification:
    """A message in the outbox of the people."""

    notification_id: str
    kind: str
    severity: Severity
    text: str
    created_at: datetime
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One link of the audit chain."""

    n: int
    at: datetime
    actor: str
    action: str
    subject: str
    payload: str
    prev_sha256: str
    sha256: str
