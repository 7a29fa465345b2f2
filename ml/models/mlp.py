"""Multilayer perceptron on one row (plain torch): what the features say now, without their past."""

from dataclasses import dataclass

from torch import Tensor, nn

from market.candles import Floats, Integers
from ml.models.protocol import Fitted
from ml.train.fitting import FitSettings, fit_or_prior


class MlpNet(nn.Module):
    """Two hidden layers."""

    def __init__(self, n_features: int, width: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_features, width), nn.GELU(), nn.Dropout(dropout),
            nn.Linear(width, width // 2), nn.GELU(), nn.Dropout(dropout),
            nn.Linear(width // 2, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B,) of windows x (B, T, K), of which it reads the last row; or of rows x (B, K)."""
        return self.layers(x[:, -1] if x.dim() == 3 else x).squeeze(1)


@dataclass(frozen=True, slots=True)
class Mlp:
    """The recipe. About 40 thousand parameters for 250 features."""

    width: int = 128
    dropout: float = 0.2
    fitting: FitSettings = FitSettings()
    name: str = "mlp"
    lookback: int = 1

    def build(self, n_features: int) -> MlpNet:
        """Return the net with fresh weights."""
        return MlpNet(n_features, self.width, self.dropout)

    def fit(self, x: Floats, segment: Integers, rows: Integers, y: Floats, weight: Floats, seed: int) -> Fitted:
        """Return the fit; with one class only, the prior."""
        return fit_or_prior(self, x, segment, rows, y, weight, seed)
