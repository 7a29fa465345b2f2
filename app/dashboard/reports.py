"""The written reports. Their Markdown is rendered here with raw HTML switched off, whatever stored HTML says."""

from flask import g, render_template
from markdown_it import MarkdownIt
from markupsafe import Markup

from app.api.reports import parse_day, parse_kind
from app.rooms import rooms
from core.errors import UnknownName
from core.store import reports

N_LISTED = 60


def show_list() -> str:
    """Render the list in the language of the page."""
    with rooms().store.session() as session:
        found = [report for report in reports.list(session, 2 * N_LISTED) if report.language == g.language]
    return render_template("reports.html", reports=found[:N_LISTED], page="reports")


def show_one(kind: str, on: str) -> str:
    """Render one report in the language of the page."""
    with rooms().store.session() as session:
        report = reports.get(session, parse_kind(kind), parse_day(on), g.language)
    if report is None:
        raise UnknownName(f"there is no {kind} report of {on} in this language", "See the list of reports")
    return render_template("report.html", report=report, body=_body(report.markdown), page="reports")


def _body(markdown: str) -> Markup:
    """Return the HTML of a report. Columns of numbers carry a class: the page's policy lets no style attribute act."""
    reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    tokens = reader.parse(markdown)
    for token in tokens:
        if token.attrs.pop("style", None) == "text-align:right":
            token.attrSet("class", "num")
    return Markup(reader.renderer.render(tokens, reader.options, {}))
