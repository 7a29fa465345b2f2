"""Where a search may look: the grid points that admission would let through from the running version. Never clamped.

A point is a grid index for each searched parameter. Caps are left out: a search is judged at equal volatility and
cannot see what a larger one costs.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.errors import BadInput
from core.model.proposal import Edit, ParamVersion
from core.native import validate_params
from strategies.programs import canonical_program, identify_program
from strategies.schema import ParamSpec, load_param_specs

Params = Mapping[str, float]
ROUNDING = 1e-9
"""Relative; a largest move of 0.25 x 1.2 must reach 1.5 in binary too."""


@dataclass(frozen=True, slots=True)
class Space:
    """The admissible moves from one running version."""

    running: ParamVersion
    ranges: Mapping[str, range]
    """By searched parameter: its grid indices; the running value's own is among them."""
    largest_moves: Mapping[str, float]
    """By any parameter of the strategy: how far one change may go, in its unit."""

    @property
    def names(self) -> tuple[str, ...]:
        """The searched parameters, in alphabetical order."""
        return tuple(self.ranges)

    @property
    def n_points(self) -> int:
        """How many grid points there are, the running one among them, contradictions counted too."""
        return math.prod(len(indices) for indices in self.ranges.values())

    @property
    def origin(self) -> dict[str, int]:
        """The running version's own point."""
        return {name: self._specs[name].grid_index(self.running.params[name]) for name in self.ranges}

    def params_at(self, point: Mapping[str, int]) -> dict[str, float]:
        """Return the full parameters of a point; a parameter that the point leaves out keeps its running value."""
        return {**self.running.params, **{name: self._specs[name].at_index(k) for name, k in point.items()}}

    def point_of(self, params: Params) -> dict[str, int] | None:
        """Return the point of `params`, or None where it lies outside the searched ranges."""
        point = {name: self._specs[name].grid_index(params[name]) for name in self.ranges}
        return point if self.params_at(point) == dict(params) and self._holds(point) else None

    def edits_to(self, params: Params) -> tuple[Edit, ...]:
        """Return what differs from the running version, by name."""
        return tuple(Edit(name, params[name]) for name in sorted(params) if params[name] != self.running.params[name])

    def identify(self, params: Params, rules: str | None = None) -> str:
        """Return the sha256 of `params`, with that of the running rule set or of another one.

        Raises BadInput for parameters that contradict each other, and for what is no rule set.
        """
        return validate_params(self.running.strategy, params, self.running.rules if rules is None else rules)

    def refusal(self, params: Params, rules: str | None = None) -> str:
        """Return why admission would refuse a move to `params`, and to another rule set where one is given, or empty.

        It may move caps too.
        """
        if set(params) != set(self.running.params):
            return f"the parameters of {self.running.strategy} are {', '.join(self.running.params)}"
        edits = self.edits_to(params)
        if rules is not None and (reason := self._program_refusal(rules)):
            return reason
        if not edits and rules is None:
            return "nothing changes"
        for edit in edits:
            reason = self._edit_refusal(edit)
            if reason:
                return reason
        try:
            self.identify(params, rules)
        except BadInput as error:
            return error.message
        return ""

    @property
    def _specs(self) -> Mapping[str, ParamSpec]:
        return load_param_specs(self.running.strategy)

    def _holds(self, point: Mapping[str, int]) -> bool:
        return all(k in self.ranges[name] for name, k in point.items())

    def _program_refusal(self, rules: str) -> str:
        if self.running.rules is None:
            return f"{self.running.strategy} follows no rule set"
        try:
            is_canonical = canonical_program(rules) == rules
        except BadInput as error:
            return error.message
        if not is_canonical:
            return "it is not the one JSON text of its rule set"
        return "nothing changes" if identify_program(rules) == identify_program(self.running.rules) else ""

    def _edit_refusal(self, edit: Edit) -> str:
        spec, allowed = self._specs[edit.param], self.largest_moves[edit.param]
        if not (math.isfinite(edit.value) and spec.minimum <= edit.value <= spec.maximum):
            return f"{edit.param} = {edit.value:g}, allowed {spec.minimum:g} to {spec.maximum:g} {spec.unit}"
        if not spec.is_on_grid(edit.value):
            return f"{edit.param} = {edit.value:g} is not on the grid {spec.minimum:g} + k x {spec.step:g}"
        if abs(edit.value - self.running.params[edit.param]) > allowed * (1 + ROUNDING):
            return f"{edit.param} moves to {edit.value:g}; at most {allowed:g} {spec.unit} at once"
        return ""


def build_space(running: ParamVersion, max_step_share: float, names: Sequence[str] | None = None) -> Space:
    """Return the space around `running`; `names` chooses parameters, else all that are no caps.

    Raises BadInput for a running value outside its bounds or off its grid, an unknown name, or nothing to search.
    """
    specs = load_param_specs(running.strategy)
    for name, spec in specs.items():
        value = running.params.get(name, math.nan)
        if not (math.isfinite(value) and spec.minimum <= value <= spec.maximum and spec.is_on_grid(value)):
            raise BadInput(f"{running.instance_id} runs {name} = {value:g}, which is not on the schema's grid")
    unknown = sorted(set(names or ()) - set(specs))
    if unknown:
        raise BadInput(f"{running.strategy} has no parameter {', '.join(unknown)}", f"Name some of {', '.join(specs)}")
    moves = {name: spec.largest_move(running.params[name], max_step_share) for name, spec in specs.items()}
    chosen = [name for name, spec in specs.items() if (spec.risk == "none" if names is None else name in names)]
    ranges = {name: _indices(specs[name], running.params[name], moves[name]) for name in chosen}
    ranges = {name: indices for name, indices in ranges.items() if len(indices) > 1}
    if not ranges:
        raise BadInput(f"{running.instance_id} has no parameter that can move", "Allow a larger step or more names")
    return Space(running, ranges, moves)


def _indices(spec: ParamSpec, current: float, largest_move: float) -> range:
    here = spec.grid_index(current)
    steps = math.floor(largest_move / spec.step * (1 + ROUNDING))
    last = math.floor((spec.maximum - spec.minimum) / spec.step * (1 + ROUNDING))
    return range(max(0, here - steps), min(last, here + steps) + 1)
