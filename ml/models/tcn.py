"""Temporal convolutional network (plain torch; after Bai, Kolter and Koltun 2018): causal, dilated, residual.

    x (B, T, K) -> project (B, C, T) -> residual blocks of dilation 1, 2, 4, … -> last row -> p (B,)

With kernel 3, two convolutions a block and n blocks, the last row depends on 1 + 4 (2^n - 1) rows: the lookback.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from market.candles import Floats, Integers
from ml.models.protocol import Fitted
from ml.train.fitting import FitSettings, fit_or_prior

_KERNEL = 3


class Causal(nn.Module):
    """A convolution that sees its own row and earlier ones only."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.n_before = (_KERNEL - 1) * dilation
        self.convolution = nn.Conv1d(width, width, _KERNEL, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, T) of x (B, C, T)."""
        return self.convolution(pad(x, (self.n_before, 0)))


class Residual(nn.Module):
    """Two causal convolutions, added to what came in."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        layers = [(Causal(width, dilation), nn.ReLU(), nn.Dropout(dropout)) for _ in range(2)]
        self.layers = nn.Sequential(*(part for layer in layers for part in layer))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, T) of x (B, C, T)."""
        return torch.relu(x + self.layers(x))


class TcnNet(nn.Module):
    """Residual blocks between a projection of the features and a logit of the last row."""

    def __init__(self, n_features: int, width: int, n_blocks: int, dropout: float) -> None:
        super().__init__()
        self.project = nn.Sequential(nn.Linear(n_features, width), nn.Dropout(dropout))
        self.blocks = nn.Sequential(*(Residual(width, 2**n, dropout) for n in range(n_blocks)))
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B,) of windows x (B, T, K)."""
        rows = self.blocks(self.project(x).transpose(1, 2))
        return self.head(rows[:, :, -1]).squeeze(1)


@dataclass(frozen=True, slots=True)
class Tcn:
    """The recipe. About 70 thousand parameters for 250 features."""

    width: int = 48
    n_blocks: int = 4
    dropout: float = 0.1
    fitting: FitSettings = FitSettings()
    name: str = "tcn"

    @property
    def lookback(self) -> int:
        """Rows that the last one depends on."""
        return 1 + 2 * (_KERNEL - 1) * (2**self.n_blocks - 1)

    def build(self, n_features: int) -> TcnNet:
        """Return the net with fresh weights."""
        return TcnNet(n_features, self.width, self.n_blocks, self.dropout)

    def fit(self, x: Floats, segment: Integers, rows: Integers, y: Floats, weight: Floats, seed: int) -> Fitted:
        """Return the fit; with one class only, the prior."""
        return fit_or_prior(self, x, segment, rows, y, weight, seed)
