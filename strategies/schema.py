"""What a strategy's parameters may be, read from the schemas that Rust exports: the one place where bounds stand."""

import json
import math
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from core.errors import UnknownName

SCHEMAS = Path(__file__).parent / "schemas"


@dataclass(frozen=True, slots=True)
class ParamSpec:
    """One parameter: a number on the grid `minimum + k * step`, at most `maximum`, all in `unit`."""

    name: str
    minimum: float
    maximum: float
    step: float
    unit: str
    risk: Literal["cap", "none"]
    """`cap` where lower is never more exposed."""
    description: str
    default: float

    def grid_index(self, value: float) -> int:
        """Return the k of the grid point nearest to `value`."""
        return round((value - self.minimum) / self.step)

    def at_index(self, k: int) -> float:
        """Return the value of grid point `k` as decimal arithmetic gives it: 0.8, not 0.7999999999999999."""
        return float(Decimal(str(self.minimum)) + k * Decimal(str(self.step)))

    def is_on_grid(self, value: float) -> bool:
        """Return whether `value` is a grid point, to a millionth of a step."""
        # Far outside the bounds there is no index: the quotient is infinite.
        return math.isfinite((value - self.minimum) / self.step) and (
            abs(value - self.at_index(self.grid_index(value))) <= self.step * 1e-6
        )

    def largest_move(self, current: float, max_step_share: float) -> float:
        """Return how far one change may go from `current`: a share of it, but always one grid step."""
        return max(max_step_share * abs(current), self.step)


@cache
def _load_schema(strategy: str) -> dict[str, Any]:
    known = strategy_names()
    if strategy not in known:
        raise UnknownName(f"there is no strategy '{strategy}'", f"Use one of {', '.join(known)}")
    schema: dict[str, Any] = json.loads((SCHEMAS / f"{strategy}.json").read_text(encoding="utf-8"))
    return schema


@cache
def load_param_specs(strategy: str) -> MappingProxyType[str, ParamSpec]:
    """Return the parameters of `strategy` by name; an unknown strategy raises UnknownName."""
    properties = _load_schema(strategy)["properties"]
    return MappingProxyType(
        {
            name: ParamSpec(
                name=name,
                minimum=float(entry["minimum"]),
                maximum=float(entry["maximum"]),
                step=float(entry["x-step"]),
                unit=entry["x-unit"],
                risk=entry["x-risk"],
                description=entry["description"],
                default=float(entry["default"]),
            )
            for name, entry in sorted(properties.items())
        }
    )


def decides_on(strategy: str) -> str:
    """Return what a strategy cannot do without: bars, quotes, predictions or loans. Raises UnknownName."""
    return str(_load_schema(strategy)["x-decides-on"])


def is_judged_on_bars(strategy: str) -> bool:
    """Return whether a backtest over bars says anything about a strategy; an unknown one raises UnknownName."""
    return decides_on(strategy) == "bars"


def summary_of(strategy: str) -> str:
    """Return in one sentence what a strategy does; an unknown one raises UnknownName."""
    return " ".join(_load_schema(strategy)["description"].split()).partition(". ")[0].rstrip(".")


def strategy_names() -> tuple[str, ...]:
    """Return the strategies that have a schema, in alphabetical order."""
    return tuple(sorted(path.stem for path in SCHEMAS.glob("*.json")))


def default_params(strategy: str) -> dict[str, float]:
    """Return the schema's defaults; an unknown strategy raises UnknownName."""
    return {name: spec.default for name, spec in load_param_specs(strategy).items()}
