"""float16 in the graph: which tensors are in it, and what that does to the numbers."""

import numpy as np
import onnx
import onnxruntime
import pytest
from helpers.tiny_models import exported_bytes, tiny_contract
from onnx import TensorProto, helper, numpy_helper

from action_recognition.export.half import to_half

HALF, FLOAT = TensorProto.FLOAT16, TensorProto.FLOAT


def run(model: onnx.ModelProto, **inputs: np.ndarray) -> list[np.ndarray]:
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, inputs)


def types_of(model: onnx.ModelProto) -> dict[str, int]:
    graph = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True).graph
    types = {value.name: value.type.tensor_type.elem_type for value in (*graph.input, *graph.output, *graph.value_info)}
    return types | {weight.name: weight.data_type for weight in graph.initializer}


def inputs_of(model: onnx.ModelProto, op_type: str) -> list[set[int]]:
    """Types of all inputs of the nodes of one kind."""
    types = types_of(model)
    return [{types[name] for name in node.input if name} for node in model.graph.node if node.op_type == op_type]


def made(
    nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray], *, shape: list[int], output: list[int] | None = None
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info("x", FLOAT, shape)],
        [helper.make_tensor_value_info("y", FLOAT, output or shape)],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    return model


def test_convolutions_are_half_and_normalisation_and_logits_are_not() -> None:
    model = onnx.load_from_string(exported_bytes())
    half = to_half(model)
    assert inputs_of(half, "Conv") == [{HALF}] * 3
    assert inputs_of(half, "Relu") == [{HALF}] * 3
    for op_type in ("Sub", "Div", "Gemm"):
        assert inputs_of(half, op_type) == [{FLOAT}]
    assert all(FLOAT in types for types in inputs_of(half, "ReduceMean"))
    assert {v.name: v.type.tensor_type.elem_type for v in half.graph.input} == {"clip": TensorProto.UINT8}
    assert {v.name: v.type.tensor_type.elem_type for v in half.graph.output} == {"logits": FLOAT}
    assert [*half.metadata_props] == [*model.metadata_props]
    assert model.SerializeToString() == exported_bytes(), "the given model was changed"


@pytest.mark.parametrize("logits_in_half", [False, True])
def test_logits_move_by_no_more_than_half_precision(logits_in_half: bool) -> None:
    model = onnx.load_from_string(exported_bytes())
    half = to_half(model, logits_in_half=logits_in_half)
    assert inputs_of(half, "Gemm") == [{HALF} if logits_in_half else {FLOAT}]
    assert types_of(half)["logits"] == FLOAT
    shape = (3, *tiny_contract().clip_shape)
    clip = np.random.default_rng(2).integers(0, 256, size=shape, dtype=np.uint8)
    (expected,), (found,) = run(model, clip=clip), run(half, clip=clip)
    difference = np.abs(found - expected).max() / np.abs(expected).max()
    assert 0 < difference < 5e-3


def test_a_residual_branch_has_one_cast_for_all_its_readers() -> None:
    generator = np.random.default_rng(0)
    sizes = {"w": (3, 3, 1, 1), "bias": (3, 1, 1)}
    weights = {name: generator.normal(size=size).astype(np.float32) for name, size in sizes.items()}
    weights["axes"] = np.array([2, 3])
    nodes = [
        helper.make_node("Identity", ["x"], ["same"]),
        helper.make_node("Conv", ["same", "w"], ["c1"]),
        helper.make_node("Add", ["c1", "same"], ["sum"]),
        helper.make_node("Relu", ["sum"], ["relu"]),
        helper.make_node("Add", ["relu", "bias"], ["shifted"]),
        helper.make_node("ReduceMean", ["shifted", "axes"], ["mean"], keepdims=0),
        helper.make_node("ReduceMax", ["shifted", "axes"], ["max"], keepdims=0),
        helper.make_node("Mul", ["mean", "max"], ["y"]),
    ]
    model = made(nodes, weights, shape=[2, 3, 8, 8], output=[2, 3])
    half = to_half(model)
    casts = [node for node in half.graph.node if node.op_type == "Cast"]
    assert len(casts) == 2, "one into float16 before the convolution, one out of it before the reductions"
    x = generator.normal(size=(2, 3, 8, 8)).astype(np.float32)
    np.testing.assert_allclose(run(half, x=x)[0], run(model, x=x)[0], rtol=2e-2, atol=2e-2)


def test_layer_with_a_weight_beyond_half_stays_in_float32() -> None:
    weights = {name: np.full((2, 2, 1, 1), v, np.float32) for name, v in (("large", 1e5), ("small", 1e-5))}
    nodes = [
        helper.make_node("Conv", ["x", "large"], ["c1"]),
        helper.make_node("Conv", ["c1", "small"], ["c2"]),
        helper.make_node("Identity", ["c2"], ["y"]),
    ]
    half = to_half(made(nodes, weights, shape=[1, 2, 4, 4]))
    assert inputs_of(half, "Conv") == [{FLOAT}, {HALF}]
    (found,) = run(half, x=np.full((1, 2, 4, 4), 0.25, dtype=np.float32))
    np.testing.assert_allclose(found, 1.0, rtol=1e-2)


def test_graph_with_branches_is_refused() -> None:
    result = helper.make_tensor_value_info("b", FLOAT, [1])
    branch = helper.make_graph([helper.make_node("Identity", ["x"], ["b"])], "b", [], [result])
    nodes = [helper.make_node("If", ["yes"], ["y"], then_branch=branch, else_branch=branch)]
    with pytest.raises(ValueError, match="If holds a graph of its own"):
        to_half(made(nodes, {"yes": np.array(True)}, shape=[1]))
