"""What every network that continues a sound is: a `Network` that hears samples and says what the next one may be.

Over ``(batch, 1 + controls, time)`` → ``(batch, distribution.size, time)``. Channel 0 of the input at time t is the
sample *before* the one to be predicted, as a level in [−1, 1] (`wavewright.audio.companding.Quantizer.levels_of`); the
other channels at time t belong to the sample to be predicted: class, time since onset, envelope. The output at time t
is what `wavewright.nets.distributions` reads as the distribution of sample t.
"""

from __future__ import annotations

from wavewright.nets.contract import Network
from wavewright.nets.distributions import Distribution


class Generator(Network):
    """An autoregressive network.

    Controls are held for `CONTROL_BLOCK` samples at a time, counted from the start of a sound, in training and in
    sampling alike: a sampler may work out what they add once a block.
    """

    distribution: Distribution
    """How the outputs describe the next sample."""
    controls: int
    """Channels of the input beside the sound."""

    @property
    def stride(self) -> int:
        """Samples of the slowest frame, of which training sequences must be multiples; 1 where there are no frames."""
        return 1


CONTROL_BLOCK = 64
"""Samples for which the controls stay as they are."""
