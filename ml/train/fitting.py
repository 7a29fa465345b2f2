"""Fitting one net: AdamW on the log loss, stopped where rows it does not learn from stop getting better.

The rows that tell when to stop are the last of those given, after a gap as wide as labels reach. Everything random is
drawn from the seed and the number of the epoch, so a fit that was killed and goes on at its last checkpoint ends with
the very weights of one that was not. On one CPU thread count the same seed gives the same bits; a GPU promises less.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from core.errors import BadInput
from market.candles import Floats, Integers
from ml.calibration import sigmoid
from ml.features.scaling import Scaler
from ml.models.prior import FittedShare, Prior
from ml.train.checkpoints import Checkpoint, Checkpoints
from ml.train.windows import window_lengths, window_rows, windows_by_length

MAX_PARAMETERS = 200_000
_DICE = threading.Lock()
"""Initial weights and dropout draw from torch's one generator: fits in several threads take turns at it."""
_PREDICT_BATCH = 1_024
_NORM = 1.0
"""Largest norm of a step's gradient."""


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How a net is fitted. The names are those of torch."""

    epochs: int = 30
    batch_size: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    patience: int = 5
    """Epochs without a better validation loss before the fit ends."""
    valid_share: float = 0.15
    """Of the rows, the last ones, which only tell when to stop."""
    purge_bars: int = 48
    """Rows left out before them: at least the label's horizon and the embargo."""
    class_weight: Literal["balanced", "none"] = "balanced"
    """`balanced` lets both classes weigh the same in the loss; the logit is shifted back afterwards."""
    device: Literal["auto", "cpu", "cuda"] = "auto"


@dataclass(frozen=True, slots=True)
class Epoch:
    """One line of the training history. Losses are log losses in nats; the first is of reweighted classes."""

    number: int
    train_loss: float
    valid_loss: float
    is_best: bool


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Places in `rows`: what is learned from, and what tells when to stop."""

    train: Integers
    valid: Integers


class Recipe(Protocol):
    """An expert that is a net."""

    @property
    def name(self) -> str:
        """Of the expert."""
        ...

    @property
    def lookback(self) -> int:
        """Rows of a window."""
        ...

    @property
    def fitting(self) -> FitSettings:
        """How it is fitted."""
        ...

    def build(self, n_features: int) -> nn.Module:
        """Return the net with fresh weights."""
        ...


def _pass_by(_: object) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a fit tells, keeps and can be killed at. By default nothing of it."""

    checkpoints: Checkpoints | None = None
    watch: Callable[[Epoch], None] = _pass_by
    crash: Callable[[str], None] = _pass_by
    """Called with `<expert>.epoch:before` and `:after_checkpoint`."""


@dataclass(frozen=True, slots=True, eq=False)
class FittedNet:
    """A net with its weights, on the CPU, and the scaler of what it reads."""

    net: nn.Module
    scaler: Scaler
    lookback: int
    shift: float
    """Added to the net's logit: takes the class weights back out."""
    history: tuple[Epoch, ...]

    def predict(self, x: Floats, segment: Integers, rows: Integers) -> Floats:
        """Return (len(rows),) probabilities; a window that its segment cuts short is read as short as it is."""
        needed = scaled_rows(self.scaler, x)
        logits = np.empty(len(rows))
        with torch.inference_mode():
            for windows in windows_by_length(segment, rows, self.lookback):
                for first in range(0, len(windows.places), _PREDICT_BATCH):
                    places = windows.places[first : first + _PREDICT_BATCH]
                    batch = needed[torch.from_numpy(window_rows(rows[places], windows.length))]
                    logits[places] = self.net(batch).double().numpy()
        return sigmoid(logits + self.shift)


def fit_or_prior(
    recipe: Recipe,
    x: Floats,
    segment: Integers,
    rows: Integers,
    y: Floats,
    weight: Floats,
    seed: int,
) -> FittedNet | FittedShare:
    """Return the fit of an `Expert`, split by the order of rows; with one class only, the prior."""
    if len(np.unique(y)) < 2:
        return Prior().fit(x, segment, rows, y, weight, seed)
    return fit_net(recipe, x, segment, rows, y, weight, split_by_order(recipe, segment, rows), seed)


def split_by_order(recipe: Recipe, segment: Integers, rows: Integers) -> Split:
    """Return the split of rows (rising) whose window is whole. Raises BadInput when a side would be empty."""
    whole = np.flatnonzero(window_lengths(segment, rows, recipe.lookback) == recipe.lookback)
    if not len(whole):
        raise BadInput(
            f"no run of bars is as long as the {recipe.lookback} rows that {recipe.name} reads",
            "Give a longer series, or a shorter sequence length",
        )
    n_valid = max(1, round(len(whole) * recipe.fitting.valid_share))
    valid = whole[len(whole) - n_valid :]
    train = whole[rows[whole] < rows[valid[0]] - recipe.fitting.purge_bars]
    if not len(train):
        raise BadInput(
            f"{len(rows)} rows leave {recipe.name} nothing to learn from beside what tells it when to stop",
            "Give a longer series",
        )
    return Split(train, valid)


def fit_net(
    recipe: Recipe,
    x: Floats,
    segment: Integers,
    rows: Integers,
    y: Floats,
    weight: Floats,
    split: Split,
    seed: int,
    around: Surroundings = Surroundings(),
) -> FittedNet:
    """Return the net with the weights of its best epoch; a kept checkpoint of the same fit is gone on from."""
    scaler = Scaler.fit(x[rows])
    device = device_of(recipe.fitting.device)
    balance, shift = _class_weights(y[split.train], weight[split.train], recipe.fitting)
    fit = _Fit(recipe, seed, x.shape[1], device, around)
    data = _Data(
        scaled_rows(scaler, x).to(device),
        torch.from_numpy(rows).to(device),
        torch.from_numpy(y.astype(np.float32)).to(device),
        torch.from_numpy((weight / weight.mean()).astype(np.float32)).to(device),
        recipe.lookback,
    )
    while not fit.is_over:
        around.crash(f"{recipe.name}.epoch:before")
        fit.run_epoch(data, split, balance, shift)
        around.crash(f"{recipe.name}.epoch:after_checkpoint")
    return FittedNet(fit.best_net(), scaler, recipe.lookback, shift, tuple(fit.history))


def n_parameters(net: nn.Module) -> int:
    """Return how many numbers the net learns."""
    return sum(part.numel() for part in net.parameters())


def device_of(name: str) -> torch.device:
    """Return the device; `auto` takes a GPU where there is one. Raises BadInput for `cuda` where there is none."""
    has_gpu = torch.cuda.is_available()
    if name == "cuda" and not has_gpu:
        raise BadInput("there is no CUDA device here", "Use --device auto or --device cpu")
    return torch.device("cuda" if has_gpu and name != "cpu" else "cpu")


def scaled_rows(scaler: Scaler, x: Floats) -> Tensor:
    """Return (n, k) float32 as nets read it."""
    return torch.from_numpy(scaler.transform(x).astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class _Data:
    x: Tensor
    rows: Tensor
    y: Tensor
    weight: Tensor
    lookback: int

    def windows(self, places: Tensor) -> Tensor:
        back = torch.arange(1 - self.lookback, 1, device=self.rows.device)
        return self.x[self.rows[places][:, None] + back]


class _Fit:
    """A fit on its way: net, optimiser, history and the best weights so far."""

    def __init__(self, recipe: Recipe, seed: int, n_features: int, device: torch.device, around: Surroundings) -> None:
        self.settings, self.seed, self.around = recipe.fitting, seed, around
        with _DICE, torch.random.fork_rng():
            torch.manual_seed(seed)
            self.net = recipe.build(n_features)
        if n_parameters(self.net) > MAX_PARAMETERS:
            raise BadInput(
                f"{recipe.name} would have {n_parameters(self.net):,} parameters for {n_features} features; "
                f"{MAX_PARAMETERS:,} is the most",
                "Give it less width or fewer layers",
            )
        self.net.to(device)
        self.optimiser = torch.optim.AdamW(
            self.net.parameters(), lr=self.settings.learning_rate, weight_decay=self.settings.weight_decay
        )
        self.history: list[Epoch] = []
        self.best = _copied(self.net.state_dict())
        kept = around.checkpoints.load() if around.checkpoints else None
        if kept is not None:
            self._restore(kept)

    @property
    def is_over(self) -> bool:
        best = max((epoch.number for epoch in self.history if epoch.is_best), default=0)
        return len(self.history) >= self.settings.epochs or len(self.history) - best >= self.settings.patience

    def run_epoch(self, data: _Data, split: Split, balance: tuple[float, float], shift: float) -> None:
        number = len(self.history) + 1
        with _DICE, torch.random.fork_rng():
            torch.manual_seed(self.seed * 1_000_003 + number)
            train_loss = self._learn(data, torch.from_numpy(split.train), balance)
        valid_loss = self._validate(data, torch.from_numpy(split.valid), shift)
        is_best = valid_loss < min((epoch.valid_loss for epoch in self.history), default=np.inf)
        if is_best:
            self.best = _copied(self.net.state_dict())
        self.history.append(Epoch(number, train_loss, valid_loss, is_best))
        if self.around.checkpoints:
            self.around.checkpoints.save(self._checkpoint())
        self.around.watch(self.history[-1])

    def best_net(self) -> nn.Module:
        self.net.load_state_dict(self.best)
        return self.net.cpu().eval()

    def _learn(self, data: _Data, places: Tensor, balance: tuple[float, float]) -> float:
        self.net.train()
        total, weights = 0.0, 0.0
        for batch in places[torch.randperm(len(places))].split(self.settings.batch_size):
            batch = batch.to(data.x.device)
            y = data.y[batch]
            weight = data.weight[batch] * torch.where(y > 0.5, balance[1], balance[0])
            losses = binary_cross_entropy_with_logits(self.net(data.windows(batch)), y, reduction="none")
            loss = (losses * weight).sum() / weight.sum()
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(self.net.parameters(), _NORM)
            self.optimiser.step()
            total += float(loss.detach() * weight.sum())
            weights += float(weight.sum())
        return total / weights

    def _validate(self, data: _Data, places: Tensor, shift: float) -> float:
        self.net.eval()
        total, weights = 0.0, 0.0
        with torch.inference_mode():
            for batch in places.split(_PREDICT_BATCH):
                batch = batch.to(data.x.device)
                logits = self.net(data.windows(batch)) + shift
                losses = binary_cross_entropy_with_logits(logits, data.y[batch], reduction="none")
                total += float((losses * data.weight[batch]).sum())
                weights += float(data.weight[batch].sum())
        return total / weights

    def _checkpoint(self) -> Checkpoint:
        arrays = {f"net.{name}": part for name, part in self.net.state_dict().items()}
        arrays |= {f"best.{name}": part for name, part in self.best.items()}
        for name, parameter in self.net.named_parameters():
            arrays |= {f"{kind}.{name}": part for kind, part in self.optimiser.state[parameter].items()}
        numbers = {name: part.detach().cpu().numpy() for name, part in arrays.items()}
        return Checkpoint(numbers, {"history": [asdict(epoch) for epoch in self.history]})

    def _restore(self, kept: Checkpoint) -> None:
        tensors = {name: torch.from_numpy(part.copy()) for name, part in kept.arrays.items()}
        self.net.load_state_dict({name: tensors[f"net.{name}"] for name in self.net.state_dict()})
        self.best = {name: tensors[f"best.{name}"] for name in self.best}
        for name, parameter in self.net.named_parameters():
            kinds = ("step", "exp_avg", "exp_avg_sq")
            state = {kind: tensors[f"{kind}.{name}"] for kind in kinds}
            self.optimiser.state[parameter] = {
                kind: part if kind == "step" else part.to(parameter.device) for kind, part in state.items()
            }
        self.history = [Epoch(**epoch) for epoch in kept.facts["history"]]


def _class_weights(y: Floats, weight: Floats, settings: FitSettings) -> tuple[tuple[float, float], float]:
    """Return the weights of class 0 and 1, and the shift of the logit that takes them back out.

    A model of odds q / (1 - q) times w1 / w0 has learned the weighted classes; its logit less ln(w1 / w0) is of q.
    """
    if settings.class_weight == "none":
        return (1.0, 1.0), 0.0
    ones, everything = float(weight @ y), float(weight.sum())
    if not 0 < ones < everything:
        return (1.0, 1.0), 0.0
    zeros = everything - ones
    balance = (everything / (2 * zeros), everything / (2 * ones))
    return balance, float(np.log(balance[0] / balance[1]))


def _copied(state: Mapping[str, Any]) -> dict[str, Tensor]:
    return {name: part.detach().clone() for name, part in state.items()}
