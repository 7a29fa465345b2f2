"""The registry of the features: every column with its name, meaning and formula.

`registry.json` is exported from the Rust definitions by `scripts/schemas.py`; nothing is written here by hand. Two
builds with the same `schema_sha256` give every column the same meaning.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from core.errors import Corrupt, UnknownName
from core.native_features import load_feature_schema

PATH = Path(__file__).parent / "registry.json"

Kind = Literal["calendar", "windowed", "recursive", "cumulative", "context"]
Normaliser = Literal["ratio", "z", "rank", "bounded", "difference", "coefficient", "plain"]


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One number that a bar may bring."""

    name: str
    source: Literal["time", "candle", "peers", "funding", "world", "book"]
    about: str


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One column."""

    name: str
    group: str
    inputs: tuple[str, ...]
    warmup_bars: int
    """Bars of a run before the first value, counted from the first bar that has the inputs."""
    kind: Kind
    """How far back it looks; `context` also says that it is about the world or the funding, as known then."""
    normaliser: Normaliser
    """What makes it comparable between symbols and times."""
    unit: str
    formula: str


@dataclass(frozen=True, slots=True)
class Registry:
    """All columns, in the order of a whole vector."""

    schema_sha256: str
    inputs: tuple[InputSpec, ...]
    features: tuple[FeatureSpec, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(feature.name for feature in self.features)

    @property
    def extra_inputs(self) -> tuple[str, ...]:
        """Inputs beside the candle and its time, in the order in which a row of extras holds them."""
        return tuple(i.name for i in self.inputs if i.source not in ("time", "candle"))

    def feature(self, name: str) -> FeatureSpec:
        """Return the entry of a column. Raises UnknownName."""
        for feature in self.features:
            if feature.name == name:
                return feature
        raise UnknownName(f"there is no feature '{name}'", "`xcrack ml features` lists them")

    def group(self, name: str) -> tuple[FeatureSpec, ...]:
        """Return the columns of a group. Raises UnknownName."""
        found = tuple(feature for feature in self.features if feature.group == name)
        if not found:
            groups = ", ".join(dict.fromkeys(feature.group for feature in self.features))
            raise UnknownName(f"there is no group of features '{name}'", f"Use one of {groups}")
        return found


def load_registry() -> Registry:
    """Return the registry. Raises Corrupt when its file cannot be read or the engine means other columns by it."""
    return _load(PATH)


@cache
def _load(path: Path) -> Registry:
    try:
        registry = msgspec.json.decode(path.read_bytes(), type=Registry)
    except (OSError, msgspec.MsgspecError) as error:
        raise Corrupt(f"the registry of features {path} cannot be read: {error}", "Run `make schemas`") from error
    built = load_feature_schema()["schema_sha256"]
    if registry.schema_sha256 != built:
        raise Corrupt(
            f"the registry of features {path} is {registry.schema_sha256[:12]} and the engine's is {built[:12]}",
            "Run `make engine schemas`",
        )
    return registry
