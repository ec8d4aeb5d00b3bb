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

A network that hears no frames needs not wait for them: any number of the next ones are drawn together.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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

LARGEST = 64.0
"""Times the level that a frame was told against, beyond which a network has gone astray; frames are held there."""


@dataclass(frozen=True)
class Memory:
    """How much is remembered: see the module."""

    policy: str = "growing"
    reach: int = 64


@dataclass(frozen=True)
class Dice:
    """Random numbers of the next ``n`` frames of every sound: ``uniform`` ``(sounds, n, draws + 1)`` in [0, 1),
    ``normal`` ``(sounds, n, numbers)``, and ``noise`` ``(sounds, n, features)`` to fill what components leave, if that
    is filled with noise."""

    uniform: FloatArray
    normal: FloatArray
    noise: FloatArray | None = None


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
        told = network.config.heard * network.config.numbers
        paths = [network.dense_in.weight[:, :told]]
        paths += [network.straight.weight] if isinstance(network, FrameMixture) else []
        deaf = not cutting.gain.adaptive and not any(bool(path.any()) for path in paths)
        self.together = deaf and memory.policy == "growing"
        """Whether many frames can be drawn at once; otherwise each waits for the one before it."""

    def begin_between(self, others: Sequence[FrameSampler]) -> None:
        """Go on from the mean of what others remember, and of what they heard last."""
        self._state = _mean([one._state for one in others])
        self._younger = _mean([one._younger for one in others])
        self._before = np.mean([one._before for one in others], axis=0, dtype=np.float32)
        self._gains = np.mean([one._gains for one in others], axis=0)
        self._heard, self.at = others[0]._heard, others[0].at

    def listen(self, frames: FloatArray) -> None:
        """Hear ``frames`` ``(sounds, n, features)`` as if they had been drawn."""
        for at in range(frames.shape[1]):
            self._step()
            self._after(frames[:, at : at + 1])

    @torch.inference_mode()
    def draw(
        self, dice: Dice, temperatures: NDArray[np.floating], *, denormalise: bool = True
    ) -> tuple[FloatArray, NDArray[np.bool_]]:
        """The next ``n`` frames of each sound ``(sounds, n, features)``, at ``temperatures`` ``(n,)``, and whether the
        sound is over before each ``(sounds, n)``.

        Raises:
            ValueError: more than one frame of a network that hears what was drawn (`together`).
        """
        cutting, count = self.cutting, len(temperatures)
        if count > 1 and not self.together:
            raise ValueError(f"{count} frames at once: this network hears each before it says the next, draw one")
        said = self._said(count) if self.together else self._step()[:, np.newaxis]  # (sounds, n, channels)
        numbers, over = self._numbers(said, dice, temperatures)
        gains = self._gains[:, None, None].astype(np.float32)
        frames = cutting.scaling.frames(numbers, dice.noise) * gains
        self._after(frames)
        if not denormalise:
            frames = cutting.scaling.frames(numbers, dice.noise, denormalise=False) * gains
        return frames, (dice.uniform[..., 0] < over) & (over > LEAST_OVER)

    def _numbers(
        self, said: FloatArray, dice: Dice, temperatures: NDArray[np.floating]
    ) -> tuple[FloatArray, FloatArray]:
        """Numbers ``(sounds, n, numbers)`` drawn from what is ``said`` ``(sounds, n, channels)``, and the probabilities
        of being over ``(sounds, n)``."""
        network = self.network
        numbers = np.empty((*said.shape[:2], network.config.numbers), np.float32)
        over = np.empty(said.shape[:2], np.float32)
        for temperature, places in itertools.groupby(range(len(temperatures)), lambda at: float(temperatures[at])):
            part = [*places]
            run = slice(part[0], part[-1] + 1)  # frames on end of one temperature
            described, ending = network.told(_rows(said[:, run]))
            uniform, normal = _rows(dice.uniform[:, run, 1:]), _rows(dice.normal[:, run])
            drawn = network.distribution.draw(described, uniform, normal, temperature)
            numbers[:, run] = drawn.numpy().reshape(len(said), len(part), -1)
            over[:, run] = torch.sigmoid(ending).numpy().reshape(len(said), len(part))
        return np.clip(numbers, -LARGEST, LARGEST), over

    def _step(self) -> FloatArray:
        """What the network says of the next frame: ``(sounds, channels)``."""
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

    def _said(self, count: int) -> FloatArray:
        """What a network that hears nothing says of the next ``count`` frames: ``(sounds, count, channels)``."""
        controls = self.controls(self.at, count)  # (sounds, count, controls)
        heard = self.network.in_channels - controls.shape[2] - 1
        gain = self.cutting.gain.told(self._gains.astype(np.float32))  # one, and stays so
        parts = (np.zeros((self.sounds, count, heard), np.float32), np.repeat(gain[:, None, None], count, axis=1))
        x = np.concatenate([*parts, controls], axis=2, dtype=np.float32)
        # a single row would be multiplied by other code than several are, and rounded otherwise: it goes in twice
        rows = np.arange(max(2, self.sounds)) % self.sounds
        state = tuple(torch.from_numpy(part[rows]) for part in self._state)
        with one_thread():
            y, after = self.network(torch.from_numpy(x[rows].transpose(0, 2, 1)), state)
        self._state = after[0].numpy()[: self.sounds].copy(), after[1].numpy()[: self.sounds].copy()
        return np.asarray(y.numpy()[: self.sounds].transpose(0, 2, 1))

    def _after(self, frames: FloatArray) -> None:
        """``frames`` ``(sounds, n, features)`` have been heard or drawn."""
        if self.cutting.gain.adaptive:
            for levels in np.sqrt(np.mean(np.square(frames, dtype=np.float64), axis=2)).T:
                self._gains = self.cutting.gain.after(self._gains, levels)
        latest = frames[:, ::-1][:, : self.cutting.heard].transpose(1, 0, 2)
        self._before = np.concatenate([latest, self._before])[: self.cutting.heard]
        self.at += frames.shape[1]


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch work on one thread: a few sounds are too little to share, and on a busy machine threads that wait for
    one another take longer than one alone.

    >>> with one_thread():
    ...     torch.get_num_threads()
    1
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _rows(x: FloatArray) -> torch.Tensor:
    """``(sounds, n, …)`` as rows ``(sounds · n, …)``, the frames of a sound one after the other."""
    return torch.from_numpy(np.ascontiguousarray(x).reshape(-1, x.shape[2]))


def _mean(minds: Sequence[Minds]) -> Minds:
    parts = [np.stack(part).mean(axis=0, dtype=np.float32) for part in zip(*minds, strict=True)]
    return np.asarray(parts[0]), np.asarray(parts[1])
