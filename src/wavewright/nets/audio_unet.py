"""The Audio U-Net, with and without temporal feature-wise linear modulation.

Kuleshov, Enam and Ermon, "Audio Super Resolution Using Neural Networks" (2017), and Birnbaum et al., "Temporal FiLM"
(2019), figure 2. With x the sound at the full rate, its upper band missing:

    down    x₀ = x;  x_l = TFiLM(leaky ReLU(halve(x_{l−1})))                       l = 1 … layers
    bottom  b  = TFiLM(leaky ReLU(dropout(halve(x_L))))
    up      u_L = b;  u_{l−1} = [TFiLM(interleave(ReLU(dropout(conv u_l)))), x_l]   back to half the rate
    y = x + interleave(conv u₀)

``halve`` is a convolution and, of two neighbours, the larger one (2019) or the first (2017: a stride of 2);
``interleave`` makes of 2 C channels C of twice the length (sub-pixel upsampling). The blocks of every TFiLM span the
same time, on the way down and on the way up. (The published code keeps the bottom's blocks of a few samples all the
way up, so that its LSTMs take 2, 4, 8, 16 times as many steps there, and none of the levels modulates the same time.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wavewright.errors import SettingsError
from wavewright.nets.contract import Network, State
from wavewright.nets.tfilm import TFiLM
from wavewright.settings import problems_of, setting

WIDTHS = (1, 2, 4, 4)
"""Filters of each level beside those of the first; the levels below go on with the last."""
STRIDED_WIDTHS = (1, 3, 4, 4)
"""The same in 2017."""

LEAST_KERNEL = 9
"""Each level has half the taps of the one above, and never fewer."""
LAST_KERNEL = 9

Conv = TypeVar("Conv", bound=nn.Conv1d)

SLOPE = 0.2
DILATION = 2
MOST_WEIGHTS = 300_000_000


@dataclass(frozen=True)
class AudioUNetConfig:
    """Settings of the U-Net. Those of the papers: ``filters=128, dropout=0.5``, and ``strided=True, block=0`` for the
    plain one of 2017 (71 million weights), or ``shift=False`` for their code of 2019 (68 million).
    """

    layers: int = setting(4, "levels on the way down, and as many up again", low=1, high=8)
    filters: int = setting(16, "filters of the first level; the levels below have up to four times as many", low=2)
    kernel_size: int = setting(65, "taps of the first level's convolution; each level below has half as many", low=1)
    block: int = setting(256, "samples that share one modulation; 0 for none, the plain U-Net", low=0)
    memory: int = setting(8192, "samples of the past that a chunk gives the modulation to remember", low=0)
    shift: bool = setting(True, "the modulation shifts as well as scales")
    strided: bool = setting(False, "halve by a stride, without dilation, as in 2017; else by the larger of two")
    dropout: float = setting(0.0, "share of units left out in training (the papers': 0.5)", low=0.0, high=0.9)
    inputs: int = setting(1, "channels that it hears", low=1, high=100_000)
    outputs: int = setting(1, "channels that it writes: the first of those it hears, and what it adds to them", low=1)

    def width(self, level: int) -> int:
        """Filters of a level, counted from 0; the bottom is ``layers``."""
        widths = STRIDED_WIDTHS if self.strided else WIDTHS
        return self.filters * widths[min(level, len(widths) - 1)]

    def kernel(self, level: int) -> int:
        """Taps of a level's convolution."""
        return max(min(LEAST_KERNEL, self.kernel_size), (self.kernel_size >> level) | 1)

    @property
    def dilation(self) -> int:
        """Samples from one tap to the next."""
        return 1 if self.strided else DILATION

    @property
    def weight_count(self) -> int:
        """How many weights the network has."""
        levels = range(self.layers + 1)
        widths = [self.width(level) for level in levels]
        arriving = [widths[-1], *(2 * width for width in reversed(widths[:-1]))]
        count = sum(
            (into * self.kernel(level) + 1) * width
            for level, into, width in zip(levels, [self.inputs, *widths], widths, strict=False)
        )
        count += sum(
            (into * self.kernel(level) + 1) * 2 * widths[level]
            for level, into in zip(reversed(range(self.layers)), arriving, strict=False)
        )
        count += (arriving[-1] * LAST_KERNEL + 1) * 2 * self.outputs
        if self.block:
            rnn = [8 * width * (width + 1) + (2 * width * (width + 1) if self.shift else 0) for width in widths]
            count += sum(rnn) + sum(rnn[:-1])
        return count


def _checked(config: AudioUNetConfig) -> AudioUNetConfig:
    problems = problems_of(config)
    deepest = 2 ** (config.layers + 1)
    if config.block % deepest:
        problems.append(
            f"setting block = {config.block}: must be a multiple of {deepest}, the samples that one of the deepest "
            "level stands for, or 0"
        )
    if config.kernel_size % 2 == 0:
        problems.append(f"setting kernel_size = {config.kernel_size}: must be odd, so that its middle is a sample")
    if config.outputs > config.inputs:
        problems.append(f"setting outputs = {config.outputs}: at most inputs = {config.inputs}, to which it adds")
    if config.weight_count > MOST_WEIGHTS:
        problems.append(
            f"settings filters = {config.filters}, layers = {config.layers}, kernel_size = {config.kernel_size}: "
            f"{config.weight_count:,} weights; at most {MOST_WEIGHTS:,}; the papers' have 70 million"
        )
    if problems:
        raise SettingsError(problems)
    return config


class AudioUNet(Network):
    """``(batch, inputs, time)`` → ``(batch, outputs, time)``; what is added to a sound is what its upper band lacks.

    Sounds whose length is no `multiple` are filled up with zeros and cut again. The LSTM of a modulation remembers
    without limit; in chunks it is given ``memory`` samples to listen to first.

    Raises:
        SettingsError: settings out of range, all of them at once.

    >>> net = AudioUNet(AudioUNetConfig(layers=2, filters=4))
    >>> net(torch.zeros(1, 1, 1000))[0].shape
    torch.Size([1, 1, 1000])
    """

    causal = False

    def __init__(self, config: AudioUNetConfig) -> None:
        super().__init__()
        self.config = _checked(config)
        levels = range(config.layers + 1)
        self.multiple = max(config.block, 2 ** (config.layers + 1))
        self.in_channels, self.out_channels = config.inputs, config.outputs
        inputs = [config.inputs, *(config.width(level) for level in levels)]
        self.down = nn.ModuleList(
            _conv(inputs[level], config.width(level), config.kernel(level), config, 2 if config.strided else 1)
            for level in levels
        )
        self.down_film = nn.ModuleList(self._film(level) for level in levels)
        ups, arriving = [], config.width(config.layers)
        for level in reversed(range(config.layers)):
            ups.append(_alike(_conv(arriving, 2 * config.width(level), config.kernel(level), config)))
            arriving = 2 * config.width(level)  # what comes up, and what was kept on the way down
        self.up = nn.ModuleList(ups)
        self.up_film = nn.ModuleList(self._film(level) for level in reversed(range(config.layers)))
        self.output = nn.Conv1d(arriving, 2 * config.outputs, LAST_KERNEL, padding=LAST_KERNEL // 2)
        nn.init.normal_(self.output.weight, std=1e-3)
        nn.init.zeros_(self.output.bias)  # type: ignore[arg-type]
        _alike(self.output)
        self.dropout = nn.Dropout(config.dropout)

    def _film(self, level: int) -> nn.Module:
        """The modulation of a level, whose samples each stand for 2^(level + 1) of the sound."""
        block = self.config.block >> (level + 1)
        return TFiLM(self.config.width(level), block, shift=self.config.shift) if block else nn.Identity()

    @property
    def reach(self) -> int:
        """Samples on either side of its own on which an output depends, but for what the modulation remembers."""
        config = self.config
        half = [(config.kernel(level) - 1) // 2 * config.dilation for level in range(config.layers + 1)]
        down = sum((half[level] + 1) << level for level in range(config.layers + 1))
        up = sum(half[level] << (level + 2) for level in range(config.layers))
        last = 2 * (LAST_KERNEL // 2)
        modulated = (2 * config.layers + 1) * config.block  # a block is told what it holds as a whole
        return down + up + last + modulated

    @property
    def receptive_field(self) -> int:
        """Samples of input behind one output sample, on both sides, the modulation's memory included."""
        memory = self.config.memory if self.config.block else 0
        return self._whole(self.reach + memory) + 1 + self.lookahead

    def _whole(self, samples: int) -> int:
        return int(-(-samples // self.multiple) * self.multiple)

    @property
    def lookahead(self) -> int:  # type: ignore[override]
        """Samples after its own on which an output depends."""
        return self._whole(self.reach)

    def init_state(self, batch: int) -> State:
        """Nothing is carried from block to block."""
        return ()

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """``x`` (batch, inputs, time) → (batch, outputs, time), and an empty state."""
        time = x.shape[-1]
        h = F.pad(x, (0, -time % self.multiple))
        kept = []
        for level, (conv, film) in enumerate(zip(self.down, self.down_film, strict=True)):
            h = conv(h)
            h = h if self.config.strided else F.max_pool1d(h, 2)  # (batch, width, time / 2^(level + 1))
            h = self.dropout(h) if level == self.config.layers else h
            h = film(F.leaky_relu(h, SLOPE))
            kept.append(h)
        kept.pop()  # the bottom goes up as it is
        for conv, film in zip(self.up, self.up_film, strict=True):
            h = film(interleave(F.relu(self.dropout(conv(h)))))  # (batch, width, twice the time)
            h = torch.cat([h, kept.pop()], dim=1)
        return x[:, : self.out_channels] + interleave(self.output(h))[..., :time], ()


def interleave(x: Tensor) -> Tensor:
    """Sub-pixel upsampling: ``(batch, 2 C, time)`` → ``(batch, C, 2 time)``, the second half between the first.

    After Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional
    Neural Network" (2016), in one dimension.

    >>> interleave(torch.tensor([[[1.0, 2.0], [10.0, 20.0]]]))
    tensor([[[ 1., 10.,  2., 20.]]])
    """
    even, odd = x.chunk(2, dim=1)
    return torch.stack([even, odd], dim=-1).flatten(-2)


class SideBySide(nn.Conv1d):
    """A convolution over ``(batch, channels, time)`` with the numbers of its base, in about half its time on a CPU.

    What knows nothing of each other, the sounds of a batch and the samples between the taps of a dilation, is laid side
    by side in the last dimension, over which vector instructions go; what is left is an undilated convolution.
    """

    def forward(self, x: Tensor) -> Tensor:
        """``x`` (batch, channels, time) → (batch, out_channels, time over the stride)."""
        batch, channels, time = x.shape
        dilation = self.dilation[0]
        if x.is_cuda or channels == 1 or time % dilation or batch * dilation == 1:
            return super().forward(x)
        side = x.permute(1, 2, 0).reshape(1, channels, time // dilation, dilation * batch)
        reach = int(self.padding[0]) // dilation
        y = F.conv2d(side, self.weight[..., None], self.bias, stride=(self.stride[0], 1), padding=(reach, 0))
        return y.view(self.out_channels, -1, batch).permute(2, 0, 1)


def _conv(inputs: int, outputs: int, taps: int, config: AudioUNetConfig, stride: int = 1) -> SideBySide:
    reach = (taps - 1) // 2 * config.dilation
    conv = SideBySide(inputs, outputs, taps, stride, padding=reach, dilation=config.dilation)
    nn.init.orthogonal_(conv.weight)
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return conv


def _alike(conv: Conv) -> Conv:
    """A convolution before `interleave` whose even samples begin as its odd ones: no image of the low band, no tone.

    Else a new network folds everything up around a half, a quarter … of the rate, and has to unlearn it (Aitken et al.,
    "Checkerboard artifact free sub-pixel convolution", 2017).
    """
    even, odd = conv.weight.detach().chunk(2)
    odd.copy_(even)
    return conv
