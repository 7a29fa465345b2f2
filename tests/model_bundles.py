"""Small bundles for tests of what is served."""

from collections.abc import Mapping
from dataclasses import replace

from ml.bundle import ExpertCard, Interval, Measure, ModelCard, file_facts
from tests import onnx_bytes

SCHEMA = "5" * 64


def a_bundle(weights: tuple[float, ...] = (0.5, -0.25), seed: int = 3) -> tuple[ModelCard, dict[str, bytes]]:
    """A card with a tabular expert and a builtin one, and the files it lists."""
    files = {"mlp.onnx": onnx_bytes.logistic(weights)}
    mlp = ExpertCard(
        name="mlp",
        kind="mlp",
        form="tabular",
        lookback=1,
        input="scaled",
        files={"model": file_facts("mlp.onnx", files["mlp.onnx"])},
        calibration={},
        errors={"model": 1e-7},
    )
    prior = ExpertCard("prior", "prior", "builtin", 1, "raw", {}, {}, numbers={"p": (0.52,)})
    card = ModelCard(
        format=1,
        kind="experts",
        interval_ms=3_600_000,
        task="sign",
        horizon_bars=1,
        threshold=0.0,
        symbols=("BTCUSDT",),
        start_at_ms=1_700_000_000_000,
        end_at_ms=1_710_000_000_000,
        feature_schema_sha256=SCHEMA,
        features=tuple(f"f{n}" for n in range(len(weights))),
        scaler={"mean": [0.0] * len(weights)},
        experts=(mlp, prior),
        metrics=(Measure("log_loss", Interval(0.69, 0.68, 0.70, 0.95, 500, "week blocks")),),
        trials=1,
        data_sha256="d" * 64,
        code_sha256="c" * 64,
        seed=seed,
        trained_at_ms=1_710_000_100_000,
        versions={"torch": "2.13.0"},
    )
    return card, files


def with_file(card: ModelCard, data: bytes) -> tuple[ModelCard, Mapping[str, bytes]]:
    """The card listing `data` as the file of its first expert, hash and all."""
    first = replace(card.experts[0], files={"model": file_facts("mlp.onnx", data)})
    return replace(card, experts=(first, *card.experts[1:])), {"mlp.onnx": data}
