"""The inputs and outputs of an ONNX file that is played by blocks, and a proof that all its shapes are as they must be.

onnx infers every shape inside for three lengths of a block. So a time axis that was frozen, a state that changes its
size, and tensors beyond all measure are found before anything is computed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from wavewright.errors import ModelFileError
from wavewright.formats.onnx_graph import AUDIO, AUDIO_OUT, onnx_module
from wavewright.formats.onnx_told import Told
from wavewright.formats.strict_json import shown
from wavewright.nets.onnx_network import LONGEST_BLOCK, OnnxState

MOST_CHANNELS = 64
MOST_STATES = 10_000
MOST_REMEMBERED = 50_000_000
"""Numbers in all states together."""
MOST_COMPUTED = 250_000_000
"""Numbers in all tensors together, at any of `LENGTHS`."""
LENGTHS = (1, 333, LONGEST_BLOCK)

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Signature:
    """Channels in and out, and the states."""

    inputs: int
    outputs: int
    states: tuple[OnnxState, ...]


def signature(model: Any, told: Told) -> Signature:
    """What goes in and comes out of ``model``.

    Raises:
        ModelFileError: inputs or outputs that are missing, unknown, or of a shape that cannot be played by blocks.
    """
    constants = {tensor.name for tensor in model.graph.initializer}
    entries = {value.name: value for value in model.graph.input if value.name not in constants}
    results = {value.name: value for value in model.graph.output}
    _refuse_missing(entries, results, told.states)
    inputs = _sound(entries[AUDIO], "input")
    outputs = _sound(results[AUDIO_OUT], "output")
    if len(told.knobs) >= inputs:
        raise ModelFileError(f"has {len(told.knobs)} knobs and {inputs} inputs; there must be an input for sound, too")
    shapes = {name: _state_shape(entries[name]) for name in told.states}
    if sum(map(math.prod, shapes.values())) > MOST_REMEMBERED:
        raise ModelFileError(f"remembers more than {MOST_REMEMBERED:,} numbers, too many for a model file")
    ends = {name: str(state["output"]) for name, state in told.states.items()}
    for length in LENGTHS:
        _prove(model, inputs, outputs, shapes, ends, length)
    states = tuple(
        OnnxState(name, ends[name], _start(name, told.states[name].get("start"), shape))
        for name, shape in shapes.items()
    )
    return Signature(inputs, outputs, states)


def _refuse_missing(
    entries: Mapping[str, Any], results: Mapping[str, Any], states: Mapping[str, Mapping[str, Any]]
) -> None:
    """Refuse a file whose inputs and outputs are not the sound and the states that it tells of."""
    if len(states) > MOST_STATES:
        raise ModelFileError(f"has {len(states):,} states; at most {MOST_STATES:,} are read")
    problems = []
    for name, found, what in ((AUDIO, entries, "input"), (AUDIO_OUT, results, "output")):
        if name not in found:
            problems.append(f"it has no {what} {name!r} (it has {_names(found)})")
    for name, state in states.items():
        output = state.get("output")
        if name not in entries:
            problems.append(f"the state {shown(name)} is no input")
        if not isinstance(output, str) or output not in results:
            problems.append(f"the new value of the state {shown(name)}, {shown(output)}, is no output")
    silent = [name for name in entries if name not in states and name != AUDIO]
    if silent:
        problems.append(f"its metadata does not say what the inputs {_names(silent)} are")
    if problems:
        raise ModelFileError(f"cannot be played block by block: {'; '.join(problems[:3])}")


def _names(names: Any) -> str:
    shown_names = [shown(name) for name in names]
    return ", ".join(shown_names[:4]) + (" …" if len(shown_names) > 4 else "") if shown_names else "none"


def _dimensions(value: Any) -> list[int | str]:
    """Each dimension: a number, or its name where it is open."""
    onnx = onnx_module()
    tensor = value.type.tensor_type
    if not value.type.HasField("tensor_type") or tensor.elem_type != onnx.TensorProto.FLOAT:
        raise ModelFileError(f"has {shown(value.name)} that is no tensor of float32")
    return [int(d.dim_value) if d.HasField("dim_value") else str(d.dim_param) for d in tensor.shape.dim]


def _sound(value: Any, what: str) -> int:
    """The channels of a sound (batch, channels, time)."""
    found = _dimensions(value)
    name = value.name
    if len(found) != 3:
        raise ModelFileError(f"has the {what} {name!r} of {len(found)} dimensions: must be (batch, channels, time)")
    batch, channels, time = found
    if isinstance(time, int):
        raise ModelFileError(
            f"has the {what} {name!r} with a time axis fixed at {time} samples; export it with a dynamic one"
        )
    if isinstance(batch, int):
        raise ModelFileError(f"has the {what} {name!r} with a batch fixed at {batch}; export it with a dynamic one")
    if not isinstance(channels, int) or not 1 <= channels <= MOST_CHANNELS:
        raise ModelFileError(f"has the {what} {name!r} of {shown(channels)} channels: must be 1 to {MOST_CHANNELS}")
    return channels


def _state_shape(value: Any) -> Shape:
    """A state's shape without its batch."""
    batch, *rest = _dimensions(value) or [0]
    if isinstance(batch, int) or not all(isinstance(size, int) and size >= 1 for size in rest):
        raise ModelFileError(f"has the state {shown(value.name)}: must be (batch, …) with known sizes behind the batch")
    return tuple(int(size) for size in rest)


def _start(name: str, values: Any, shape: Shape) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The state after silence, from the metadata's nested lists; zeros where they say nothing."""
    if values is None:
        return np.zeros(shape, np.float32)
    try:
        start = np.asarray(values, np.float32)
        whole = np.broadcast_to(start, shape)
    except (ValueError, TypeError, OverflowError) as error:
        raise ModelFileError(f"has a start of the state {shown(name)} that does not fit {shape}") from error
    if not np.isfinite(start).all():
        raise ModelFileError(f"has a start of the state {shown(name)} that is not finite")
    return np.ascontiguousarray(whole)


# ── the proof ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _prove(
    model: Any, inputs: int, outputs: int, shapes: Mapping[str, Shape], ends: Mapping[str, str], length: int
) -> None:
    """Every tensor of one batch and ``length`` samples has a known size, and what comes out is as what went in."""
    known = _inferred(model, {AUDIO: (1, inputs, length), **{name: (1, *shape) for name, shape in shapes.items()}})
    computed = 0
    for node in model.graph.node:
        for name in filter(None, node.output):
            if name not in known:
                raise ModelFileError(f"has a tensor {shown(name)} behind {shown(node.op_type)} whose size is not known")
            computed += math.prod(known[name])
    if computed > MOST_COMPUTED:
        raise ModelFileError(
            f"computes {computed:,} numbers for {length} samples; at most {MOST_COMPUTED:,} are played"
        )
    if known.get(AUDIO_OUT) != (1, outputs, length):
        raise ModelFileError(f"makes {shown(known.get(AUDIO_OUT))} of {length} samples: must be as many samples")
    for name, shape in shapes.items():
        if known.get(ends[name]) != (1, *shape):
            raise ModelFileError(f"gives the state {shown(name)} back with another shape at {length} samples")


def _inferred(model: Any, entries: Mapping[str, Shape]) -> dict[str, Shape]:
    """The shape of every tensor in the graph that onnx can tell, when the inputs have the shapes in ``entries``."""
    onnx = onnx_module()
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    del fixed.graph.value_info[:]
    del fixed.graph.output[:]
    constants = {tensor.name for tensor in fixed.graph.initializer}
    del fixed.graph.input[:]
    single = onnx.TensorProto.FLOAT
    fixed.graph.input.extend(onnx.helper.make_tensor_value_info(name, single, shape) for name, shape in entries.items())
    made = [name for node in fixed.graph.node for name in node.output if name and name not in constants]
    fixed.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in made)
    try:
        inferred = onnx.shape_inference.infer_shapes(fixed, strict_mode=True, data_prop=True)
    except Exception as error:  # onnx raises several kinds
        raise ModelFileError(f"has shapes that do not fit one another: {ascii(str(error))[1:200]}") from error
    known = {}
    for value in (*inferred.graph.value_info, *inferred.graph.output):
        if not value.type.tensor_type.HasField("shape"):
            continue
        sizes = [d.dim_value if d.HasField("dim_value") else -1 for d in value.type.tensor_type.shape.dim]
        if all(size >= 0 for size in sizes):
            known[value.name] = tuple(int(size) for size in sizes)
    return known
