"""Small trained generators for the tests of sampling, judging and reports."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from wavewright.audio import files
from wavewright.audio.recording import Recording
from wavewright.jobs.generate import training as generate
from wavewright.jobs.generate.settings import GenerateSettings
from wavewright.train.progress import Silent
from wavewright.train.settings import TrainSettings

RATE = 4000
SIZES = {"audio-rnn": 8, "sample-wavenet": 4, "sample-rnn": 8, "sample-rnn-two-tier": 8}
SOUNDS = 5


def settings(network: str = "audio-rnn", **others: object) -> GenerateSettings:
    """A small network that trains for a few steps."""
    told: dict[str, object] = {"steps": 4, "threads": 1, "preview_minutes": None, "device": "cpu"}
    train = TrainSettings(**{**told, **others.pop("train", {})})  # type: ignore[arg-type, dict-item]
    values: dict[str, object] = {"size": SIZES[network], "batch": 3, "window": 64, "held_out": 0.3}
    if network == "sample-wavenet":
        values["layers"] = 9  # hears 511 samples: less than the longest of the tones
    return GenerateSettings(network=network, train=train, **{**values, **others})  # type: ignore[arg-type]


def tones(place: Path) -> Path:
    """Decaying tones of two kinds, in folders of their own."""
    for kind, hertz in (("low", 110.0), ("high", 440.0)):
        (place / kind).mkdir(parents=True)
        for number in range(SOUNDS):
            t = np.arange(500 + 60 * number) / RATE
            sound = 0.7 * np.sin(2 * np.pi * hertz * (1 + 0.02 * number) * t) * np.exp(-9 * t)
            recording = Recording(sound[np.newaxis].astype(np.float32), RATE)
            files.write(place / kind / f"{kind}_{number}.wav", recording, subtype="PCM_16")
    return place


def trained(folder: Path, network: str = "audio-rnn", **others: object) -> Path:
    """A run at ``folder / "run"`` on `tones`."""
    told = settings(network, **others)
    generate.learn(generate.begin([tones(folder / "sounds")], folder / "run", told, Silent()), told, Silent())
    return folder / "run"
