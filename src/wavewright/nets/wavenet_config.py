"""What describes a .nam WaveNet: sizes, dilations, activations, and what follows from them by arithmetic alone.

Everything here is counted before a single weight takes memory, so that absurd files can be refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

ACTIVATIONS = ("Tanh", "ReLU", "LeakyReLU", "Sigmoid", "SiLU", "Hardswish", "Hardtanh", "Softsign")

MOST_WEIGHTS = 20_000_000
MOST_LAYERS = 1_000
MOST_RECEPTIVE_FIELD = 5_000_000
MOST_HISTORY = 100_000_000
"""Limits far beyond any network in use (the largest common one has 13,802 weights and sees 6,347 samples)."""


@dataclass(frozen=True)
class Activation:
    """A pointwise function by its .nam name; ``negative_slope`` counts for LeakyReLU alone."""

    name: str = "Tanh"
    negative_slope: float = 0.01


@dataclass(frozen=True)
class LayerArrayConfig:
    """One layer array. ``kernel_sizes``, ``dilations`` and ``activations`` have one entry a layer.

    ``bottleneck`` is the number of channels behind the activation (0: as many as ``channels``).
    """

    input_size: int
    condition_size: int
    head_size: int
    channels: int
    kernel_sizes: tuple[int, ...]
    dilations: tuple[int, ...]
    activations: tuple[Activation, ...]
    head_kernel_size: int = 1
    head_bias: bool = False
    gated: bool = False
    bottleneck: int = 0

    @property
    def width(self) -> int:
        """Channels behind the activation."""
        return self.bottleneck or self.channels

    @property
    def mid(self) -> int:
        """Channels before the activation: twice the width where the second half gates the first."""
        return 2 * self.width if self.gated else self.width

    @property
    def receptive_field(self) -> int:
        """Samples of input behind one output sample, the present one included."""
        reach = sum((kernel - 1) * dilation for kernel, dilation in zip(self.kernel_sizes, self.dilations, strict=True))
        return reach + self.head_kernel_size

    @property
    def multiply_adds(self) -> int:
        """Multiplications for one sample."""
        around = self.input_size * self.channels + self.width * self.head_size * self.head_kernel_size
        mixing = self.condition_size * self.mid + self.width * self.channels
        return around + sum(kernel * self.channels * self.mid + mixing for kernel in self.kernel_sizes)

    @property
    def weight_count(self) -> int:
        """Numbers that the .nam format stores for this array."""
        biases = len(self.dilations) * (self.mid + self.channels) + (self.head_size if self.head_bias else 0)
        return self.multiply_adds + biases

    def histories(self) -> list[tuple[int, int]]:
        """Channels and length in samples of what streaming remembers, in the order in which it is used."""
        dilated = [
            (self.channels, (kernel - 1) * dilation)
            for kernel, dilation in zip(self.kernel_sizes, self.dilations, strict=True)
        ]
        return [entry for entry in [*dilated, (self.width, self.head_kernel_size - 1)] if entry[1]]

    def problems(self, where: str) -> list[str]:
        """All that makes this no layer array; empty where it is one."""
        found = []
        sizes = ("input_size", "condition_size", "head_size", "channels", "head_kernel_size")
        for name in sizes:
            value = getattr(self, name)
            if not _whole(value) or value < 1:
                found.append(f"{where}.{name} = {value!r}: must be a whole number from 1 up")
        if not _whole(self.bottleneck) or self.bottleneck < 0:
            found.append(f"{where}.bottleneck = {self.bottleneck!r}: must be a whole number from 1 up")
        for name in ("kernel_sizes", "dilations"):
            wrong = [value for value in getattr(self, name) if not _whole(value) or value < 1]
            if wrong:
                found.append(f"{where}.{name} holds {wrong[0]!r}: must be whole numbers from 1 up")
        for name in ("head_bias", "gated"):
            if not isinstance(getattr(self, name), bool):
                found.append(f"{where}.{name} = {getattr(self, name)!r}: must be true or false")
        counts = {len(self.kernel_sizes), len(self.dilations), len(self.activations)}
        if counts == {0} or len(counts) > 1:
            found.append(
                f"{where} has {len(self.kernel_sizes)} kernel sizes, {len(self.dilations)} dilations and "
                f"{len(self.activations)} activations: one of each a layer, and at least one layer, are needed"
            )
        return found + [problem for problem in map(_activation_problem, self.activations) if problem]


@dataclass(frozen=True)
class WaveNetConfig:
    """Layer arrays in a row; the last head's output is multiplied by ``head_scale``.

    ``controls``: how many of the network's inputs, the last ones, are knobs.
    """

    arrays: tuple[LayerArrayConfig, ...]
    head_scale: float = 0.02
    controls: int = 0

    @property
    def receptive_field(self) -> int:
        """Samples of input behind one output sample, the present one included."""
        return 1 + sum(array.receptive_field - 1 for array in self.arrays)

    @property
    def multiply_adds(self) -> int:
        """Multiplications for one output sample, activations not counted."""
        return sum(array.multiply_adds for array in self.arrays) + self.arrays[-1].head_size

    @property
    def weight_count(self) -> int:
        """Numbers that the .nam format stores, ``head_scale`` included."""
        return 1 + sum(array.weight_count for array in self.arrays)

    def problems(self) -> list[str]:
        """All that makes this no network that can be built; empty where it is one."""
        if not self.arrays:
            return ["arrays is empty: a WaveNet needs at least one layer array"]
        found = [p for index, array in enumerate(self.arrays) for p in array.problems(f"arrays[{index}]")]
        if isinstance(self.head_scale, bool) or not isinstance(self.head_scale, (int, float)):
            found.append(f"head_scale = {self.head_scale!r}: must be a number")
        elif not math.isfinite(self.head_scale):
            found.append(f"head_scale = {self.head_scale!r}: must be finite")
        if not found and not (_whole(self.controls) and 0 <= self.controls < self.arrays[0].input_size):
            found.append(f"controls = {self.controls!r}: must be a whole number from 0 up, below the number of inputs")
        return found or self._joints() or self._excesses()

    def _joints(self) -> list[str]:
        """Where the arrays do not fit one another."""
        found = []
        for index, (before, after) in enumerate(zip(self.arrays, self.arrays[1:], strict=False), start=1):
            if after.input_size != before.channels:
                found.append(
                    f"arrays[{index}].input_size = {after.input_size}: must be {before.channels}, as the array before"
                )
            if after.width != before.head_size:
                found.append(
                    f"arrays[{index}] sums {after.width} channels, but the head before it gives {before.head_size}: "
                    "both must be equal"
                )
        for index, array in enumerate(self.arrays):
            if array.condition_size != self.arrays[0].input_size:
                found.append(
                    f"arrays[{index}].condition_size = {array.condition_size}: must be {self.arrays[0].input_size}, "
                    "as wide as the network's input"
                )
        return found

    def _excesses(self) -> list[str]:
        """Sizes that no network in use comes near."""
        layers = sum(len(array.dilations) for array in self.arrays)
        if layers > MOST_LAYERS or len(self.arrays) > MOST_LAYERS:
            return [f"{layers} layers in {len(self.arrays)} arrays: at most {MOST_LAYERS} are allowed"]
        found = []
        history = sum(channels * length for array in self.arrays for channels, length in array.histories())
        for what, amount, most in (
            ("weights", self.weight_count, MOST_WEIGHTS),
            ("samples of receptive field", self.receptive_field, MOST_RECEPTIVE_FIELD),
            ("remembered samples", history, MOST_HISTORY),
        ):
            if amount > most:
                found.append(f"the network would have {amount:,} {what}: at most {most:,} are allowed")
        return found


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _activation_problem(activation: Activation) -> str | None:
    if activation.name not in ACTIVATIONS:
        return f"activation {activation.name!r} is not supported; allowed: {', '.join(ACTIVATIONS)}"
    slope = activation.negative_slope
    if isinstance(slope, bool) or not isinstance(slope, (int, float)) or not math.isfinite(slope):
        return f"activation {activation.name}'s negative_slope = {slope!r}: must be a finite number"
    return None


def a1(channels: int, second_channels: int, first: tuple[int, ...], second: tuple[int, ...]) -> WaveNetConfig:
    """The two-array form of A1: kernel 3, tanh, head sizes ``second_channels`` and 1."""

    def array(inputs: int, width: int, head: int, dilations: tuple[int, ...], bias: bool) -> LayerArrayConfig:
        layers = len(dilations)
        return LayerArrayConfig(
            inputs, 1, head, width, (3,) * layers, dilations, (Activation("Tanh"),) * layers, head_bias=bias
        )

    arrays = (
        array(1, channels, second_channels, first, False),
        array(channels, second_channels, 1, second, True),
    )
    return WaveNetConfig(arrays, head_scale=0.02)


def a2(channels: int) -> WaveNetConfig:
    """The one-array form of A2: 23 layers, kernel 6 and twice 15, leaky ReLU, a head of 16 taps."""
    run = (1, 3, 7, 17, 41, 101, 239)
    dilations = (*run, *run, 1, 13, *run)
    kernels = tuple(15 if index in (14, 15) else 6 for index in range(len(dilations)))
    array = LayerArrayConfig(
        input_size=1,
        condition_size=1,
        head_size=1,
        channels=channels,
        kernel_sizes=kernels,
        dilations=dilations,
        activations=(Activation("LeakyReLU", 0.01),) * len(dilations),
        head_kernel_size=16,
        head_bias=True,
    )
    return WaveNetConfig((array,), head_scale=0.01)


_OCTAVES = tuple(2**power for power in range(10))
_LITE = tuple(2**power for power in range(7)), (128, 256, 512, *_OCTAVES)

PRESETS: dict[str, WaveNetConfig] = {
    "a1-standard": a1(16, 8, _OCTAVES, _OCTAVES),
    "a1-lite": a1(12, 6, *_LITE),
    "a1-feather": a1(8, 4, *_LITE),
    "a1-nano": a1(4, 2, *_LITE),
    "a2-full": a2(8),
    "a2-lite": a2(3),
}
"""The sizes in which .nam models are traded, by name."""
