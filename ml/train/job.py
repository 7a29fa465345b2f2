"""One training, from tables to a bundle: label, cut, fit, calibrate, measure, export, write. In this order, once."""

import json
import platform
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import BadInput
from core.model.canonical import sha256_of
from market.candles import Floats, Integers
from ml.bundle import ExpertCard, Interval, Measure, ModelCard, write_bundle
from ml.calibration import Platt, clip_probability, fit_calibration
from ml.ensemble import PRIOR, Ensemble, delay_of, replay
from ml.evaluate.lineup import NETS, TREES, build_lineup
from ml.evaluate.scores import mean_interval
from ml.features.scaling import Scaler
from ml.models.prior import Prior
from ml.models.protocol import Expert, Fitted
from ml.online.blocks import BlockReference
from ml.splits import uniqueness_weights
from ml.train.assemble import assemble
from ml.train.checkpoints import Checkpoints
from ml.train.cuts import Cuts, cut_by_time, split_by_time
from ml.train.fitting import Epoch, FitSettings, FittedNet, Surroundings, fit_net
from ml.train.plan import Told, TrainPlan
from ml.train.tables import Pool, load_table, pool_tables

CALIBRATION_RIDGE = 50.0
"""Rows with which a model is believed to need no correction."""
_LIBRARIES = ("numpy", "onnx", "onnxruntime", "scikit-learn", "skl2onnx", "torch", "xgboost-cpu")


@dataclass(frozen=True, slots=True)
class Trainer:
    """A training and whom it tells."""

    plan: TrainPlan
    tell: Callable[[Told], None]
    crash: Callable[[str], None]

    def run(self) -> Path:
        """Return the folder of the bundle. Raises BadInput for data that nothing can be learned from, and OSError."""
        plan = self.plan
        tables = [load_table(Path(name)) for name in plan.tables]
        pool = pool_tables(tables, plan.task, plan.horizon_bars, plan.threshold)
        cuts = cut_by_time(pool, plan.embargo_bars)
        lineup = _lineup(pool, plan)
        cards, files, columns, n_trials = [], {}, [], 0
        for place, expert in enumerate(lineup, start=1):
            self.tell(Told("started", expert.name, place, len(lineup)))
            fitted, used, tried = self._fit(expert, pool, cuts)
            n_trials += tried
            calibration = _calibrate(expert, fitted, pool, cuts.calibrate)
            p = calibration.apply(fitted.predict(pool.x, pool.segment, cuts.measure))
            card, data = assemble(used, fitted, pool, cuts.calibrate, calibration)
            columns.append(p)
            cards.append(replace(card, settings=_settings(used), metrics=_measures(pool, cuts.measure, p, plan.seed)))
            files.update(data)
            self.tell(Told("fitted", expert.name, place, len(lineup)))
        self.crash("bundle:before")
        scaler = Scaler.fit(pool.x[cuts.train])
        mixed = _mixture(tuple(expert.name for expert in lineup), np.column_stack(columns), pool, cuts.measure)
        trials = plan.earlier_trials + n_trials
        metrics = _measures(pool, cuts.measure, mixed, plan.seed)
        facts = replace(self._card(pool, cuts, tuple(cards)), scaler=_facts(scaler), reference=_reference(pool))
        bundle = replace(facts, metrics=metrics, trials=trials)
        folder = write_bundle(Path(plan.bundles), bundle, files)
        self.crash("bundle:after")
        self.tell(Told("done", sha256=folder.name, trials=n_trials))
        return folder

    def _fit(self, expert: Expert, pool: Pool, cuts: Cuts) -> tuple[Fitted, Expert, int]:
        """Return the fit, the recipe that it is of, and how many recipes were tried for it."""
        y = pool.labels.y[cuts.train]
        weight = uniqueness_weights(pool.labels, cuts.train)
        weight = weight / weight.mean()
        if expert.name not in NETS:
            return expert.fit(pool.x, pool.segment, cuts.train, y, weight, self.plan.seed), expert, 1

        def fit(recipe: Any, trial: int) -> FittedNet:
            settings = recipe.fitting
            split = split_by_time(pool, cuts.train, recipe.lookback, settings.valid_share, self.plan.embargo_bars)
            around = self._surroundings(recipe, pool, trial)
            return fit_net(recipe, pool.x, pool.segment, cuts.train, y, weight, split, self.plan.seed, around)

        def score(recipe: Any, trial: int) -> float:
            best = min(epoch.valid_loss for epoch in fit(recipe, trial).history)
            self.tell(Told("trial", recipe.name, trial, self.plan.trials, valid_loss=best))
            self.crash(f"{recipe.name}.trial:told")
            return best

        if self.plan.trials == 0:
            return fit(expert, 0), expert, 1
        # Loaded only where it is used: most trainings search nothing.
        from ml.train.tuning import best_recipe

        found, number = best_recipe(expert, self.plan.trials, self.plan.seed, score)
        # The checkpoint of its trial is the whole fit.
        return fit(found, number), found, self.plan.trials

    def _surroundings(self, recipe: Any, pool: Pool, trial: int) -> Surroundings:
        plan = self.plan
        question = [plan.task, plan.horizon_bars, plan.threshold, plan.embargo_bars, plan.seed, plan.code_sha256]
        key = sha256_of([repr(recipe), pool.data_sha256, *question])
        path = Path(plan.work) / f"{recipe.name}-{trial}.npz"

        def watch(epoch: Epoch) -> None:
            number, most = epoch.number, plan.epochs
            self.tell(Told("epoch", recipe.name, number, most, epoch.train_loss, epoch.valid_loss))

        return Surroundings(Checkpoints(path, key), watch, self.crash)

    def _card(self, pool: Pool, cuts: Cuts, experts: tuple[ExpertCard, ...]) -> ModelCard:
        plan, known = self.plan, np.flatnonzero(pool.labels.is_known)
        return ModelCard(
            format=1,
            kind="experts",
            interval_ms=pool.interval_ms,
            task=plan.task,
            horizon_bars=plan.horizon_bars,
            threshold=plan.threshold,
            symbols=pool.symbols,
            start_at_ms=int(pool.closed_at_ms[cuts.train].min()),
            end_at_ms=int(pool.settled_at_ms[known].max()),
            feature_schema_sha256=pool.schema_sha256,
            features=pool.names,
            scaler={},
            experts=experts,
            metrics=(),
            trials=0,
            data_sha256=pool.data_sha256,
            code_sha256=plan.code_sha256,
            seed=plan.seed,
            trained_at_ms=plan.trained_at_ms,
            versions={"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}},
        )


def _reference(pool: Pool) -> dict[str, Any]:
    """Return how all rows lie, those that were measured on included: live ones are compared with the whole of them."""
    at, symbols = pool.closed_at_ms, pool.symbols
    return BlockReference.fit(pool.names, pool.x, at, pool.table, symbols, pool.interval_ms).to_plain()


def _lineup(pool: Pool, plan: TrainPlan) -> tuple[Expert, ...]:
    """Return the experts: the rules everybody knows where the table has their columns, then the models asked for."""
    try:
        experts: tuple[Expert, ...] = build_lineup(pool.names, plan.models)
    except BadInput:
        # A table of other columns than the registry's: the prior alone stands for the rules.
        every = build_lineup(_ANCHOR_COLUMNS, plan.models)
        experts = (Prior(), *(expert for expert in every if expert.name in (*NETS, *TREES)))
    return tuple(_tuned(expert, plan) if expert.name in NETS else expert for expert in experts)


_ANCHOR_COLUMNS = ("return_1_bar", "sma_cross_20_50", "ewma_volatility_94")


def _tuned(recipe: Any, plan: TrainPlan) -> Expert:
    settings = FitSettings(
        epochs=plan.epochs,
        batch_size=plan.batch_size,
        learning_rate=plan.learning_rate,
        patience=plan.patience,
        purge_bars=plan.horizon_bars + plan.embargo_bars,
        device=plan.device,
    )
    changes: dict[str, Any] = {"fitting": settings}
    if plan.sequence_length is not None and recipe.name in ("lstm", "gru"):
        changes["lookback"] = plan.sequence_length
    elif plan.sequence_length is not None and recipe.name == "transformer":
        # Its lookback follows from the reach: the longest one within the asked length.
        changes["reach"] = max(2, (plan.sequence_length - 1) // recipe.n_layers + 1)
    tuned: Expert = replace(recipe, **changes)
    return tuned


def _calibrate(expert: Expert, fitted: Fitted, pool: Pool, rows: Integers) -> Platt:
    """Return the correction learned on rows that the model did not learn from; none for the prior."""
    if expert.name == PRIOR:
        return Platt()
    p = fitted.predict(pool.x, pool.segment, rows)
    return fit_calibration(p, pool.labels.y[rows], CALIBRATION_RIDGE)


def _mixture(names: tuple[str, ...], p: Floats, pool: Pool, rows: Integers) -> Floats:
    """Return what the ensemble says bar by bar, every symbol with weights of its own that start even."""
    mixed = np.empty(len(rows))
    for table in np.unique(pool.table[rows]):
        here = np.flatnonzero(pool.table[rows] == table)
        at, end = rows[here], pool.labels.end[rows[here]]
        ensemble = Ensemble.start(names, delay_of(at, end))
        mixed[here] = [each.probability for each in replay(ensemble, p[here], pool.labels.y[at], at, end)]
    return mixed


def _measures(pool: Pool, rows: Integers, p: Floats, seed: int) -> tuple[Measure, ...]:
    """Return mean log loss, accuracy and Brier score with 95 % intervals drawn by weeks; none below two weeks."""
    y, at = pool.labels.y[rows], pool.closed_at_ms[rows]
    clipped = clip_probability(p)
    each = {
        "log_loss": -np.where(y > 0.5, np.log(clipped), np.log1p(-clipped)),
        "accuracy": ((clipped >= 0.5) == (y > 0.5)).astype(np.float64),
        "brier": (clipped - y) ** 2,
    }
    found = []
    for name, values in each.items():
        interval = mean_interval(values, at, seed)
        if interval is not None:
            found.append(Measure(name, Interval(float(values.mean()), *interval, 0.95, len(rows), "week bootstrap")))
    return tuple(found)


def _facts(scaler: Scaler) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(scaler.to_json())
    return found


def _settings(recipe: Any) -> dict[str, float]:
    """Return the numbers of a recipe, those of its fitting included."""
    found = {name: getattr(recipe, name) for name in recipe.__dataclass_fields__}
    fitting = found.pop("fitting", None)
    if fitting is not None:
        found |= {name: getattr(fitting, name) for name in fitting.__dataclass_fields__}
    return {name: float(value) for name, value in found.items() if isinstance(value, int | float)}
