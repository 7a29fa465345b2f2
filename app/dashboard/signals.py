"""What models said, what came of it, and how far their numbers can be trusted."""

from dataclasses import dataclass

from flask import Response, g, render_template, request

from app.api.signals import SEARCHED, Said, SaidView, is_waiting, load_said, view_of
from app.api.tables import csv_line
from app.dashboard.advisor import CalibrationChart, calibration_chart
from app.dashboard.prediction_charts import MoveChart, move_chart
from app.rooms import rooms
from core.errors import BadInput, UnknownName
from core.model.prediction import PredictionRecord
from core.model.scorecard import Figure
from core.store import predictions
from feedback.confidence_filter import FilterLine, net_by_confidence
from feedback.report import load_texts
from feedback.scorecard_text import write_figure
from feedback.track_record import TrackRecord, track_record

DAYS = 7
TASK = "sign"
N_SHOWN = 50
N_DRAWN = 400
_MAX_NAME = 40


@dataclass(frozen=True, slots=True)
class Choice:
    """What the reader narrowed the page to, and what there is to choose from."""

    task: str
    symbol: str
    interval: str
    tasks: tuple[str, ...]
    symbols: tuple[str, ...]
    intervals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SignalsPage:
    """All that the page shows."""

    record: TrackRecord
    calibration: CalibrationChart | None
    moves: MoveChart | None
    newest: tuple[SaidView, ...]
    n_sent: int
    cost_bps: float
    net: tuple[FilterLine, ...]
    """What acting on predictions from a confidence on would have brought."""
    n_made: int
    n_read: int
    """Of every label; the figures were chosen from these."""


def show() -> str:
    """Render the page."""
    choice, read, said, record = _load()
    texts = load_texts(g.language)
    now = rooms().clock.now()

    def tell(figure: Figure, form: str = "share") -> str:
        return write_figure(figure, form, texts)

    cost_bps = rooms().settings.costs.round_trip_bps

    page = SignalsPage(
        record=record,
        calibration=calibration_chart(record.bins),
        moves=move_chart(_moves(said)[:N_DRAWN]),
        newest=tuple(view_of(one, now) for one in _newest(choice)),
        n_sent=sum(one.is_sent for one in said),
        cost_bps=cost_bps,
        net=net_by_confidence(said, cost_bps),
        n_made=read.n_made,
        n_read=len(read.records),
    )
    return render_template("signals.html", s=page, c=choice, tell=tell, days=DAYS, page="signals")


def export(name: str) -> Response:
    """Answer with the numbers behind a chart or a table as CSV. Raises UnknownName for another."""
    _, _, said, record = _load()
    lines: list[list[object]]
    if name == "calibration":
        lines = [["p_from", "n", "mean_p", "share_true", "low", "high"]]
        pairs = zip(record.bins, record.bin_shares, strict=True)
        lines += [[b.low, b.n, b.mean_p, b.share_good, f.low, f.high] for b, f in pairs]
    elif name == "moves":
        lines = [["at", "symbol", "interval", "expected_move_bps", "move_bps", "is_hit"]]
        lines += [[r.at.isoformat(), r.symbol, r.interval, expected, came, r.outcome and r.outcome.is_hit]
                  for r, expected, came in _moves(said)]  # fmt: skip
    elif name == "net":
        lines = _net_lines(net_by_confidence(said, rooms().settings.costs.round_trip_bps))
    elif name == "groups":
        lines = _group_lines(record)
    else:
        raise UnknownName(f"the signals have no series '{name[:40]}'", "They have calibration, moves, net and groups")
    response = Response("".join(csv_line(line) for line in lines), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="signals-{name}.csv"'
    return response


def _load() -> tuple[Choice, Said, list[PredictionRecord], TrackRecord]:
    """Return the choice, what was read, the predictions of the label, newest first, and what became of them."""
    wished = {name: request.args.get(name, "") for name in ("task", "symbol", "interval")}
    for name, value in wished.items():
        if len(value) > _MAX_NAME or not value.isprintable():
            raise BadInput(f"the {name} to look for has {len(value)} characters", "Choose one on the page")
    here = rooms()
    now = here.clock.now()
    task = wished["task"] or TASK
    with here.store.session() as session:
        known = predictions.newest_of_each(session)
        read = load_said(session, now, DAYS, wished["symbol"] or None, wished["interval"] or None)
    choice = Choice(
        task=task,
        symbol=wished["symbol"],
        interval=wished["interval"],
        tasks=tuple(sorted({TASK} | {one.task for one in known} | {one.task for one in read.records})),
        symbols=tuple(sorted({one.symbol for one in known})),
        intervals=tuple(dict.fromkeys(one.interval for one in known)),
    )
    said = [one for one in read.records if one.task == task]
    return choice, read, said, track_record(said, lambda one: is_waiting(one, now))


def _newest(choice: Choice) -> list[PredictionRecord]:
    """Return the newest predictions of the label, whether or not the figures rest on them."""
    with rooms().store.session() as session:
        found = predictions.latest(session, SEARCHED, choice.symbol or None, choice.interval or None)
    return [one for one in found if one.task == choice.task][:N_SHOWN]


def _moves(said: list[PredictionRecord]) -> list[tuple[PredictionRecord, float, float]]:
    """Return (prediction, expected move, the move that came) in bps of all that are settled and expected one."""
    return [(one, one.expected_move_bps, one.outcome.move_bps) for one in said if one.outcome and one.expected_move_bps]


def _net_lines(found: tuple[FilterLine, ...]) -> list[list[object]]:
    head: list[object] = ["confidence_from", "n", "n_effective", "share", "gross_bps", "net_bps", "low", "high"]
    told: list[list[object]] = [
        [one.floor, one.n, one.n_effective, one.share, one.gross_bps.value, one.net_bps.value, one.net_bps.low,
         one.net_bps.high]
        for one in found
    ]  # fmt: skip
    return [head, *told]


def _group_lines(record: TrackRecord) -> list[list[object]]:
    head: list[object] = ["by", "name", "n", "n_effective", "accuracy", "low", "high"]
    head += ["coverage", "coverage_low", "coverage_high", "prior_accuracy", "mean_confidence", "n_sent"]
    told: list[list[object]] = [
        [by, one.name, one.n, one.n_effective, one.accuracy.value, one.accuracy.low, one.accuracy.high,
         one.coverage.value, one.coverage.low, one.coverage.high, one.prior_accuracy, one.mean_confidence, one.n_sent]
        for by, lines in record.groups.items()
        for one in lines
    ]  # fmt: skip
    return [head, *told]
