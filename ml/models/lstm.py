"""LSTM with attention over its own hidden states (plain torch): what happened, in order, and which of it matters now.

    x (B, T, K) -> project (B, T, E) -> LSTM (B, T, H) -> attention of the last state over all T -> p (B,)

Attention scores are a scaled dot product of the last hidden state with each one, plus a learned bias by age in rows.
One row at a time, the carried state holds the LSTM's own and the last `lookback` hidden states. From the first row of
a segment on that is exactly the window; past `lookback` rows the carried form remembers more than a window shows.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from market.candles import Floats, Integers
from ml.models.protocol import Fitted
from ml.train.fitting import FitSettings, fit_or_prior


class AttentionOverTime(nn.Module):
    """Looks back over hidden states from the newest one."""

    def __init__(self, width: int, lookback: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width, bias=False)
        self.by_age = nn.Parameter(torch.zeros(lookback))
        self.head = nn.Linear(2 * width, 1)

    def forward(self, hidden: Tensor, is_real: Tensor | None = None) -> Tensor:
        """Return logits (B,) of hidden (B, T, H), the newest last; rows that are not real (B, T) are not looked at."""
        last = hidden[:, -1]
        scores = (hidden @ self.query(last).unsqueeze(2)).squeeze(2) / hidden.shape[2] ** 0.5
        # by_age holds the oldest first, so that a shorter window takes its end.
        scores = scores + self.by_age[self.by_age.shape[0] - hidden.shape[1] :]
        if is_real is not None:
            scores = torch.where(is_real, scores, -1e9)
        context = (torch.softmax(scores, dim=1).unsqueeze(1) @ hidden).squeeze(1)
        return self.head(torch.cat([context, last], dim=1)).squeeze(1)


class RecurrentNet(nn.Module):
    """An LSTM or GRU between a projection of the features and attention."""

    def __init__(self, cell: str, n_features: int, lookback: int, width: int, n_layers: int, dropout: float) -> None:
        super().__init__()
        self.lookback, self.width, self.n_layers, self.cell = lookback, width, n_layers, cell
        self.project = nn.Sequential(nn.Linear(n_features, width), nn.Dropout(dropout))
        kind = nn.LSTM if cell == "lstm" else nn.GRU
        self.recurrent = kind(width, width, n_layers, batch_first=True, dropout=dropout if n_layers > 1 else 0.0)
        self.attention = AttentionOverTime(width, lookback)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B,) of windows x (B, T, K), T at most the lookback."""
        hidden, _ = self.recurrent(self.project(x))
        return self.attention(hidden)

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return name and shape, without the batch axis, of what the step form carries."""
        own = {"hidden": (self.n_layers, self.width)}
        if self.cell == "lstm":
            own["cell"] = (self.n_layers, self.width)
        return {**own, "memory": (self.lookback, self.width), "seen": (1,)}

    def step(self, x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Return logits (B,) of rows x (B, K) and the next state, in the order of `state_shapes`."""
        *own, memory, seen = state
        before = tuple(part.transpose(0, 1).contiguous() for part in own)
        row = self.project(x).unsqueeze(1)
        if self.cell == "lstm":
            newest, after = self.recurrent(row, before)
        else:
            newest, last = self.recurrent(row, before[0])
            after = (last,)
        memory = torch.cat([memory[:, 1:], newest], dim=1)
        seen = torch.clamp(seen + 1, max=float(self.lookback))
        is_real = torch.arange(self.lookback, device=x.device) >= self.lookback - seen
        return self.attention(memory, is_real), *(part.transpose(0, 1) for part in after), memory, seen


@dataclass(frozen=True, slots=True)
class Lstm:
    """The recipe. About 90 thousand parameters for 250 features."""

    width: int = 64
    n_layers: int = 2
    dropout: float = 0.1
    lookback: int = 48
    fitting: FitSettings = FitSettings()
    name: str = "lstm"

    def build(self, n_features: int) -> RecurrentNet:
        """Return the net with fresh weights."""
        return RecurrentNet("lstm", n_features, self.lookback, self.width, self.n_layers, self.dropout)

    def fit(self, x: Floats, segment: Integers, rows: Integers, y: Floats, weight: Floats, seed: int) -> Fitted:
        """Return the fit; with one class only, the prior."""
        return fit_or_prior(self, x, segment, rows, y, weight, seed)
