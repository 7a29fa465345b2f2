"""Causal Transformer with a fixed reach (plain torch): each row attends to itself and the `reach` - 1 before it.

    x (B, T, K) -> project (B, T, D) -> layers of banded causal attention and feed-forward -> last row -> p (B,)

Positions are learned biases by age in rows (after ALiBi and T5), never absolute. So what the last row says depends on
exactly `n_layers * (reach - 1) + 1` rows, which is the lookback, and a cache of the last `reach` - 1 keys and values
of each layer gives the same answer one row at a time, for any number of rows.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from market.candles import Floats, Integers
from ml.models.protocol import Fitted
from ml.train.fitting import FitSettings, fit_or_prior

_NEVER = -1e9


class Block(nn.Module):
    """Attention and feed-forward, each normed before and added."""

    def __init__(self, width: int, n_heads: int, reach: int, dropout: float) -> None:
        super().__init__()
        self.n_heads, self.reach = n_heads, reach
        self.before_attention, self.before_feed = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.out = nn.Linear(width, width), nn.Linear(width, width)
        self.key, self.value = nn.Linear(width, width, bias=False), nn.Linear(width, width)
        self.by_age = nn.Parameter(torch.zeros(n_heads, reach))
        self.feed = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T, D) of x (B, T, D)."""
        normed = self.before_attention(x)
        at = torch.arange(x.shape[1], device=x.device)
        age = at[:, None] - at[None, :]
        bias = self.by_age[:, age.clamp(0, self.reach - 1)]
        bias = torch.where((age >= 0) & (age < self.reach), bias, _NEVER)
        return self._after(x, self._attend(normed, self.key(normed), self.value(normed), bias))

    def step(self, x: Tensor, keys: Tensor, values: Tensor, seen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return (B, 1, D) of the row x (B, 1, D), and the caches (B, reach - 1, D) with it in place of the oldest.

        `seen` (B, 1) rows came before; older places of the caches are empty.
        """
        normed = self.before_attention(x)
        keys = torch.cat([keys, self.key(normed)], dim=1)
        values = torch.cat([values, self.value(normed)], dim=1)
        age = self.reach - 1 - torch.arange(self.reach, device=x.device)
        is_real = age[None, None, None, :] <= seen[:, :, None, None]
        bias = torch.where(is_real, self.by_age.flip(1)[None, :, None, :], _NEVER)
        return self._after(x, self._attend(normed, keys, values, bias)), keys[:, 1:], values[:, 1:]

    def _attend(self, x: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
        query, keys, values = (self._heads(part) for part in (self.query(x), keys, values))
        scores = query @ keys.transpose(2, 3) / query.shape[3] ** 0.5 + bias
        mixed = (torch.softmax(scores, dim=3) @ values).transpose(1, 2)
        return self.out(mixed.flatten(2))

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.n_heads, -1)).transpose(1, 2)

    def _after(self, x: Tensor, attended: Tensor) -> Tensor:
        x = x + self.dropout(attended)
        return x + self.dropout(self.feed(self.before_feed(x)))


class TransformerNet(nn.Module):
    """Blocks between a projection of the features and a logit of the last row."""

    def __init__(self, n_features: int, width: int, n_heads: int, n_layers: int, reach: int, dropout: float) -> None:
        super().__init__()
        self.width, self.reach = width, reach
        self.project = nn.Sequential(nn.Linear(n_features, width), nn.Dropout(dropout))
        self.blocks = nn.ModuleList(Block(width, n_heads, reach, dropout) for _ in range(n_layers))
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B,) of windows x (B, T, K)."""
        rows = self.project(x)
        for block in self.blocks:
            rows = block(rows)
        return self.head(rows[:, -1]).squeeze(1)

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return name and shape, without the batch axis, of what the step form carries."""
        cache = (self.reach - 1, self.width)
        caches = {f"{kind}_{n}": cache for n in range(len(self.blocks)) for kind in ("keys", "values")}
        return {**caches, "seen": (1,)}

    def step(self, x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Return logits (B,) of rows x (B, K) and the next state, in the order of `state_shapes`."""
        *caches, seen = state
        row = self.project(x).unsqueeze(1)
        after: list[Tensor] = []
        for n, block in enumerate(self.blocks):
            row, keys, values = block.step(row, caches[2 * n], caches[2 * n + 1], seen)
            after += [keys, values]
        return self.head(row[:, -1]).squeeze(1), *after, torch.clamp(seen + 1, max=float(self.reach))


@dataclass(frozen=True, slots=True)
class Transformer:
    """The recipe. About 85 thousand parameters for 250 features."""

    width: int = 64
    n_heads: int = 4
    n_layers: int = 2
    reach: int = 24
    dropout: float = 0.1
    fitting: FitSettings = FitSettings()
    name: str = "transformer"

    @property
    def lookback(self) -> int:
        """Rows that the last one depends on."""
        return self.n_layers * (self.reach - 1) + 1

    def build(self, n_features: int) -> TransformerNet:
        """Return the net with fresh weights."""
        return TransformerNet(n_features, self.width, self.n_heads, self.n_layers, self.reach, self.dropout)

    def fit(self, x: Floats, segment: Integers, rows: Integers, y: Floats, weight: Floats, seed: int) -> Fitted:
        """Return the fit; with one class only, the prior."""
        return fit_or_prior(self, x, segment, rows, y, weight, seed)
