"""What the job upsample can be told. No torch here: ``--help`` reads this."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from wavewright.audio.rates import of_factor
from wavewright.errors import RunError, SettingsError
from wavewright.nets.names import UPSAMPLER_NAMES
from wavewright.settings import from_mapping, setting
from wavewright.train.settings import TrainSettings

JOB = "upsample"
"""What a run of this job calls it."""

STORE = "data"
"""Folder of the full-band sounds in a run."""

DEGRADATIONS = (
    "mix",
    "chebyshev",
    "chebyshev-causal",
    "butterworth",
    "bessel",
    "elliptic",
    "brick-wall",
    "subsample",
    "mp3",
    "ogg",
)
AIMS = ("fidelity", "perceptual")
SPLITS = ("file", "folder", "parent")


@dataclass(frozen=True)
class UpsampleSettings:
    """Missing bandwidth put back, learned from sounds that have it. The defaults work untouched."""

    network: str = setting("spectral-upsampler", "which network", choices=UPSAMPLER_NAMES)
    size: int | None = setting(None, "its width: channels, filters or units; absent for its own", low=2, high=4096)
    layers: int | None = setting(None, "its levels or blocks; absent for its own", low=1, high=64)
    pool: int | None = setting(None, "samples that share one modulation in a TFiLM; absent: 256", low=0, high=65_536)
    rate: int | None = setting(None, "Hz of the full band; absent: what most files have", low=2000, high=192_000)
    factor: str = setting("4", "how many times lower the low rate is: 2, 4, 44.1/16 …")
    low_rate: int | None = setting(None, "the low rate in Hz, instead of a factor", low=500, high=96_000)
    degrade: str = setting("mix", "how bandwidth is lost in training; mix draws among all ways", choices=DEGRADATIONS)
    vary: float = setting(
        0.0, "how far training alters speed, tone, room and hiss, for voices it will never meet", low=0.0, high=1.0
    )
    aim: str = setting(
        "fidelity", "fidelity: nearest waveform, highest SNR; perceptual: fullest spectrum, lowest LSD", choices=AIMS
    )
    patch: int | None = setting(None, "samples of a patch; absent: what suits the network", low=256, high=1_000_000)
    stride: int | None = setting(None, "samples from one patch to the next; absent: half a patch", low=1)
    share: float = setting(1.0, "share of the patches to learn from", above=0.0, high=1.0)
    split: str = setting(
        "file",
        "what is held out: files, whole folders (speakers), or the folders above those (speaker/session/1.wav)",
        choices=SPLITS,
    )
    held_out: float = setting(0.1, "share of files or folders that training never hears", above=0, high=0.9)
    held_out_names: str | None = setting(None, "those by name instead, with wildcards: 'p36*'")
    allow_upsampled: bool = setting(False, "use files below the full rate too; they teach as far up as they go")
    start_from: str | None = setting(None, "a run of the same network whose weights are where this one begins")
    batch: int | None = setting(None, "patches a step, for each process; absent: what suits the network", low=1)
    train: TrainSettings = field(default_factory=lambda: TrainSettings(optimizer="adam", learning_rate=2e-3))


def starting_from(folder: Path) -> UpsampleSettings:
    """The defaults for going on from the weights of the run at ``folder``, with another aim or other sounds.

    Its network, rates and ways of losing bandwidth; its seed and its split too, so that what it never heard is not
    heard now.

    Raises:
        RunError: there is no run of this job.
    """
    from wavewright.train.run import RunFolder

    run = RunFolder.open(folder)
    if run.job != JOB:
        raise RunError(f"run {folder} belongs to the job {run.job}, not {JOB}; start from a run of train upsample")
    told = from_mapping(UpsampleSettings, run.settings)
    own = replace(told.train, minutes=None, epochs=None, steps=None, until=None)
    return replace(told, rate=run.rate, start_from=str(folder), train=own)


def low_rate_of(settings: UpsampleSettings, rate: int) -> int:
    """The low rate in Hz for a full ``rate``.

    Raises:
        SettingsError: a factor that is no number above 1, or leaves no band; a low rate not below the full one.
    """
    low = settings.low_rate if settings.low_rate is not None else of_factor(settings.factor, rate)
    if not MOST_LOW * rate >= low >= LEAST_BAND:
        how = f"low_rate = {low}" if settings.low_rate is not None else f"factor = {settings.factor!r}"
        raise SettingsError(
            [
                f"setting {how}: at {rate} Hz it leaves a low rate of {low} Hz; it must be at least {LEAST_BAND} and "
                f"at most {round(MOST_LOW * rate)}, or there is no band to hear or none to write"
            ]
        )
    return low


LEAST_BAND = 500
MOST_LOW = 0.95
