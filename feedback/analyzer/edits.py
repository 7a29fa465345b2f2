"""The door for proposed numbers: known, inside the bounds, on the grid, within one step. Refused, never clamped."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from core.errors import BadInput
from core.model.dataset import RefutedEdit
from core.model.proposal import Edit, ParamVersion
from strategies.schema import ParamSpec, load_param_specs

Validator = Callable[[str, Mapping[str, float]], str]
"""`(strategy, parameters) -> sha256`; raises BadInput when the engine would refuse them."""


@dataclass(frozen=True, slots=True)
class EditRules:
    """How far one change may go (`max_step_share` of the value, or one grid step), and who checks whole sets."""

    max_step_share: float
    validate: Validator

    def refusal(self, running: ParamVersion, param: str, value: float) -> str:
        """Return why this number is refused, or an empty text. The words carry bounds, never the proposer's text."""
        spec = load_param_specs(running.strategy).get(param)
        if spec is None:
            return f"unknown_param: one of {', '.join(load_param_specs(running.strategy))}"
        current = running.params[param]
        if not math.isfinite(value) or not spec.minimum - 1e-9 <= value <= spec.maximum + 1e-9:
            return f"out_of_bounds: {spec.minimum:g} to {spec.maximum:g} {spec.unit}"
        if not spec.is_on_grid(value):
            return f"off_grid: {spec.minimum:g} + k x {spec.step:g}"
        if spec.grid_index(value) == spec.grid_index(current):
            return "unchanged: leave it out instead"
        if abs(value - current) > self.largest_move(spec, current) + spec.step * 1e-6:
            return f"step_too_large: at most {self.largest_move(spec, current):g} from {current:g}"
        return ""

    def contradiction(self, running: ParamVersion, edits: Sequence[Edit]) -> str:
        """Return why the engine would refuse the whole candidate, or an empty text."""
        candidate = {**running.params, **{edit.param: edit.value for edit in edits}}
        try:
            self.validate(running.strategy, candidate)
        except BadInput as error:
            return f"contradiction: {error.message}"
        return ""

    def largest_move(self, spec: ParamSpec, current: float) -> float:
        """Return how far one change may go from `current`, in the parameter's unit."""
        return spec.largest_move(current, self.max_step_share)


def is_refuted(refuted: Iterable[RefutedEdit], running: ParamVersion, param: str, value: float) -> bool:
    """Return whether a move of this parameter from this value in this direction has failed on evidence.

    A refusal at admission (cool-down, a queue already taken) is no evidence against the edit.
    """
    spec = load_param_specs(running.strategy)[param]
    current = running.params[param]
    return any(
        edit.strategy == running.strategy
        and edit.param == param
        and edit.stage != "admission"
        and abs(edit.from_value - current) < spec.step / 2
        and (edit.to_value > edit.from_value) == (value > current)
        for edit in refuted
    )


def grid_value(running: ParamVersion, param: str, value: float) -> float:
    """Return the grid point that an accepted `value` names, free of binary dust."""
    spec = load_param_specs(running.strategy)[param]
    return spec.at_index(spec.grid_index(value))
