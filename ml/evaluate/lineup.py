"""Which experts stand beside each other: the rules everybody knows, and the models that must beat them."""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

from core.errors import BadInput, Unavailable, UnknownName
from ml.models.ewma_volatility import EwmaVolatility
from ml.models.last_sign import LastSign
from ml.models.prior import Prior
from ml.models.protocol import Expert
from ml.models.reversal import Reversal
from ml.models.selected import Selected
from ml.models.sma_cross import SmaCross

LAST_RETURN = "return_1_bar"
TREND = "sma_cross_20_50"
VOLATILITY = "ewma_volatility_94"
ANCHORS = ("prior", "last_sign", "reversal", "sma_cross", "ewma_volatility")
"""In every line-up: what has no more skill than these has none."""
TREES = ("logistic", "random_forest", "xgboost")
NETS = ("lstm", "gru", "transformer", "tcn", "mlp")
_CLASSES = {
    "logistic": ("ml.models.logistic", "Logistic"),
    "random_forest": ("ml.models.random_forest", "RandomForest"),
    "xgboost": ("ml.models.xgboost_trees", "XgboostTrees"),
    "lstm": ("ml.models.lstm", "Lstm"),
    "gru": ("ml.models.gru", "Gru"),
    "transformer": ("ml.models.transformer", "Transformer"),
    "tcn": ("ml.models.tcn", "Tcn"),
    "mlp": ("ml.models.mlp", "Mlp"),
}


def build_lineup(
    columns: Sequence[str], models: Sequence[str] = TREES, n_selected: int | None = None
) -> tuple[Expert, ...]:
    """Return the anchors and the named models for a table with these columns.

    With `n_selected` those of `TREES` learn from so many columns, chosen anew at each fit.
    Raises UnknownName for a model that is none, Unavailable for a net without the extra `train`, BadInput for a table
    without the columns that the anchors read, or for more selected columns than there are.
    """
    learners = tuple(_model(name) for name in dict.fromkeys(models) if name not in ANCHORS)
    if n_selected is not None:
        learners = _selecting(learners, n_selected, len(columns))
    return *_anchors(columns), *learners


def find_models(names: str | None) -> tuple[str, ...]:
    """Return the models of a comma-separated list; those of trees for None. Raises UnknownName."""
    if names is None:
        return TREES
    found = tuple(part.strip() for part in names.split(","))
    for name in found:
        if name not in _CLASSES and name not in ANCHORS:
            raise UnknownName(f"'{name[:40]}' is no model", f"Use some of {', '.join(_CLASSES)}")
    return found


def _anchors(columns: Sequence[str]) -> tuple[Expert, ...]:
    places = {name: place for place, name in enumerate(columns)}
    missing = [name for name in (LAST_RETURN, TREND, VOLATILITY) if name not in places]
    if missing:
        raise BadInput(
            f"the table has no column {', '.join(missing)}, which the baselines read", "Build it from the registry"
        )
    last, trend, volatility = (places[name] for name in (LAST_RETURN, TREND, VOLATILITY))
    return Prior(), LastSign(last), Reversal(last), SmaCross(trend), EwmaVolatility(volatility)


def _selecting(learners: tuple[Expert, ...], n_selected: int, n_columns: int) -> tuple[Expert, ...]:
    if not 1 <= n_selected <= n_columns:
        raise BadInput(f"{n_selected} of {n_columns} columns cannot be selected", f"Select 1 to {n_columns}")
    if not any(learner.name in TREES for learner in learners):
        raise BadInput("none of the models selects columns", f"Leave that out, or name one of {', '.join(TREES)}")
    return tuple(Selected(learner, n_selected) if learner.name in TREES else learner for learner in learners)


def _model(name: str) -> Expert:
    module, made = _CLASSES[name]
    if name in NETS and find_spec("torch") is None:
        raise Unavailable(f"the model {name} needs PyTorch", "Install the extra: pip install 'xcrack[train]'")
    if find_spec(module) is None:
        raise Unavailable(f"the model {name} is not part of this installation", f"Use some of {', '.join(TREES)}")
    found: Expert = getattr(import_module(module), made)()
    return found
