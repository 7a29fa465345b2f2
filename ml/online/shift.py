"""How far the features of now lie from those that a model was trained on: the population stability index.

With shares p of the training rows and q of the recent ones in the same ten bins, PSI = sum (q - p) ln(q / p), in nats
(the symmetrised Kullback-Leibler divergence). Half a row is added to every bin, so that an empty one has a logarithm.
Unknown values are a bin of their own. Bands by custom: below 0.1 little, above 0.25 much; sampling alone gives a mean
of about (bins - 1)(1/n + 1/m), which `expected_by_chance` tells.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from core.errors import BadInput
from market.candles import Floats, Integers

N_BINS = 10
MUCH = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class FeatureReference:
    """How the training rows of k features lay."""

    names: tuple[str, ...]
    edges: Floats
    """(k, 9) deciles of the known values; equal edges leave the bins between them empty."""
    counts: Integers
    """(k, 11) training rows in each bin, the last for unknown values."""

    @classmethod
    def fit(cls, names: tuple[str, ...], x: Floats) -> "FeatureReference":
        """Return the reference of (n, k) training rows. Raises BadInput for none, or for other columns than named."""
        if x.ndim != 2 or len(x) == 0 or x.shape[1] != len(names):
            raise BadInput(f"a reference of {len(names)} features needs rows with as many columns, not {x.shape}")
        levels = np.arange(1, N_BINS) / N_BINS
        edges = np.zeros((len(names), N_BINS - 1))
        for column in range(len(names)):
            known = x[np.isfinite(x[:, column]), column]
            if len(known):
                edges[column] = np.quantile(known, levels)
        return cls(names, edges, _count(edges, x))

    def index(self, x: Floats) -> Floats:
        """Return (k,) the index of (m, k) recent rows. Raises BadInput for none, or for other columns."""
        if x.ndim != 2 or len(x) == 0 or x.shape[1] != len(self.names):
            raise BadInput(f"recent rows must have {len(self.names)} columns, not {x.shape}")
        return index_of(self.counts, self.count(x))

    def count(self, x: Floats) -> Integers:
        """Return (k, 11) how many of the (m, k) rows lie in each bin."""
        return _count(self.edges, x)

    def no_counts(self) -> Integers:
        """Return the counts of no row."""
        return np.zeros_like(self.counts)

    def add_row(self, counts: Integers, row: Floats) -> None:
        """Add one row (k,) to counts, in the bins that `count` gives it."""
        bins = (self.edges <= row[:, None]).sum(axis=1)
        counts[np.arange(len(row)), np.where(np.isfinite(row), bins, N_BINS)] += 1

    def expected_by_chance(self, n_recent: int) -> float:
        """Return the mean index of `n_recent` independent rows from the training rows' own distribution."""
        return N_BINS * (1 / int(self.counts[0].sum()) + 1 / n_recent)

    def to_plain(self) -> dict[str, Any]:
        """Return what JSON holds of it."""
        return {"names": list(self.names), "edges": self.edges.tolist(), "counts": self.counts.tolist()}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "FeatureReference":
        """Return the reference; BadInput for what `to_plain` does not write."""
        try:
            names = tuple(str(name) for name in plain["names"])
            edges = np.array(plain["edges"], dtype=np.float64)
            counts = np.array(plain["counts"], dtype=np.int64)
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(f"this is no reference of features: {error}") from None
        is_shaped = edges.shape == (len(names), N_BINS - 1) and counts.shape == (len(names), N_BINS + 1)
        if not names or not is_shaped or not np.isfinite(edges).all() or counts.min() < 0 or counts[0].sum() == 0:
            raise BadInput("this is no reference of features: its shape or its numbers are none")
        return cls(names, edges, counts)


def index_of(reference: Integers, recent: Integers) -> Floats:
    """Return (k,) the index of rows with these (k, 11) counts beside those of a reference."""
    p, q = _shares(reference), _shares(recent)
    return np.asarray(((q - p) * np.log(q / p)).sum(axis=1), dtype=np.float64)


def _count(edges: Floats, x: Floats) -> Integers:
    counts = np.zeros((len(edges), N_BINS + 1), dtype=np.int64)
    for column in range(len(edges)):
        is_known = np.isfinite(x[:, column])
        bins = np.searchsorted(edges[column], x[is_known, column], side="right")
        counts[column, :N_BINS] = np.bincount(bins, minlength=N_BINS)
        counts[column, N_BINS] = int((~is_known).sum())
    return counts


def _shares(counts: Integers) -> Floats:
    smoothed = counts + 0.5
    return np.asarray(smoothed / smoothed.sum(axis=1, keepdims=True), dtype=np.float64)
