"""Geometry of the chart that sets expected moves against those that came."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.dashboard.charts import HEIGHT, WIDTH
from core.model.prediction import PredictionRecord

_MARGIN = 1.06


@dataclass(frozen=True, slots=True)
class MoveDot:
    """One prediction: the expected move on the horizontal axis, what came on the vertical one."""

    x: float
    y: float
    is_hit: bool


@dataclass(frozen=True, slots=True)
class MoveChart:
    """Dots around the origin in the middle; the four corners tell right from wrong."""

    dots: tuple[MoveDot, ...]
    reach_expected_bps: float
    """At the right edge; the same below zero at the left one."""
    reach_came_bps: float
    n_same: int
    """How many moved the way that was expected."""
    x_zero: float = WIDTH / 2
    y_zero: float = HEIGHT / 2


def move_chart(moves: Sequence[tuple[PredictionRecord, float, float]]) -> MoveChart | None:
    """Return the chart of (prediction, expected, came) in bps; None with fewer than two."""
    if len(moves) < 2:
        return None
    wide = max(abs(expected) for _, expected, _ in moves) * _MARGIN or 1.0
    high = max(abs(came) for _, _, came in moves) * _MARGIN or 1.0
    dots = tuple(
        MoveDot(
            x=round(WIDTH / 2 * (1 + expected / wide), 1),
            y=round(HEIGHT / 2 * (1 - came / high), 1),
            is_hit=expected * came > 0,
        )
        for _, expected, came in moves
    )
    return MoveChart(dots, wide, high, sum(dot.is_hit for dot in dots))
