"""What every network that continues sound frame by frame is, and what it keeps beside its weights.

Over ``(batch, in_channels, frames)`` → ``(batch, distribution.size + 1, frames)``. The input at frame t is

- ``heard · numbers`` channels: the frames before t, the latest first, as `wavewright.data.frame_scaling` scales them;
- 1 channel: the level against which frame t is told (`wavewright.data.frame_gain`), as a number about ±1;
- ``controls`` channels that belong to frame t: class, character, beat.

The output at t is what `wavewright.nets.frame_distributions` reads as the distribution of frame t, then the logit of
the sound being over before it.
"""

from __future__ import annotations

from torch import Tensor

from wavewright.nets.contract import Network, State
from wavewright.nets.frame_config import FrameLSTMConfig
from wavewright.nets.frame_distributions import FrameDistribution


class FrameGenerator(Network):
    """An autoregressive network over frames."""

    config: FrameLSTMConfig
    distribution: FrameDistribution

    # What the corpus told, kept with the weights: means and deviations (features,), the axes of a frame's components
    # (components, features) and their widths, the levels of what they leave (2, bands), or what is lost with it
    # (features,); the characters of the sounds learned (sounds, character), and how they are taken from a sound's
    # profile, (profile,) and (character, profile).
    mean: Tensor
    deviation: Tensor
    axes: Tensor
    widths: Tensor
    levels: Tensor
    lost: Tensor
    characters: Tensor
    character_mean: Tensor
    character_axes: Tensor

    @property
    def receptive_field(self) -> int:
        """In frames: what it hears beside its memory."""
        return self.config.heard

    @property
    def prewarm(self) -> int:
        """None: a sound begins with the first state."""
        return 0

    def told(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Of an output ``(batch, size + 1, …)`` the distribution's ``(batch, size, …)`` and the ending's logit
        ``(batch, …)``."""
        return y[:, :-1], y[:, -1]

    def deafen(self) -> None:
        """Hear nothing of the frames before."""
        raise NotImplementedError(f"{type(self).__name__} does not say how")

    def init_state(self, batch: int) -> State:
        """The state before any frame."""
        raise NotImplementedError(f"{type(self).__name__} does not say its first state")
