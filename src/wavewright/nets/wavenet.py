"""The WaveNet of Neural Amp Modeler, in its A1 and A2 forms.

One layer, with x the residual stream, c the dry signal and h the sum that becomes the output (van den Oord et al.,
"WaveNet: A Generative Model for Raw Audio", 2016, with the skip sums of the .nam format):

    z = conv(x) + mixer(c)          dilated convolution with bias, 1×1 mixer without
    a = act(z)                      or act(z₁) · sigmoid(z₂) where gated
    h = h + a
    x = x + 1×1(a)

A layer array runs this over its dilations between a 1×1 on the way in and a head convolution on h; the next array takes
the stream x and goes on summing from the head's output. The last head's output times ``head_scale`` is the sound.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wavewright.errors import SettingsError
from wavewright.nets.contract import Network, State
from wavewright.nets.history import Histories
from wavewright.nets.wavenet_config import Activation, LayerArrayConfig, WaveNetConfig

__all__ = ["Activation", "LayerArray", "LayerArrayConfig", "WaveNet", "WaveNetConfig"]


def activate(z: Tensor, activation: Activation) -> Tensor:
    """``z`` through the function that ``activation`` names."""
    match activation.name:
        case "Tanh":
            return torch.tanh(z)
        case "ReLU":
            return F.relu(z)
        case "LeakyReLU":
            return F.leaky_relu(z, activation.negative_slope)
        case "Sigmoid":
            return torch.sigmoid(z)
        case "SiLU":
            return F.silu(z)
        case "Hardswish":
            return F.hardswish(z)
        case "Hardtanh":
            return F.hardtanh(z)
        case "Softsign":
            return F.softsign(z)
    raise SettingsError([f"activation {activation.name!r} has no function"])


class Layer(nn.Module):
    """One dilated convolution with its mixer, activation and way back into the stream."""

    def __init__(self, config: LayerArrayConfig, index: int) -> None:
        super().__init__()
        self.activation = config.activations[index]
        self.gated = config.gated
        width = config.width
        mid = 2 * width if config.gated else width
        kernel, dilation = config.kernel_sizes[index], config.dilations[index]
        self.conv = nn.Conv1d(config.channels, mid, kernel, dilation=dilation)
        self.mixer = nn.Conv1d(config.condition_size, mid, 1, bias=False)
        self.output = nn.Conv1d(width, config.channels, 1)
        self.history = (kernel - 1) * dilation

    def forward(self, x: Tensor, c: Tensor, h: Tensor | None, wanted: int) -> tuple[Tensor, Tensor]:
        """``x`` (batch, channels, history + time), ``h`` (batch, width, wanted) → the stream (…, time) and the sum."""
        return self.behind(x, self.before(x, c), h, wanted)

    def before(self, x: Tensor, c: Tensor) -> Tensor:
        """z (batch, mid, time), what goes into the activation."""
        z = self.conv(x)
        return torch.as_tensor(z + self.mixer(c[..., c.shape[-1] - z.shape[-1] :]))

    def behind(self, x: Tensor, z: Tensor, h: Tensor | None, wanted: int) -> tuple[Tensor, Tensor]:
        """From z on: the stream (batch, channels, time) and the sum (batch, width, wanted)."""
        if self.gated:
            filtered, gate = z.chunk(2, dim=1)
            a = activate(filtered, self.activation) * torch.sigmoid(gate)
        else:
            a = activate(z, self.activation)  # (batch, width, time)
        skip = a[..., a.shape[-1] - wanted :]
        return x[..., self.history :] + self.output(a), skip if h is None else h + skip


def valid_length(net: Network, x: Tensor) -> int:
    """How many samples of ``x`` see the whole receptive field of ``net``.

    Raises:
        SettingsError: none does.
    """
    length = int(x.shape[-1]) - net.receptive_field + 1
    if length < 1:
        raise SettingsError(
            [f"{x.shape[-1]} samples are too few for a receptive field of {net.receptive_field}; give as many"]
        )
    return length


class LayerArray(nn.Module):
    """A stack of layers of one width, between the 1×1 on the way in and the head on the way out."""

    def __init__(self, config: LayerArrayConfig) -> None:
        super().__init__()
        self.config = config
        self.rechannel = nn.Conv1d(config.input_size, config.channels, 1, bias=False)
        self.layers = nn.ModuleList(Layer(config, index) for index in range(len(config.dilations)))
        self.head = nn.Conv1d(config.width, config.head_size, config.head_kernel_size, bias=config.head_bias)

    def each_layer(self) -> Iterator[Layer]:
        """The layers, first to last."""
        for layer in self.layers:
            assert isinstance(layer, Layer)
            yield layer

    def shrinking(self, stream: Tensor, c: Tensor, h: Tensor | None, wanted: int) -> tuple[Tensor, Tensor]:
        """The array over samples that have all their past.

        ``stream`` (batch, inputs, time), ``h`` (batch, width, wanted) → the stream, shorter by all histories, and the
        head's output (batch, head, wanted − kernel + 1).
        """
        stream = self.rechannel(stream)
        for layer in self.each_layer():
            stream, h = layer(stream, c, h, wanted)
        return stream, self.head(torch.as_tensor(h))


class WaveNet(Network):
    """Feed-forward WaveNet over ``(batch, 1, time)``, weight for weight what the .nam format stores.

    Weights start as PyTorch starts its convolutions (uniform, ±1/√fan-in), as in the reference trainer.

    Raises:
        SettingsError: a configuration that describes no network, with all that is wrong in it.

    >>> from wavewright.nets.registry import build
    >>> net = build("a1-nano")
    >>> net.receptive_field, sum(p.numel() for p in net.parameters()) + 1
    (4093, 842)
    """

    head_scale: Tensor

    def __init__(self, config: WaveNetConfig) -> None:
        super().__init__()
        problems = config.problems()
        if problems:
            raise SettingsError(problems)
        self.config = config
        self.in_channels = config.arrays[0].input_size
        self.out_channels = config.arrays[-1].head_size
        self.controls = config.controls
        self.arrays = nn.ModuleList(LayerArray(array) for array in config.arrays)
        # The last stream leads nowhere; the format stores its 1×1 all the same.
        *_, last = self.each_array()
        *_, unused = last.each_layer()
        unused.output.requires_grad_(False)
        self.register_buffer("head_scale", torch.tensor(config.head_scale, dtype=torch.float32))

    def each_array(self) -> Iterator[LayerArray]:
        """The layer arrays, first to last."""
        for array in self.arrays:
            assert isinstance(array, LayerArray)
            yield array

    @property
    def receptive_field(self) -> int:
        """Samples of input that one output sample sees; also the silence that the reference player prewarms with."""
        return self.config.receptive_field

    @property
    def multiply_adds(self) -> int:
        """Multiplications that one output sample takes, activations not counted."""
        return self.config.multiply_adds

    def init_state(self, batch: int) -> State:
        """Zeros before the first sample: a history for every dilated convolution and for every head longer than 1."""
        weight = next(self.parameters())
        return tuple(
            torch.zeros(batch, channels, length, device=weight.device, dtype=weight.dtype)
            for array in self.config.arrays
            for channels, length in array.histories()
        )

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """``x`` (batch, 1, time) → the sound, as long, and the state after it."""
        histories = Histories(self.init_state(x.shape[0]) if state is None else state)
        time = x.shape[-1]
        stream, h = x, None
        for array in self.each_array():
            stream = array.rechannel(stream)
            for layer in array.each_layer():
                stream, h = layer(histories.before(stream, layer.history), x, h, time)
            h = array.head(histories.before(torch.as_tensor(h), array.config.head_kernel_size - 1))
        return self.head_scale * torch.as_tensor(h), histories.state()

    def valid(self, x: Tensor) -> Tensor:
        """``x`` (batch, 1, time) → the ``time - receptive_field + 1`` samples that see a whole receptive field.

        Every layer computes only what a later one needs, so the stream shrinks on its way.
        """
        wanted = valid_length(self, x) + sum(array.head_kernel_size - 1 for array in self.config.arrays)
        stream, h = x, None
        for array in self.each_array():
            stream, h = array.shrinking(stream, x, h, wanted)
            wanted = h.shape[-1]
        return torch.as_tensor(self.head_scale * torch.as_tensor(h))
