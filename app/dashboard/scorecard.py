"""How good suggestions, changes and the gate were, in charts and words.

The p-values of placebos come from sealed days: only who may approve, and readers on this machine, see how they lie.
"""

from dataclasses import dataclass

from flask import Response, g, render_template

from app.api.tables import csv_line
from app.auth import may_see_sealed
from app.dashboard.scorecard_charts import (
    N_BINS,
    BandChart,
    Histogram,
    IntervalChart,
    band_chart,
    histogram,
    interval_chart,
)
from app.rooms import rooms
from app.scorecard import read_card
from core.errors import UnknownName
from core.model.scorecard import Accuracy, Figure, Scorecard, TwinDay
from core.store import twin_days
from feedback.report import load_texts
from feedback.scorecard_text import LONG_HORIZON_DAYS, arm_name, write_figure
from feedback.twin import improvement_path
from strategies.gate.honesty import read_placebo_p_values


@dataclass(frozen=True, slots=True)
class AccuracyLine:
    """One row of the table, in words."""

    row: Accuracy
    name: str
    share: str
    over_placebo: str


@dataclass(frozen=True, slots=True)
class ScorecardPage:
    """All that the page shows."""

    card: Scorecard
    lines: tuple[AccuracyLine, ...]
    accuracy: IntervalChart | None
    improvement: BandChart | None
    placebos: Histogram | None


def show() -> str:
    """Render the page."""
    card, days, p_values = _load()
    texts = load_texts(g.language)

    def said(figure: Figure, form: str = "number") -> str:
        return write_figure(figure, form, texts)

    lines = tuple(
        AccuracyLine(row, arm_name(row, texts), said(row.share, "share"), said(row.over_placebo, "points"))
        for row in card.accuracy
    )
    drawn = [(one.name, one.row.share, one.share) for one in lines if one.row.horizon_days == LONG_HORIZON_DAYS]
    page = ScorecardPage(
        card=card,
        lines=lines,
        accuracy=interval_chart(drawn),
        improvement=band_chart(improvement_path(days)),
        placebos=histogram(p_values) if may_see_sealed() else None,
    )
    return render_template(
        "scorecard.html", s=page, said=said, arms=texts, shows_sealed=may_see_sealed(), page="scorecard"
    )


def export(name: str) -> Response:
    """Answer with the series behind one of the charts as CSV. Raises UnknownName when there is no such chart."""
    card, days, p_values = _load()
    if name == "accuracy":
        lines = _accuracy_csv(card)
    elif name == "improvement":
        path = improvement_path(days)
        lines = [csv_line(["day_kst", "difference_usd", "low_usd", "high_usd"]), *(csv_line(row) for row in path)]
    elif name == "placebos" and may_see_sealed():
        drawn = histogram(p_values)
        bins = [] if drawn is None else drawn.bins
        lines = [csv_line(["p_from", "p_below", "n"])]
        lines += [csv_line([one.low, round(one.low + 1 / N_BINS, 1), one.n]) for one in bins]
    else:
        raise UnknownName(f"the scorecard has no series '{name[:40]}'", "It has accuracy, improvement and placebos")
    response = Response("".join(lines), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


def _load() -> tuple[Scorecard, list[TwinDay], tuple[float, ...]]:
    """Return the card, and the series behind two of its charts: days beside the twin, p-values of placebos."""
    here = rooms()
    with here.store.session() as session:
        card = read_card(session, here.clock, here.settings)
        return card, twin_days.all_of(session), read_placebo_p_values(session)


def _accuracy_csv(card: Scorecard) -> list[str]:
    head = [
        "arm",
        "model",
        "prompt",
        "horizon_days",
        "registered",
        "waiting",
        "better",
        "worse",
        "share",
        "low",
        "high",
    ]
    rows = [
        [row.arm, row.model, row.prompt, row.horizon_days, row.n_registered, row.n_waiting,
         row.outcomes.get("better", 0), row.outcomes.get("worse", 0), row.share.value, row.share.low, row.share.high]
        for row in card.accuracy
    ]  # fmt: skip
    return [csv_line(head), *(csv_line(row) for row in rows)]
