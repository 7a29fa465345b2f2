"""Nets as ONNX files: probabilities out, weights inside, the same answer as the trainer's within 1e-5, or no file.

A window form takes x (batch, time, features); time may be anything up to the lookback. A step form takes one row and
the carried state. Int8 weights are kept only where they change no decision.
"""

import io
import logging
import tempfile
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor, nn

from core.errors import Refused
from ml.bundle import StateFacts
from ml.onnx_check import require_plain_onnx
from ml.train.fitting import FittedNet

MAX_DIFFERENCE = 1e-5
"""Between the trainer's probability and the file's, in float32."""
OPSET = 17
Float32 = npt.NDArray[np.float32]


class _Served(nn.Module):
    """The net as it is served: windows or rows in, probabilities out."""

    def __init__(self, fitted: FittedNet) -> None:
        super().__init__()
        self.net, self.shift = fitted.net, fitted.shift

    def forward(self, x: Tensor) -> Tensor:
        """Return p (B,)."""
        return torch.sigmoid(self.net(x) + self.shift)


class _ServedStep(nn.Module):
    """The net one row at a time."""

    def __init__(self, fitted: FittedNet) -> None:
        super().__init__()
        self.net, self.shift = fitted.net, fitted.shift

    def forward(self, x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Return p (B,) and the next state."""
        logits, *after = self.net.step(x, *state)
        return torch.sigmoid(logits + self.shift), *after


def has_step(net: nn.Module) -> bool:
    """Whether the net can be asked one row at a time."""
    return hasattr(net, "step")


def states_of(net: nn.Module) -> tuple[StateFacts, ...]:
    """Return what the step form carries, in order; nothing for a net without one."""
    if not has_step(net):
        return ()
    return tuple(StateFacts(name, shape) for name, shape in net.state_shapes().items())


def export_window(fitted: FittedNet, n_features: int) -> bytes:
    """Return the ONNX model of windows (batch, time, features), or of rows (batch, features) for a lookback of 1."""
    shape = (3, n_features) if fitted.lookback == 1 else (3, fitted.lookback, n_features)
    axes = {0: "batch"} if fitted.lookback == 1 else {0: "batch", 1: "time"}
    return _export(_Served(fitted), [torch.zeros(shape)], {"x": axes, "p": {0: "batch"}}, ["x"], ["p"])


def export_step(fitted: FittedNet, n_features: int) -> bytes:
    """Return the ONNX model of one row (batch, features) and the carried state."""
    states = states_of(fitted.net)
    example = [torch.zeros(3, n_features), *(torch.zeros(3, *state.shape) for state in states)]
    inputs = ["x", *(state.name for state in states)]
    outputs = ["p", *(f"{state.name}_next" for state in states)]
    axes = {name: {0: "batch"} for name in (*inputs, *outputs)}
    return _export(_ServedStep(fitted), example, axes, inputs, outputs)


def quantise(data: bytes) -> bytes | None:
    """Return the model with int8 weights, activations quantised as they come; None where the library cannot."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        source.write_bytes(data)
        # Its advice to run a preprocessor first is about other quantisation.
        logger = logging.getLogger()
        level = logger.level
        logger.setLevel(logging.ERROR)
        try:
            quantize_dynamic(source, target, weight_type=QuantType.QInt8)
        except ValueError:
            return None
        finally:
            logger.setLevel(level)
        return plain_bytes(onnx.load(target))


def session_of(data: bytes) -> onnxruntime.InferenceSession:
    """Return a session on one thread, as serving has it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def run_windows(session: onnxruntime.InferenceSession, x: Float32) -> npt.NDArray[np.float64]:
    """Return p (batch,) of windows or rows."""
    return np.asarray(session.run(["p"], {"x": x})[0], dtype=np.float64).reshape(-1)


def run_steps(
    session: onnxruntime.InferenceSession, states: tuple[StateFacts, ...], x: Float32
) -> npt.NDArray[np.float64]:
    """Return p (batch, time) of runs x (batch, time, features), from an empty state on."""
    state = {each.name: np.zeros((len(x), *each.shape), np.float32) for each in states}
    answers = []
    for at in range(x.shape[1]):
        p, *after = session.run(None, {"x": x[:, at], **state})
        state = dict(zip(state, after, strict=True))
        answers.append(np.asarray(p, dtype=np.float64).reshape(-1))
    return np.stack(answers, axis=1)


def require_same(name: str, difference: float) -> float:
    """Return the difference. Raises Refused when the file says something else than the trainer."""
    if not difference <= MAX_DIFFERENCE:
        raise Refused(
            f"the exported file of {name} differs from the trainer by {difference:.1e}; {MAX_DIFFERENCE:g} is the most",
            "Nothing was written; keep the training folder and report this",
        )
    return difference


def _export(
    module: nn.Module, example: list[Tensor], axes: dict[str, dict[int, str]], inputs: list[str], outputs: list[str]
) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # The tracing exporter: docs/adr/0037 says why.
        torch.onnx.export(
            module.eval(),
            tuple(example),
            buffer,
            dynamo=False,
            input_names=inputs,
            output_names=outputs,
            dynamic_axes=axes,
            opset_version=OPSET,
        )
    return plain_bytes(onnx.load_from_string(buffer.getvalue()))


def plain_bytes(model: onnx.ModelProto) -> bytes:
    """Return the model's bytes without what exporters note beside it (paths, stack traces), checked as serving does."""
    del model.metadata_props[:]
    model.doc_string = model.graph.doc_string = ""
    graph = model.graph
    graph.name = "model"
    del graph.metadata_props[:], graph.value_info[:]
    for part in (*graph.node, *graph.input, *graph.output, *graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]
    data: bytes = model.SerializeToString(deterministic=True)
    require_plain_onnx("of this export", data)
    return data
