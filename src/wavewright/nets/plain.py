"""A trained network as plain numbers: its kind, its settings, its weights by name. No torch here.

What plays a network needs no more of it, and torch takes longer to load than a song takes to render. There are as many
kinds here as there are players made of numbers; every other network stays torch's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wavewright.errors import ModelFileError, SettingsError
from wavewright.nets.gated_wavenet_config import GatedWaveNetConfig
from wavewright.nets.linear_config import LinearConfig
from wavewright.nets.plain_settings import read_settings, read_wavenet
from wavewright.nets.recurrent_config import RecurrentConfig
from wavewright.nets.wavenet_config import WaveNetConfig
from wavewright.settings import checked, from_mapping

if TYPE_CHECKING:
    from wavewright.nets.contract import Network

FloatArray = NDArray[np.float32]
Shapes = Iterator[tuple[str, tuple[int, ...]]]


def _convolution(name: str, outputs: int, inputs: int, taps: int = 1, bias: bool = True) -> Shapes:
    yield f"{name}.weight", (outputs, inputs, taps)
    if bias:
        yield f"{name}.bias", (outputs,)


def wavenet_shapes(config: WaveNetConfig) -> Shapes:
    """Names and shapes of a WaveNet's weights, in the order in which the .nam format stores them."""
    for index, array in enumerate(config.arrays):
        place = f"arrays.{index}"
        yield from _convolution(f"{place}.rechannel", array.channels, array.input_size, bias=False)
        for layer, taps in enumerate(array.kernel_sizes):
            each = f"{place}.layers.{layer}"
            yield from _convolution(f"{each}.conv", array.mid, array.channels, taps)
            yield from _convolution(f"{each}.mixer", array.mid, array.condition_size, bias=False)
            yield from _convolution(f"{each}.output", array.channels, array.width)
        yield from _convolution(
            f"{place}.head", array.head_size, array.width, array.head_kernel_size, bias=array.head_bias
        )
    yield "head_scale", ()


def gated_wavenet_shapes(config: GatedWaveNetConfig) -> Shapes:
    """Names and shapes of a gated WaveNet's weights."""
    channels, skip = config.channels, config.skip_channels
    yield from _convolution("entry", channels, 1)
    for layer in range(len(config.dilations)):
        place = f"layers.{layer}"
        yield from _convolution(f"{place}.conv", 2 * channels, channels, config.kernel_size)
        yield f"{place}.filter_slope.slope", ()
        yield f"{place}.gate_slope.slope", ()
        yield from _convolution(f"{place}.skip", skip, channels)
        yield from _convolution(f"{place}.residual", channels, channels)
    yield from _convolution("middle", skip, skip)
    yield from _convolution("last", 1, skip)
    yield "sum_slope.slope", ()
    yield "middle_slope.slope", ()


def recurrent_shapes(config: RecurrentConfig, gates: int, memories: int) -> Shapes:
    """Names and shapes of the weights of an LSTM (4 gates, 2 memories a unit) or a GRU (3 and 1)."""
    hidden = config.hidden_size
    for layer in range(config.num_layers):
        inputs = config.input_size if layer == 0 else hidden
        yield f"rnn.weight_ih_l{layer}", (gates * hidden, inputs)
        yield f"rnn.weight_hh_l{layer}", (gates * hidden, hidden)
        yield f"rnn.bias_ih_l{layer}", (gates * hidden,)
        yield f"rnn.bias_hh_l{layer}", (gates * hidden,)
    yield "head.weight", (config.output_size, hidden)
    yield "head.bias", (config.output_size,)
    yield "start", (memories, config.num_layers, hidden)


def linear_shapes(config: LinearConfig) -> Shapes:
    """Names and shapes of an impulse response's weights."""
    yield "impulse_response", (config.taps,)
    if config.bias:
        yield "bias", (1,)


def _checked_wavenet(values: Mapping[str, Any]) -> WaveNetConfig:
    config = read_wavenet(values)
    problems = config.problems()
    if problems:
        raise SettingsError(problems)
    return config


@dataclass(frozen=True)
class _Kind:
    """How the settings of a kind come from plain values, and what follows from them."""

    read: Callable[[Mapping[str, Any]], Any]
    shapes: Callable[[Any], Shapes]
    channels: Callable[[Any], tuple[int, int]]
    prewarm: Callable[[Any], int]


def _recurrent(gates: int, memories: int) -> _Kind:
    return _Kind(
        lambda values: checked(from_mapping(RecurrentConfig, values)),
        lambda config: recurrent_shapes(config, gates, memories),
        lambda config: (config.input_size, config.output_size),
        lambda config: config.prewarm,
    )


_KINDS: dict[str, _Kind] = {
    "wavenet": _Kind(
        _checked_wavenet,
        wavenet_shapes,
        lambda config: (config.arrays[0].input_size, config.arrays[-1].head_size),
        lambda config: config.receptive_field,
    ),
    "gated-wavenet": _Kind(
        lambda values: checked(from_mapping(GatedWaveNetConfig, values)),
        gated_wavenet_shapes,
        lambda config: (1, 1),
        lambda config: 1 + (config.kernel_size - 1) * sum(config.dilations),
    ),
    "lstm": _recurrent(4, 2),
    "gru": _recurrent(3, 1),
    "linear": _Kind(
        lambda values: checked(from_mapping(LinearConfig, values)),
        linear_shapes,
        lambda config: (1, 1),
        lambda config: config.taps,
    ),
}


@dataclass(frozen=True)
class PlainNetwork:
    """A network of a kind in `kinds`, causal and without latency; ``weights`` by the names of torch's ``state_dict``.

    >>> from wavewright.nets.registry import build
    >>> network = plain_of(build("a1-nano"))
    >>> network.kind, network.weights["arrays.1.head.weight"].shape
    ('wavenet', (1, 2, 1))
    """

    kind: str
    config: Any
    weights: Mapping[str, FloatArray]

    @property
    def in_channels(self) -> int:
        """Inputs of the network: the sound, then controls."""
        return _KINDS[self.kind].channels(self.config)[0]

    @property
    def out_channels(self) -> int:
        """Outputs of the network."""
        return _KINDS[self.kind].channels(self.config)[1]

    @property
    def prewarm(self) -> int:
        """Samples of silence that a player feeds before the first real one."""
        return _KINDS[self.kind].prewarm(self.config)

    def with_torch(self) -> Network:
        """The same as a torch module."""
        import torch

        from wavewright.nets import registry

        network = registry.KINDS[self.kind].network(self.config)
        network.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in self.weights.items()})
        return network.eval()


def kinds() -> tuple[str, ...]:
    """The kinds of networks that can be plain."""
    return tuple(_KINDS)


def from_order(kind: str, config: Any, flat: FloatArray) -> PlainNetwork:
    """A network from all its weights in one row, in the order of its shapes; there must be as many as it has."""
    shapes = dict(_KINDS[kind].shapes(config))
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes.values()])
    if ends[-1] != flat.size:
        raise ValueError(f"{flat.size} weights for a {kind} that has {ends[-1]}")
    parts = np.split(flat, ends[:-1])
    return PlainNetwork(
        kind, config, {name: part.reshape(shapes[name]) for name, part in zip(shapes, parts, strict=True)}
    )


def from_names(kind: str, values: Mapping[str, Any], weights: Mapping[str, FloatArray], source: str) -> PlainNetwork:
    """A network as a run keeps it: settings as plain ``values``, weights by name; ``source`` is named in errors.

    Raises:
        ModelFileError: settings that cannot be used, or weights that do not fit them.
    """
    config = read_settings(kind, _KINDS[kind].read, values)
    refuse_misfits(dict(_KINDS[kind].shapes(config)), {name: value.shape for name, value in weights.items()}, source)
    return PlainNetwork(kind, config, weights)


def refuse_misfits(wanted: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]], source: str) -> None:
    """Raise `ModelFileError` where weights are missing, unknown, or of another shape than ``wanted``."""
    if dict(wanted) != dict(found):
        wrong = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        raise ModelFileError(
            f"{source} does not fit the network it declares ({', '.join(wrong[:3])}): it is damaged; train again"
        )


def in_order(net: PlainNetwork) -> FloatArray:
    """All weights in one row, as `from_order` takes them."""
    return np.concatenate([net.weights[name].ravel() for name, _ in _KINDS[net.kind].shapes(net.config)])


def plain_of(net: Network, *, convert: bool = False) -> PlainNetwork | None:
    """A torch network's numbers as they are now, shared with it; None where it is of no plain kind, not in CPU memory,
    or not in single precision. ``convert`` brings it there."""
    import torch

    from wavewright.nets import registry

    kind = next((kind for kind in _KINDS if type(net) is registry.KINDS[kind].network), None)
    if kind is None:
        return None
    weights = {name: part.detach() for name, part in net.state_dict().items()}
    if convert:
        weights = {name: part.to("cpu", torch.float32) for name, part in weights.items()}
    if any(part.device.type != "cpu" or part.dtype != torch.float32 for part in weights.values()):
        return None
    return PlainNetwork(kind, net.config, {name: part.numpy() for name, part in weights.items()})
