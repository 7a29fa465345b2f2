"""The compiled engine over markets that did not happen: days of one that did, in other orders.

The third part of `core.native`, under the same rules.
"""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal

import numpy as np
import trading_engine

from core.errors import BadInput
from core.native import KST_OFFSET_NS, Bars, Costs, Floats, Ints, bar_columns, bar_request
from core.native_predictions import prediction_columns


def sweep_paths(
    strategy: str,
    candidates: Sequence[Mapping[str, float]],
    bars: Bars,
    paths: Ints,
    lead_days: int,
    costs: Costs,
    capital_usd: Decimal,
    rules: str | None = None,
) -> Floats:
    """Return daily results in USD after costs, of shape (paths, candidates, traded days), played on all cores.

    `paths` has a row for each path: KST days of `bars`, counted from 0 at the first. Day 0 only gives the prices before
    the others and is never asked for. Every symbol takes the same days; prices go on from where the path stands, and
    what models said moves with its day. The first `lead_days` of a path warm up indicators. Raises BadInput as
    `core.native.sweep`, and for a day that is none.
    """
    request = bar_request(strategy, {}, bars, costs, capital_usd, None, 0, KST_OFFSET_NS, rules)
    drawn = np.ascontiguousarray(paths, dtype=np.int64)
    texts = json.dumps([dict(params) for params in candidates], allow_nan=False)
    try:
        said = prediction_columns(bars.said)
        return trading_engine.sweep_paths(request, texts, bar_columns(bars), drawn, lead_days, said)
    except ValueError as error:
        raise BadInput(f"paths of {strategy}: {error}") from error
