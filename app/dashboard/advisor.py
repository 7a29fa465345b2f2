"""The advisor: its answers, how fast and how often they come, what they were worth, and its calibration."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import accumulate

from flask import Response, g, render_template

from app.api.advisor import AdviceView, load_log
from app.api.tables import csv_line
from app.dashboard.charts import HEIGHT, WIDTH
from app.dashboard.scorecard_charts import BandChart, band_chart
from app.rooms import rooms
from core.errors import UnknownName
from core.model.advisor import AdvisorValue, CalibrationBin
from core.model.scorecard import Figure
from feedback.advisor.read import DAYS, load_recent_value
from feedback.report import load_texts
from feedback.scorecard_text import write_figure

N_SHOWN = 50
_RADIUS = (3.0, 10.0)


@dataclass(frozen=True, slots=True)
class Dot:
    """One tenth of the probabilities: said on the horizontal axis, what came of it on the vertical one."""

    x: float
    y: float
    radius: float
    said: str


@dataclass(frozen=True, slots=True)
class CalibrationChart:
    """Dots beside the diagonal, on which a number means what it says."""

    dots: tuple[Dot, ...]
    n: int
    width: int = WIDTH
    height: int = HEIGHT


@dataclass(frozen=True, slots=True)
class AdvisorPage:
    """All that the page shows."""

    value: AdvisorValue
    rate: float | None
    worth: BandChart | None
    calibration: CalibrationChart | None
    answers: tuple[AdviceView, ...]


def show() -> str:
    """Render the page."""
    here = rooms()
    with here.store.session() as session:
        value = load_recent_value(session, here.clock.now())
        answers = load_log(session, N_SHOWN)
    texts = load_texts(g.language)

    def said(figure: Figure, form: str = "number") -> str:
        return write_figure(figure, form, texts)

    told = value.answering
    page = AdvisorPage(
        value=value,
        rate=told.n_answered / told.n_asked if told.n_asked else None,
        worth=band_chart([(on, float(usd), None, None) for on, usd in worth_path(value)]),
        calibration=calibration_chart(value.bins),
        answers=answers,
    )
    return render_template("advisor.html", a=page, said=said, days=DAYS, page="advisor")


def export(name: str) -> Response:
    """Answer with the series behind one of the charts as CSV. Raises UnknownName when there is no such chart."""
    here = rooms()
    with here.store.session() as session:
        value = load_recent_value(session, here.clock.now())
    if name == "worth":
        lines = [csv_line(["day_kst", "worth_usd", "worth_so_far_usd"])]
        so_far = dict(worth_path(value))
        lines += [csv_line([on, usd, so_far[on]]) for on, usd in value.by_day]
    elif name == "calibration":
        lines = [csv_line(["p_from", "n", "mean_p", "share_good"])]
        lines += [csv_line([one.low, one.n, one.mean_p, one.share_good]) for one in value.bins]
    else:
        raise UnknownName(f"the advisor has no series '{name[:40]}'", "It has worth and calibration")
    response = Response("".join(lines), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="advisor-{name}.csv"'
    return response


def worth_path(value: AdvisorValue) -> list[tuple[date, Decimal]]:
    """Return the sum of what the advisor was worth up to each day."""
    days = [on for on, _ in value.by_day]
    return list(zip(days, accumulate(usd for _, usd in value.by_day), strict=True))


def calibration_chart(bins: tuple[CalibrationBin, ...]) -> CalibrationChart | None:
    """Return the chart of the bins that hold an answer; None where none does."""
    n = sum(one.n for one in bins)
    if n == 0:
        return None
    most = max(one.n for one in bins)
    low, high = _RADIUS
    dots = tuple(
        Dot(
            x=round(WIDTH * one.mean_p, 1),
            y=round(HEIGHT * (1 - one.share_good), 1),
            radius=round(low + (high - low) * (one.n / most) ** 0.5, 1),
            said=f"{one.mean_p:.2f}: {one.share_good:.2f} (n {one.n})",
        )
        for one in bins
        if one.mean_p is not None and one.share_good is not None
    )
    return CalibrationChart(dots, n)
