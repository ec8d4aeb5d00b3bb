"""The signal to play through a device: everything a model of it should have heard, between sync clicks.

    gap · clicks │ sweep │ noise ramp │ silence │ slices of music │ clicks · gap

The music comes last because the end is what training holds out: a twin is to be judged by music.

The slices come from the user's own sounds, or from built-in ones: random places, lengths and levels, cross-faded with
constant power. Only one slice of a file is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from wavewright.audio import files as sound_files
from wavewright.audio import music, signals
from wavewright.audio.recording import FloatArray, Recording
from wavewright.audio.resample import resample
from wavewright.data.signal_settings import SignalSettings
from wavewright.errors import AudioFileError, DataError, SettingsError
from wavewright.settings import checked

SOURCE_SECONDS_MOST = 60.0  # how much of a long file counts when files are drawn, so that one does not drown the rest
SILENT_DRAWS = 12  # slices of a file that may be silent, one after the other, before it is given up
GATE_SECONDS = 0.02  # silence is looked for in pieces of this length
CEILING = 0.98  # peak of the whole
FADE_SECONDS = 0.01  # at both ends of sweep and noise


@dataclass
class SignalReport:
    """What `compose_reported` used: how many slices, of how many sounds, and the files it left out, with reasons."""

    sources: int = 0
    slices: int = 0
    skipped: dict[str, str] = field(default_factory=dict)


class Source(Protocol):
    """Something that slices are cut from."""

    @property
    def name(self) -> str:
        """What the report calls it."""

    @property
    def rate(self) -> int:
        """In Hz."""

    @property
    def frames(self) -> int:
        """Length in samples."""

    def mono(self, start: int, frames: int) -> FloatArray:
        """``frames`` samples from ``start``, all channels mixed to one; shape ``(time,)``."""


@dataclass(frozen=True)
class BuiltIn:
    """A sound of ours, in memory."""

    name: str
    rate: int
    samples: FloatArray

    @property
    def frames(self) -> int:
        """Length in samples."""
        return len(self.samples)

    def mono(self, start: int, frames: int) -> FloatArray:
        """See `Source`."""
        return self.samples[start : start + frames]


@dataclass(frozen=True)
class FromFile:
    """A sound of the user's, on disk."""

    name: str
    rate: int
    frames: int

    def mono(self, start: int, frames: int) -> FloatArray:
        """See `Source`; raises AudioFileError where that part cannot be decoded."""
        part = sound_files.read(self.name, start, frames).samples
        return np.asarray(part.mean(axis=0, dtype=np.float32))


def compose(settings: SignalSettings, files: Sequence[Path] = ()) -> Recording:
    """Make a training signal of one channel from ``files`` (or folders of them), or from built-in sounds alone.

    Example:
        >>> brief = SignalSettings(seconds=8, rate=16_000, sweep_seconds=1, noise_seconds=0.5, silence_seconds=0.5,
        ...                        slice_longest=1.0)
        >>> signal = compose(brief)
        >>> signal.seconds, signal.channels
        (8.0, 1)
        >>> brief.click_positions()
        ([8000, 16000], [112000, 120000])

    Raises:
        SettingsError: settings out of range or at odds with each other, all of them told.
        AudioFileError: a file or folder that does not exist, or a folder without sound files.
        DataError: none of the files can be read, or all of them are silent.
    """
    return compose_reported(settings, files)[0]


def compose_reported(settings: SignalSettings, files: Sequence[Path] = ()) -> tuple[Recording, SignalReport]:
    """As `compose`, and a report of which files were left out, and why: one unreadable file does not stop the rest."""
    problems = checked(settings).problems()
    if problems:
        raise SettingsError(problems)
    report = SignalReport()
    sources = _opened(files, report) if files else _built_in(settings)
    report.sources = len(sources)

    frames = signals.length(settings.seconds, settings.rate)
    out = np.zeros(frames, np.float32)
    at = signals.length(settings._sync_seconds(), settings.rate)
    measured = _sweep_noise_silence(settings)
    out[at : at + len(measured)] = measured
    _fill_with_slices(out[at + len(measured) : frames - at], settings, sources, report)
    start, end = settings.click_positions()
    out += signals.clicks(start + end, frames, _amplitude(settings.click_level_db))
    return Recording(out[None], settings.rate), report


def crossfade_windows(frames: int) -> tuple[FloatArray, FloatArray]:
    """A sine that rises and a cosine that falls over ``frames`` samples; their squares sum to 1 at each of them.

    Two sounds that have nothing to do with each other keep constant power from one to the other.
    """
    angle = (np.arange(frames) + 0.5) / frames * np.pi / 2
    return np.sin(angle).astype(np.float32), np.cos(angle).astype(np.float32)


def _opened(files: Sequence[Path], report: SignalReport) -> list[Source]:
    sources: list[Source] = []
    for path in sound_files.find(files):
        try:
            found = sound_files.info(path)
        except AudioFileError as error:
            report.skipped[str(path)] = str(error)
        else:
            sources.append(FromFile(str(path), found.rate, found.frames))
    if not sources:
        first = next(iter(report.skipped.values()))
        raise DataError(f"none of the {len(report.skipped)} sound files can be used; the first: {first}")
    return sources


def _built_in(settings: SignalSettings) -> list[Source]:
    """Guitar and bass for most of the time, drums for the rest."""
    seconds, rate, seed = settings.seconds, settings.rate, settings.seed
    return [
        BuiltIn("guitar and bass", rate, music.riff(min(max(10.0, seconds), 600.0), rate, seed=seed)),
        BuiltIn(
            "drum loop", rate, music.drum_loop(max(4.0, min(seconds, SOURCE_SECONDS_MOST) / 3), rate, seed=seed + 1)
        ),
    ]


def _fill_with_slices(out: FloatArray, settings: SignalSettings, sources: list[Source], report: SignalReport) -> None:
    """Overlap slices by the cross-fade until ``out`` ``(time,)`` is full; the last one is cut and faded."""
    rng = np.random.default_rng(settings.seed)
    overlap = signals.length(settings.crossfade, settings.rate)
    rising, falling = crossfade_windows(overlap)
    at = 0
    while at < len(out):
        piece = _next_slice(rng, settings, sources, report)
        piece = np.pad(piece, (0, max(0, 2 * overlap - len(piece))))
        piece[:overlap] *= rising
        piece[-overlap:] *= falling
        room = len(out) - at
        out[at : at + len(piece)] += piece[:room]
        at += len(piece) - overlap
        report.slices += 1
    out[-overlap:] *= falling
    # two loud slices may add up beyond full scale where they cross
    out *= np.float32(min(1.0, CEILING / max(1e-9, float(np.abs(out).max()))))


def _next_slice(
    rng: np.random.Generator, settings: SignalSettings, sources: list[Source], report: SignalReport
) -> FloatArray:
    """A slice ``(time,)`` at the signal's rate and a random level. Sources found silent or damaged leave the list."""
    while sources:
        weights = np.array([min(source.frames / source.rate, SOURCE_SECONDS_MOST) for source in sources])
        source = sources[int(rng.choice(len(sources), p=weights / weights.sum()))]
        try:
            for _ in range(SILENT_DRAWS):
                piece = _audible(_drawn(rng, settings, source), settings)
                if len(piece):
                    peak_db = rng.uniform(settings.quietest_db, settings.loudest_db)
                    return np.asarray(piece * (_amplitude(peak_db) / float(np.abs(piece).max())), dtype=np.float32)
            report.skipped[source.name] = f"silent: below {settings.silent_below_db:g} dBFS wherever it was tried"
        except AudioFileError as error:
            report.skipped[source.name] = str(error)
        sources.remove(source)
        report.sources = len(sources)
    reasons = "; ".join(f"{name}: {reason}" for name, reason in list(report.skipped.items())[:3])
    raise DataError(f"no sound is left to cut slices from: {reasons}")


def _drawn(rng: np.random.Generator, settings: SignalSettings, source: Source) -> FloatArray:
    """A random part of one source, at the signal's rate."""
    seconds = rng.uniform(settings.slice_shortest, settings.slice_longest)
    frames = max(1, min(source.frames, round(seconds * source.rate)))
    part = source.mono(int(rng.integers(0, source.frames - frames + 1)), frames)
    brought: FloatArray = resample(Recording(part[None], source.rate), settings.rate).samples[0]
    return brought


def _audible(piece: FloatArray, settings: SignalSettings) -> FloatArray:
    """The part of a slice from its first to its last sound; empty where more than half of that is silence."""
    gate = signals.length(GATE_SECONDS, settings.rate)
    whole = np.pad(piece, (0, -len(piece) % gate))
    loud = np.abs(whole.reshape(-1, gate)).max(axis=1) >= _amplitude(settings.silent_below_db)
    where = np.flatnonzero(loud)
    if not len(where) or loud[where[0] : where[-1] + 1].mean() < 0.5:
        return piece[:0]
    return piece[where[0] * gate : (where[-1] + 1) * gate]


def _sweep_noise_silence(settings: SignalSettings) -> FloatArray:
    rate = settings.rate
    parts = []
    if settings.sweep_seconds:
        top = min(20_000.0, 0.45 * rate)
        parts.append(signals.sine_sweep(20.0, top, settings.sweep_seconds, rate, _amplitude(settings.sweep_level_db)))
    if settings.noise_seconds:
        parts.append(signals.noise_ramp(settings.noise_seconds, rate, seed=settings.seed))
    rising, falling = crossfade_windows(signals.length(FADE_SECONDS, rate))
    for part in parts:
        fade = min(len(rising), len(part) // 2)
        part[:fade] *= rising[:fade]
        part[len(part) - fade :] *= falling[len(falling) - fade :]
    if settings.silence_seconds:
        parts.append(signals.silence(settings.silence_seconds, rate))
    return np.concatenate([*parts, np.zeros(0, np.float32)])


def _amplitude(db: float) -> float:
    return float(10 ** (db / 20))
