"""The rule sets that instances of strategy `rules` follow, and whether an instance is given what it decides on.

A rule set is part of what a version is: its hash is in the version's. The settings give the first one of an instance;
from then on proposals change it, by the gate's way like any other change.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from core import native
from core.errors import BadInput
from core.model.canonical import sha256_of
from core.settings_sections import InstanceSettings
from strategies.schema import decides_on

RULES = "rules"
MAX_BYTES = 1 << 20
"""A valid rule set is far smaller: it has at most 128 nodes."""

MAX_TEXT_BYTES = 16_384
"""Longest text of a rule set that a proposal or a message may carry; the one JSON text is below half of it."""

KEPT_BARS = 1024
"""Closed bars of each symbol that the engine keeps for a rule set that comes while it runs."""

Programs = Mapping[str, str]
"""By instance of strategy `rules`: the one JSON text of its first rule set, which the settings name."""


def read_rules(path: Path) -> str:
    """Return the one JSON text of the rule set in a file. Raises BadInput naming file, place and reason."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        text = raw.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise BadInput(f"cannot read the rule set {path}: {reason}", "Name a JSON file") from None
    if len(raw) > MAX_BYTES:
        raise BadInput(f"the rule set {path} is larger than {MAX_BYTES:,} bytes", "Name a JSON file of a rule set")
    try:
        return native.canonical_rules(text)
    except BadInput as error:
        raise BadInput(f"{path}: {error.message}", "See strategies/schemas/config/rules_program.json") from None


def canonical_program(text: str) -> str:
    """Return the one JSON text of a rule set that nobody vouches for; raises BadInput. Its size is looked at first."""
    try:
        n_bytes = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        raise BadInput("the rule set is not UTF-8 text") from None
    if n_bytes > MAX_TEXT_BYTES:
        raise BadInput(f"the rule set has {n_bytes:,} bytes, and at most {MAX_TEXT_BYTES:,} are read")
    return native.canonical_rules(text)


def identify_program(text: str) -> str:
    """Return the hash of what a rule set does: two that differ in their name, or in the sign of a zero, are one."""
    parts = json.loads(text, parse_float=lambda number: float(number) + 0.0)
    return sha256_of({name: part for name, part in parts.items() if name != "name"})


def load_programs(instances: Iterable[InstanceSettings]) -> dict[str, str]:
    """Return the rule set of every instance that follows one.

    Raises UnknownName for a strategy that does not exist, BadInput for an instance that is not given what its strategy
    decides on: rules without a rule set, a rule set with anything else, quotes with a driver that brings none.
    """
    programs: dict[str, str] = {}
    for instance in instances:
        needs = decides_on(instance.strategy)
        name, strategy = instance.instance_id, instance.strategy
        if strategy == RULES and instance.rules is None:
            raise BadInput(
                f"instance {name} runs strategy rules without a rule set", "Name its file in instances.rules"
            )
        if strategy != RULES and instance.rules is not None:
            raise BadInput(f"instance {name} names a rule set, and {strategy} takes none", "Remove instances.rules")
        if needs == "quotes" and instance.driver not in ("quotes", "book"):
            raise BadInput(
                f"instance {name} runs {strategy}, which decides on quotes and books, with driver {instance.driver}",
                "Set its driver to quotes or book",
            )
        if instance.rules is not None:
            programs[name] = read_rules(instance.rules)
    return programs
