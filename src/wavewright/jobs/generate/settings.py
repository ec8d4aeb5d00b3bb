"""What the job generate can be told, in training and in sampling. No torch here: ``--help`` reads these."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field, replace
from pathlib import Path

from wavewright.errors import SettingsError
from wavewright.jobs.frames.settings import (
    HIGHEST_FRAME_RATE,
    FrameSampleSettings,
    FrameSettings,
    codes,
    document_recipe,
    one_shots,
)
from wavewright.jobs.frames.settings import loops as loops_recipe
from wavewright.nets.names import FRAME_NAMES, GENERATOR_NAMES
from wavewright.settings import setting
from wavewright.train.settings import TrainSettings

JOB = "generate"
"""What a run of this job calls it."""

STORE = "data"
"""Folder of the corpus in a run."""

HIGHEST_RATE = 16_000
"""Hz to which a corpus of a higher rate is brought where none is asked for: every sample is a step of the network."""


def highest_rate(network: str) -> int:
    """The same for a network by name: those that go frame by frame may have more."""
    return HIGHEST_FRAME_RATE if network in FRAME_NAMES else HIGHEST_RATE


OWN_CHANNELS = 16
"""Of a WaveNet that is not told its width."""

WIDE_RATE = 0.192
"""The learning rate of wider ones, times their channels."""

QUANTIZATIONS = ("mu-law", "linear", "16-bit")
CLASSES = ("none", "folder", "name")


@dataclass(frozen=True)
class GenerateSettings:
    """New sound from a folder of sounds, one sample after the other. The defaults work untouched."""

    network: str = setting("sample-wavenet", "which network", choices=(*GENERATOR_NAMES, *FRAME_NAMES))
    size: int | None = setting(None, "its width: units or channels a layer; absent for its own", low=1, high=4096)
    layers: int | None = setting(None, "how many layers it has; absent for its own", low=1, high=200)
    rate: int | None = setting(
        None, "Hz to train at; absent: the rate most files have, at most 16,000", low=1000, high=192_000
    )
    quantization: str = setting(
        "mu-law", "how a sample is coded: 256 codes of mu-law, 256 linear ones, or 16 bits", choices=QUANTIZATIONS
    )
    pre_emphasis: float = setting(
        0.0, "lifts the highs before coding and lowers them after, and the coding's hiss with them", low=0.0, high=0.97
    )
    classes: str = setting("none", "learn what kind a sound is, from its folder or its file name", choices=CLASSES)
    class_part: str = setting(
        "0", "which part of the file name, counted from 0, parts ending at _ - or space; or several: 0,1"
    )
    sliced: bool = setting(False, "learn sounds cut from onset to onset: the hits of loops, as one-shots")
    onset: bool = setting(False, "let the network know the time since the sound began: for one-shots")
    position: bool = setting(
        False, "let the network know how far through its sound it is, so that new ones keep to their length: for words"
    )
    envelope: bool = setting(False, "let the network know the coarse loudness, so that it can be asked for")
    tail: float = setting(0.0, "seconds of silence learned behind each sound, so that one-shots end", low=0, high=10)
    forget: float = setting(
        0.0, "share of the past hidden in training: new sound that falls silent finds its way back", low=0, high=0.5
    )
    held_out: float = setting(0.1, "share of the files that training never hears", above=0, high=0.9)
    held_out_files: str | None = setting(None, "those files by name instead, with wildcards: '*_[567].wav'")
    window: int | None = setting(
        None, "samples of a sequence in one step; absent: what suits the network", low=16, high=1_000_000
    )
    batch: int | None = setting(
        None, "sequences a step, for each process; absent: what suits the network", low=1, high=4096
    )
    frame: FrameSettings = field(default_factory=FrameSettings)
    train: TrainSettings = field(default_factory=lambda: TrainSettings(learning_rate=0.015))


def class_parts(text: str) -> tuple[int, ...]:
    """Which parts of a file name a setting names.

    Raises:
        SettingsError: not whole numbers from 0 on with commas between.

    >>> class_parts("0"), class_parts("0, 2")
    ((0,), (0, 2))
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts) or len(set(map(int, parts))) < len(parts):
        raise SettingsError(
            [f"setting class_part = {text!r}: must be a whole number from 0 on, or several, none twice, such as 0,1"]
        )
    return tuple(map(int, parts))


def settings_for(network: str, size: int | None = None, *, loops: bool = False) -> GenerateSettings:
    """The defaults that suit a network: recurrent layers learn better with Adam, SOAP's matrices being too large there.

    A WaveNet wider than its own 16 channels wants a lower rate: what all channels change adds up. ``loops`` have to
    hear what was before, and go on without an end.

    >>> settings_for("audio-rnn").train.optimizer, settings_for("sample-wavenet").train.optimizer
    ('adam', 'soap')
    >>> settings_for("sample-wavenet").train.learning_rate, settings_for("sample-wavenet", 32).train.learning_rate
    (0.015, 0.006)
    """
    if network == "sample-wavenet":
        plain = GenerateSettings()
        if size is None or size <= OWN_CHANNELS:
            return plain
        rate = WIDE_RATE / size
        return replace(plain, train=replace(plain.train, learning_rate=rate))
    if network in FRAME_NAMES:
        recipes = {"frame-lstm": document_recipe, "frame-mixture": loops_recipe if loops else one_shots}
        frame = recipes.get(network, codes)()
        frame = replace(frame, ending=False) if loops else frame
        return GenerateSettings(
            network=network,
            onset=network != "frame-lstm" and not loops,
            position=network == "frame-mixture" and not loops,
            frame=frame,
            train=TrainSettings(optimizer="adam", learning_rate=0.003 if network == "frame-lstm" else 0.005),
        )
    return GenerateSettings(network=network, train=TrainSettings(optimizer="adam", learning_rate=0.004))


WEIGHTS = ("float32", "int8")


@dataclass(frozen=True)
class SampleSettings:
    """What new sound is wanted, and how daring."""

    seconds: float | None = setting(
        None, "length of each; absent: the median of the sounds learned (of the class asked for)", above=0
    )
    count: int = setting(1, "how many", low=1, high=10_000)
    draw: int | None = setting(None, "draw so many and keep the likeliest `count` of them", low=1, high=10_000)
    seed: int = setting(0, "what every random choice follows from: the same seed gives the same sound", low=0)
    temperature: str | None = setting(
        None,
        "how daring: 1 as learned, below 1 safer; or over time, seconds:temperature, '0:1.0,2:0.7'; absent: 1",
    )
    top_k: int = setting(0, "draw among the k likeliest codes only; 0 for all", low=0, high=65_536)
    top_p: float = setting(1.0, "draw among the likeliest codes that make up this share", above=0, high=1)
    prompt: Path | None = setting(None, "a sound file to go on from: any rate, channels, length")  # noqa: RUF009
    prompt_seconds: float | None = setting(None, "use only the end of the prompt, so many seconds", above=0)
    with_prompt: bool = setting(True, "write the prompt in front of what continues it (--no-with-prompt: not)")
    label: str | None = setting(None, "which class; absent: all in turn", flags=("--class",))
    envelope: Path | None = setting(None, "a sound file whose loudness over time is followed")  # noqa: RUF009
    weights: str = setting(
        "float32", "arithmetic of the sampler: exact, or int8, several times faster", choices=WEIGHTS
    )
    redraw: int = setting(2, "how often a sound that is silent, noise or a loop is drawn again", low=0, high=100)
    frame: FrameSampleSettings = field(default_factory=FrameSampleSettings)


def temperature_points(text: str) -> tuple[tuple[float, float], ...]:
    """What a temperature setting says: (seconds, temperature) in rising order; between them it goes in a straight line.

    Raises:
        SettingsError: not a number above 0, nor such a list.

    >>> temperature_points("0.8")
    ((0.0, 0.8),)
    >>> temperature_points("0:1.0, 2.5:0.7")
    ((0.0, 1.0), (2.5, 0.7))
    """
    points = []
    for part in text.split(","):
        when, colon, value = part.rpartition(":")
        try:
            point = (float(when) if colon else 0.0, float(value))
        except ValueError:
            point = (math.nan, math.nan)
        if not (point[0] >= 0 and 0 < point[1] < math.inf):
            raise SettingsError(
                [
                    f"setting temperature = {text!r}: must be a number above 0, or seconds:temperature pairs such as "
                    "0:1.0,2:0.7"
                ]
            )
        points.append(point)
    if any(later[0] <= earlier[0] for earlier, later in itertools.pairwise(points)):
        raise SettingsError([f"setting temperature = {text!r}: its seconds must rise"])
    return tuple(points)
