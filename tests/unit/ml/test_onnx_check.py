"""What an ONNX file may hold: every weight inside, known operators only, and bytes that are ONNX at all."""

import numpy as np
import onnxruntime
import pytest

from core.errors import Refused
from ml.onnx_check import MAX_DEPTH, require_plain_onnx
from tests import onnx_bytes as onnx

PLAIN = onnx.logistic([0.5, -0.25])


def test_a_plain_model_passes_and_is_one_that_the_runtime_runs():
    require_plain_onnx("a.onnx", PLAIN)
    session = onnxruntime.InferenceSession(PLAIN, providers=["CPUExecutionProvider"])
    answer = session.run(["p"], {"x": np.array([[1.0, 2.0], [2.0, 0.0]], np.float32)})[0]
    np.testing.assert_allclose(answer[:, 0], [0.5, 1 / (1 + np.exp(-1))], rtol=1e-6)


def test_external_weights_are_refused_where_the_runtime_would_open_the_file(tmp_path):
    nodes = (onnx.node("MatMul", ["x", "w"], ["z"]), onnx.node("Sigmoid", ["z"], ["p"]))
    reaching = onnx.model(onnx.graph(nodes, [onnx.external_tensor("w", 2, "weights.bin")]))
    (tmp_path / "weights.bin").write_bytes(np.array([1, 1], np.float32).tobytes())
    (tmp_path / "m.onnx").write_bytes(reaching)
    onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    with pytest.raises(Refused, match="m.onnx keeps weights in another file"):
        require_plain_onnx("m.onnx", reaching)


def _in_attribute(body: bytes, field: int) -> bytes:
    return onnx.model(onnx.graph([onnx.node("Constant", [], ["p"], attributes=onnx.part(5, onnx.part(field, body)))]))


@pytest.mark.parametrize(
    "hidden",
    [
        onnx.model(onnx.graph([], [onnx.external_tensor("w", 2, "../../secret")])),
        _in_attribute(onnx.external_tensor("w", 2, "../../secret"), 5),
        _in_attribute(onnx.external_tensor("w", 2, "../../secret"), 10),
        _in_attribute(onnx.part(5, onnx.external_tensor("w", 2, "/etc/passwd")), 6),
        _in_attribute(onnx.part(5, onnx.external_tensor("w", 2, "/etc/passwd")), 11),
        _in_attribute(onnx.part(1, onnx.external_tensor("w", 2, "/etc/passwd")), 22),
        _in_attribute(onnx.part(2, onnx.external_tensor("w", 2, "/etc/passwd")), 23),
        onnx.model(onnx.part(15, onnx.part(1, onnx.external_tensor("w", 2, "x")))),
        PLAIN + onnx.part(20, onnx.part(1, onnx.part(5, onnx.external_tensor("w", 2, "x")))),
        PLAIN + onnx.part(7, onnx.part(5, onnx.external_tensor("w", 2, "x"))),
    ],
)
def test_external_weights_are_found_wherever_a_tensor_can_hide(hidden):
    with pytest.raises(Refused, match="in another file"):
        require_plain_onnx("m.onnx", hidden)


@pytest.mark.parametrize(
    ("operator", "domain"),
    [("Loop", ""), ("If", ""), ("Scan", ""), ("StringSplit", ""), ("EPContext", "com.microsoft"), ("Sigmoid", "evil")],
)
def test_an_operator_that_no_model_here_uses_is_refused_by_name(operator, domain):
    with pytest.raises(Refused, match=f"{operator}' *, which"):
        require_plain_onnx("m.onnx", onnx.model(onnx.graph([onnx.node(operator, ["x"], ["p"], domain)])))


def test_a_function_of_its_own_is_refused():
    with pytest.raises(Refused, match="functions of its own"):
        require_plain_onnx("m.onnx", PLAIN + onnx.part(25, onnx.part(1, "f")))


def test_nesting_without_end_is_refused():
    body = b""
    for _ in range(MAX_DEPTH):
        body = onnx.part(1, onnx.node("Identity", ["x"], ["p"], attributes=onnx.part(5, onnx.part(6, body))))
    with pytest.raises(Refused, match="nested deeper"):
        require_plain_onnx("m.onnx", onnx.model(body))


def test_no_bytes_break_the_check_other_than_by_refusal():
    dice = np.random.default_rng(5)
    refused = 0
    for _ in range(2_000):
        bytes_ = bytearray(PLAIN)
        for at in dice.integers(0, len(PLAIN), dice.integers(1, 6)):
            bytes_[at] = dice.integers(0, 256)
        try:
            require_plain_onnx("m.onnx", bytes(bytes_[: dice.integers(0, len(bytes_) + 1)]))
        except Refused:
            refused += 1
    assert 500 < refused <= 2_000


@pytest.mark.parametrize("data", [b"", b"\x80\x04K\x01.", b"PK\x03\x04rest", b"\xff" * 40, PLAIN[:-20]])
def test_what_is_no_onnx_is_refused(data):
    with pytest.raises(Refused, match="m.onnx"):
        require_plain_onnx("m.onnx", data)
