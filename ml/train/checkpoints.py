"""How far the fit of one net is, on disk after every epoch: numbers only, in NumPy's format, which cannot hold code.

Read only by the trainer and only from the folder it writes. A checkpoint of another fit (other data, settings, code)
or a damaged one is no checkpoint: the fit begins anew.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.durable import replace_file

Arrays = Mapping[str, npt.NDArray[Any]]
_FACTS = "facts"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Arrays by name, and what is known beside them."""

    arrays: Arrays
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """The newest checkpoint of one fit, which `key` tells apart from every other."""

    path: Path
    key: str

    def load(self) -> Checkpoint | None:
        """Return what was saved under this key, or None."""
        try:
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                arrays = {name: kept[name] for name in kept.files}
            facts = json.loads(arrays.pop(_FACTS).tobytes())
            return Checkpoint(arrays, facts) if facts.pop("key") == self.key else None
        except (OSError, ValueError, KeyError, AttributeError, EOFError, zipfile.BadZipFile):
            return None

    def save(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint, whole or not at all. Raises OSError when the disk says no."""
        facts = json.dumps({**checkpoint.facts, "key": self.key}).encode()
        buffer = io.BytesIO()
        arrays: dict[str, Any] = {**checkpoint.arrays, _FACTS: np.frombuffer(facts, dtype=np.uint8)}
        np.savez(buffer, **arrays)
        replace_file(self.path, buffer.getvalue())
