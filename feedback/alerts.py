"""Alerts: raised once while a condition holds, resolved when it clears, each with what to do about it.

An alert and the message that carries it to people are written in one transaction. After an alert the same kind and
subject stay quiet for the cool-down, so that a condition that flickers does not flood anyone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from core.clock import Clock
from core.model.canonical import short_id
from core.model.language import Language
from core.model.operations import Alert, Notification, Severity
from core.store import Session, alerts, notifications
from feedback.alert_texts import TEXTS

EVENT_KINDS = frozenset(
    {"skipped", "rejected", "dead_letter", "model_promoted", "model_broken", "model_drift", "model_no_trainer"}
)
"""Kinds that tell of an event, not of a condition that can clear."""
EVENTS_STAY_OPEN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Finding:
    """One condition that was looked at. Bad ones become alerts, good ones resolve them; the unknown gives none."""

    kind: str
    subject: str
    is_bad: bool
    severity: Severity
    facts: Mapping[str, str] = field(default_factory=dict)
    """What the words of the alert are filled with."""


@dataclass(frozen=True, slots=True)
class AlertDesk:
    """Turns findings into alerts in one language."""

    clock: Clock
    cooldown_s: int
    language: Language

    def settle(self, session: Session, findings: Iterable[Finding]) -> tuple[Alert, ...]:
        """Return the alerts raised now, each stored with its notification; conditions that cleared are resolved."""
        now = self.clock.now()
        raised: list[Alert] = []
        for finding in findings:
            last = alerts.last_of_kind(session, finding.kind, finding.subject)
            is_open = last is not None and last.resolved_at is None
            if last is not None and is_open and not finding.is_bad:
                alerts.resolve(session, last.alert_id, now)
            elif finding.is_bad and not is_open and not self._is_quiet(last, now):
                raised.append(self._raise(session, finding, now))
        return tuple(raised)

    def raise_once(
        self, session: Session, kind: str, subject: str, severity: Severity, facts: Mapping[str, str]
    ) -> Alert | None:
        """Return the alert for a single event, or None when one of its kind and subject was just raised.

        An event has no end that could be seen; a later one takes the place of the one before.
        """
        now = self.clock.now()
        last = alerts.last_of_kind(session, kind, subject)
        if last is not None and last.resolved_at is None and not self._is_quiet(last, now):
            alerts.resolve(session, last.alert_id, now)
        raised = self.settle(session, [Finding(kind, subject, True, severity, facts)])
        return raised[0] if raised else None

    def tell(self, session: Session, news: Finding) -> None:
        """Put a message to people into the outbox about something that is no condition; once for the same words."""
        alert = build_alert(news, self.clock.now(), self.language)
        notifications.add(session, replace(notification_of(alert), kind="news"))

    def close_old_events(self, session: Session) -> None:
        """Resolve the alerts of single events after a day."""
        now = self.clock.now()
        for alert in alerts.open(session):
            if alert.kind in EVENT_KINDS and now - alert.raised_at >= EVENTS_STAY_OPEN:
                alerts.resolve(session, alert.alert_id, now)

    def _is_quiet(self, last: Alert | None, now: datetime) -> bool:
        return last is not None and now - last.raised_at < timedelta(seconds=self.cooldown_s)

    def _raise(self, session: Session, finding: Finding, now: datetime) -> Alert:
        alert = build_alert(finding, now, self.language)
        alerts.add(session, alert)
        notifications.add(session, notification_of(alert))
        return alert


def build_alert(finding: Finding, at: datetime, language: Language) -> Alert:
    """Return the alert for a bad finding, with message and action in words."""
    message, action = TEXTS[language][finding.kind]
    facts = {"subject": finding.subject, **finding.facts}
    return Alert(
        alert_id=short_id("alert", finding.kind, finding.subject, at.isoformat()),
        kind=finding.kind,
        severity=finding.severity,
        subject=finding.subject,
        message=message.format(**facts),
        action=action.format(**facts),
        raised_at=at,
        resolved_at=None,
    )


def notification_of(alert: Alert) -> Notification:
    """Return the message to people for an alert."""
    return Notification(
        notification_id=short_id("note", alert.alert_id),
        kind="alert",
        severity=alert.severity,
        text=f"{alert.message}\n{alert.action}",
        created_at=alert.raised_at,
        sent_at=None,
    )
