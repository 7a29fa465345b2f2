"""`/api/reports`: the written reports."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, cast

from pydantic import Field

from app.api.operations import Answer, Asked, Operation, operation
from app.auth import Caller
from app.rooms import rooms
from core.errors import BadInput, UnknownName
from core.model.language import Language
from core.model.operations import Report
from core.store import reports as rows

Kind = Literal["daily", "weekly"]


class ReportEntry(Answer):
    """A report without its text."""

    report_id: str
    kind: Kind
    on: date
    language: Language
    sha256: str
    created_at: datetime


class ReportView(ReportEntry):
    """A report."""

    markdown: str
    html: str


class ReportList(Answer):
    """The newest day first."""

    items: tuple[ReportEntry, ...]


class ReportsQuery(Asked):
    """How many."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50


class ReportQuery(Asked):
    """Which language; the settings' own when not given."""

    language: Language | None = None


@operation(Operation(summary="Reports, newest day first", answer=ReportList, scope="read", query=ReportsQuery))
def list_reports(caller: Caller, query: ReportsQuery) -> ReportList:
    """Answer with the newest reports, without their texts."""
    with rooms().store.session() as session:
        found = rows.list(session, query.limit)
    return ReportList(items=tuple(ReportEntry(**_entry(report)) for report in found))


@operation(Operation(summary="One report", answer=ReportView, scope="read", query=ReportQuery))
def show_report(caller: Caller, kind: str, on: str, query: ReportQuery) -> ReportView:
    """Answer with the report of a kind and KST day."""
    here = rooms()
    language = query.language or here.settings.language
    with here.store.session() as session:
        report = rows.get(session, parse_kind(kind), parse_day(on), language)
    if report is None:
        raise UnknownName(f"there is no {kind} report of {on} in '{language}'", "See /api/reports")
    return ReportView(**_entry(report), markdown=report.markdown, html=report.html)


def parse_kind(kind: str) -> Kind:
    """Return the kind of report. Raises UnknownName."""
    if kind in {"daily", "weekly"}:
        return cast(Kind, kind)
    raise UnknownName(f"there are no '{kind[:40]}' reports", "Use daily or weekly")


def parse_day(on: str) -> date:
    """Return the day. Raises BadInput when it is not `YYYY-MM-DD`."""
    try:
        return date.fromisoformat(on)
    except ValueError:
        raise BadInput(f"'{on[:40]}' is not a day", "Use YYYY-MM-DD") from None


def _entry(report: Report) -> dict[str, Any]:
    return {name: getattr(report, name) for name in ReportEntry.model_fields}
