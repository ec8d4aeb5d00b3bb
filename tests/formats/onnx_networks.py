"""Networks of every kind for the tests of ONNX files, by name, with weights that make an audible sound."""

from __future__ import annotations

from collections.abc import Callable

import torch

from wavewright.nets.contract import Network
from wavewright.nets.knob_wavenet import KnobWaveNet, KnobWaveNetConfig
from wavewright.nets.names import NETWORK_NAMES
from wavewright.nets.registry import NETWORKS, build
from wavewright.nets.wavenet import WaveNet
from wavewright.nets.wavenet_config import ACTIVATIONS, Activation, LayerArrayConfig, WaveNetConfig


def every_activation() -> WaveNet:
    """One layer for each activation, a bottleneck, a head of three taps."""
    count = len(ACTIVATIONS)
    activations = tuple(Activation(name, 0.3) for name in ACTIVATIONS)
    array = LayerArrayConfig(1, 1, 1, 5, (2,) * count, tuple(range(1, count + 1)), activations, 3, True, False, 4)
    return WaveNet(WaveNetConfig((array,), head_scale=1.0))


def gated_with_bottleneck() -> WaveNet:
    """Gated, kernels of several lengths, one of them 1."""
    activations = (Activation("Tanh"), Activation("ReLU"), Activation("Tanh"))
    array = LayerArrayConfig(1, 1, 1, 4, (2, 1, 3), (1, 7, 4), activations, 2, True, True, 3)
    return WaveNet(WaveNetConfig((array,), head_scale=1.0))


def several_inputs() -> WaveNet:
    """Two sounds and a third input into two arrays, two sounds out."""
    first = LayerArrayConfig(3, 3, 4, 6, (3, 3), (1, 5), (Activation("Tanh"),) * 2)
    second = LayerArrayConfig(6, 3, 2, 4, (3,), (11,), (Activation("SiLU"),), head_bias=True)
    return WaveNet(WaveNetConfig((first, second), head_scale=1.0))


def with_knobs(conditioning: str, units: int = 0) -> KnobWaveNet:
    """Two arrays, two knobs."""
    first = LayerArrayConfig(1, 1, 4, 6, (3, 2), (1, 5), (Activation("Tanh"),) * 2)
    second = LayerArrayConfig(6, 1, 1, 4, (3,), (11,), (Activation("Tanh"),), gated=True)
    wavenet = WaveNetConfig((first, second), head_scale=1.0)
    return KnobWaveNet(KnobWaveNetConfig(wavenet, knobs=2, conditioning=conditioning, units=units))


def named(name: str) -> Callable[[], Network]:
    changes = {"prewarm": 300} if NETWORKS[name][0] in ("lstm", "gru") else {}
    return lambda: build(name, **changes)


MAKERS: dict[str, Callable[[], Network]] = {
    **{name: named(name) for name in NETWORK_NAMES if NETWORKS[name][0] != "window"},
    "every activation": every_activation,
    "gated with bottleneck": gated_with_bottleneck,
    "several inputs": several_inputs,
    "knobs, concatenated": lambda: with_knobs("concat"),
    "knobs, FiLM": lambda: with_knobs("film", units=3),
    "knobs into an lstm": lambda: build("lstm", hidden_size=6, input_size=3, controls=2, prewarm=50),
    "gated wavenet, three taps": lambda: build("gated-wavenet", depth=4, blocks=2, kernel_size=3, channels=3),
    "lstm, three layers": lambda: build(
        "lstm", hidden_size=5, num_layers=3, learned_start=True, skip=True, skip_gain=0.5, input_size=2, prewarm=99
    ),
    "gru, two layers": lambda: build("gru", hidden_size=7, num_layers=2, skip=True, learned_start=True, prewarm=0),
    "filter banks": lambda: build(
        "conv-deconv", stride=1, width=3, filter_sizes=(8, 1, 21), causal=True, middle="dense", activation="leaky-relu"
    ),
    "filter bank, shared": lambda: build("conv-deconv", stride=1, width=4, filter_sizes=(9,), shared=True, causal=True),
    "filter bank, bare": lambda: build(
        "conv-deconv", stride=1, width=4, filter_sizes=(5,), middle="none", activation="tanh", causal=True
    ),
    "one tap": lambda: build("linear", taps=1, bias=True),
    "taps and bias": lambda: build("linear", taps=50, bias=True),
}


def loud(name: str) -> Network:
    """The network by its name here, its weights drawn from a fixed seed, its biases, slopes and starts moved."""
    torch.manual_seed(3)
    network = MAKERS[name]().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
        for part in network.modules():
            if isinstance(part, WaveNet):
                part.head_scale.fill_(1.0)
    return network
