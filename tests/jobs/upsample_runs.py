"""Small upsamplers and the sounds they learn from, for the tests of training, rendering, judging and the page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from wavewright.audio import files
from wavewright.audio.recording import FloatArray, Recording
from wavewright.jobs.upsample import training as upsample
from wavewright.jobs.upsample.settings import UpsampleSettings
from wavewright.jobs.upsample.upsampling import Upsampler
from wavewright.train.progress import Silent
from wavewright.train.settings import TrainSettings

RATE, LOW_RATE = 8000, 2000
SIZES = {"spectral-upsampler": 8, "tfilm-unet": 4, "audio-unet": 4, "patch-dnn": 8}


def settings(network: str = "spectral-upsampler", **others: object) -> UpsampleSettings:
    """A small network that trains for a few steps."""
    told: dict[str, object] = {"steps": 3, "threads": 1, "preview_minutes": None, "device": "cpu", "optimizer": "adam"}
    train = TrainSettings(**{**told, **others.pop("train", {})})  # type: ignore[arg-type, dict-item]
    layers = 1 if network == "spectral-upsampler" else 2
    values: dict[str, object] = {"size": SIZES[network], "layers": layers, "batch": 2, "patch": 1024, "held_out": 0.3}
    return UpsampleSettings(network=network, train=train, **{**values, **others})  # type: ignore[arg-type]


def sound(seed: int, seconds: float = 0.5, rate: int = RATE) -> FloatArray:
    """Harmonics that fade and bursts of noise ``(time,)``: something in every band, and moments of silence."""
    dice = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    hz = dice.uniform(90, 250)
    tones = sum(np.sin(2 * np.pi * hz * k * t + k) / k for k in range(1, int(0.5 * rate / hz)))
    hiss = dice.standard_normal(len(t)) * (np.sin(2 * np.pi * 3 * t) > 0.5)
    x = (0.2 * tones + 0.1 * hiss) * np.maximum(0, np.sin(2 * np.pi * 1.5 * t + seed)) ** 2
    return x.astype(np.float32)


def tree(place: Path, speakers: tuple[str, ...] = ("p225", "p226", "p227"), each: int = 4) -> Path:
    """A tree like that of VCTK: wav48/p225/p225_001.wav …, beside texts that are no sound."""
    for number, speaker in enumerate(speakers):
        (place / "wav48" / speaker).mkdir(parents=True)
        (place / "txt" / speaker).mkdir(parents=True)
        for take in range(1, each + 1):
            x = Recording(sound(100 * number + take)[np.newaxis], RATE)
            files.write(place / "wav48" / speaker / f"{speaker}_{take:03d}.wav", x, subtype="PCM_16")
            (place / "txt" / speaker / f"{speaker}_{take:03d}.txt").write_text("Please call Stella.")
    return place


def trained(folder: Path, network: str = "spectral-upsampler", **others: object) -> Path:
    """A run at ``folder / "run"`` on `tree`."""
    told = settings(network, **others)
    upsample.learn(upsample.begin([tree(folder / "corpus")], folder / "run", told, Silent()), told, Silent())
    return folder / "run"


def loud(network: str = "spectral-upsampler", rate: int = RATE, low_rate: int = LOW_RATE) -> Upsampler:
    """An untrained upsampler that writes a lot, so that nothing is right because nothing is done."""
    net = upsample.new_network(settings(network), rate, low_rate).eval()
    with torch.no_grad():
        for name, weights in net.named_parameters():
            if name in ("magnitude.bias", "magnitude.weight"):
                weights.fill_(0.0)
            elif network != "spectral-upsampler":
                nn.init.normal_(weights, std=0.2 if network != "audio-unet" else 0.1)
    return Upsampler(net, rate, low_rate, "loud")
