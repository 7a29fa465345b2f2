"""Why a model said what it said: what each feature moved its log odds by, exactly, and the five that moved them most.

Boosted trees by path-dependent TreeSHAP (Lundberg et al. 2018), computed by the engine from xgboost's own JSON; a
logistic line by its weights times the scaled features, which is its Shapley value for features that are independent
and at their mean when unknown. Nets are not explained: attention is no explanation.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import BadInput, Corrupt, Refused
from core.native_trees import Trees
from market.candles import Floats
from ml.bundle import Bundle, ExpertCard
from ml.calibration import Calibration, Platt, sigmoid
from ml.calibration import from_json as calibration_from

N_REASONS = 5
MAX_GAP = 1e-5
"""Between what the shares sum to and what the expert says; its file computes in float32."""
Reason = tuple[str, float]
"""A feature, and its share of the log odds of class 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Explained:
    """One row under one expert: shares and bias sum to its log odds of class 1, calibrated where `is_scaled`.

    A curve of knots (isotonic) has no scale: the shares are then of the log odds before it.
    """

    expert: str
    names: tuple[str, ...]
    shares: Floats
    """(k,) of the log odds, one a feature."""
    bias: float
    """The mean of its log odds over what it was trained on, where shares begin."""
    is_scaled: bool
    probability: float
    """What shares and bias sum to, calibrated and clipped as it is when the expert is asked."""

    @property
    def log_odds(self) -> float:
        """Bias and shares together."""
        return self.bias + float(self.shares.sum())

    def require_additive(self, said: float) -> float:
        """Return how far the sum is from the probability that the expert's file gave. Raises Corrupt beyond 1e-5."""
        gap = abs(self.probability - said)
        if not gap <= MAX_GAP:
            raise Corrupt(
                f"the shares of expert {self.expert} sum to {self.probability:.6f} and its file says {said:.6f}",
                "What explains it is not what predicts; train the model again",
            )
        return gap


@dataclass(frozen=True, slots=True, eq=False)
class Explainer:
    """What explains one expert of a bundle: its trees, or the weights and bias of its line."""

    expert: str
    names: tuple[str, ...]
    trees: Trees | None
    weights: Floats
    bias: float
    calibration: Calibration

    def explain(self, raw: Floats, scaled: Floats) -> Explained:
        """Return the share of every feature of one row (k,)."""
        if self.trees is not None:
            shares, bias = self.trees.explain(raw.astype(np.float32))
        else:
            shares, bias = self.weights * scaled, self.bias
        uncalibrated = sigmoid(np.asarray(bias + shares.sum()))
        probability = float(self.calibration.apply(uncalibrated))
        curve = self.calibration
        if isinstance(curve, Platt):
            shares, bias = shares * curve.scale, bias * curve.scale + curve.bias
        return Explained(self.expert, self.names, shares, bias, isinstance(curve, Platt), probability)

    def reasons(self, raw: Floats, scaled: Floats) -> tuple[Reason, ...]:
        """Return the strongest reasons for one row (k,), the strongest first; those of size 0 are none."""
        return strongest(self.names, self.explain(raw, scaled).shares)


def strongest(names: Sequence[str], shares: Floats) -> tuple[Reason, ...]:
    """Return the five largest shares by size with their names; equal ones in the order of the names."""
    order = np.argsort(-np.abs(shares), kind="stable")[:N_REASONS]
    return tuple((names[place], float(shares[place])) for place in order if shares[place] != 0)


def explainer_of(bundle: Bundle) -> Explainer | None:
    """Return what explains the bundle: its boosted trees, else its logistic line, else None.

    Raises Refused for trees that cannot be read or that know another number of features.
    """
    names = bundle.card.features
    for expert in bundle.card.experts:
        if "trees" in expert.files:
            try:
                trees = Trees(bundle.data(expert, "trees"))
            except BadInput as error:
                raise Refused(f"expert {expert.name}: {error.message}", "Train again with this version") from None
            if trees.n_features != len(names):
                raise Refused(
                    f"the trees of expert {expert.name} know {trees.n_features} features and the card {len(names)}",
                    "Train again with this version",
                )
            return Explainer(expert.name, names, trees, np.empty(0), 0.0, _calibration_of(expert))
    for expert in bundle.card.experts:
        if expert.form == "builtin" and expert.kind == "logistic":
            weights, (bias,) = np.array(expert.numbers["weights"]), expert.numbers["bias"]
            return Explainer(expert.name, names, None, weights, bias, _calibration_of(expert))
    return None


def _calibration_of(expert: ExpertCard) -> Calibration:
    return calibration_from(json.dumps(expert.calibration)) if expert.calibration else Platt()
