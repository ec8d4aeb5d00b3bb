"""What each job can be told. No torch here: ``--help`` reads these."""

from __future__ import annotations

from dataclasses import dataclass, field

from wavewright.loss_settings import LossSettings
from wavewright.nets.names import NETWORK_NAMES
from wavewright.settings import setting
from wavewright.train.settings import TrainSettings

JOB = "emulate"
"""What a run of this job calls it."""

STORE = "data"
"""Folder of the recordings in a run."""


@dataclass(frozen=True)
class EmulateSettings:
    """A digital twin from a dry and a wet recording. The defaults work untouched."""

    network: str = setting(
        "a1-standard", "which network; its size decides what players it costs", choices=NETWORK_NAMES
    )
    window: int = setting(8192, "samples the loss sees in one window", low=64)
    batch: int = setting(4, "windows a step, for each process", low=1)
    validation_seconds: float = setting(9.0, "seconds at the end that training never sees", above=0.0)
    delay: int | None = setting(None, "samples by which the wet is late; found by itself where not given")
    resample: bool = setting(False, "bring a wet recording of another rate to the dry one's")
    loss: LossSettings = field(default_factory=LossSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
