"""float16 in an ONNX graph, from which TensorRT's strongly typed networks take their precision.

Convolutions, matrix products and the layers between them compute in float16. These stay in float32: the input's cast
and normalisation, sums over many values such as the mean of a clip, layers with a weight beyond float16's range, kinds
of layers that are not listed here, and the layer of the logits. Inputs and outputs keep their types.

onnxruntime's own converter was tried: told to leave the normalisation alone, it writes nodes out of order.
"""

import copy
from collections.abc import Iterator
from itertools import takewhile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
# Computed in float16. All their float inputs take part in the computation; none is a setting that must be float32.
HALF_OPS = WEIGHTED | {"Add", "Sub", "Mul", "Div", "Neg", "AveragePool", "Concat"}
HALF_OPS |= {"Relu", "LeakyRelu", "PRelu", "Clip", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Elu", "Gelu"}
# These move or pick values, and take the type of their input.
MOVING_OPS = {"MaxPool", "Split", "Slice", "Gather", "Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze"}
MOVING_OPS |= {"Expand", "Identity"}
HALF_MAX = float(np.finfo(np.float16).max)


def to_half(model: onnx.ModelProto, *, logits_in_half: bool = False) -> onnx.ModelProto:
    """A copy of `model` that computes in float16 wherever that is known to be harmless.

    Args:
        logits_in_half: compute the last layer in float16 too, for chips without a float32 matrix product (Turing).

    Raises:
        ValueError: if the graph branches (If, Loop, Scan).
    """
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    result = copy.deepcopy(model)
    writer = _HalfWriter(inferred.graph, logits_in_half=logits_in_half)
    nodes = [new for node in model.graph.node for new in writer.rewrite(node)]
    del result.graph.node[:], result.graph.initializer[:], result.graph.value_info[:]
    result.graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    initializers = [*model.graph.initializer, *writer.half_weights]
    result.graph.initializer.extend(weight for weight in initializers if weight.name in used)
    onnx.checker.check_model(result, full_check=True)
    return result


class _HalfWriter:
    """Goes through the nodes in order and keeps track of which tensors are float16 by then."""

    def __init__(self, graph: onnx.GraphProto, *, logits_in_half: bool) -> None:
        self.weights = {weight.name: weight for weight in graph.initializer}
        self.half_weights: list[TensorProto] = []
        values = (*graph.input, *graph.output, *graph.value_info)
        self.is_float = {v.name for v in values if v.type.tensor_type.elem_type == TensorProto.FLOAT}
        self.is_float |= {name for name, weight in self.weights.items() if weight.data_type == TensorProto.FLOAT}
        self.half: set[str] = set()
        self.casts: dict[str, str] = {}
        self.outputs = {value.name for value in graph.output}
        # The input's cast and normalisation lie before the first weighted layer.
        before = takewhile(lambda node: node.op_type not in WEIGHTED, graph.node)
        self.in_float32 = {name for node in before for name in node.output}
        self.in_float32 |= set() if logits_in_half else self.outputs

    def rewrite(self, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
        """The casts that the node needs, then the node with its inputs in one type."""
        if any(a.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS) for a in node.attribute):
            raise ValueError(f"{node.op_type} holds a graph of its own")
        to_half = self._computes_in_half(node)
        new = copy.deepcopy(node)
        for number, name in enumerate(node.input):
            if name in self.is_float and (name in self.half) != to_half:
                if name not in self.weights:
                    yield from self._cast(name, to_half)
                    new.input[number] = self.casts[name]
                elif to_half:
                    new.input[number] = self._half_weight(name)
        if to_half:
            self.half.update(name for name in node.output if name in self.is_float)
        casts = self._outputs_in_float32(new)
        yield new
        yield from casts

    def _computes_in_half(self, node: onnx.NodeProto) -> bool:
        if self.in_float32.intersection(node.output):
            return False
        if node.op_type in MOVING_OPS:
            return node.input[0] in self.half
        weights = (self.weights[name] for name in node.input if name in self.weights and name in self.is_float)
        return node.op_type in HALF_OPS and all(
            np.abs(numpy_helper.to_array(weight)).max(initial=0.0) <= HALF_MAX for weight in weights
        )

    def _cast(self, name: str, to_half: bool) -> Iterator[onnx.NodeProto]:
        """A tensor is made as float16 or as float32, so at most one cast serves all its readers."""
        if name not in self.casts:
            self.casts[name] = f"{name}_{'half' if to_half else 'float'}"
            target = TensorProto.FLOAT16 if to_half else TensorProto.FLOAT
            yield helper.make_node("Cast", [name], [self.casts[name]], name=f"cast_{self.casts[name]}", to=target)

    def _outputs_in_float32(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """Casts that keep the type of the graph's outputs; the node itself makes another tensor."""
        casts = []
        for number, name in enumerate(node.output):
            if name in self.outputs and name in self.half:
                half = node.output[number] = f"{name}_half"
                casts.append(helper.make_node("Cast", [half], [name], name=f"cast_{name}", to=TensorProto.FLOAT))
        return casts

    def _half_weight(self, name: str) -> str:
        half_name = f"{name}_half"
        if half_name not in {weight.name for weight in self.half_weights}:
            values = numpy_helper.to_array(self.weights[name]).astype(np.float16)
            self.half_weights.append(numpy_helper.from_array(values, half_name))
        return half_name
