"""What people decide about models: the worker carries it out, and the audit chain keeps who said so."""

import uuid
from collections.abc import Sequence

import click

from app.cli.model_name import model_named
from app.cli.output import json_option, open_current_store, print_json, print_table, start
from app.cli.requests import print_stored
from app.requests import place_request
from core.clock import SystemClock
from core.store import model_trials, performance, predictions
from feedback.model_results import model_results
from feedback.signals.trial_steps import Standing, standing_of
from ml.online.comparison import BETTER, MIN_SCORED

MAX_ROWS = 20_000
"""Newest answers of instances, which results are made of together with the predictions that they answer."""
_by = click.option("--by", default="cli", show_default=True, help="Who asks; kept in the audit chain.")


def _said(_: click.Context, __: click.Parameter, reason: str) -> str:
    if not reason.strip():
        raise click.BadParameter("say why")
    return reason


_reason = click.option("--reason", required=True, callback=_said, help="Kept in the audit chain.")


@click.command()
@click.argument("model_id", metavar="MODEL")
@_by
@_reason
def promote(model_id: str, by: str, reason: str) -> None:
    """Let a model serve in place of the active one of its slot. MODEL may be its first 8 digits or more.

    \b
    xcrack ml promote 2c5a17f1 --reason "ten weeks ahead in shadow"
    """
    store = open_current_store(start())
    with store.session() as session:
        found = model_named(session, model_id)
    print_stored(place_request(store, SystemClock(), "promote_model", found, by, "cli", reason, uuid.uuid4().hex))


@click.command()
@click.argument("slot")
@_by
@_reason
def rollback(slot: str, by: str, reason: str) -> None:
    """Bring back the model that served SLOT before the present one, such as sign:1:1h.

    \b
    xcrack ml rollback sign:1:1h --reason "wrong since the new fees"
    """
    store = open_current_store(start())
    print_stored(place_request(store, SystemClock(), "rollback_model", slot, by, "cli", reason, uuid.uuid4().hex))


@click.command()
@json_option
def trials(as_json: bool) -> None:
    """Compare the models in shadow with those that serve: settled bars, evidence for either, accuracy.

    With --json also what instances made of predictions, by confidence, model, regime and symbol.
    """
    settings = start()
    with open_current_store(settings).session() as session:
        found = [standing_of(trial) for trial in model_trials.all(session)]
        answers = performance.latest(session, MAX_ROWS)
        heard = sorted({each.prediction_id for each in answers if each.prediction_id})
        results = model_results(predictions.of_ids(session, heard), answers)
    if as_json:
        print_json({"online": settings.models.online, "trials": found, "results": results})
        return
    if settings.models.online == "frozen":
        print("frozen: models are compared, and only a person changes what serves")
    print_trials(found)


def print_trials(found: Sequence[Standing]) -> None:
    """Print comparisons as a table."""
    rows = [
        (
            each.slot,
            each.incumbent[:12],
            each.challenger[:12],
            each.n_bars,
            "" if each.mean_difference is None else f"{each.mean_difference:+.5f}",
            f"{each.evidence_for_challenger:.2f}",
            f"{each.evidence_for_incumbent:.2f}",
            _share(each.incumbent_accuracy, each.incumbent_accuracy_ci),
            _share(each.challenger_accuracy, each.challenger_accuracy_ci),
        )
        for each in found
    ]
    columns = ("answers", "serves", "in shadow", "bars", "shadow better by nats", "for the shadow", "for what serves")
    title = f"Models in shadow ({MIN_SCORED} bars and evidence above {BETTER:g} decide)"
    print_table(title, (*columns, "serves right", "shadow right"), rows, "No model is in shadow.")


def _share(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None:
        return ""
    return f"{value:.1%}" + (f" [{interval[0]:.1%}, {interval[1]:.1%}]" if interval is not None else "")
