"""`xcrack ml explain`: which features moved a prediction, by how much, and what they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from app.cli.ml_features import candle_options, features_of_file
from app.cli.model_name import MIN_DIGITS, one_of
from app.cli.output import json_option, open_current_store, parse_time, print_json, print_table, start
from app.home import Home
from core.clock import KST
from core.errors import BadInput, Corrupt, Refused, UnknownName
from core.model.prediction import PredictionRecord
from core.settings import Settings
from core.store import predictions
from market.candles import from_ms, interval_name, ms_of
from ml.features.registry import Registry, load_registry

if TYPE_CHECKING:
    # The runtime takes 40 MB, which a stored prediction does not need.
    from ml.bundle import Bundle
    from ml.explain import Explained
    from ml.features.table import FeatureTable
    from ml.serve import Said, ServedModel

N_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Contribution:
    """One feature's part in one answer."""

    feature: str
    share: float
    """Of the log odds of class 1: above zero speaks for a rise, or for a big move."""
    value: float | None
    """As the model was given it; None where it is unknown, or was not kept."""
    unit: str
    group: str
    meaning: str
    """Its formula."""


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """A prediction as it was kept: its strongest five reasons."""

    prediction_id: str
    symbol: str
    interval: str
    task: str
    at: datetime
    model_sha256: str
    probability: float
    silence: str
    contributions: tuple[Contribution, ...]


@dataclass(frozen=True, slots=True)
class FileAnswer:
    """What a bundle says of one bar of a file, and every feature's part in what its explained expert says."""

    model_sha256: str
    symbol: str
    interval: str
    task: str
    horizon_bars: int
    closed_at: datetime
    probability: float | None
    """Of all experts, evenly mixed: which weights they earned is known only where they serve."""
    silence: str
    expert: str
    expert_probability: float
    bias: float
    log_odds: float
    """Bias and shares together."""
    is_calibrated: bool
    """Whether shares are of the log odds after calibration."""
    gap: float
    """Between the probability that the shares sum to and the one that the expert gave; above 1e-5 nothing is told."""
    inputs: tuple[str, ...]
    """Families of inputs that the model's columns are made of; it is served only on these."""
    n_unknown: int
    unknown_inputs: tuple[str, ...]
    """Families of inputs of columns that are not known at this bar."""
    contributions: tuple[Contribution, ...]
    """Of all features, the strongest first."""


@click.command("explain")
@click.argument("prediction_id", required=False)
@click.option("--bundle", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="A model's folder.")
@click.option("--model", "model_id", metavar="ID", help="Instead: a model of this installation, by 8 digits or more.")
@click.option("--data", "file", type=click.Path(path_type=Path), metavar="FILE", help="Candles for --bundle, --model.")
@click.option("--bar", "bar", metavar="TIME", help="When the bar closed, with its zone; the file's last one without.")
@candle_options
@click.option("--all", "shows_all", is_flag=True, help=f"Every feature in the table, not the strongest {N_SHOWN}.")
@json_option
def explain(
    prediction_id: str | None,
    bundle: Path | None,
    model_id: str | None,
    file: Path | None,
    bar: str | None,
    symbol: str | None,
    peers: tuple[Path, ...],
    world: Path | None,
    funding: Path | None,
    shows_all: bool,
    as_json: bool,
) -> None:
    """Tell which features moved a prediction: of the store, newest or by PREDICTION_ID, or of a model on a file's bar.

    A share is of the log odds, by exact Shapley values of boosted trees or by the weights of the logistic line. Shares
    and bias sum to what that expert says, which is checked. Nets are not explained.

    \b
    xcrack ml explain
    xcrack ml explain --model 3f9a1c22 --data binance_1h_BTCUSDT.parquet --bar 2026-01-31T12:00Z
    """
    settings = start(is_quiet=True)
    registry = load_registry()
    if file is None:
        if bundle or model_id or bar or symbol or peers or world or funding:
            raise BadInput("a model or a bar is named, and no file of candles", "Name it with --data")
        stored = _stored(settings, registry, prediction_id)
        if as_json:
            print_json(stored)
        else:
            _show_stored(stored)
        return
    if prediction_id is not None:
        raise BadInput("a prediction of the store and a file are named", "Name PREDICTION_ID, or --data with a model")
    found = _bundle(settings, registry, bundle, model_id)
    closed_at_ms = None if bar is None else ms_of(parse_time(bar))
    table = features_of_file(file, symbol, peers, world, funding, registry.names)
    beside = {"peers": peers, "world": world, "funding": funding}
    answer = explain_bar(registry, found, table, closed_at_ms, frozenset(name for name in beside if beside[name]))
    if as_json:
        print_json(answer)
    else:
        _show_file(answer, len(answer.contributions) if shows_all else N_SHOWN)


def explain_bar(
    registry: Registry,
    bundle: "Bundle",
    table: "FeatureTable",
    closed_at_ms: int | None,
    given: frozenset[str] = frozenset(),
) -> FileAnswer:
    """Return what the bundle says of a bar of the table, the last one for None, and why.

    `given` names the inputs that were there beside the candles: what is unknown all the same is not for want of them.

    Raises BadInput for candles that the model does not speak about and a bar that is not there, Refused for a bundle
    that cannot be opened or has nothing that can be explained, Corrupt where shares and answer differ.
    """
    from ml.features.inputs import families_of
    from ml.serve import ServedModel

    model = ServedModel.open(bundle, registry.names)
    if model.explainer is None:
        names = ", ".join(model.names)
        raise Refused(f"no expert of model {model.sha256[:12]} can be explained ({names})", "Train one with xgboost")
    _require_about(model, table)
    place = _place(table, closed_at_ms)
    said = _ask(model, table, place)
    raw = model.columns.raw(table.values[place])
    explained = model.explainer.explain(raw, model.columns.scaled(raw))
    member = next(each for each in said.members if each.name == explained.expert)
    if member.probability is None:
        raise Refused(f"expert {member.name} says nothing of this bar: {member.left_out}", "Name another --bar")
    gap = explained.require_additive(member.probability)
    unknown = [name for name, value in zip(explained.names, raw, strict=True) if not np.isfinite(value)]
    return FileAnswer(
        model_sha256=model.sha256,
        symbol=table.symbol,
        interval=interval_name(table.interval_ms),
        task=model.card.task,
        horizon_bars=model.card.horizon_bars,
        closed_at=from_ms(said.at_ms),
        probability=said.probability,
        silence=said.silence,
        expert=explained.expert,
        expert_probability=member.probability,
        bias=explained.bias,
        log_odds=explained.log_odds,
        is_calibrated=explained.is_scaled,
        gap=gap,
        inputs=families_of(registry, model.card.features),
        n_unknown=len(unknown),
        unknown_inputs=tuple(name for name in _beside_candles(registry, unknown) if name not in given),
        contributions=_contributions(registry, explained, raw),
    )


def _stored(settings: Settings, registry: Registry, prediction_id: str | None) -> StoredAnswer:
    with open_current_store(settings).session() as session:
        found = predictions.latest(session, 1) if prediction_id is None else predictions.find(session, prediction_id)
    if prediction_id is None and not found:
        raise BadInput("nothing was predicted here yet", "See `xcrack ml status`: does a model serve?")
    if len(found) != 1 or (prediction_id is not None and len(prediction_id) < MIN_DIGITS):
        wanted = (prediction_id or "")[:64]
        raise UnknownName(
            f"{'no prediction begins' if not found else 'more than one prediction begins'} with '{wanted}'",
            "Give the whole id, as in prediction-3ffc652ea8f8; /api/predictions lists them, old ones are forgotten",
        )
    (record,) = found
    return StoredAnswer(
        prediction_id=record.prediction_id,
        symbol=record.symbol,
        interval=record.interval,
        task=record.task,
        at=record.at,
        model_sha256=record.model_sha256,
        probability=record.probability,
        silence=record.silence,
        contributions=_reasons(registry, record),
    )


def _reasons(registry: Registry, record: PredictionRecord) -> tuple[Contribution, ...]:
    """Return the stored reasons; a column that this version does not have keeps its name and has no meaning."""
    known = set(registry.names)
    return tuple(
        _contribution(registry, name, share, None) if name in known else Contribution(name, share, None, "", "", "")
        for name, share in record.reasons
    )


def _contribution(registry: Registry, name: str, share: float, value: float | None) -> Contribution:
    column = registry.feature(name)
    return Contribution(name, share, value, column.unit, column.group, column.formula)


def _bundle(settings: Settings, registry: Registry, folder: Path | None, model_id: str | None) -> "Bundle":
    from ml.bundle import load_bundle

    if (folder is None) == (model_id is None):
        raise BadInput("give one of --bundle and --model beside --data", "xcrack models list shows those trained here")
    if folder is not None:
        path = folder.resolve()
        try:
            return load_bundle(path, path.name, registry.schema_sha256)
        except Corrupt as error:
            raise BadInput(error.message, "Name the folder of a whole bundle, whose name is its hash") from error
    models = Home(settings.home).models
    name = one_of(sorted(each.name for each in models.iterdir()) if models.is_dir() else [], model_id or "")
    return load_bundle(models / name, name, registry.schema_sha256)


def _require_about(model: "ServedModel", table: "FeatureTable") -> None:
    card, where = model.card, f"model {model.sha256[:12]}"
    if table.interval_ms != card.interval_ms:
        wanted, given = interval_name(card.interval_ms), interval_name(table.interval_ms)
        raise BadInput(f"{where} speaks of bars of {wanted} and the file holds bars of {given}", "Give such candles")
    if table.symbol not in card.symbols:
        known = ", ".join(card.symbols)
        raise BadInput(f"{where} speaks of {known} and not of {table.symbol}", "Give their candles, or --symbol")


def _place(table: "FeatureTable", closed_at_ms: int | None) -> int:
    if not len(table):
        raise BadInput("the file holds no candle that can be right", "Give another --data")
    if closed_at_ms is None:
        return len(table) - 1
    place = int(np.searchsorted(table.closed_at_ms, closed_at_ms))
    if place == len(table) or table.closed_at_ms[place] != closed_at_ms:
        first, last = (f"{from_ms(int(table.closed_at_ms[at])):%Y-%m-%dT%H:%MZ}" for at in (0, -1))
        wanted = f"{from_ms(closed_at_ms):%Y-%m-%dT%H:%M:%SZ}"
        raise BadInput(f"no candle of the file closes at {wanted}", f"The first closes at {first}, the last at {last}")
    return place


def _ask(model: "ServedModel", table: "FeatureTable", place: int) -> "Said":
    from ml.serve import BarRow, evaluate

    lookback = max(expert.lookback for expert in model.card.experts)
    rows = [
        BarRow(int(table.closed_at_ms[at]), float(table.close[at]), int(table.segment[at]), table.values[at])
        for at in range(max(0, place + 1 - lookback), place + 1)
    ]
    return evaluate(model, table.symbol, rows)


def _beside_candles(registry: Registry, columns: Sequence[str]) -> tuple[str, ...]:
    from ml.features.inputs import ALONE, families_of

    return tuple(name for name in families_of(registry, columns) if name not in ALONE)


def _contributions(registry: Registry, explained: "Explained", raw: np.ndarray) -> tuple[Contribution, ...]:
    order = np.argsort(-np.abs(explained.shares), kind="stable")
    return tuple(
        _contribution(
            registry,
            explained.names[at],
            float(explained.shares[at]),
            float(raw[at]) if np.isfinite(raw[at]) else None,
        )
        for at in order
    )


def _show_stored(answer: StoredAnswer) -> None:
    at = f"{answer.at.astimezone(KST):%Y-%m-%d %H:%M} KST"
    print(f"prediction {answer.prediction_id}: {answer.task} of {answer.symbol}, bars of {answer.interval}, {at}")
    print(f"model {answer.model_sha256[:16]} said {answer.probability:.1%}" + _why_silent(answer.silence))
    rows = [(c.feature, f"{c.share:+.4f}", c.unit, c.group, c.meaning) for c in answer.contributions]
    columns = ("feature", "log odds", "unit", "group", "meaning")
    print_table("Its strongest reasons", columns, rows, "No expert of this model can be explained.")


def _show_file(answer: FileAnswer, n_shown: int) -> None:
    at = f"{answer.closed_at:%Y-%m-%d %H:%M} UTC"
    print(f"model {answer.model_sha256[:16]}: {answer.task} over {answer.horizon_bars} bars of {answer.interval}")
    mixed = "nothing" if answer.probability is None else f"{answer.probability:.1%}"
    print(f"{answer.symbol} at {at}: all experts evenly {mixed}" + _why_silent(answer.silence))
    if answer.n_unknown:
        given = f"; not given: {', '.join(answer.unknown_inputs)}" if answer.unknown_inputs else ""
        print(f"{answer.n_unknown} of {len(answer.contributions)} features are unknown at this bar{given}")
    shown, rest = answer.contributions[:n_shown], answer.contributions[n_shown:]
    rows = [
        (c.feature, "" if c.value is None else f"{c.value:.6g}", c.unit, f"{c.share:+.4f}", c.group, c.meaning)
        for c in shown
    ]
    if rest:
        rows.append((f"{len(rest)} others", "", "", f"{sum(c.share for c in rest):+.4f}", "", ""))
    rows.append(("bias", "", "", f"{answer.bias:+.4f}", "", "its mean answer over what it was trained on"))
    rows.append(("together", "", "", f"{answer.log_odds:+.4f}", "", f"{answer.expert_probability:.2%}"))
    columns = ("feature", "value", "unit", "log odds", "group", "meaning")
    print_table(f"What moved {answer.expert}, checked to {answer.gap:.0e}", columns, rows, "")


def _why_silent(silence: str) -> str:
    return f" (no signal: {silence})" if silence else ""
