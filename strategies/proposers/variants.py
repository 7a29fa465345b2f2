"""Arm `variants`: the running rule set with one thing changed, in a seeded order. No model is asked.

One change is a window or constant moved, a comparison exchanged, a condition added to an entry, or one taken away. All
are drawn from the closed schema, and what the engine refuses is not proposed.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.errors import BadInput
from strategies.program_parts import constants_of, expressions_of, with_constant, with_expression, with_name
from strategies.programs import identify_program
from strategies.proposers.protocol import Idea, Study, Task, Trial, comparable
from strategies.proposers.space import Space

MOVES = (-0.5, -0.2, -0.1, 0.1, 0.2, 0.5)
"""Shares by which a window or constant moves."""
EXCHANGED = {
    "above": ("crosses_above", "below"),
    "at_least": ("crosses_above", "at_most"),
    "below": ("crosses_below", "above"),
    "at_most": ("crosses_below", "at_least"),
    "crosses_above": ("above", "crosses_below"),
    "crosses_below": ("below", "crosses_above"),
}
CONDITIONS: tuple[Any, ...] = (
    {"above": ["close", {"sma": {"window": 50}}]},
    {"below": ["close", {"sma": {"window": 50}}]},
    {"above": [{"ema": {"window": 20}}, {"ema": {"window": 100}}]},
    {"below": [{"ema": {"window": 20}}, {"ema": {"window": 100}}]},
    {"above": [{"rsi": {"window": 14}}, {"number": 50.0}]},
    {"below": [{"rsi": {"window": 14}}, {"number": 50.0}]},
    {"above": [{"volume_ratio": {"window": 20}}, {"number": 1.0}]},
    {"above": [{"atr": {"window": 14}}, {"atr": {"window": 100}}]},
    {"below": [{"atr": {"window": 14}}, {"atr": {"window": 100}}]},
    {"above": [{"return": {"bars": 24}}, {"number": 0.0}]},
    {"below": [{"return": {"bars": 24}}, {"number": 0.0}]},
)
ENTRIES = (("entry_long",), ("entry_short",))
MARK = re.compile(r"-v[0-9a-f]{6}$")
LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class VariantsProposer:
    """Learns nothing, and ends when every variant was asked for. Proposes nothing where no rule set runs."""

    @property
    def name(self) -> str:
        """See `Proposer`."""
        return "variants"

    def open(self, task: Task) -> Study:
        """See `Proposer`."""
        rules = task.space.running.rules
        study = _VariantsStudy(task.space, [] if rules is None else list(variants_of(rules, task.seed)))
        study.tell(comparable(task.known, task.space, task.regime))
        return study


@dataclass(slots=True)
class _VariantsStudy:
    space: Space
    programs: list[str]
    told: set[str] = field(default_factory=set)

    def ask(self, n: int) -> Sequence[Idea]:
        ideas: list[Idea] = []
        params = dict(self.space.running.params)
        while self.programs and len(ideas) < n:
            rules = self.programs.pop(0)
            if self.space.identify(params, rules) not in self.told:
                ideas.append(Idea(params, rules=rules))
        return ideas

    def tell(self, trials: Sequence[Trial]) -> None:
        self.told.update(trial.params_sha256 for trial in trials)


def variants_of(program: str, seed: int) -> tuple[str, ...]:
    """Return every rule set that differs from `program` by one change, each once, in an order drawn by `seed`.

    Its name is that of `program` with a mark of its own. The kinds of change take turns, so that a short search sees
    all of them.
    """
    dice = np.random.default_rng(seed)
    kinds = [list(each) for each in (_moved(program), _exchanged(program), _added(program), _dropped(program))]
    for kind in kinds:
        dice.shuffle(kind)
    longest = max(len(kind) for kind in kinds)
    in_turn = [kind[k] for k in range(longest) for kind in kinds if k < len(kind)]
    found: dict[str, str] = {}
    for variant in in_turn:
        found.setdefault(identify_program(variant), variant)
    found.pop(identify_program(program), None)
    return tuple(_marked(program, sha256, variant) for sha256, variant in found.items())


def _moved(program: str) -> Iterator[str]:
    for constant in constants_of(program):
        for share in MOVES:
            try:
                yield with_constant(program, constant.path, constant.moved(share))
            except BadInput:
                continue


def _exchanged(program: str) -> Iterator[str]:
    for path, part in expressions_of(program):
        name = next(iter(part)) if isinstance(part, dict) else part
        for other in EXCHANGED.get(name, ()):
            yield from _sound(program, path, {other: part[name]})


def _added(program: str) -> Iterator[str]:
    entries = dict(expressions_of(program))
    for path in ENTRIES:
        for condition in CONDITIONS if path in entries else ():
            yield from _sound(program, path, {"and": [entries[path], condition]})


def _dropped(program: str) -> Iterator[str]:
    for path, part in expressions_of(program):
        name = next(iter(part)) if isinstance(part, dict) else part
        if name in ("and", "or"):
            for operand in part[name]:
                yield from _sound(program, path, operand)
        elif name == "not":
            yield from _sound(program, path, part[name])


def _sound(program: str, path: tuple[str | int, ...], expression: Any) -> Iterator[str]:
    # Kinds, depth and nodes are the engine's to judge: what it refuses is no variant.
    try:
        yield with_expression(program, path, expression)
    except BadInput:
        return


def _marked(program: str, sha256: str, variant: str) -> str:
    name = MARK.sub("", str(_name_of(program)))
    mark = f"-v{sha256[:6]}"
    return with_name(variant, name[: LONGEST_NAME - len(mark)] + mark)


def _name_of(program: str) -> str:
    return program.split('"', 4)[3]
