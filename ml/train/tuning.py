"""Looking for a net's width, dropout and learning rate (Optuna, TPE): every trial is a fit, counted and kept.

A trial's fit has a checkpoint of its own, and the same seed and scores give the same suggestions: so a search that goes
on after a kill reads the finished trials instead of fitting them again, and ends as if it had not been killed.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import optuna

WIDTHS = (16, 24, 32, 48, 64)


def best_recipe(recipe: Any, n_trials: int, seed: int, score: Callable[[Any, int], float]) -> tuple[Any, int]:
    """Return the recipe with the lowest `score(recipe, number of the trial)` of `n_trials`, and its number from 1."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed), direction="minimize")
    study.optimize(lambda trial: score(_suggest(recipe, trial), trial.number + 1), n_trials)
    return _suggest(recipe, optuna.trial.FixedTrial(study.best_params)), study.best_trial.number + 1


def _suggest(recipe: Any, trial: Any) -> Any:
    rate = trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True)
    return replace(
        recipe,
        width=trial.suggest_categorical("width", WIDTHS),
        dropout=trial.suggest_float("dropout", 0.0, 0.5),
        fitting=replace(recipe.fitting, learning_rate=rate),
    )
