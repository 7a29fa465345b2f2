"""What a model's columns are made of, and whether who serves it has just that: no model reads a column half blind.

A column that was full of numbers in training and is empty, or made of other symbols, where the model is asked, is no
error that anything would show: the model goes on speaking, and is wrong. So it is settled before it speaks, from the
names of its columns alone. What belongs to an input follows from the registry, whose hash the card names.
"""

from collections.abc import Sequence
from typing import Final

from core.errors import Refused
from ml.bundle import ModelCard
from ml.features.build import LEADERS
from ml.features.registry import Registry

SERVED_FAMILIES: Final = frozenset({"time", "candle", "peers"})
"""What the worker really has at the close of a bar. Training uses columns of these alone."""
ALONE: Final = frozenset({"time", "candle"})
"""What there is where one symbol's bars are posted."""


def families_of(registry: Registry, names: Sequence[str]) -> tuple[str, ...]:
    """Return the families of inputs that the columns are made of, in the registry's order; of unknown columns none."""
    sources, wanted = {each.name: each.source for each in registry.inputs}, frozenset(names)
    used = {sources[name] for each in registry.features if each.name in wanted for name in each.inputs}
    return tuple(dict.fromkeys(each.source for each in registry.inputs if each.source in used))


def servable_columns(registry: Registry, families: frozenset[str] = SERVED_FAMILIES) -> tuple[str, ...]:
    """Return the columns that need nothing beside these families, in the registry's order."""
    sources = {each.name: each.source for each in registry.inputs}
    return tuple(each.name for each in registry.features if {sources[name] for name in each.inputs} <= families)


def require_inputs(
    registry: Registry, card: ModelCard, symbols: Sequence[str], families: frozenset[str] = SERVED_FAMILIES
) -> None:
    """Raise Refused, naming input and column, where serving `symbols` would give the model other inputs than it knew.

    Other symbols' prices count as the same only where they are those of the same symbols: of all of them for the mean
    of the market, of the leading coin for its own close. A column that the registry does not know is not judged here.
    """
    known = set(registry.names)
    sources = {each.name: each.source for each in registry.inputs}
    for column in card.features:
        for name in registry.feature(column).inputs if column in known else ():
            why = _lack(name, sources[name], card.symbols, symbols, families)
            if why:
                raise Refused(
                    f"the model reads {column}, and {why}", "Train on the symbols and inputs that are served here"
                )


def _lack(name: str, family: str, trained: Sequence[str], served: Sequence[str], families: frozenset[str]) -> str:
    """Return why this input would not be what it was in training, or nothing."""
    if family not in families:
        return f"its input '{name}' ({family}) is not known where it is to speak"
    if family != "peers":
        return ""
    leaders = LEADERS.get(name)
    before, now = (
        {each for each in symbols if leaders is None or each.startswith(leaders)} for symbols in (trained, served)
    )
    if before == now:
        return ""
    return (
        f"its input '{name}' was made of {', '.join(sorted(before)) or 'nothing'} in training and would be of "
        f"{', '.join(sorted(now)) or 'nothing'} here"
    )
