"""Makes the models of the serving rows: `python models_make.py FOLDER` writes a bundle, torch weights, trees and rows.

LSTM of 3 x 128 and transformer of 6 layers, width 256, 8 heads, feed-forward 1024, over 60 rows of 50 features; a
forest of 100 trees of depth 10 and a booster of 100 of depth 6. The weights are random: only speed is measured, and
that both sides say the same. An int8 form is kept where it turns no decision, as the trainer keeps one.
"""

import json
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
import xgboost
from sklearn.ensemble import RandomForestClassifier

from bench.children.models_nets import N_FEATURES, N_ROWS, SEQUENCE, a_lstm, a_transformer
from ml.bundle import ExpertCard, ModelCard, file_facts, write_bundle
from ml.train.export import export_step, quantise, run_steps, session_of, states_of
from ml.train.export_trees import booster_json, export_booster, export_forest

SCHEMA = "b" * 64


def step_files(name: str, net: torch.nn.Module, rows: np.ndarray) -> tuple[ExpertCard, dict[str, bytes]]:
    """Return card and files of a net that carries its state."""
    fitted = cast(Any, SimpleNamespace(net=net, shift=0.0))
    data, states = export_step(fitted, N_FEATURES), states_of(net)
    files = {f"{name}.step.onnx": data}
    roles: dict[Any, Any] = {"step": file_facts(f"{name}.step.onnx", data)}
    exact = run_steps(session_of(data), states, rows[None])[0]
    small = quantise(data)
    error = float("nan")
    if small is not None:
        p = run_steps(session_of(small), states, rows[None])[0]
        error = float(np.abs(p - exact).max())
        # The decision is a side of the median: untrained nets are all on one side of one half.
        middle = float(np.median(exact))
        if (((p > middle) == (exact > middle)) | (np.abs(exact - middle) < 1e-3)).all():
            files[f"{name}.step.int8.onnx"] = small
            roles["step_int8"] = file_facts(f"{name}.step.int8.onnx", small)
    print(json.dumps({"expert": name, "int8_error": error, "int8": "step_int8" in roles}), file=sys.stderr)
    card = ExpertCard(name, name, "step", SEQUENCE, "scaled", roles, {}, states=states)
    return card, files


def main() -> None:
    """Write everything into the folder and print the bundle's name."""
    warnings.filterwarnings("ignore")
    folder = Path(sys.argv[1])
    torch.manual_seed(1)
    torch.set_num_threads(1)
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(N_ROWS, N_FEATURES)).astype(np.float32)
    y = (rows[:, 0] + rows[:, 1] * rows[:, 2] + rng.normal(size=N_ROWS) > 0).astype(int)
    nets = {"lstm": a_lstm(), "transformer": a_transformer()}
    experts, files = [], {}
    for name, net in nets.items():
        torch.save(net.state_dict(), folder / f"{name}.weights")
        card, made = step_files(name, net, rows[: 2 * SEQUENCE])
        experts.append(card)
        files.update(made)
    forest = RandomForestClassifier(100, max_depth=10, random_state=3, n_jobs=1).fit(rows, y)
    np.savez(folder / "rows.npz", rows=rows, y=y)
    data = xgboost.DMatrix(rows, y, nthread=1)
    booster = xgboost.train({"objective": "binary:logistic", "max_depth": 6, "nthread": 1, "seed": 4}, data, 100)
    booster.save_model(folder / "booster.json")
    trees = {
        "random_forest": {"model": export_forest(forest, N_FEATURES)},
        "xgboost": {"model": export_booster(booster, N_FEATURES), "trees": booster_json(booster)},
    }
    for name, parts in trees.items():
        names = {"model": f"{name}.onnx", "trees": f"{name}.trees.json"}
        facts: dict[Any, Any] = {role: file_facts(names[role], part) for role, part in parts.items()}
        files.update({names[role]: part for role, part in parts.items()})
        experts.append(ExpertCard(name, name, "tabular", 1, "raw", facts, {}))
    experts.append(ExpertCard("prior", "share", "builtin", 1, "raw", {}, {}, numbers={"probability": (0.5,)}))
    columns = tuple(f"f{n}" for n in range(N_FEATURES))
    scaler = {"mean": [0.0] * N_FEATURES, "scale": [1.0] * N_FEATURES, "clip": [5.0] * N_FEATURES}
    card_ = ModelCard(
        1, "experts", 60_000, "sign", 1, 0.0, ("BTCUSDT",), 0, 1, SCHEMA, columns, scaler, tuple(experts), (), 1,
        "d" * 64, "c" * 64, 1, 1, {},
    )  # fmt: skip
    print(json.dumps({"bundle": str(write_bundle(folder / "models", card_, files))}))


main()
