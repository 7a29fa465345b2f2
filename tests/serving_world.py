"""Tiny models that are really run, and bars to ask them about."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from market.candles import Floats
from ml.bundle import (
    SUFFIXES,
    Bundle,
    ExpertCard,
    Form,
    Input,
    ModelCard,
    Role,
    StateFacts,
    card_bytes,
    file_facts,
)
from ml.serve import BarRow
from tests.model_bundles import a_bundle
from tests.onnx_bytes import FLOAT, model, node, number, part, tensor

NAMES = tuple(f"f{n}" for n in range(4))
HOUR_MS = 3_600_000
FIRST_MS = 1_710_000_000_000 // HOUR_MS * HOUR_MS + 24 * HOUR_MS
"""After the last bar that the bundles were fitted on."""
LOOKBACK = 5


def onnx_of(
    nodes: Sequence[bytes], weights: Sequence[float], ins: Mapping[str, list[Any]], outs: Mapping[str, int]
) -> bytes:
    """An ONNX model whose inputs have these axes, text for any length, and whose outputs are (batch, width)."""
    body = b"".join(part(1, each) for each in nodes) + part(2, "g") + part(5, tensor("w", weights))
    body += b"".join(part(11, _value(name, axes)) for name, axes in ins.items())
    body += b"".join(part(12, _value(name, ["batch", width])) for name, width in outs.items())
    return model(body)


def _value(name: str, axes: list[Any]) -> bytes:
    shape = b"".join(part(1, part(2, axis) if isinstance(axis, str) else number(1, axis)) for axis in axes)
    return part(1, name) + part(2, part(1, number(1, FLOAT) + part(2, shape)))


def tabular(weights: Sequence[float]) -> bytes:
    """p = sigmoid(x w)."""
    nodes = [node("MatMul", ["x", "w"], ["z"]), node("Sigmoid", ["z"], ["p"])]
    return onnx_of(nodes, weights, {"x": ["batch", len(weights)]}, {"p": 1})


def mean_of_window(weights: Sequence[float]) -> bytes:
    """p = sigmoid(mean of the rows w)."""
    axes = part(5, part(1, "axes") + number(8, 1) + number(20, 7)) + part(
        5, part(1, "keepdims") + number(3, 0) + number(20, 2)
    )
    nodes = [
        node("ReduceMean", ["x"], ["m"], attributes=axes),
        node("MatMul", ["m", "w"], ["z"]),
        node("Sigmoid", ["z"], ["p"]),
    ]
    return onnx_of(nodes, weights, {"x": ["batch", "time", len(weights)]}, {"p": 1})


def mean_so_far(weights: Sequence[float]) -> bytes:
    """The same, one row at a time: the state is the sum of the rows and how many there were."""
    nodes = [
        node("Add", ["sum", "x"], ["sum_next"]),
        node("Sigmoid", ["seen"], ["half"]),
        node("Div", ["half", "half"], ["one"]),
        node("Add", ["seen", "one"], ["seen_next"]),
        node("Div", ["sum_next", "seen_next"], ["m"]),
        node("MatMul", ["m", "w"], ["z"]),
        node("Sigmoid", ["z"], ["p"]),
    ]
    k = len(weights)
    ins = {"x": ["batch", k], "sum": ["batch", k], "seen": ["batch", 1]}
    return onnx_of(nodes, weights, ins, {"p": 1, "sum_next": k, "seen_next": 1})


def an_expert(name: str, form: Form, data: bytes, given: Input = "scaled", **changes: Any) -> tuple[ExpertCard, bytes]:
    """The card of an expert with one file, and the file."""
    role: Role = "step" if form == "step" else "model"
    states = (StateFacts("sum", (len(NAMES),)), StateFacts("seen", (1,))) if form == "step" else ()
    facts = file_facts(name + SUFFIXES[role], data)
    lookback = 1 if form == "tabular" else LOOKBACK
    card = ExpertCard(name, name, form, lookback, given, {role: facts}, {}, states=states)
    return replace(card, **changes), data


PRIOR = ExpertCard("prior", "share", "builtin", 1, "raw", {}, {}, numbers={"probability": (0.5,)})
WEIGHTS = (0.8, -0.5, 0.3, 0.1)


def a_served_bundle(experts: Sequence[tuple[ExpertCard, bytes]] = (), seed: int = 3, **changes: Any) -> Bundle:
    """A bundle in memory: by default a tabular expert, a window, a carried state, and the prior."""
    chosen = experts or (
        an_expert("rows", "tabular", tabular(WEIGHTS)),
        an_expert("window", "window", mean_of_window(WEIGHTS)),
        an_expert("step", "step", mean_so_far(WEIGHTS)),
    )
    card = replace(a_card(), experts=(*(card for card, _ in chosen), PRIOR), seed=seed, **changes)
    files = {facts.name: data for card_, data in chosen for facts in card_.files.values()}
    return Bundle(hashlib.sha256(card_bytes(card)).hexdigest(), card, files)


def a_card() -> ModelCard:
    card, _ = a_bundle()
    k = len(NAMES)
    return replace(card, features=NAMES, scaler={"mean": [0.1] * k, "scale": [2.0] * k, "clip": [5.0] * k})


def some_rows(n: int, seed: int = 1, segment: int = 0, first_ms: int = FIRST_MS) -> list[BarRow]:
    """Hours of noise without a gap."""
    rng = np.random.default_rng(seed)
    values: Floats = rng.normal(size=(n, len(NAMES)))
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, n)))
    return [BarRow(first_ms + at * HOUR_MS, float(close[at]), segment, values[at]) for at in range(n)]
