"""What results depend on and two machines may differ in: code, compiled engine, libraries, and the last digits.

numpy and the linear algebra below it choose their instructions by the processor, and another choice may round another
way. So a sample of the arithmetic belongs to what must be equal.
"""

import hashlib
import platform
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy
from scipy import special

import core
import market
import strategies

_ROOMS = (core, market, strategies)


class Installed(NamedTuple):
    """Equal on two machines: the same work gives the same results on both, to the last bit."""

    code_sha256: str
    """Of our own files and the compiled engine."""
    libraries: str
    arithmetic_sha256: str


@cache
def read_installed() -> Installed:
    """Return what this process runs, as it was when first asked."""
    libraries = f"Python {platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}"
    return Installed(_code_sha256(), libraries, _arithmetic_sha256())


def difference(ours: Installed, theirs: Installed) -> tuple[str, str]:
    """Return what another machine does that this one does not, and what helps; empty texts where nothing differs."""
    if theirs.code_sha256 != ours.code_sha256:
        return "runs other code", "Install the same xCrack, engine included, on every node, and start its Ray again"
    if theirs.libraries != ours.libraries:
        return f"has {theirs.libraries}, here it is {ours.libraries}", "Install the same versions on every node"
    if theirs.arithmetic_sha256 != ours.arithmetic_sha256:
        return "rounds another way, as other processors do", "Take nodes with processors of one kind"
    return "", ""


def _code_sha256() -> str:
    digest = hashlib.sha256()
    for room in _ROOMS:
        root = Path(room.__path__[0])
        for path in sorted(root.rglob("*.py")):
            digest.update(f"{room.__name__}/{path.relative_to(root)}\n".encode() + path.read_bytes())
    # Looked up and not imported: the engine's module has one importer, and its bytes say which build it is.
    engine = find_spec("trading_engine")
    for folder in (engine.submodule_search_locations if engine else None) or ():
        for path in sorted(Path(folder).glob("*.so")):
            digest.update(f"{path.name}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def _arithmetic_sha256() -> str:
    rng = np.random.default_rng(1)
    a, b = rng.standard_t(5, (67, 67)), rng.normal(size=(67, 67))
    positive = np.abs(a)
    sample = [
        *(a, b, np.exp(b), np.log(positive), np.sqrt(positive), np.sin(a), np.tanh(a), positive**1.5),
        *(a.sum(axis=0), a.mean(axis=1), b.std(axis=1), a.cumsum(axis=1), a / b, a @ b, np.linalg.norm(a, axis=1)),
        *(special.stdtr(30.0, a), special.ndtr(b), special.ndtri(rng.random(67))),
    ]
    return hashlib.sha256(b"".join(np.ascontiguousarray(each).tobytes() for each in sample)).hexdigest()
