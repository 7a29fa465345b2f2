"""One probability out of many experts, with a bound that holds on every sequence of labels.

The outer mixture is share-free Bayes: weights are the prior times the likelihood, which is exponential weighting of log
loss at eta = 1 (Vovk 1990). Its summed log loss is at most ln N nats above that of the best of N experts, and with
labels that are known d predictions late at most (d + 1) ln N, by d + 1 interleaved copies (Weinberger, Ordentlich
2002). Among the N are, besides the models and the prior, three mixtures of them: fixed share (Herbster, Warmuth 1998)
for when the best model changes, the uniform mean, and a stacked logistic regression. So the whole is never worse than
any of these by more. Nothing is calibrated after mixing: that would void the bound. A model below the prior is marked
and keeps its weight, for the same reason; it is small by then.
"""

import json
import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from core.errors import BadInput, Conflict, Corrupt
from market.candles import Floats, Integers
from ml.calibration import clip_probability, logit, newton_logistic, sigmoid

PRIOR = "prior"
MIXED = ("fixed_share", "uniform", "stack")
"""Names of the experts that are made here of the others."""
SHARE = 1e-3
"""Weight that fixed share spreads over all at every label."""
STACK_EVERY = 168
"""Labels between two refits of the stack: a week of hours."""
STACK_MEMORY = 0.98
"""Of the past's weight that a refit keeps: half a year's labels count half, at hours."""
STACK_STRENGTH = 5.0
"""Precision of the stack's first belief, that the mean of all logits is right."""
MAX_DELAY = 512


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """What the ensemble says of one bar."""

    probability: float
    """That the label is 1."""
    members: Floats
    """(N,) each expert's probability, in the order of `Ensemble.members`."""
    weights: Floats
    """(N,) the weight of each in `probability`, summing to 1."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How one expert did so far."""

    name: str
    weight: float
    """Mean over the copies."""
    log_loss: float
    """Mean, in nats; NaN before the first label."""
    is_disabled: bool
    """Whether its summed loss is above the prior's: shown so, and trusted with what Bayes leaves it."""


@dataclass(slots=True, eq=False)
class Stack:
    """Logistic regression on the experts' logits, by blocks: each one's posterior is the next one's prior."""

    mean: Floats
    """(k + 1,) weights and bias."""
    precision: Floats
    """(k + 1, k + 1)"""
    rows: list[tuple[Floats, float]] = field(default_factory=list)
    """Logits and label of what is settled and not fitted yet."""

    @classmethod
    def start(cls, k: int) -> "Stack":
        """Return the first belief: the mean of the logits."""
        return cls(np.append(np.full(k, 1 / k), 0.0), np.eye(k + 1) * STACK_STRENGTH)

    def predict(self, logits: Floats) -> float:
        """Return the clipped probability."""
        score = logits @ self.mean[:-1] + self.mean[-1]
        return float(clip_probability(sigmoid(score)))

    def learn(self, logits: Floats, y: float) -> None:
        """Keep a label, and refit when a block is full."""
        self.rows.append((logits, y))
        if len(self.rows) < STACK_EVERY:
            return
        design = np.column_stack([np.array([row for row, _ in self.rows]), np.ones(len(self.rows))])
        labels = np.array([label for _, label in self.rows])
        kept = STACK_MEMORY * self.precision
        self.mean = newton_logistic(design, labels, np.ones(len(labels)), self.mean, kept)
        p = sigmoid(design @ self.mean)
        self.precision = kept + (design * (p * (1 - p))[:, None]).T @ design
        self.rows.clear()


@dataclass(slots=True, eq=False)
class Ensemble:
    """State of the mixture for one symbol, task and horizon. `predict` a bar, `settle` it later, in the same order."""

    names: tuple[str, ...]
    """The k experts that are given, the prior among them."""
    delay: int
    """d: how many later predictions may be made before a label is known."""
    log_weights: Floats
    """(d + 1, N), each row normalised."""
    shared: Floats
    """(k,) weights of the fixed-share mixture."""
    stack: Stack
    losses: Floats
    """(N + 1,) summed log loss of each expert and, last, of the whole."""
    pending: deque[tuple[Floats, float]] = field(default_factory=deque)
    """Members and probability of what waits for its label, oldest first."""
    n_predicted: int = 0
    n_settled: int = 0

    @classmethod
    def start(cls, names: Sequence[str], delay: int = 0) -> "Ensemble":
        """Return the ensemble before any label, every expert alike. Raises BadInput for a line-up without a prior."""
        taken = tuple(names)
        if PRIOR not in taken or len(set(taken)) < len(taken) or set(taken) & set(MIXED):
            raise BadInput(
                f"the experts {', '.join(taken)} make no ensemble",
                f"Each name once, `{PRIOR}` among them, none of {', '.join(MIXED)}",
            )
        if not 0 <= delay <= MAX_DELAY:
            raise BadInput(f"a delay of {delay} labels is not possible", f"0 to {MAX_DELAY}")
        k, n = len(taken), len(taken) + len(MIXED)
        even = np.full((delay + 1, n), -math.log(n))
        return cls(taken, delay, even, np.full(k, 1 / k), Stack.start(k), np.zeros(n + 1))

    @property
    def members(self) -> tuple[str, ...]:
        """Names of all N experts."""
        return (*self.names, *MIXED)

    @property
    def bound(self) -> float:
        """(d + 1) ln N: nats that the summed loss can be above the best expert's, on any sequence."""
        return (self.delay + 1) * math.log(len(self.members))

    def predict(self, p: Floats) -> Forecast:
        """Return the forecast for the next bar, and remember it until its label is settled.

        `p` (k,) are the experts' calibrated probabilities; NaN, an expert that cannot say, stands for the mean of the
        others. Raises Conflict when more than d labels are outstanding.
        """
        if len(self.pending) > self.delay:
            raise Conflict(
                f"{len(self.pending)} predictions wait for their labels, and {self.delay} may",
                "Settle the oldest first, with NaN where its label will never be known",
            )
        members = self._members(np.asarray(p, dtype=np.float64))
        weights = np.exp(self.log_weights[self.n_predicted % (self.delay + 1)])
        weights = weights / weights.sum()
        probability = float(weights @ members)
        self.pending.append((members, probability))
        self.n_predicted += 1
        return Forecast(probability, members, weights)

    def settle(self, y: float) -> None:
        """Learn the label, 0 or 1, of the oldest prediction that waits; NaN only takes the prediction away."""
        if not self.pending:
            raise Conflict("a label came for which no prediction waits", "Predict before settling")
        if not (y in (0.0, 1.0) or math.isnan(y)):
            raise BadInput(f"a label of {y:g} is neither 0 nor 1", "Give NaN where it is not known")
        copy = (self.n_predicted - len(self.pending)) % (self.delay + 1)
        members, probability = self.pending.popleft()
        if math.isnan(y):
            return
        likelihood = members if y else 1 - members
        posterior = self.log_weights[copy] + np.log(likelihood)
        self.log_weights[copy] = posterior - _log_sum(posterior)
        k = len(self.names)
        kept = self.shared * likelihood[:k]
        self.shared = (1 - SHARE) * kept / kept.sum() + SHARE / k
        self.stack.learn(logit(members[:k]), y)
        self.losses[:-1] -= np.log(likelihood)
        self.losses[-1] -= math.log(probability if y else 1 - probability)
        self.n_settled += 1

    def restart(self) -> None:
        """Make all weights even and forget the losses; what fixed share and stack learned stays. Nothing may wait."""
        if self.pending:
            raise Conflict("predictions wait for their labels", "Settle them before the weights start anew")
        fresh = Ensemble.start(self.names, self.delay)
        self.log_weights, self.losses = fresh.log_weights, fresh.losses
        self.n_predicted = self.n_settled = 0

    def standings(self) -> tuple[Standing, ...]:
        """Return each expert's weight and loss, in the order of `members`."""
        weights = np.exp(self.log_weights).mean(axis=0)
        n = self.n_settled
        prior = self.losses[self.names.index(PRIOR)]
        return tuple(
            Standing(name, float(weight), float(loss) / n if n else math.nan, bool(loss > prior))
            for name, weight, loss in zip(self.members, weights, self.losses[:-1], strict=True)
        )

    def to_json(self) -> str:
        """Return the state as JSON, exactly."""
        state = {
            "names": self.names,
            "delay": self.delay,
            "log_weights": self.log_weights.tolist(),
            "shared": self.shared.tolist(),
            "stack_mean": self.stack.mean.tolist(),
            "stack_precision": self.stack.precision.tolist(),
            "stack_rows": [[row.tolist(), label] for row, label in self.stack.rows],
            "losses": self.losses.tolist(),
            "pending": [[members.tolist(), probability] for members, probability in self.pending],
            "n_predicted": self.n_predicted,
            "n_settled": self.n_settled,
        }
        return json.dumps(state, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "Ensemble":
        """Return the ensemble that `to_json` wrote. Raises Corrupt for anything else."""
        try:
            state = json.loads(text)
            found = cls.start(state["names"], state["delay"])
            k, n = len(found.names), len(found.members)
            found.log_weights = _array(state["log_weights"], (found.delay + 1, n))
            found.shared = _array(state["shared"], (k,))
            found.losses = _array(state["losses"], (n + 1,))
            found.stack = Stack(
                _array(state["stack_mean"], (k + 1,)),
                _array(state["stack_precision"], (k + 1, k + 1)),
                [(_array(row, (k,)), float(label)) for row, label in state["stack_rows"]],
            )
            found.pending = deque((_array(members, (n,)), float(p)) for members, p in state["pending"])
            found.n_predicted, found.n_settled = int(state["n_predicted"]), int(state["n_settled"])
        except (ValueError, TypeError, KeyError, BadInput):
            raise Corrupt("the ensemble's state is not what was written", "Remove it; the weights start anew") from None
        return found

    def _members(self, p: Floats) -> Floats:
        k = len(self.names)
        if p.shape != (k,):
            raise BadInput(f"{p.shape} probabilities for {k} experts", "Give one for each, NaN where it cannot say")
        says = np.isfinite(p)
        if not says.any():
            raise BadInput("no expert gives a probability", "The prior always can")
        if bool(((p[says] < 0) | (p[says] > 1)).any()):
            raise BadInput("an expert's probability is outside 0 to 1", "Look at its calibration")
        given = clip_probability(np.where(says, p, p[says].mean()))
        mixed = (float(self.shared @ given), float(given.mean()), self.stack.predict(logit(given)))
        return np.concatenate([given, mixed])


def replay(ensemble: Ensemble, p: Floats, y: Floats, rows: Integers, end: Integers) -> Iterator[Forecast]:
    """Yield a forecast for each of `rows`, in order, each label settled once its row has come: the live code, looped.

    p (len(rows), k), y and end (len(rows),); a label is known at the close of row `end`. Last, the rest is settled.
    """
    waiting: deque[tuple[int, float]] = deque()
    for place, row in enumerate(rows):
        while waiting and waiting[0][0] <= row:
            ensemble.settle(waiting.popleft()[1])
        yield ensemble.predict(p[place])
        waiting.append((int(end[place]), float(y[place])))
    for _, label in waiting:
        ensemble.settle(label)


def delay_of(rows: Integers, end: Integers) -> int:
    """Return d for labels settled in the order of `rows`: the most predictions that follow one before it is settled."""
    if not len(rows):
        return 0
    # Settled in order: a label waits for every earlier one.
    settled = np.maximum.accumulate(end)
    following = np.searchsorted(rows, settled, side="left") - np.arange(len(rows)) - 1
    return int(max(following.max(), 0))


def _array(values: object, shape: tuple[int, ...]) -> Floats:
    found = np.asarray(values, dtype=np.float64)
    if found.shape != shape or not np.isfinite(found).all():
        raise ValueError
    return found


def _log_sum(values: Floats) -> float:
    top = float(values.max())
    return top + math.log(float(np.exp(values - top).sum()))
