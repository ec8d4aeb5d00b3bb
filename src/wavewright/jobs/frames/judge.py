"""How well a network that goes frame by frame predicts: beside the last frame said again, and the mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wavewright.data.corpus import Sound
from wavewright.data.frames import Frames
from wavewright.jobs.frames.task import GOALS, judge
from wavewright.jobs.generate.generator import OpenFrames
from wavewright.jobs.material import Material

MEANING = {
    "nats": "a number of a frame, on average; lower is better",
    "mse": "squared error of a number of a frame, in its variance",
}


@dataclass(frozen=True)
class FramePrediction:
    """What held-out sounds cost, beside those who have learned next to nothing."""

    goal: str
    cost: float
    ending: float
    """Nats a frame of knowing whether the sound is over."""
    repeated: float
    """Cost of the last frame said again: with squared error, or with one normal of the best width for each number."""
    mean: float
    """The same of the mean frame."""
    sounds: int
    seconds: float

    @property
    def figures(self) -> dict[str, tuple[float, str]]:
        """Name → value and what it says."""
        return {
            self.goal: (self.cost, MEANING[self.goal]),
            f"{self.goal}_repeated": (self.repeated, "the same of saying the last frame again"),
            f"{self.goal}_mean": (self.mean, "the same of saying the mean frame"),
            "ending": (self.ending, "nats a frame of knowing whether the sound is over"),
        }


def predict(opened: OpenFrames, material: Material, sounds: Sequence[Sound]) -> FramePrediction:
    """What ``sounds`` of ``material`` cost."""
    frames = opened.measured.frames(sounds, material)
    cost, ending = judge(opened.network, frames)
    goal = GOALS[opened.settings.network]
    repeated, mean = _naive(frames, goal == "mse")
    return FramePrediction(
        goal, cost, ending, repeated, mean, len(sounds), sum(sound.length for sound in sounds) / opened.rate
    )


def _naive(frames: Frames, squared: bool) -> tuple[float, float]:
    """What the last frame said again and the mean frame cost."""
    apart, around, count = 0.0, 0.0, 0
    numbers = frames.cutting.numbers
    for chunk in frames.whole(16, 256):
        wanted, before = chunk.frames.numpy(), chunk.x[:, :numbers].numpy()
        counts = chunk.counts.numpy()[:, np.newaxis]
        apart = apart + (np.square(wanted - before) * counts).sum(axis=(0, 2))
        around = around + (np.square(wanted) * counts).sum(axis=(0, 2))
        count += int(counts.sum())
    both = [np.asarray(total) / max(1, count) for total in (apart, around)]
    if squared:
        return float(both[0].mean()), float(both[1].mean())
    return tuple(float(0.5 * np.log(2 * np.pi * np.e * np.maximum(part, 1e-6)).mean()) for part in both)  # type: ignore[return-value]
