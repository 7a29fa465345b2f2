"""Forests and boosters as ONNX files of one tree operator: features with NaN in, the probability of class 1 out."""

from typing import Any

import onnx
import onnxmltools
from onnx import TensorProto, helper
from onnxmltools.convert.common.data_types import FloatTensorType
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType as SklearnFloat

from ml.train.export import plain_bytes

_OPSET = {"": 17, "ai.onnx.ml": 3}
_BOOSTER_OPSET = 15
"""The newest that the converter knows."""


def export_forest(forest: Any, n_features: int) -> bytes:
    """Return the ONNX model of a fitted RandomForestClassifier of two classes."""
    inputs = [("x", SklearnFloat([None, n_features]))]
    model = convert_sklearn(forest, initial_types=inputs, target_opset=_OPSET, options={id(forest): {"zipmap": False}})
    _say_where_missing_goes(model, forest)
    return _second_class(model)


def export_booster(booster: Any, n_features: int) -> bytes:
    """Return the ONNX model of an xgboost booster of objective binary:logistic."""
    names = booster.feature_names
    # The converter reads columns as f0, f1, …; so they are called while it looks.
    booster.feature_names = [f"f{n}" for n in range(n_features)]
    try:
        model = onnxmltools.convert_xgboost(
            booster, initial_types=[("x", FloatTensorType([None, n_features]))], target_opset=_BOOSTER_OPSET
        )
    finally:
        booster.feature_names = names
    return _second_class(model)


def booster_json(booster: Any) -> bytes:
    """Return the booster in xgboost's own JSON, from which exact Shapley values can be computed."""
    return bytes(booster.save_raw(raw_format="json"))


def _say_where_missing_goes(model: onnx.ModelProto, forest: Any) -> None:
    """Set, node by node, on which side a NaN goes: the converter leaves all on the right."""
    attributes = {attribute.name: attribute for attribute in model.graph.node[0].attribute}
    trees, nodes = attributes["nodes_treeids"].ints, attributes["nodes_nodeids"].ints
    goes_left = [tree.tree_.missing_go_to_left for tree in forest.estimators_]
    flags = attributes["nodes_missing_value_tracks_true"].ints
    flags[:] = [int(goes_left[tree][node]) for tree, node in zip(trees, nodes, strict=True)]


def _second_class(model: onnx.ModelProto) -> bytes:
    """Return the model with the one output p (batch,) in place of a label and two columns."""
    graph = model.graph
    columns = graph.output[1].name
    graph.initializer.append(helper.make_tensor("second", TensorProto.INT64, [], [1]))
    graph.node.append(helper.make_node("Gather", [columns, "second"], ["p"], axis=1))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("p", TensorProto.FLOAT, ["batch"]))
    _drop_unused(graph)
    return plain_bytes(model)


def _drop_unused(graph: onnx.GraphProto) -> None:
    """Take out nodes whose outputs nobody reads: what made the label."""
    while True:
        read = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
        idle = [node for node in graph.node if not read & set(node.output)]
        if not idle:
            return
        for node in idle:
            graph.node.remove(node)
