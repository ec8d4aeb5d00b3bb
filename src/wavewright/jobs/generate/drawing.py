"""New sound from a run, whatever its network: the one door for the command line and the demos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from wavewright.jobs.frames import sampling as frame_sampling
from wavewright.jobs.generate import sampling
from wavewright.jobs.generate.generator import OpenFrames, OpenGenerator
from wavewright.jobs.generate.sampling import Sampled
from wavewright.jobs.generate.settings import SampleSettings


def sample(
    opened: OpenGenerator | OpenFrames,
    settings: SampleSettings,
    output: Path,
    *,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> Sampled:
    """As `wavewright.jobs.generate.sampling.sample` or `wavewright.jobs.frames.sampling.sample`."""
    if isinstance(opened, OpenFrames):
        return frame_sampling.sample(opened, settings, output, force=force, progress=progress, tell=tell)
    return sampling.sample(opened, settings, output, force=force, progress=progress, tell=tell)


def stream(opened: OpenGenerator | OpenFrames, settings: SampleSettings, out: BinaryIO) -> None:
    """As `wavewright.jobs.generate.sampling.stream` or `wavewright.jobs.frames.sampling.stream`."""
    if isinstance(opened, OpenFrames):
        frame_sampling.stream(opened, settings, out)
    else:
        sampling.stream(opened, settings, out)
