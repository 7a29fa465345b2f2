"""From a fitted expert to what a bundle holds of it: files that were compared with the trainer, or plain numbers."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from market.candles import Floats, Integers
from ml.bundle import SUFFIXES, ExpertCard, Form, Input, Role, StateFacts, file_facts
from ml.calibration import Platt, clip_probability
from ml.models.logistic import FittedLogistic
from ml.models.one_column import FittedCurve, FittedSides
from ml.models.prior import FittedShare
from ml.models.protocol import Expert, Fitted
from ml.models.random_forest import FittedForest, tree_input
from ml.models.xgboost_trees import FittedTrees
from ml.train.export import (
    export_step,
    export_window,
    has_step,
    quantise,
    require_same,
    run_steps,
    run_windows,
    session_of,
    states_of,
)
from ml.train.fitting import FittedNet
from ml.train.tables import Pool
from ml.train.windows import window_lengths, window_rows

_COMPARED = 4_000
"""Rows that files are compared with the trainer on, at most."""
_STEPPED = 600
"""Rows that a step form carries its state over, at most."""


@dataclass(slots=True)
class Parts:
    """What becomes of one expert."""

    form: Form
    input: Input = "raw"
    files: dict[Role, bytes] = field(default_factory=dict)
    states: tuple[StateFacts, ...] = ()
    numbers: dict[str, tuple[float, ...]] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)


def assemble(
    expert: Expert, fitted: Fitted, pool: Pool, rows: Integers, calibration: Platt
) -> tuple[ExpertCard, dict[str, bytes]]:
    """Return card and files, by file name; `rows` are those that the files are compared on, none learned from.

    Raises Refused when a float32 file differs from the trainer by more than 1e-5.
    """
    if isinstance(fitted, FittedNet):
        parts = _net(expert.name, fitted, pool, rows, calibration)
    elif isinstance(fitted, FittedForest | FittedTrees):
        parts = _trees(expert.name, fitted, pool, rows)
    else:
        parts = Parts("builtin", "scaled" if isinstance(fitted, FittedLogistic) else "raw", numbers=_numbers(fitted))
    names = {role: expert.name + SUFFIXES[role] for role in parts.files}
    is_sequence = parts.form in ("window", "step")
    card = ExpertCard(
        name=expert.name,
        kind=type(fitted).__name__.removeprefix("Fitted").lower() if parts.form == "builtin" else expert.name,
        form=parts.form,
        lookback=expert.lookback if is_sequence else 1,
        input=parts.input,
        files={role: file_facts(names[role], data) for role, data in parts.files.items()},
        calibration=calibration.to_dict(),
        states=parts.states,
        numbers=parts.numbers,
        errors=parts.errors,
    )
    return card, {names[role]: data for role, data in parts.files.items()}


def _trees(name: str, fitted: FittedForest | FittedTrees, pool: Pool, rows: Integers) -> Parts:
    # The converters take seconds to load, and most trainings of nets need none.
    from ml.train.export_trees import booster_json, export_booster, export_forest

    n_features = pool.x.shape[1]
    files: dict[Role, bytes]
    if isinstance(fitted, FittedForest):
        files = {"model": export_forest(fitted.forest, n_features)}
    else:
        files = {"model": export_booster(fitted.booster, n_features), "trees": booster_json(fitted.booster)}
    compared = rows[-_COMPARED:]
    p = run_windows(session_of(files["model"]), tree_input(pool.x[compared]))
    error = float(np.abs(p - fitted.predict(pool.x, pool.segment, compared)).max())
    return Parts("tabular", "raw", files, errors={"model": require_same(name, error)})


def _net(name: str, fitted: FittedNet, pool: Pool, rows: Integers, calibration: Platt) -> Parts:
    whole = rows[window_lengths(pool.segment, rows, fitted.lookback) == fitted.lookback][-_COMPARED:]
    trainer = fitted.predict(pool.x, pool.segment, whole)
    windows = _windows(fitted, pool)
    model = export_window(fitted, pool.x.shape[1])
    p = windows(model, whole)
    parts = Parts("tabular" if fitted.lookback == 1 else "window", "scaled", {"model": model})
    parts.errors["model"] = require_same(name, float(np.abs(p - trainer).max()))
    judge = _Judge(trainer, pool.labels.y[whole], calibration)
    _add_int8(parts, "int8", model, lambda data: windows(data, whole), judge)
    if has_step(fitted.net):
        _add_step(parts, name, fitted, pool, whole, calibration)
    return parts


def _windows(fitted: FittedNet, pool: Pool) -> Callable[[bytes, Integers], Floats]:
    def run(data: bytes, rows: Integers) -> Floats:
        session, answers = session_of(data), []
        for part in np.array_split(rows, -(-len(rows) // 512)):
            back = window_rows(part, fitted.lookback)
            scaled = fitted.scaler.transform(pool.x[back].reshape(-1, pool.x.shape[1])).astype(np.float32)
            x = scaled.reshape(len(part), fitted.lookback, -1)
            answers.append(run_windows(session, x[:, 0] if fitted.lookback == 1 else x))
        return np.concatenate(answers)

    return run


def _add_step(parts: Parts, name: str, fitted: FittedNet, pool: Pool, rows: Integers, calibration: Platt) -> None:
    """Add the step form, and serve it when its scores are within noise of the windows' on a run of bars."""
    last = rows[-1]
    first = max(int(np.searchsorted(pool.segment, pool.segment[last])), last - _STEPPED - fitted.lookback + 1)
    run = np.arange(first, last + 1)
    n_first = min(fitted.lookback, len(run))
    x = fitted.scaler.transform(pool.x[run]).astype(np.float32)[None]
    step = export_step(fitted, pool.x.shape[1])
    states = states_of(fitted.net)
    p = run_steps(session_of(step), states, x)[0]
    # From an empty state the run's first windows, counted from where it begins, are what the step form sees.
    fresh = fitted.predict(pool.x[run[:n_first]], np.zeros(n_first, dtype=np.int64), np.arange(n_first))
    parts.errors["step"] = require_same(f"{name} (step form)", float(np.abs(p[:n_first] - fresh).max()))
    parts.files["step"], parts.states = step, states
    carried = run[n_first - 1 :]
    window = fitted.predict(pool.x, pool.segment, carried)
    parts.errors["step_carried"] = float(np.abs(p[n_first - 1 :] - window).max())
    known = np.isfinite(pool.labels.y[carried])
    judge = _Judge(window[known], pool.labels.y[carried][known], calibration)
    if not judge.is_within_noise(p[n_first - 1 :][known]):
        return
    parts.form = "step"

    def after_first_window(data: bytes) -> Floats:
        return run_steps(session_of(data), states, x)[0][n_first - 1 :][known]

    exact = _Judge(after_first_window(step), pool.labels.y[carried][known], calibration)
    _add_int8(parts, "step_int8", step, after_first_window, exact)


def _add_int8(parts: Parts, role: Role, data: bytes, run: Callable[[bytes], Floats], judge: "_Judge") -> None:
    """Keep the int8 form if it turns no decision and scores within noise; its error is written down either way."""
    small = quantise(data)
    if small is None:
        return
    p = run(small)
    parts.errors[role] = float(np.abs(p - judge.p).max())
    if judge.turns_nothing(p) and judge.is_within_noise(p):
        parts.files[role] = small


@dataclass(frozen=True, slots=True, eq=False)
class _Judge:
    """Compares another form's probabilities with these, as decisions and as scores."""

    p: Floats
    y: Floats
    calibration: Platt

    def turns_nothing(self, other: Floats) -> bool:
        ours, theirs = self.calibration.apply(self.p), self.calibration.apply(other)
        return bool(((ours >= 0.5) == (theirs >= 0.5)).all())

    def is_within_noise(self, other: Floats) -> bool:
        """Whether the mean log loss differs by less than its own standard error."""
        if len(self.y) < 2:
            return False
        ours, theirs = (self._losses(self.calibration.apply(p)) for p in (self.p, other))
        return bool(abs(float((theirs - ours).mean())) <= float(ours.std(ddof=1)) / len(ours) ** 0.5)

    def _losses(self, p: Floats) -> Floats:
        clipped = clip_probability(p)
        losses: Floats = -np.where(self.y > 0.5, np.log(clipped), np.log1p(-clipped))
        return losses


def _numbers(fitted: Fitted) -> dict[str, tuple[float, ...]]:
    """Return what a rule or a line consists of, under the names of its fields."""
    if isinstance(fitted, FittedShare):
        return {"probability": (fitted.probability,)}
    if isinstance(fitted, FittedLogistic):
        return {"weights": tuple(fitted.weights.tolist()), "bias": (fitted.bias,)}
    if isinstance(fitted, FittedSides):
        sides = {"above": (fitted.above,), "below": (fitted.below,), "otherwise": (fitted.otherwise,)}
        return {"column": (float(fitted.column),), **sides}
    if isinstance(fitted, FittedCurve):
        curve = {"scale": (fitted.curve.scale,), "bias": (fitted.curve.bias,), "otherwise": (fitted.otherwise,)}
        return {"column": (float(fitted.column),), **curve}
    raise TypeError(f"{type(fitted).__name__} has no form to be served in")
