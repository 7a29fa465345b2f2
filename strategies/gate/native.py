"""The gate's backtester in production: the same Rust strategies that trade."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import numpy as np

from core import native
from core.settings import CostSettings
from strategies.gate.ports import DailyFacts


class NativeBacktester:
    """Plays strategies in the compiled engine."""

    def validate(self, strategy: str, params: Mapping[str, float]) -> str:
        """Return the hash of sound parameters; others raise BadInput."""
        return native.validate_params(strategy, params)
