"""GRU with attention: the LSTM's smaller sibling. The net is described in `ml.models.lstm`."""

from dataclasses import dataclass

from market.candles import Floats, Integers
from ml.models.lstm import RecurrentNet
from ml.models.protocol import Fitted
from ml.train.fitting import FitSettings, fit_or_prior


@dataclass(frozen=True, slots=True)
class Gru:
    """The recipe. About 70 thousand parameters for 250 features."""

    width: int = 64
    n_layers: int = 2
    dropout: float = 0.1
    lookback: int = 48
    fitting: FitSettings = FitSettings()
    name: str = "gru"

    def build(self, n_features: int) -> RecurrentNet:
        """Return the net with fresh weights."""
        return RecurrentNet("gru", n_features, self.lookback, self.width, self.n_layers, self.dropout)

    def fit(self, x: Floats, segment: Integers, rows: Integers, y: Floats, weight: Floats, seed: int) -> Fitted:
        """Return the fit; with one class only, the prior."""
        return fit_or_prior(self, x, segment, rows, y, weight, seed)
