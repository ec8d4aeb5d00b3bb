"""Writes causal networks as ONNX files, for any host that has onnxruntime.

A file takes a block of sound and the states, and gives as much sound and the states for the next block: blocks may have
any length, and another one each time. What a host must know besides stands in the file's metadata (docs/onnx.md). The
graph is built node by node from the network's equations. Exporting by tracing froze the time axis of recurrent networks
at the length of the example, though it was named dynamic.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from wavewright import atomic
from wavewright.errors import ModelFileError
from wavewright.formats import nam_metadata, onnx_convolutions, onnx_recurrent
from wavewright.formats.nam_metadata import NamMetadata
from wavewright.formats.onnx_graph import Graph, onnx_module
from wavewright.formats.onnx_told import CONVENTION

if TYPE_CHECKING:
    from wavewright.nets.contract import Network

__all__ = ["KnobRange", "model_of", "save"]

WRITERS: dict[str, Callable[[Graph, Any], str]] = {
    "wavenet": onnx_convolutions.wavenet,
    "knob-wavenet": onnx_convolutions.knob_wavenet,
    "a2": onnx_convolutions.slimmable,
    "gated-wavenet": onnx_convolutions.gated_wavenet,
    "conv-deconv": onnx_convolutions.conv_deconv,
    "linear": onnx_convolutions.linear,
    "lstm": onnx_recurrent.lstm,
    "gru": onnx_recurrent.gru,
}
"""What writes a network, by its kind: a function from the graph and the network's settings to the name of its sound."""


class KnobRange(Protocol):
    """A knob of the device: its name, and what its two ends are called."""

    @property
    def name(self) -> str:
        """As the device says."""

    @property
    def low(self) -> float:
        """At position 0."""

    @property
    def high(self) -> float:
        """At position 1."""


def save(
    path: Path,
    network: Network,
    rate: int | None,
    metadata: NamMetadata | None = None,
    *,
    knobs: Sequence[KnobRange] = (),
    force: bool = False,
) -> None:
    """Write ``network``, which plays at ``rate`` Hz, as an ONNX file.

    ``knobs`` name the network's controls, the last of its inputs. Loudness and gain are measured where ``metadata``
    does not give them and the network has one input and one output.

    Raises:
        ModelFileError: a network that is not causal or draws its sound, an unknown rate, knobs that do not fit, weights
            that are not finite; onnx is not installed.
        OutputError: the file exists and ``force`` is not given, or the place cannot be written.
    """
    atomic.refuse_existing(path, force=force)
    atomic.write_bytes(path, model_of(network, rate, metadata, knobs=knobs).SerializeToString())


def model_of(
    network: Network, rate: int | None, metadata: NamMetadata | None = None, *, knobs: Sequence[KnobRange] = ()
) -> Any:
    """The ONNX model of ``network`` in memory, as `save` writes it."""
    onnx_module()
    kind = _kind(network)
    if rate is None:
        raise ModelFileError("an ONNX file must say its rate, and this twin does not know its own; train it anew")
    controls = network.controls
    if len(knobs) != controls:
        raise ModelFileError(f"the network has {controls} knobs, and {len(knobs)} were named; name each")
    weights = {name: part.detach().cpu().float().numpy() for name, part in network.state_dict().items()}
    if not all(np.isfinite(value).all() for value in weights.values()):
        raise ModelFileError("the network has weights that are NaN or infinite and cannot be exported; retrain it")
    graph = Graph(weights)
    sound = WRITERS[kind](graph, network.config)
    told = {
        "wavewright": CONVENTION,
        "network": kind,
        "sample_rate": rate,
        "latency": network.latency,
        "receptive_field": network.receptive_field,
        "prewarm": network.prewarm,
        "knobs": {knob.name: [float(knob.low), float(knob.high)] for knob in knobs},
        "states": _states(graph, network),
        **_facts(metadata or NamMetadata(), network),
    }
    return graph.model(network.in_channels, network.out_channels, sound, {key: _text(told[key]) for key in told})


def _kind(network: Network) -> str:
    """The network's kind, one that can be written.

    Raises:
        ModelFileError: it cannot.
    """
    from wavewright.nets import registry

    kind, _ = registry.config_of(network)
    if not network.causal:
        raise ModelFileError(
            f"a network of the kind {kind} is not causal: it needs sound to come, and cannot be played block by block "
            "from an ONNX file; export one that is"
        )
    if kind not in WRITERS:
        raise ModelFileError(
            f"a network of the kind {kind} cannot be written as ONNX; those that can are {', '.join(WRITERS)}"
        )
    return kind


def _states(graph: Graph, network: Network) -> dict[str, Any]:
    """Each state's input: the output that gives it anew, and what it is after silence.

    A convolution's history of silence is the same at all times, and is told by one moment of it.
    """
    settled = [part[0].cpu().float().numpy() for part in network.settled_state(1) if part.numel()]
    found = [part.shape for part in settled]
    if found != [state.shape for state in graph.states]:
        raise AssertionError(f"the graph's states {graph.states} are not the network's, {found}")
    told: dict[str, Any] = {}
    for state, start in zip(graph.states, settled, strict=True):
        if not np.isfinite(start).all():
            raise ModelFileError("the network does not stay finite on silence and cannot be exported; retrain it")
        last = start[..., -1:]
        moment = last if np.allclose(start, last, rtol=1e-5, atol=1e-7) else start
        told[state.input] = {"output": state.output, "start": moment.tolist()}
    return told


def _facts(metadata: NamMetadata, network: Network) -> Mapping[str, Any]:
    """Who made the model of what, how loud it is."""
    if metadata.date is None:
        metadata = dataclasses.replace(metadata, date=nam_metadata.date(datetime.now()))
    if metadata.loudness is None and (network.in_channels, network.out_channels) == (1, 1):
        from wavewright.formats import nam_loudness

        found = nam_loudness.measure(network)
        metadata = dataclasses.replace(metadata, loudness=found.loudness, gain=found.gain)
    return nam_metadata.write(dataclasses.replace(metadata, others={}))  # others' entries might be read as ours


def _text(value: Any) -> str:
    """Text as it is, everything else as JSON."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, allow_nan=False)
    except (ValueError, TypeError) as error:
        raise ModelFileError(
            f"the metadata cannot be written as JSON ({error}); give finite numbers and plain text"
        ) from error
