"""Reads ONNX files that play block by block: sound and states in, sound and states out (docs/onnx.md).

Files come from strangers. Before onnxruntime sees one, its size, its operators and all its shapes are checked: a graph
of a few kilobytes can ask for any amount of memory, and one may name other files on the disk as its weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wavewright.errors import ModelFileError
from wavewright.formats import onnx_shapes, onnx_told
from wavewright.formats.nam_metadata import NamMetadata
from wavewright.formats.onnx_graph import onnx_module
from wavewright.nets.onnx_network import OnnxNetwork

__all__ = ["OnnxModel", "load"]

MOST_BYTES = 128 * 2**20
MOST_NODES = 50_000

_MOVING = "Cast Concat Constant Flatten Gather Identity Pad Reshape Shape Slice Split Squeeze Transpose Unsqueeze"
_WEIGHING = "AveragePool BatchNormalization Conv ConvTranspose Gemm GRU LayerNormalization LSTM MatMul MaxPool RNN"
_POINTWISE = (
    "Abs Add Atan Ceil Celu Clip Cos Div Elu Equal Erf Exp Floor Gelu Greater HardSigmoid HardSwish LeakyRelu Less Log "
    "Max Mean Min Mish Mod Mul Neg PRelu Pow Reciprocal Relu Round Selu Sigmoid Sign Sin Softplus Softsign Sqrt Sub "
    "Sum Tan Tanh ThresholdedRelu Where"
)
_SUMMING = "ReduceMax ReduceMean ReduceMin ReduceSum Softmax"
OPERATORS = frozenset(f"{_MOVING} {_WEIGHING} {_POINTWISE} {_SUMMING}".split())
"""Operators that a file may use: ONNX's own without loops, branches, chance, and what makes tensors out of nothing."""


@dataclass(frozen=True)
class OnnxModel:
    """What an ONNX file holds: the network, its rate in Hz, and what it tells of itself."""

    network: OnnxNetwork
    rate: int
    metadata: NamMetadata
    kind: str | None = None
    """The network's kind, where the file says so."""


def load(path: Path) -> OnnxModel:
    """Read an ONNX file.

    Raises:
        ModelFileError: the file is missing, damaged or too large, keeps weights elsewhere, uses operators that are not
            allowed, lacks what playing by blocks needs (told by name), or asks for too much memory; onnx is not
            installed.
    """
    try:
        return _read(path)
    except ModelFileError as error:
        raise ModelFileError(f"model file {path} {error}") from error


def _read(path: Path) -> OnnxModel:
    content = _content(path)
    model = _parsed(content)
    _refuse_garbled(model)
    _refuse_foreign(model, len(content))
    told = onnx_told.read({entry.key: entry.value for entry in model.metadata_props})
    signature = onnx_shapes.signature(model, told)
    network = OnnxNetwork(
        content,
        signature.states,
        signature.inputs,
        signature.outputs,
        controls=len(told.knobs),
        latency=told.latency,
        receptive_field=told.receptive_field,
        prewarm=told.prewarm,
        weights=sum(math.prod(t.dims) for t in model.graph.initializer if t.data_type == t.FLOAT),
        knobs=told.knobs,
    )
    return OnnxModel(network, told.rate, told.metadata, told.kind)


def _content(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise ModelFileError(
                f"is too large for a model file: {size >> 20} MB; at most {MOST_BYTES >> 20} MB are read"
            )
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ModelFileError(f"cannot be read: {error.strerror or error}; name an existing model file") from error
    if len(content) > MOST_BYTES:
        raise ModelFileError(f"is larger than {MOST_BYTES >> 20} MB, too large for a model file")
    if not content:
        raise ModelFileError("is empty; export it anew")
    return content


def _parsed(content: bytes) -> Any:
    onnx = onnx_module()
    try:
        model = onnx.ModelProto.FromString(content)
    except Exception as error:  # protobuf's error is not onnx's to name
        raise ModelFileError("is no ONNX file, or is damaged") from error
    if not model.graph.node:
        raise ModelFileError("is no ONNX file, or holds no graph")
    return model


def _refuse_garbled(model: Any) -> None:
    """Refuse names that are no text: protobuf finds that out only where they are read, as does what comes after."""
    graph = model.graph
    try:
        names = [graph.name, model.domain, model.producer_name, model.producer_version]
        names += [opset.domain for opset in model.opset_import]
        names += [text for entry in model.metadata_props for text in (entry.key, entry.value)]
        for node in graph.node:
            names += [node.name, node.op_type, node.domain, *node.input, *node.output]
            names += [attribute.name for attribute in node.attribute]
        names += [tensor.name for tensor in _tensors(graph)]
        for value in (*graph.input, *graph.output, *graph.value_info):
            names += [value.name, *(size.dim_param for size in value.type.tensor_type.shape.dim)]
    except UnicodeDecodeError:
        names = [b""]
    if not all(isinstance(name, str) for name in names):
        raise ModelFileError("holds names that are no text; it is damaged")


def _refuse_foreign(model: Any, size_of_file: int) -> None:
    """Refuse what is not ONNX's own, what lies outside the file, and what has no place in a block of sound."""
    if len(model.graph.node) > MOST_NODES:
        raise ModelFileError(f"holds {len(model.graph.node):,} nodes; at most {MOST_NODES:,} are read")
    for tensor in _tensors(model.graph):
        if any(size < 0 for size in tensor.dims) or math.prod(tensor.dims) > 2 * size_of_file:
            raise ModelFileError(
                f"declares the weights {tensor.name[:40]!a} larger than the file itself; it is damaged"
            )
        if tensor.data_location or tensor.external_data:
            raise ModelFileError(
                f"keeps its weights {tensor.name[:40]!a} in another file, which is not read; save it in one piece"
            )
    if any(attribute.HasField("g") or attribute.graphs for node in model.graph.node for attribute in node.attribute):
        raise ModelFileError("holds graphs within its graph; export plain operators alone")
    if model.functions or model.training_info or model.graph.sparse_initializer:
        raise ModelFileError("holds functions, training or sparse weights; export plain operators alone")
    domains = {opset.domain for opset in model.opset_import} | {node.domain for node in model.graph.node}
    if domains - {"", "ai.onnx"}:
        raise ModelFileError(f"uses operators of {min(domains - {'', 'ai.onnx'})[:40]!a}; only ONNX's own are played")
    unknown = sorted({node.op_type for node in model.graph.node} - OPERATORS)
    if unknown:
        names = ", ".join(ascii(name[:40])[1:-1] for name in unknown[:5])
        raise ModelFileError(f"uses operators that are not played here: {names}")


def _tensors(graph: Any) -> Iterator[Any]:
    """Every constant of a graph. Operators with graphs inside are not played."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
