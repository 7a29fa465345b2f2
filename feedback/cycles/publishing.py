"""The last steps of a cycle: its report in every language, and the message that announces it."""

from collections.abc import Callable, Sequence

from core.model.canonical import canonical_json, short_id
from core.model.language import LANGUAGES, Language
from core.model.operations import Notification, Report
from core.store import Session, Store, notifications, reports
from feedback.cycles.acks import await_acks
from feedback.report import ReportFacts, brief, render_report

ReadFacts = Callable[[Session], ReportFacts]


def write_reports(store: Store, read_facts: ReadFacts) -> tuple[Report, ...]:
    """Return the report in every language, written after the engine's word on what was sent to it."""
    await_acks(store)
    with store.session() as session:
        facts = read_facts(session)
    return tuple(render_report(facts, language) for language in LANGUAGES)


def save_reports(session: Session, written: Sequence[Report]) -> str:
    """Store the reports; returns their hashes by language."""
    for item in written:
        reports.add(session, item)
    return canonical_json({item.language: item.sha256 for item in written})


def write_notification(store: Store, read_facts: ReadFacts, language: Language) -> Notification:
    """Return the message that carries the report's first screen."""
    with store.session() as session:
        facts = read_facts(session)
    return Notification(
        notification_id=short_id("note", facts.kind, facts.on.isoformat()),
        kind=f"{facts.kind}_report",
        severity="info",
        text=brief(facts, language),
        created_at=facts.due_at,
        sent_at=None,
    )


def save_notification(session: Session, notification: Notification) -> str:
    """Put the message into the outbox; returns its id."""
    notifications.add(session, notification)
    return notification.notification_id
