"""aNN_Audio's WaveNet: gated, two taps a layer, dilations 1, 2, 4 … 8192, activations with a learned slope.

After van den Oord et al., "WaveNet: A Generative Model for Raw Audio" (2016), sections 2.3 and 2.4, without the
quantised output: a digital twin gives samples, not a distribution. With x the residual stream and s the skip sum:

    f, g = conv(x)                      two taps, ``dilation`` apart
    a = tanh(n·p·f) · sigmoid(n·q·g)    p, q learned, one of each a layer
    s = s + skip(a)
    x = x + residual(a)
    y = last(act(middle(act(s))))       act(u) = tanh(n·r·u), r learned

The slopes follow Jagtap, Kawaguchi and Karniadakis, "Adaptive activation functions accelerate convergence in deep and
physics-informed neural networks" (2020), section 2: a fixed n above 1 makes the slope learn faster than the weights.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from wavewright.nets.contract import Network, State
from wavewright.nets.gated_wavenet_config import GatedWaveNetConfig
from wavewright.nets.history import Histories
from wavewright.nets.wavenet import valid_length
from wavewright.settings import checked

__all__ = ["GatedLayer", "GatedWaveNet", "GatedWaveNetConfig", "Slope"]


class Slope(nn.Module):
    """Multiplies by a learned number that starts at one."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.slope = nn.Parameter(torch.tensor(1.0 / scale))

    def forward(self, z: Tensor) -> Tensor:
        """``z`` of any shape."""
        return z * (self.scale * self.slope)


class GatedLayer(nn.Module):
    """One gated convolution with its ways to the skip sum and back into the stream."""

    def __init__(self, config: GatedWaveNetConfig, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(config.channels, 2 * config.channels, config.kernel_size, dilation=dilation)
        self.filter_slope = Slope(config.slope_scale)
        self.gate_slope = Slope(config.slope_scale)
        self.skip = nn.Conv1d(config.channels, config.skip_channels, 1)
        self.residual = nn.Conv1d(config.channels, config.channels, 1)
        self.history = (config.kernel_size - 1) * dilation

    def forward(self, x: Tensor, wanted: int) -> tuple[Tensor, Tensor]:
        """``x`` (batch, channels, history + time) → the stream (…, time) and a share of the sum (…, wanted)."""
        f, g = self.conv(x).chunk(2, dim=1)  # (batch, channels, time) each
        a = torch.tanh(self.filter_slope(f)) * torch.sigmoid(self.gate_slope(g))
        return x[..., self.history :] + self.residual(a), self.skip(a[..., a.shape[-1] - wanted :])


class GatedWaveNet(Network):
    """Gated WaveNet over ``(batch, 1, time)``.

    Raises:
        SettingsError: settings out of range, all of them at once.

    >>> GatedWaveNet(GatedWaveNetConfig(depth=6)).receptive_field
    64
    """

    def __init__(self, config: GatedWaveNetConfig) -> None:
        super().__init__()
        self.config = checked(config)
        self.entry = nn.Conv1d(1, config.channels, 1)
        self.layers = nn.ModuleList(GatedLayer(config, dilation) for dilation in config.dilations)
        # The last stream leads nowhere; what would lead into it is kept from the optimiser.
        self._layer(-1).residual.requires_grad_(False)
        self.middle = nn.Conv1d(config.skip_channels, config.skip_channels, 1)
        self.last = nn.Conv1d(config.skip_channels, 1, 1)
        self.sum_slope = Slope(config.slope_scale)
        self.middle_slope = Slope(config.slope_scale)

    def _layer(self, index: int) -> GatedLayer:
        layer = self.layers[index]
        assert isinstance(layer, GatedLayer)
        return layer

    def each_layer(self) -> Iterator[GatedLayer]:
        """The layers, first to last."""
        return (self._layer(index) for index in range(len(self.layers)))

    @property
    def receptive_field(self) -> int:
        """Samples of input behind one output sample, the present one included."""
        return 1 + sum(layer.history for layer in self.each_layer())

    @property
    def multiply_adds(self) -> int:
        """Multiplications that one output sample takes, activations not counted."""
        c = self.config
        layer = 2 * c.channels * c.channels * c.kernel_size + c.channels * (c.skip_channels + c.channels)
        return c.channels + len(c.dilations) * layer + c.skip_channels * (c.skip_channels + 1)

    def init_state(self, batch: int) -> State:
        """Zeros before the first sample: each layer's own history."""
        weight = self.entry.weight
        return tuple(
            torch.zeros(batch, self.config.channels, layer.history, device=weight.device, dtype=weight.dtype)
            for layer in self.each_layer()
            if layer.history
        )

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """``x`` (batch, 1, time) → the sound, as long, and the state after it."""
        histories = Histories(self.init_state(x.shape[0]) if state is None else state)
        stream, total = self.entry(x), None
        for layer in self.each_layer():
            stream, share = layer(histories.before(stream, layer.history), x.shape[-1])
            total = share if total is None else total + share
        return self._output(torch.as_tensor(total)), histories.state()

    def valid(self, x: Tensor) -> Tensor:
        """``x`` (batch, 1, time) → the ``time - receptive_field + 1`` samples that see a whole receptive field."""
        wanted = valid_length(self, x)
        stream, total = self.entry(x), None
        for layer in self.each_layer():
            stream, share = layer(stream, wanted)
            total = share if total is None else total + share
        return self._output(torch.as_tensor(total))

    def _output(self, total: Tensor) -> Tensor:
        hidden = self.middle(torch.tanh(self.sum_slope(total)))
        return torch.as_tensor(self.last(torch.tanh(self.middle_slope(hidden))))
