"""The settings of aNN_Audio's gated WaveNet. No torch here."""

from __future__ import annotations

from dataclasses import dataclass

from wavewright.settings import setting


@dataclass(frozen=True)
class GatedWaveNetConfig:
    """Settings of the gated WaveNet. It sees ``blocks · (kernel_size − 1) · (2^depth − 1) + 1`` samples."""

    channels: int = setting(12, "channels of the residual stream and of each half of a gate", low=1, high=1024)
    skip_channels: int = setting(12, "channels of the skip sum and of the output layers", low=1, high=1024)
    depth: int = setting(14, "layers in a block; their dilations double from 1", low=1, high=20)
    blocks: int = setting(1, "how many times the dilations start again at 1", low=1, high=16)
    kernel_size: int = setting(2, "taps of each convolution", low=1, high=16)
    slope_scale: float = setting(5.0, "how much faster than the weights the slopes learn", low=1.0, high=100.0)

    @property
    def dilations(self) -> tuple[int, ...]:
        """Samples between the taps, layer by layer."""
        return tuple(2**power for power in range(self.depth)) * self.blocks
