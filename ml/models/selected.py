"""An expert on the columns that tell most of the label by themselves, chosen from the rows that it learns from."""

from dataclasses import dataclass

import numpy as np
from sklearn.feature_selection import r_regression

from core.errors import BadInput
from market.candles import Floats, Integers
from ml.features.scaling import Scaler
from ml.models.protocol import Expert, Fitted


@dataclass(frozen=True, slots=True, eq=False)
class FittedSelected:
    """A fitted model, and the columns that it was given."""

    fitted: Fitted
    columns: Integers
    """Places in x, rising."""

    def predict(self, x: Floats, segment: Integers, rows: Integers) -> Floats:
        """Return what the model says of the chosen columns of each row."""
        return self.fitted.predict(x[np.ix_(rows, self.columns)], segment[rows], np.arange(len(rows)))


@dataclass(frozen=True, slots=True)
class Selected:
    """`expert`, which must read single rows, on the `n_columns` columns that `select_columns` chooses at each fit."""

    expert: Expert
    n_columns: int

    def __post_init__(self) -> None:
        if self.expert.lookback != 1:
            raise BadInput(
                f"{self.expert.name} reads {self.expert.lookback} rows at once, and columns are chosen by single rows",
                "Select columns for models that read single rows",
            )

    @property
    def name(self) -> str:
        """Of the expert."""
        return self.expert.name

    @property
    def lookback(self) -> int:
        """One row."""
        return self.expert.lookback

    def fit(self, x: Floats, segment: Integers, rows: Integers, y: Floats, weight: Floats, seed: int) -> FittedSelected:
        """Return the fit on the columns that `rows`, and no others, choose."""
        given = x[rows]
        columns = select_columns(given, y, weight, self.n_columns)
        places = np.arange(len(rows))
        return FittedSelected(self.expert.fit(given[:, columns], segment[rows], places, y, weight, seed), columns)


def select_columns(x: Floats, y: Floats, weight: Floats, n_columns: int) -> Integers:
    """Return the places (n_columns,), rising, of the columns of x (n, k) with the largest correlation with y (n,).

    It is Pearson's, weighted, without sign, of the scaled column, where a missing value stands at the mean; the first
    of equal columns is taken. A column that tells something only together with others, or only by its distance from
    the middle, is not seen. Raises BadInput for more columns than there are.
    """
    if not 1 <= n_columns <= x.shape[1]:
        raise BadInput(f"{n_columns} of {x.shape[1]} columns cannot be selected", f"Select 1 to {x.shape[1]}")
    scaled = Scaler.fit(x).transform(x)
    share = weight / weight.sum()
    # The library knows no weights: their roots on both sides make its plain sums the weighted ones.
    root = np.sqrt(share)
    apart = (scaled - share @ scaled) * root[:, None]
    found = np.abs(r_regression(apart, (y - share @ y) * root, center=False))
    return np.sort(np.argsort(-found, kind="stable")[:n_columns])
