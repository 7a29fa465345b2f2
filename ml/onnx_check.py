"""What an ONNX file may hold before any runtime sees it: known operators, no word of another file.

The check reads the protobuf wire format itself. The package `onnx` is the trainer's alone (it is large, and its own
loader has followed external data out of the model's folder before), and a check must not run what it checks. Field
numbers are those of onnx.proto3.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from core.errors import Refused

MAX_DEPTH = 32
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# Where messages that matter sit inside others: message -> field -> message. All else is passed over.
_CHILDREN = {
    "Model": {7: "Graph", 8: "Opset", 20: "Training", 25: "Function"},
    "Graph": {1: "Node", 5: "Tensor", 15: "Sparse"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "Sparse", 23: "Sparse"},
    "Sparse": {1: "Tensor", 2: "Tensor"},
    "Function": {7: "Node", 11: "Attribute"},
    "Training": {1: "Graph", 2: "Graph"},
}
_TENSOR_EXTERNAL_DATA, _TENSOR_LOCATION = 13, 14
_NODE_OPERATOR, _NODE_DOMAIN = 4, 7
_STANDARD_DOMAINS = (b"", b"ai.onnx")

STANDARD_OPERATORS = frozenset(
    b"Add And ArgMax Cast Clip Concat Constant ConstantOfShape Conv ConvInteger DequantizeLinear Div"
    b" DynamicQuantizeLinear Equal Erf Exp Expand Flatten GRU Gather GatherElements GatherND Gelu Gemm Greater"
    b" GreaterOrEqual Identity LSTM LayerNormalization Less LessOrEqual MatMul MatMulInteger Max Min Mod Mul Neg"
    b" Not Or Pad Pow Range ReduceMean ReduceSum Relu Reshape Shape Sigmoid Slice Softmax Split Sqrt Squeeze Sub"
    b" Tanh Tile Transpose Unsqueeze Where".split()
)
"""Arithmetic on tensors of bounded size. No loops, no branches, no strings, nothing that names a file."""
TREE_OPERATORS = frozenset(b"TreeEnsembleClassifier TreeEnsembleRegressor TreeEnsemble".split())
QUANTISED_OPERATORS = frozenset(b"DynamicQuantizeLSTM".split())
_ALLOWED = {
    **dict.fromkeys(_STANDARD_DOMAINS, STANDARD_OPERATORS),
    b"ai.onnx.ml": TREE_OPERATORS,
    b"com.microsoft": QUANTISED_OPERATORS,
}


@dataclass(frozen=True, slots=True)
class _Field:
    number: int
    value: int
    """Of a varint."""
    body: memoryview
    """Of a field with bytes."""


def require_plain_onnx(name: str, data: bytes) -> None:
    """Return when `data` is an ONNX model of known operators with every weight inside. Raises Refused naming `name`."""
    has_graph = False

    def refuse(why: str) -> Refused:
        return Refused(f"the model file {name} {why}", "Export it again with the trainer; nothing was loaded")

    for field in _fields(memoryview(data), refuse):
        has_graph = has_graph or field.number == 7
    if not has_graph:
        raise refuse("holds no graph")
    _walk("Model", memoryview(data), 0, refuse)


def _walk(kind: str, body: memoryview, depth: int, refuse: Callable[[str], Refused]) -> None:
    if depth > MAX_DEPTH:
        raise refuse(f"is nested deeper than {MAX_DEPTH} messages")
    fields = list(_fields(body, refuse))
    if kind == "Tensor":
        _require_embedded(fields, refuse)
    if kind == "Node":
        _require_known(fields, refuse)
    if kind == "Function":
        raise refuse("defines functions of its own")
    children = _CHILDREN.get(kind, {})
    for field in fields:
        child = children.get(field.number)
        if child is not None:
            _walk(child, field.body, depth + 1, refuse)


def _require_embedded(fields: list[_Field], refuse: Callable[[str], Refused]) -> None:
    for field in fields:
        if field.number == _TENSOR_EXTERNAL_DATA or (field.number == _TENSOR_LOCATION and field.value != 0):
            raise refuse("keeps weights in another file")


def _require_known(fields: list[_Field], refuse: Callable[[str], Refused]) -> None:
    operator, domain = b"", b""
    for field in fields:
        if field.number == _NODE_OPERATOR:
            operator = bytes(field.body[:64])
        elif field.number == _NODE_DOMAIN:
            domain = bytes(field.body[:64])
    if operator not in _ALLOWED.get(domain, frozenset()):
        shown = ".".join(part.decode(errors="replace") for part in (domain, operator) if part)
        raise refuse(f"uses the operator '{shown}', which is not one that models here use")


def _fields(body: memoryview, refuse: Callable[[str], Refused]) -> Iterator[_Field]:
    at, end, nothing = 0, len(body), body[:0]
    while at < end:
        key, at = _varint(body, at, refuse)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise refuse("is not an ONNX model")
        if wire == _VARINT:
            value, at = _varint(body, at, refuse)
            yield _Field(number, value, nothing)
        elif wire == _BYTES:
            length, at = _varint(body, at, refuse)
            if length > end - at:
                raise refuse("is cut off or damaged")
            yield _Field(number, 0, body[at : at + length])
            at += length
        elif wire in (_FIXED32, _FIXED64):
            at += 4 if wire == _FIXED32 else 8
            if at > end:
                raise refuse("is cut off or damaged")
            yield _Field(number, 0, nothing)
        else:
            raise refuse("is not an ONNX model")


def _varint(body: memoryview, at: int, refuse: Callable[[str], Refused]) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(body):
            raise refuse("is cut off or damaged")
        byte = body[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise refuse("is not an ONNX model")
