"""ONNX files written byte by byte, so that tests of what is refused need no exporter and can say what none would."""

import struct
from collections.abc import Iterable

FLOAT = 1
EXTERNAL = 1


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def part(field: int, body: bytes | str) -> bytes:
    raw = body.encode() if isinstance(body, str) else body
    return varint(field << 3 | 2) + varint(len(raw)) + raw


def tensor(name: str, values: Iterable[float]) -> bytes:
    """A column of float32."""
    numbers = list(values)
    raw = struct.pack(f"<{len(numbers)}f", *numbers)
    return number(1, len(numbers)) + number(1, 1) + number(2, FLOAT) + part(8, name) + part(9, raw)


def external_tensor(name: str, n: int, location: str) -> bytes:
    """A column of float32 whose numbers are said to be in another file."""
    entry = part(1, "location") + part(2, location)
    return number(1, n) + number(1, 1) + number(2, FLOAT) + part(8, name) + part(13, entry) + number(14, EXTERNAL)


def node(
    operator: str, inputs: Iterable[str], outputs: Iterable[str], domain: str = "", attributes: bytes = b""
) -> bytes:
    ends = b"".join(part(1, name) for name in inputs) + b"".join(part(2, name) for name in outputs)
    return ends + part(4, operator) + attributes + (part(7, domain) if domain else b"")


def graph(nodes: Iterable[bytes], initializers: Iterable[bytes] = (), n_features: int = 2) -> bytes:
    return (
        b"".join(part(1, each) for each in nodes)
        + part(2, "g")
        + b"".join(part(5, each) for each in initializers)
        + part(11, _value("x", n_features))
        + part(12, _value("p", 1))
    )


def model(body: bytes) -> bytes:
    return number(1, 8) + part(7, body) + part(8, number(2, 17))


def logistic(weights: Iterable[float]) -> bytes:
    """`p = sigmoid(x @ weights)`, x (batch, features) and p (batch, 1)."""
    values = list(weights)
    nodes = (node("MatMul", ["x", "w"], ["z"]), node("Sigmoid", ["z"], ["p"]))
    return model(graph(nodes, [tensor("w", values)], len(values)))


def _value(name: str, width: int) -> bytes:
    shape = part(1, part(2, "batch")) + part(1, number(1, width))
    return part(1, name) + part(2, part(1, number(1, FLOAT) + part(2, shape)))
