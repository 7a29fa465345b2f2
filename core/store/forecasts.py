"""Forecasts and how they turned out."""

from datetime import date

from sqlalchemy import func, select, update

from core.errors import UnknownName
from core.model.analysis import Forecast
from core.store.once import add_value, values_of
from core.store.session import Session
from core.store.tables import forecast as table


def add(session: Session, forecast: Forecast) -> bool:
    """Keep a forecast; False when it is kept already. Raises Conflict when its id has other content."""
    columns = {
        "forecast_id": forecast.forecast_id,
        "for_on": forecast.for_on,
        "instance_id": forecast.instance_id,
    }
    return add_value(session, table, forecast, columns)


def for_day(session: Session, on: date) -> list[Forecast]:
    """Return the forecasts for a KST day, by instance."""
    query = select(table.c.detail).where(table.c.for_on == on).order_by(table.c.instance_id)
    return values_of(session, query, Forecast, table)


def unscored_before(session: Session, on: date) -> list[Forecast]:
    """Return the forecasts for days before `on` that no outcome was set against yet, oldest first."""
    query = select(table.c.detail).where(table.c.for_on < on).order_by(table.c.for_on, table.c.instance_id)
    return [forecast for forecast in values_of(session, query, Forecast, table) if forecast.realised_usd is None]


def put_score(session: Session, forecast: Forecast) -> None:
    """Replace a forecast by the same one with its outcome. Raises UnknownName when it was never kept."""
    query = update(table).where(table.c.forecast_id == forecast.forecast_id).values(detail=forecast)
    if session.execute(query.returning(table.c.forecast_id)).first() is None:
        raise UnknownName(f"no forecast '{forecast.forecast_id}' is stored")


def latest(session: Session) -> list[Forecast]:
    """Return the forecasts for the newest day, by instance; empty before the first."""
    newest = session.execute(select(func.max(table.c.for_on))).scalar_one_or_none()
    return [] if newest is None else for_day(session, newest)


def scored(session: Session, limit: int) -> list[Forecast]:
    """Return up to `limit` forecasts with an outcome, newest first."""
    query = select(table.c.detail).order_by(table.c.for_on.desc(), table.c.instance_id)
    return [one for one in values_of(session, query, Forecast, table) if one.realised_usd is not None][:limit]
