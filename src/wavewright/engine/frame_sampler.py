"""Draws sound from a network that goes frame by frame: sounds side by side, the state carried from frame to frame.

What the network remembers is a choice (the "adaptive memory" of "Deep Learning and Sound ~ 02"), each at a cost that
grows in step with the sound:

- ``growing``: everything. The state is carried on.
- ``fixed``: the beginning. Behind the first ``reach`` frames the state stays as it is; what is new is heard only as the
  frames right before the next one.
- ``sliding``: the last frames. Two states take turns, each begun anew every ``2 · reach`` frames: the one that speaks
  has heard the last ``reach`` to ``2 · reach`` frames.
- ``trimmed``: everything, until that is ``2 · reach`` frames; then the network forgets, hears the last ``reach`` again,
  and goes on.

A network that hears no frames needs not wait for them: what it says of the next `AHEAD` is worked out at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from wavewright.audio.recording import FloatArray
from wavewright.data.frames import Cutting
from wavewright.engine.frame_step import FrameStep, Minds
from wavewright.nets.frame_generator import FrameGenerator
from wavewright.nets.frame_lstm import FrameLSTM
from wavewright.nets.frame_mixture import FrameMixture

LEAST_OVER = 0.05
"""Probability of being over below which a sound goes on: one in a hundred, a hundred times, would end most too soon."""

Told = Callable[[int, int], FloatArray]
"""Controls ``(sounds, count, controls)`` of the ``count`` frames from the first one on."""

AHEAD = 64
"""Frames."""

LARGEST = 64.0
"""Times the level that a frame was told against, beyond which a network has gone astray; frames are held there."""


@dataclass(frozen=True)
class Memory:
    """How much is remembered: see the module."""

    policy: str = "growing"
    reach: int = 64


@dataclass(frozen=True)
class Dice:
    """Random numbers of one frame of every sound: ``uniform`` ``(sounds, draws + 1)`` in [0, 1), ``normal``
    ``(sounds, numbers)``, and ``noise`` ``(sounds, features)`` to fill what components leave."""

    uniform: FloatArray
    normal: FloatArray
    noise: FloatArray


class FrameSampler:
    """``sounds`` sounds of one network, from its first state.

    ``controls`` tell what belongs to which frame. Frames in and out are ``(sounds, n, features)``, as they are cut from
    sound.
    """

    def __init__(
        self, network: FrameGenerator, cutting: Cutting, sounds: int, controls: Told, memory: Memory = Memory()
    ) -> None:
        self.network, self.cutting, self.sounds, self.controls, self.memory = network, cutting, sounds, controls, memory
        self.at = 0
        """The number of the next frame."""
        features = cutting.kind.size
        self._before = np.zeros((cutting.heard, sounds, features), np.float32)  # the latest first
        self._gains = np.full(sounds, cutting.gain.start if cutting.gain.adaptive else 1.0)
        assert isinstance(network, FrameLSTM), "a body that `FrameStep` knows"
        self._step_of = FrameStep(network)
        self._state = self._step_of.start(sounds)
        self._younger = self._step_of.start(sounds)  # of a sliding memory
        self._inputs: list[FloatArray] = []  # the last ones, of a trimmed memory
        self._heard = 0  # frames that the state has heard
        self._ahead: list[FloatArray] = []  # what is said of the frames to come, of a network that hears none
        told = network.config.heard * network.config.numbers
        paths = [network.dense_in.weight[:, :told]]
        paths += [network.straight.weight] if isinstance(network, FrameMixture) else []
        self._deaf = not cutting.gain.adaptive and not any(bool(path.any()) for path in paths)

    def begin_between(self, others: Sequence[FrameSampler]) -> None:
        """Go on from the mean of what others remember, and of what they heard last."""
        self._state = _mean([one._state for one in others])
        self._younger = _mean([one._younger for one in others])
        self._ahead = []
        self._before = np.mean([one._before for one in others], axis=0, dtype=np.float32)
        self._gains = np.mean([one._gains for one in others], axis=0)
        self._heard, self.at = others[0]._heard, others[0].at

    def listen(self, frames: FloatArray) -> None:
        """Hear ``frames`` ``(sounds, n, features)`` as if they had been drawn."""
        for frame in frames.transpose(1, 0, 2):
            self._step()
            self._after(frame)

    @torch.inference_mode()
    def draw(self, dice: Dice, temperature: float, *, denormalise: bool = True) -> tuple[FloatArray, NDArray[np.bool_]]:
        """The next frame of each sound ``(sounds, features)``, and whether a sound is over before it."""
        network, cutting = self.network, self.cutting
        described, ending = network.told(torch.from_numpy(self._step()))
        uniform = torch.from_numpy(dice.uniform)
        numbers = network.distribution.draw(described, uniform[:, 1:], torch.from_numpy(dice.normal), temperature)
        over = torch.sigmoid(ending).numpy()
        held = np.clip(numbers.numpy(), -LARGEST, LARGEST)
        gains = self._gains[:, None].astype(np.float32)
        self._after(cutting.scaling.frames(held, dice.noise) * gains)
        bare = None if denormalise else cutting.scaling.frames(held, dice.noise, denormalise=False) * gains
        frame = self._before[0] if bare is None else bare
        return frame, (dice.uniform[:, 0] < over) & (over > LEAST_OVER)

    def _step(self) -> FloatArray:
        """What the network says of the next frame: ``(sounds, channels)``."""
        if self._deaf and self.memory.policy == "growing":
            return self._said_ahead()
        gains = self._gains.astype(np.float32)
        x = np.concatenate(
            [self.cutting.inputs(self._before, gains), self.controls(self.at, 1)[:, 0]], axis=1, dtype=np.float32
        )
        policy, reach, step = self.memory.policy, self.memory.reach, self._step_of
        if policy == "trimmed":
            self._inputs = [*self._inputs[-(reach - 1) :], x] if reach > 1 else [x]
            if self._heard >= 2 * reach:
                self._state = step.start(self.sounds)
                for heard in self._inputs:
                    y, self._state = step(heard, self._state)
                self._heard = len(self._inputs)
                return y
        if policy == "sliding":
            if self._heard and self._heard % reach == 0:
                self._state, self._younger = self._younger, step.start(self.sounds)
            _, self._younger = step(x, self._younger)
        y, state = step(x, self._state)
        if policy != "fixed" or self._heard < reach:
            self._state = state
        self._heard += 1
        return y

    @torch.inference_mode()
    def _said_ahead(self) -> FloatArray:
        """`_step` of a network that hears nothing: of several frames at once."""
        if not self._ahead:
            controls = self.controls(self.at, AHEAD)  # (sounds, AHEAD, controls)
            heard = self.network.in_channels - controls.shape[2] - 1
            gain = self.cutting.gain.told(self._gains.astype(np.float32))  # one, and stays so
            x = np.concatenate(
                [
                    np.zeros((self.sounds, AHEAD, heard), np.float32),
                    np.repeat(gain[:, None, None], AHEAD, axis=1),
                    controls,
                ],
                axis=2,
                dtype=np.float32,
            )
            state = tuple(torch.from_numpy(part) for part in self._state)
            y, after = self.network(torch.from_numpy(x.transpose(0, 2, 1)), state)
            self._state = after[0].numpy().copy(), after[1].numpy().copy()
            self._ahead = list(y.numpy().transpose(2, 0, 1))[::-1]
        return np.ascontiguousarray(self._ahead.pop())

    def _after(self, frame: FloatArray) -> None:
        levels = np.sqrt(np.mean(np.square(frame, dtype=np.float64), axis=1))
        self._gains = self.cutting.gain.after(self._gains, levels)
        self._before = np.concatenate([frame[np.newaxis], self._before[:-1]])
        self.at += 1


def _mean(minds: Sequence[Minds]) -> Minds:
    parts = [np.stack(part).mean(axis=0, dtype=np.float32) for part in zip(*minds, strict=True)]
    return np.asarray(parts[0]), np.asarray(parts[1])
