"""Alerts, forecasts, analyses, requests, and the equity series behind the charts."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from flask import Response
from pydantic import Field

from app.api.insights import N_SCORED, past_score
from app.api.insights_model import PastScore
from app.api.operations import Answer, Asked, Operation, operation
from app.api.requests import RequestView, view_of
from app.api.tables import csv_line
from app.auth import Caller
from app.performance import daily_totals
from app.rooms import rooms
from core.model.analysis import Analysis, Forecast
from core.model.operations import Alert
from core.store import alerts, analyses, forecasts, requests


class AlertQuery(Asked):
    """Which alerts."""

    state: Literal["open", "all"] = "all"
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class AlertPage(Answer):
    """The newest alerts first."""

    items: tuple[Alert, ...]


class ForecastQuery(Asked):
    """Which forecasts."""

    instance_id: Annotated[str, Field(max_length=80)] | None = None
    limit: Annotated[int, Field(ge=1, le=300)] = 60


class ForecastPage(Answer):
    """The forecasts for the next day, and earlier ones with how they turned out."""

    next: tuple[Forecast, ...]
    scored: tuple[Forecast, ...]
    past: PastScore


class AnalysisView(Answer):
    """A study in full."""

    analysis: Analysis


class EquityQuery(Asked):
    """How far back."""

    days: Annotated[int, Field(ge=1, le=366)] = 30


@operation(Operation(summary="Alerts, newest first", answer=AlertPage, scope="read", query=AlertQuery))
def list_alerts(caller: Caller, query: AlertQuery) -> AlertPage:
    """Answer with the newest alerts."""
    with rooms().store.session() as session:
        found = alerts.open(session) if query.state == "open" else alerts.latest(session, query.limit)
    return AlertPage(items=tuple(found[: query.limit]))


@operation(
    Operation(summary="Forecasts and how they turned out", answer=ForecastPage, scope="read", query=ForecastQuery)
)
def list_forecasts(caller: Caller, query: ForecastQuery) -> ForecastPage:
    """Answer with the forecasts for the next day and the scored ones."""
    with rooms().store.session() as session:
        coming, scored = forecasts.latest(session), forecasts.scored(session, N_SCORED)
    wanted = [one for one in scored if query.instance_id in (None, one.instance_id)]
    return ForecastPage(
        next=tuple(one for one in coming if query.instance_id in (None, one.instance_id)),
        scored=tuple(wanted[: query.limit]),
        past=past_score(wanted),
    )


@operation(Operation(summary="One analysis in full", answer=AnalysisView, scope="read"))
def show_analysis(caller: Caller, analysis_id: str) -> AnalysisView:
    """Answer with one analysis."""
    with rooms().store.session() as session:
        return AnalysisView(analysis=analyses.get(session, analysis_id))


@operation(Operation(summary="What became of a request", answer=RequestView, scope="read"))
def show_request(caller: Caller, request_id: str) -> RequestView:
    """Answer with one request."""
    with rooms().store.session() as session:
        return view_of(requests.get(session, request_id))


@operation(
    Operation(
        summary="Daily equity against holding, as CSV",
        answer=None,
        scope="read",
        query=EquityQuery,
        media_types=("text/csv",),
    )
)
def export_equity(caller: Caller, query: EquityQuery) -> Response:
    """Answer with the series behind the overview's chart."""
    here = rooms()
    with here.store.session() as session:
        totals = daily_totals(session, here.clock.now(), query.days)
    lines = [csv_line(["at_utc", "equity_usd", "hold_usd", "costs_usd"])]
    lines += [
        csv_line([_iso(day.at), _cents(day.equity_usd), _cents(day.hold_usd), _cents(day.costs_usd)]) for day in totals
    ]
    response = Response("".join(lines), mimetype="text/csv")
    response.headers["Content-Disposition"] = 'attachment; filename="equity.csv"'
    return response


def _iso(at: datetime) -> str:
    return at.isoformat()


def _cents(amount: Decimal | None) -> str:
    return "" if amount is None else f"{amount:.2f}"
