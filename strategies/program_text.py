"""A rule set as people read it: one line an expression, and what differs between two. Pure."""

import json
from collections.abc import Mapping
from math import nan
from typing import Any

from core.errors import BadInput
from strategies.programs import canonical_program

BETWEEN = {
    "add": "+",
    "subtract": "-",
    "multiply": "*",
    "divide": "/",
    "above": ">",
    "at_least": ">=",
    "below": "<",
    "at_most": "<=",
    "crosses_above": "crosses above",
    "crosses_below": "crosses below",
    "and": "and",
    "or": "or",
}
MOST_TOLD = 200
"""Characters of the reason why a text is no rule set: its words may be those of the text."""


def tell_program(text: str | None) -> tuple[str, ...]:
    """Return the lines of a rule set, `entry_long: close > highest(20)`; none for none, the reason for what is none."""
    if text is None:
        return ()
    try:
        parts: dict[str, Any] = json.loads(canonical_program(text))
    except BadInput as error:
        return (f"no rule set: {error.message[:MOST_TOLD]}",)
    return tuple(f"{name}: {part if name == 'name' else _tell(part, is_inner=False)}" for name, part in parts.items())


def tell_program_change(before: str | None, after: str | None) -> tuple[str, ...]:
    """Return what goes, after `-`, and what comes, after `+`, by expression; nothing where both are the same."""
    old, new = tell_program(before), tell_program(after)
    names = dict.fromkeys(line.partition(":")[0] for line in (*old, *new))
    return tuple(
        f"{sign} {line}"
        for name in names
        for sign, lines, others in (("-", old, new), ("+", new, old))
        for line in lines
        if line.partition(":")[0] == name and line not in others
    )


def tell_edits(
    before: Mapping[str, float], after: Mapping[str, float], old: str | None = None, new: str | None = None
) -> str:
    """Return a whole change on one line: the numbers that differ, then what goes and comes of the rule set."""
    numbers = [
        f"{name} {before.get(name, nan):g} → {value:g}" for name, value in after.items() if before.get(name) != value
    ]
    rules = " ".join(tell_program_change(old, new))
    return ", ".join([*numbers, *([f"rules {rules}"] if rules else [])])


def _tell(part: Any, is_inner: bool = True) -> str:
    if isinstance(part, str):
        return part
    [(name, inside)] = part.items()
    if name == "number":
        return f"{inside:g}"
    if name == "not":
        return f"not {_tell(inside)}"
    if name in BETWEEN:
        told = f"{_tell(inside[0])} {BETWEEN[name]} {_tell(inside[1])}"
        return f"({told})" if is_inner else told
    return f"{name}({', '.join(f'{value:g}' for value in inside.values())})"
