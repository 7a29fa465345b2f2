"""The charts of a canary: d so far with its interval and the loss budget, t against the boundary, and drift."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import g, url_for

from app.canaries import CanaryFacts
from app.dashboard.charts import Chart, Series, Span, build_chart
from app.rooms import rooms
from strategies.rollout.path import GuardPoint

Values = tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class GuardCharts:
    """Each is None while it has fewer than two days to join."""

    difference: Chart | None
    statistic: Chart | None
    drift: Chart | None


def guard_charts(facts: CanaryFacts) -> GuardCharts:
    """Return the charts of what the guard looks at, over the days of the canary."""
    return GuardCharts(_difference(facts), _statistic(facts), _drift(facts))


def spans_of(path: Sequence[GuardPoint]) -> tuple[Span, ...]:
    """Return where the places begin: index of the first day, and the place's name."""
    firsts = [k for k in range(len(path)) if k == 0 or _place(path[k]) != _place(path[k - 1])]
    return tuple(Span(k, _place_name(path[k])) for k in firsts)


def _difference(facts: CanaryFacts) -> Chart | None:
    path = facts.path
    # A day without d adds nothing to the sum: the line breaks there instead of going on as if it were known.
    total = tuple(None if point.d_usd is None else point.sum_usd for point in path)
    if sum(value is not None for value in total) < 2:
        return None
    return build_chart(
        title=_t("canary.chart_title"),
        description=_t("canary.chart_description"),
        series=(
            Series(_t("canary.floor"), "limit", tuple(point.floor_usd for point in path), is_step=True),
            Series(_t("canary.promised"), "series-b", tuple(point.promised_usd for point in path)),
            Series(_t("canary.so_far"), "series-a", total),
        ),
        labels=_labels(path),
        csv_url=url_for("pages.canary_csv", canary_id=facts.canary.canary_id),
        band=tuple((point.low_usd, point.high_usd) for point in path),
        spans=spans_of(path),
        has_zero=True,
    )


def _statistic(facts: CanaryFacts) -> Chart | None:
    terms, path = facts.canary.terms, facts.path
    values: Values = tuple(point.statistic for point in path)
    if sum(value is not None for value in values) < 2:
        return None
    # Before the day that the boundary begins to watch there is none to meet.
    limit: Values = tuple(-terms.boundary if point.n_days >= terms.n_min_days else None for point in path)
    return build_chart(
        title=_t("canary.statistic_title"),
        description=_t("canary.statistic_hint"),
        series=(
            Series(_t("canary.boundary"), "limit", limit),
            Series(_t("canary.statistic"), "series-a", values),
        ),
        labels=_labels(path),
        csv_url=url_for("pages.canary_csv", canary_id=facts.canary.canary_id),
        spans=spans_of(path),
        has_zero=True,
        unit="number",
    )


def _drift(facts: CanaryFacts) -> Chart | None:
    path = tuple(point for point in facts.path if point.drift is not None)
    if len(path) < 2:
        return None
    return build_chart(
        title=_t("canary.drift_title"),
        description=_t("canary.drift_hint"),
        series=(
            Series(_t("canary.threshold"), "limit", (facts.canary.terms.drift_threshold,) * len(path)),
            Series(_t("canary.drift"), "series-a", tuple(point.drift for point in path)),
        ),
        labels=_labels(path),
        csv_url=url_for("pages.canary_csv", canary_id=facts.canary.canary_id),
        unit="number",
    )


def _place(point: GuardPoint) -> tuple[str, int]:
    return point.day.stage, point.day.step


def _place_name(point: GuardPoint) -> str:
    return _t("canary_stage.shadow") if point.day.stage == "shadow" else f"{point.day.share * 100:.0f}\u202f%"


def _labels(path: Sequence[GuardPoint]) -> tuple[str, str]:
    return path[0].day.on.isoformat(), path[-1].day.on.isoformat()


def _t(key: str) -> str:
    return rooms().catalogue.text(g.language, key)
