"""What new sound is wanted of one network: settings checked against it, the prompt read, everything in samples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wavewright.audio import files
from wavewright.audio.recording import FloatArray
from wavewright.audio.resample import resample
from wavewright.errors import DataError, SettingsError
from wavewright.jobs.generate.generator import OpenGenerator
from wavewright.jobs.generate.settings import SampleSettings, temperature_points
from wavewright.settings import problems_of

PROMPT_SECONDS = 30.0
"""How much of a prompt's end is listened to where nothing is said; no network here remembers longer."""

QUIETEST_PROMPT = 10 ** (-60 / 20)
"""Peak below which a prompt counts as silence: -60 dBFS."""


@dataclass(frozen=True)
class Prompt:
    """The end of a sound file, at the network's rate: as sound ``(time,)`` and as codes ``(time,)``."""

    sound: FloatArray
    codes: NDArray[Any]
    told: tuple[str, ...] = ()
    """What was done to it, in words."""


@dataclass(frozen=True)
class Request:
    """`SampleSettings` against one network: everything in samples, everything checked."""

    settings: SampleSettings
    frames: int
    temperatures: tuple[tuple[float, float], ...]
    """(seconds, temperature) of new sound, straight lines between."""
    prompt: Prompt | None
    labels: tuple[str | None, ...]
    """The class of each number."""
    envelope: FloatArray | None

    def temperature(self, start: int, count: int, rate: int) -> FloatArray:
        """The temperature of ``count`` new samples from ``start`` on."""
        seconds, values = zip(*self.temperatures, strict=True)
        return np.asarray(np.interp(np.arange(start, start + count) / rate, seconds, values), np.float32)

    @property
    def prompted(self) -> int:
        """Samples of the prompt."""
        return 0 if self.prompt is None else len(self.prompt.codes)


def request(opened: OpenGenerator, settings: SampleSettings) -> Request:
    """What ``settings`` mean for this network.

    Raises:
        SettingsError: values out of range, or that this network cannot follow; all at once.
        DataError, AudioFileError: a prompt or an envelope that cannot be used.
    """
    problems = problems_of(settings)
    points: tuple[tuple[float, float], ...] = ((0.0, 1.0),)
    try:
        points = temperature_points(settings.temperature or "1")
    except SettingsError as error:
        problems += error.problems
    if opened.network.distribution.draws > 1 and (settings.top_k or settings.top_p < 1):
        problems.append("settings top_k and top_p choose among codes; a 16-bit network has none, leave them away")
    if settings.draw is not None and settings.draw < settings.count:
        problems.append(f"setting draw = {settings.draw}: must be at least count = {settings.count}, of which it keeps")
    known = opened.controls.matching(settings.label)
    if settings.label is not None and not known:
        names = [name for values in opened.controls.parts for name in values]
        classes = f"its classes are {', '.join(names)}" if names else "it was trained without classes"
        problems.append(f"setting class = {settings.label!r}: the network does not know it; {classes}")
    if settings.envelope is not None and not opened.controls.envelope:
        problems.append("setting envelope: this network was trained without --envelope and follows none")
    if problems:
        raise SettingsError(problems)
    frames = max(1, round((settings.seconds or opened.median_seconds(settings.label)) * opened.rate))
    number = settings.draw or settings.count
    labels = tuple(known[i % len(known)] if known else None for i in range(number))
    prompt = None if settings.prompt is None else read_prompt(opened, settings.prompt, settings.prompt_seconds)
    envelope = None
    if settings.envelope is not None:
        followed = files.read(settings.envelope)
        envelope = opened.controls.envelope_of(resample(followed, opened.rate).samples.mean(axis=0))
    return Request(settings, frames, points, prompt, labels, envelope)


def read_prompt(opened: OpenGenerator, path: Path, seconds: float | None = None) -> Prompt:
    """The end of a sound file, made ready for the network.

    Raises:
        AudioFileError: it cannot be read.
        DataError: it is silent.
    """
    about = files.info(path)
    wanted = round((seconds or PROMPT_SECONDS) * about.rate)
    recording = files.read(path, start=max(0, about.frames - wanted))
    told = [f"the prompt is brought from {about.rate} to {opened.rate} Hz"] if about.rate != opened.rate else []
    if about.channels > 1:
        told.append(f"its {about.channels} channels are mixed down")
    sound = np.ascontiguousarray(resample(recording, opened.rate).samples.mean(axis=0))
    peak = float(np.abs(sound).max(initial=0.0))
    if peak < QUIETEST_PROMPT:
        raise DataError(
            f"the prompt {path} is silent at its end ({seconds or PROMPT_SECONDS:g} s, peak {peak:.2g}): "
            "choose another, or leave --prompt away"
        )
    codes, _ = opened.encoding.encode(sound)
    return Prompt(sound, codes, tuple(told))
