"""What each job can be told. No torch here: ``--help`` reads these."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from wavewright.errors import RunError
from wavewright.loss_settings import LossSettings
from wavewright.nets.knob_wavenet_config import CONDITIONINGS
from wavewright.nets.names import NETWORK_NAMES
from wavewright.settings import from_mapping, setting
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
    net: tuple[str, ...] = setting((), "one of its own settings, as name=value (width=32); may be given several times")
    window: int = setting(8192, "samples the loss sees in one window; as many more as its strides ask for", low=64)
    scroll: int | None = setting(
        None, "samples from one window to the next: below the window they overlap; absent: a window", low=1
    )
    batch: int = setting(4, "windows a step, for each process", low=1)
    validation_seconds: float = setting(9.0, "seconds at the end that training never sees", above=0.0)
    delay: int | None = setting(None, "samples by which the wet is late; found by itself where not given")
    conditioning: str = setting("concat", "how a WaveNet hears its knobs", choices=CONDITIONINGS)
    cut_off: bool = setting(
        True, "count nothing as an error that lies beyond full scale, where the converter cut the wet recording off"
    )
    channels: str = setting(
        "auto",
        "sound in several channels: one network for each, one that plays them all, one that hears them jointly, or one "
        "channel for all; auto: mono where they say the same, else shared",
        choices=("auto", "each", "shared", "joint", "mono"),
    )
    track_drift: str = setting(
        "auto",
        "follow a delay that wanders (tape, a loose clock): where it is beyond doubt, wherever it is measured, never",
        choices=("auto", "on", "off"),
    )
    resample: bool = setting(False, "bring a wet recording of another rate to the dry one's")
    input_dbu: float | None = setting(
        None, "level in dBu of a sine that is full scale at the device's input; goes into the files", low=-60, high=60
    )
    output_dbu: float | None = setting(None, "the same at its output", low=-60, high=60)
    table_epochs: int | None = setting(
        None, "validate every so many epochs, errors of training data included: see evaluate --table", low=1
    )
    start_from: Path | None = setting(None, "a run whose trained network is where this one begins")  # noqa: RUF009
    freeze: tuple[str, ...] = setting((), "a part of that network to keep as it is (frontend, say); may be repeated")
    loss: LossSettings = field(default_factory=LossSettings)
    train: TrainSettings = field(default_factory=TrainSettings)


def settings_for(network: str) -> EmulateSettings:
    """The defaults that suit a network.

    The networks of "TensorFlow Signal Processing" keep their author's table, and those that take a whole window at
    once learn from windows that overlap, by Adam: their matrices are too large for the preconditioners of SOAP.

    >>> settings_for("window-linear").scroll, settings_for("a1-nano").scroll
    (4800, None)
    """
    plain = EmulateSettings(network=network)
    if network.startswith("conv-deconv"):
        return replace(plain, table_epochs=5)
    if network.startswith("window-"):
        adam = TrainSettings(optimizer="adam", learning_rate=0.001)
        return replace(plain, scroll=4800, batch=16, table_epochs=5, train=adam)
    return plain


def starting_from(folder: Path) -> EmulateSettings:
    """The defaults for going on from the run at ``folder`` with another device: its network, windows and rates.

    Raises:
        RunError: there is no run of this job.
    """
    from wavewright.train.run import RunFolder

    run = RunFolder.open(folder)
    if run.job != JOB:
        raise RunError(f"run {folder} belongs to the job {run.job}, not {JOB}; start from a run of train emulate")
    told = from_mapping(EmulateSettings, run.settings)
    rates = {name: getattr(told.train, name) for name in ("learning_rate", "optimizer", "schedule", "warm_up")}
    own = TrainSettings(**rates)
    return replace(told, delay=None, resample=False, start_from=folder, freeze=(), train=own)
