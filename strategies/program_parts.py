"""The parts of a rule set: its constants, and the rule sets beside it. Pure.

A rule set is data, so its numbers can be moved like parameters: so one is asked whether it stands on a plateau.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.errors import BadInput
from strategies.programs import canonical_program, identify_program

Path = tuple[str | int, ...]
WINDOWS = frozenset({"window", "fast", "slow", "signal", "bars"})
"""Fields that count bars; the other numbers are constants and widths."""
STEP = 0.1
"""Share by which a constant moves at once; a window by one bar at least."""
MOST_NEIGHBOURS = 12
DIGITS = 4
"""Significant digits of a moved constant: more would only hide what was moved."""


@dataclass(frozen=True, slots=True)
class Constant:
    """One number of a rule set, and where it stands."""

    path: Path
    value: float

    @property
    def is_window(self) -> bool:
        """Whether it counts bars."""
        return self.path[-1] in WINDOWS

    @property
    def place(self) -> str:
        """Return the place in words, as the engine tells it: `entry_long.above[1].sma.window`."""
        return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path).lstrip(".")

    def moved(self, share: float) -> float:
        """Return the value moved by a share of it, upwards where that is above zero; a window by whole bars."""
        if self.is_window:
            return self.value + int(np.sign(share)) * max(1, round(abs(share) * self.value))
        return float(f"{self.value * (1 + share):.{DIGITS}g}")


def constants_of(program: str) -> tuple[Constant, ...]:
    """Return the numbers of a rule set in the order of its text."""
    return tuple(Constant(path, value) for path, value in _numbers((), json.loads(program)))


def with_constant(program: str, path: Path, value: float) -> str:
    """Return the rule set with another number at a place. Raises BadInput where that makes none."""
    return with_constants(program, {path: value})


def with_constants(program: str, values: Mapping[Path, float]) -> str:
    """Return the rule set with other numbers at several places at once. Raises BadInput where that makes none."""
    whole = json.loads(program)
    for path, value in values.items():
        _put(whole, path, int(value) if path[-1] in WINDOWS else value)
    return canonical_program(json.dumps(whole))


def expressions_of(program: str) -> tuple[tuple[Path, Any], ...]:
    """Return every expression of a rule set with its place, an outer one before those inside it."""
    whole = json.loads(program)
    return tuple(each for name, part in whole.items() if name != "name" for each in _expressions((name,), part))


def with_expression(program: str, path: Path, expression: Any) -> str:
    """Return the rule set with another expression at a place. Raises BadInput where that makes none."""
    whole = json.loads(program)
    _put(whole, path, expression)
    return canonical_program(json.dumps(whole))


def with_name(program: str, name: str) -> str:
    """Return the rule set under another name. Raises BadInput for what is no name."""
    return canonical_program(json.dumps(json.loads(program) | {"name": name}))


def neighbours_of_program(program: str, without: str | None) -> list[tuple[str, str]]:
    """Return place and rule set of constants moved by one step down and up, a bounded number of them.

    Which constants are asked where there are more is drawn by the rule set itself. Left out are what is no rule set,
    as a fast window above the slow one, and `without`, the incumbent's, whose gain over itself says nothing.
    """
    constants = constants_of(program)
    dice = np.random.default_rng(int(identify_program(program)[:8], 16))
    chosen = sorted(dice.permutation(len(constants))[: MOST_NEIGHBOURS // 2].tolist())
    own = {identify_program(each) for each in (program, without) if each is not None}
    found: list[tuple[str, str]] = []
    for constant in (constants[k] for k in chosen):
        for share in (-STEP, STEP):
            try:
                moved = with_constant(program, constant.path, constant.moved(share))
            except BadInput:
                continue
            if identify_program(moved) not in own:
                found.append((constant.place, moved))
    return found


def _put(whole: Any, path: Path, value: Any) -> None:
    *parents, last = path
    for key in parents:
        whole = whole[key]
    whole[last] = value


def _expressions(path: Path, part: Any) -> Iterator[tuple[Path, Any]]:
    yield path, part
    for name, inside in part.items() if isinstance(part, dict) else ():
        if name == "not":
            yield from _expressions((*path, name), inside)
        elif isinstance(inside, list):
            for k, operand in enumerate(inside):
                yield from _expressions((*path, name, k), operand)


def _numbers(path: Path, part: Any) -> Iterator[tuple[Path, float]]:
    if isinstance(part, dict):
        for name, inner in part.items():
            yield from _numbers((*path, name), inner)
    elif isinstance(part, list):
        for k, inner in enumerate(part):
            yield from _numbers((*path, k), inner)
    elif isinstance(part, int | float):
        yield path, float(part)
