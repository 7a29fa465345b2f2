"""How the models do: tasks of the worker, predictions, how right they were, what drifts, and what the market shows."""

from itertools import groupby

import click
import msgspec

from app.ai_status import AiStatus, read_ai_status
from app.cli.ml_life import print_trials
from app.cli.output import json_option, open_current_store, print_json, print_table, start
from core.clock import SystemClock
from core.model.prediction import PredictionRecord
from core.model.scorecard import Figure
from core.store import predictions
from feedback.confidence_filter import FilterLine, net_by_confidence
from feedback.signals.performance import answers, settled_lately


@click.command()
@json_option
def status(as_json: bool) -> None:
    """Tell whether the models speak, how right they were lately, what drifts, and how each task of the worker is.

    What predictions from a confidence on brought is after fees and slippage of both ways, as the settings have them.
    Opportunities are the signals of the last seven days, and the patterns with evidence that completed in them.
    Of a day with more than 3,000 outcomes of bars of a length, figures rest on so many of them, chosen at random.
    """
    settings, now = start(), SystemClock().now()
    store = open_current_store(settings)
    with store.session() as session:
        found = read_ai_status(session, now, settings)
        latest = predictions.latest(session, 1)
    # The clock of a demo stood elsewhere than the wall's when it ended.
    until = min(now, latest[0].at) if latest else now
    cost_bps = settings.costs.round_trip_bps
    net: dict[str, tuple[FilterLine, ...]] = {}
    for _, samples in groupby(settled_lately(store, until), key=lambda sample: sample.interval):
        net |= _net([record for sample in samples for record in sample.records], cost_bps)
    if as_json:
        told = {**msgspec.to_builtins(found), "opportunities": found.opportunities}
        print_json({**told, "cost_bps": cost_bps, "net_by_confidence": net})
        return
    _print_predictions(found)
    _print_net(net, cost_bps)
    print_trials(found.trials)
    _print_drift(found)
    _print_market(found)
    print_table(
        "Tasks" if found.is_running else "Tasks of a worker that runs no more",
        ("task", "state", "every s", "runs", "failures", "last took s", "error"),
        [
            (task.name, state, f"{task.every_s:g}", task.n_runs, task.n_failures, f"{task.seconds:.3f}", task.error)
            for task, state in found.tasks
        ],
        "No worker has run yet.",
    )


def _print_predictions(found: AiStatus) -> None:
    print(f"models that speak: {', '.join(sha[:12] for sha in found.models) or 'none'}")
    if found.uptime_s is not None:
        print(f"the worker's tasks have run for {found.uptime_s / 3600:.1f} h")
    print(f"predictions kept: {found.n_made}, offered to the engine: {found.n_sent}")
    print(f"opportunities of the last 7 days: {found.opportunities} ({found.n_sent_lately} signals)")
    print_table(
        f"Last {found.score_days} days" + _sampled(found),
        ("answers", "n", "accuracy", "90 % interval", "log loss skill", "calibration error"),
        [
            (
                name,
                score.n,
                f"{score.accuracy:.1%}",
                "too few" if score.accuracy_ci is None else f"{score.accuracy_ci[0]:.1%} to {score.accuracy_ci[1]:.1%}",
                "" if score.log_loss_skill is None else f"{score.log_loss_skill:+.2%}",
                f"{score.ece:.3f}",
            )
            for name, score in found.scores.items()
        ],
        "No outcome is known yet.",
    )


def _sampled(found: AiStatus) -> str:
    if found.n_scored == found.n_settled:
        return ""
    return f" ({found.n_scored:,} of {found.n_settled:,} outcomes, chosen at random)"


def _print_drift(found: AiStatus) -> None:
    rows = [
        (
            each.slot,
            each.model_id[:12],
            each.n_scored,
            "" if each.mean_loss is None else f"{each.mean_loss:.3f}",
            "" if each.overconfidence is None else f"{each.overconfidence:+.1%}",
            _features(each.has_reference, each.index, each.limit),
            "; ".join(f"{one.kind} since {one.onset:%Y-%m-%d %H:%M}" for one in each.findings) or "none",
        )
        for each in found.drift
    ]
    columns = ("answers", "serves", "bars", "mean loss", "overconfident by", "features: index, limit", "drift (UTC)")
    print_table("Watch over what serves", columns, rows, "Nothing is watched yet.")
    for request in found.retraining:
        print(f"a training of {request.slot} is asked for ({request.reason}): {request.command}")


def _features(has_reference: bool, index: float | None, limit: float | None) -> str:
    if not has_reference:
        return "not watched: train again"
    return "no whole block yet" if index is None or limit is None else f"{index:.3f}, {limit:.3f}"


def _print_market(found: AiStatus) -> None:
    sightings = () if found.patterns is None else found.patterns.sightings
    rows = [
        (
            each.symbol,
            each.interval,
            f"{each.at:%Y-%m-%d %H:%M}",
            each.evidence.name,
            "up" if each.sign > 0 else "down",
            "–" if each.evidence.hit_rate is None else f"{each.evidence.hit_rate:.1%} of {each.evidence.n}",
            "–" if each.evidence.null_rate is None else f"{each.evidence.null_rate:.1%}",
            "yes" if each.evidence.has_evidence else "none",
        )
        for each in sightings
    ]
    columns = ("symbol", "bars", "at (UTC)", "pattern", "announces", "came true", "at other times", "evidence")
    print_table("Patterns of the newest bars", columns, rows, "No pattern completed lately.")
    print_table(
        "Regimes",
        ("symbol", "hour to (UTC)", "called", "trend", "range", "volatile"),
        [
            (
                each.symbol,
                f"{each.at:%Y-%m-%d %H:%M}",
                each.view.regime,
                *_shares(each.view.trend, each.view.range, each.view.volatile),
            )
            for each in found.regimes
        ],
        "No hour was looked at yet.",
    )


def _shares(*values: float) -> tuple[str, ...]:
    return tuple(f"{value:.0%}" for value in values)


def _print_net(net: dict[str, tuple[FilterLine, ...]], cost_bps: float) -> None:
    print_table(
        f"Acting on predictions from a confidence on, less {cost_bps:g} bps for both ways",
        ("answers", "confidence from", "n", "independent", "gross bps", "net bps"),
        [
            (name, f"{line.floor:.0%}", line.n, f"{line.n_effective:.0f}", _bps(line.gross_bps), _bps(line.net_bps))
            for name, lines in net.items()
            for line in lines
        ],
        "No outcome of a direction is known yet.",
    )


def _net(said: list[PredictionRecord], cost_bps: float) -> dict[str, tuple[FilterLine, ...]]:
    """Return the lines of each horizon and length of bars: predictions of a minute and of an hour are not one trade."""
    by_name: dict[str, list[PredictionRecord]] = {}
    for record in said:
        by_name.setdefault(answers(record), []).append(record)
    found = {name: net_by_confidence(rows, cost_bps) for name, rows in sorted(by_name.items())}
    return {name: lines for name, lines in found.items() if lines}


def _bps(figure: Figure) -> str:
    if figure.value is None:
        return "too few"
    return f"{figure.value:+.1f} [{figure.low:+.1f}, {figure.high:+.1f}]"
