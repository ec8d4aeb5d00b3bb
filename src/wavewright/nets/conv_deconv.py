"""Convolution, a hidden layer on each channel, transposed convolution: a learned filter bank, there and back.

The network of "TensorFlow Signal Processing" (Joel Shapiro, 2016). With filters of K samples, C of them, a stride S:

    h = act(conv(x) + a)      (C, frames)    what each filter finds, at every S-th sample
    h = act(w · h + c)        (C, frames)    the middle: a weight and an offset of its own for each channel
    y = convᵀ(h) + b          (1, time)      every finding laid down again as a filter, overlapping ones added up

The transposed convolution has filters of its own, or lays down the very filters that the convolution looked for. The
middle may be left out, or be one matrix over all channels (``dense``). It spans one frame: all that it knows of time is
what a filter spans, so filters must be as long as what they should tell apart. Several banks with filters of different
lengths may work side by side, their sounds added up: short filters for what is quick, long ones for what is low.

A frame is laid down where it was found, so an output sample depends on K - 1 samples before it and as many after it.
A ``causal`` network lays it down one filter later, on the newest sample of the frame and those that follow: it looks
2 (K - 1) samples back, never ahead, and plays without latency.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wavewright.errors import SettingsError
from wavewright.nets.contract import Network, State
from wavewright.nets.history import Histories
from wavewright.nets.wavenet import valid_length
from wavewright.settings import problems_of, setting

MOST_WEIGHTS = 20_000_000
MIDDLES = ("none", "channel", "dense")
ACTIVATIONS = ("none", "relu", "leaky-relu", "tanh")


@dataclass(frozen=True)
class ConvDeconvConfig:
    """Settings of a learned filter bank, or of several side by side."""

    width: int = setting(64, "filters of each size: channels", low=1, high=4096)
    filter_sizes: tuple[int, ...] = setting((64,), "length of the filters in samples; several work side by side")
    stride: int = setting(4, "samples from one frame to the next; 1 as in the original", low=1, high=65_536)
    shared: bool = setting(False, "lay down the filters that were looked for, instead of others of its own")
    middle: str = setting("channel", "the hidden layer in between", choices=MIDDLES)
    activation: str = setting("relu", "behind the convolution and behind the middle", choices=ACTIVATIONS)
    causal: bool = setting(False, "never look ahead; for playing without latency")

    @property
    def weight_count(self) -> int:
        """How many numbers the network holds."""
        middle = {"none": 0, "channel": 2 * self.width, "dense": self.width * (self.width + 1)}[self.middle]
        banks = (1 if self.shared else 2) * self.width * sum(self.filter_sizes)
        return banks + len(self.filter_sizes) * (self.width + middle) + 1

    @property
    def problems(self) -> list[str]:
        """What is wrong with the settings, one by one and together."""
        found = problems_of(self)
        sizes = self.filter_sizes
        whole = all(isinstance(size, int) and not isinstance(size, bool) for size in sizes)
        if not whole or not 1 <= len(sizes) <= 16 or not all(1 <= size <= 65_536 for size in sizes):
            return [*found, f"setting filter_sizes = {sizes!r}: must be one to 16 whole numbers from 1 to 65,536"]
        if found:
            return found
        if any(size % self.stride for size in sizes):
            found.append(
                f"setting stride = {self.stride}: must divide the filter_sizes {', '.join(map(str, sizes))}, so that "
                "every sample lies in equally many frames"
            )
        if self.causal and self.stride > 1:
            found.append(
                f"setting stride = {self.stride}: a causal network has a frame for every sample; make it 1, or let it "
                "look ahead with causal = false"
            )
        if self.weight_count > MOST_WEIGHTS:
            found.append(
                f"settings width = {self.width}, filter_sizes = {sizes!r}: {self.weight_count:,} weights; at most "
                f"{MOST_WEIGHTS:,} are allowed"
            )
        return found


class Bank(nn.Module):
    """Filters of one size: there and back, ``(batch, 1, time)`` to as much sound as its frames cover."""

    def __init__(self, config: ConvDeconvConfig, size: int) -> None:
        super().__init__()
        self.stride, self.size, self.activation = config.stride, size, config.activation
        frames = size // config.stride  # how many lie over one sample
        self.encoder = nn.Parameter(torch.randn(config.width, 1, size) / math.sqrt(size))
        self.decoder = (
            None
            if config.shared
            else nn.Parameter(torch.randn(config.width, 1, size) / math.sqrt(config.width * frames))
        )
        self.bias = nn.Parameter(torch.empty(config.width).uniform_(-0.1, 0.1))
        self.middle = _middle(config)

    def found(self, x: Tensor) -> Tensor:
        """``x`` (batch, 1, time) → (batch, width, frames), a frame for each place where a filter lies wholly in x."""
        h = self._activate(F.conv1d(x, self.encoder, self.bias, self.stride))
        return h if self.middle is None else self._activate(self.middle(h))

    def laid_down(self, h: Tensor) -> Tensor:
        """``h`` (batch, width, frames) → (batch, 1, (frames - 1) · stride + size)."""
        decoder = self.encoder if self.decoder is None else self.decoder
        return F.conv_transpose1d(h, decoder, stride=self.stride)

    def _activate(self, h: Tensor) -> Tensor:
        match self.activation:
            case "relu":
                return F.relu(h)
            case "leaky-relu":
                return F.leaky_relu(h, 0.1)
            case "tanh":
                return torch.tanh(h)
        return h


class ChannelWise(nn.Module):
    """A weight and an offset for each channel, over ``(batch, channels, frames)``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1))

    def forward(self, h: Tensor) -> Tensor:
        """``h`` → as many."""
        return self.weight * h + self.bias


def _middle(config: ConvDeconvConfig) -> nn.Module | None:
    if config.middle == "none":
        return None
    if config.middle == "channel":
        return ChannelWise(config.width)
    dense = nn.Conv1d(config.width, config.width, 1)
    nn.init.eye_(dense.weight.data[..., 0])  # begins as if it were not there
    nn.init.zeros_(dense.bias)  # type: ignore[arg-type]
    return dense


class ConvDeconv(Network):
    """Filter banks over ``(batch, 1, time)``, as long out as in.

    A sound whose length the stride does not divide is filled up with zeros, and so is what lies beyond its ends.

    Raises:
        SettingsError: settings out of range, or that do not go together.

    >>> net = ConvDeconv(ConvDeconvConfig(width=4, filter_sizes=(8, 32), stride=4))
    >>> net(torch.zeros(1, 1, 99))[0].shape, net.receptive_field, net.lookahead
    (torch.Size([1, 1, 99]), 63, 31)
    """

    def __init__(self, config: ConvDeconvConfig) -> None:
        super().__init__()
        if config.problems:
            raise SettingsError(config.problems)
        self.config = config
        self.longest = max(config.filter_sizes)
        self.causal = config.causal
        self.multiple = config.stride
        self.lookahead = 0 if config.causal else self.longest - 1
        self.banks = nn.ModuleList(Bank(config, size) for size in config.filter_sizes)
        self.bias = nn.Parameter(torch.zeros(1))

    @property
    def receptive_field(self) -> int:
        """Both convolutions reach a filter, less one, from the sample."""
        return 2 * self.longest - 1

    @property
    def context(self) -> tuple[int, int]:
        """A filter less a stride on either side, or all of it behind where the network is causal."""
        side = self.longest - self.config.stride
        return (2 * side, 0) if self.causal else (side, side)

    @property
    def parts(self) -> dict[str, tuple[str, ...]]:
        """``frontend``: from sound to channels and back. ``middle``: what is done to the channels."""
        banks = range(len(self.banks))
        return {
            "frontend": tuple(f"banks.{i}.{name}" for i in banks for name in ("encoder", "decoder", "bias")),
            "middle": (*(f"banks.{i}.middle" for i in banks), "bias"),
        }

    @property
    def multiply_adds(self) -> int:
        """Multiplications that one output sample takes."""
        middle = {"none": 0, "channel": 1, "dense": self.config.width}[self.config.middle]
        return sum(self.config.width * (2 * size + middle) for size in self.config.filter_sizes) // self.config.stride

    def init_state(self, batch: int) -> State:
        """Of a causal network: zeros before the first sample and, bank by bank, before its first frame."""
        if not self.causal or self.longest == 1:
            return ()
        zeros = self.bias.new_zeros
        frames = (zeros(batch, self.config.width, size - 1) for size in self.config.filter_sizes if size > 1)
        return (zeros(batch, 1, self.longest - 1), *frames)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """``x`` (batch, 1, time) → the sound, as long, and the state after it."""
        if self.causal:
            return self._on(x, self.init_state(x.shape[0]) if state is None else state)
        time, stride = x.shape[-1], self.config.stride
        whole = time + -time % stride
        y: Tensor | float = 0.0
        for size, bank in self._banks():
            side = size - stride  # so that every sample lies in size / stride frames
            padded = F.pad(x, (side, side + whole - time))
            y = y + bank.laid_down(bank.found(padded))[..., side : side + time]
        return y + self.bias, ()

    def valid(self, x: Tensor) -> Tensor:
        """``x`` (batch, 1, time) → the samples in its midst, without its `context`."""
        if self.causal:
            valid_length(self, x)
            y: Tensor | float = 0.0
            for size, bank in self._banks():
                h = bank.found(x[..., 2 * (self.longest - size) :])
                y = y + bank.laid_down(h)[..., size - 1 : h.shape[-1]]
            return y + self.bias
        return super().valid(x)

    def _banks(self) -> Iterator[tuple[int, Bank]]:
        """Each bank behind the size of its filters."""
        return zip(self.config.filter_sizes, cast(Iterable[Bank], self.banks), strict=True)

    def _on(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """The next block of a causal network: frames found so far go on being laid down."""
        histories = Histories(state)
        past = histories.before(x, self.longest - 1)
        y: Tensor | float = 0.0
        for size, bank in self._banks():
            h = bank.found(past[..., self.longest - size :])  # (batch, width, time)
            frames = histories.before(h, size - 1)
            y = y + bank.laid_down(frames)[..., size - 1 : size - 1 + x.shape[-1]]
        return y + self.bias, histories.state()
