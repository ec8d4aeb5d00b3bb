"""What an upsampler learns from: full-band sounds in one store, some held out, by files or by folders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

import numpy as np

from wavewright.audio import files
from wavewright.audio.bandwidth import BandEdge
from wavewright.audio.recording import FloatArray
from wavewright.data.corpus import Corpus, Sound, hold_out, is_store, usual_rate
from wavewright.data.store import Store
from wavewright.errors import AudioFileError, DataError
from wavewright.jobs.upsample.settings import STORE, UpsampleSettings, low_rate_of
from wavewright.train.run import RunFolder

LOOKED_AT, LOOKED_SECONDS = 40, 5.0
"""How many sounds, and how much of each, are looked at for an upper band that is empty."""

EMPTY = 0.75
"""Of half the full rate: a sound that ends below this has little to teach up there."""


@dataclass(frozen=True)
class Material:
    """Full-band sounds: which are learned from, which held out, and the low rate in Hz."""

    corpus: Corpus
    learned: tuple[Sound, ...]
    held_out: tuple[Sound, ...]
    low_rate: int

    @property
    def rate(self) -> int:
        """The full rate in Hz."""
        return self.corpus.rate

    def sound(self, sound: Sound) -> FloatArray:
        """The samples of one sound ``(time,)``, mapped from the disk."""
        return self.corpus.track[0, sound.start : sound.start + sound.length]

    def band(self, sound: Sound) -> float:
        """How far up a sound goes, as a share of half the full rate: below 1 where its file has a lower one."""
        return min(1.0, self.rates[sound.sha256] / self.rate)

    @cached_property
    def rates(self) -> dict[str, int]:
        """The rate in Hz that each file had, by its hash."""
        return {item.sha256: item.rate for item in self.corpus.store.items}

    def moved(self, folder: Path) -> Material:
        """The same, its store now at ``folder``."""
        return replace(self, corpus=replace(self.corpus, store=Store.open(folder)))


def prepare(
    sources: Sequence[Path],
    store: Path,
    settings: UpsampleSettings,
    progress: Callable[[int, int], None] | None = None,
) -> Material:
    """Lay the sounds down as a store, at the full rate, and hold some of them out.

    Raises:
        AudioFileError, DataError: nothing that can be learned; files below the full rate, unless they are allowed.
        SettingsError: a factor that leaves no band.
    """
    rate = settings.rate
    if not (len(sources) == 1 and is_store(sources[0])):
        found = files.find(list(sources))
        rate = usual_rate(found) if rate is None else rate
        _refuse_below(_rates_of(found), rate, settings)
    if rate is not None:
        low_rate_of(settings, rate)  # before an hour of audio is converted
    return material_of(Corpus.create(store, sources, rate=rate, force=True, progress=progress), settings)


def rate_of(sources: Sequence[Path], settings: UpsampleSettings) -> int:
    """The full rate in Hz that a run on ``sources`` will have.

    Raises:
        AudioFileError, DataError: nothing there that can be learned.
    """
    if len(sources) == 1 and is_store(sources[0]):
        return Store.open(sources[0]).rate
    return usual_rate(files.find(list(sources))) if settings.rate is None else settings.rate


def material_of(corpus: Corpus, settings: UpsampleSettings) -> Material:
    """The corpus split by files or by folders."""
    _refuse_below([(Path(item.path), item.rate) for item in corpus.store.items], corpus.rate, settings)
    learned, held_out = _split(corpus, settings)
    return Material(corpus, learned, held_out, low_rate_of(settings, corpus.rate))


def kept_material(run: RunFolder, settings: UpsampleSettings) -> Material:
    """What a run learns from: its own store, the one that it was given, or its sounds laid down anew.

    Raises:
        RunError: there is no store, and run.json does not say where the sounds came from.
        AudioFileError, DataError: they are gone.
    """
    place = run.path / STORE
    if place.exists():
        return material_of(Corpus.open(place), settings)
    return prepare(run.fact("sources", _paths), place, settings)


def sources_of(run: RunFolder) -> list[Path]:
    """Where the sounds of a run came from; none for a model of the package, which does not say.

    Raises:
        RunError: run.json names no such places.
    """
    return run.fact("sources", _paths) if "sources" in run.info["extra"] else []


def _paths(names: Sequence[str]) -> list[Path]:
    return [Path(name) for name in names]


def notes(material: Material) -> list[str]:
    """What is worth knowing before hours are spent: files left out, and sounds with nothing in their upper band."""
    told = []
    skipped = material.corpus.skipped
    if skipped:
        told.append(f"{len(skipped)} files left out; the first: {skipped[0].why}")
    full = [sound for sound in (*material.learned, *material.held_out) if material.band(sound) == 1]
    looked_at = full[:: -(-len(full) // LOOKED_AT) or 1]
    empty = []
    for sound in looked_at:
        edge = BandEdge(material.rate)
        begin = max(0, sound.length - round(LOOKED_SECONDS * material.rate)) // 2
        edge.add(np.array(material.sound(sound)[begin:][: round(LOOKED_SECONDS * material.rate)]))
        if 0 < edge.hz < EMPTY * material.rate / 2:
            empty.append((sound, edge.hz))
    if empty:
        told.append(
            f"{len(empty)} of {len(looked_at)} sounds looked at hold nothing near {material.rate / 2:,.0f} Hz, the "
            f"first {empty[0][0].path}, nothing above {empty[0][1]:,.0f}: they teach that the top is empty; a lower "
            "--rate may suit them"
        )
    return told


def _rates_of(found: Sequence[Path]) -> list[tuple[Path, int]]:
    rates = []
    for path in found:
        try:
            rates.append((path, files.info(path).rate))
        except AudioFileError:  # told when it is left out
            continue
    return rates


def _refuse_below(found: Sequence[tuple[Path, int]], rate: int, settings: UpsampleSettings) -> None:
    below = [(path, own) for path, own in found if own < rate]
    if below and not settings.allow_upsampled:
        raise DataError(
            f"{len(below)} of {len(found)} files are below the full rate of {rate} Hz, the first {below[0][0]} at "
            f"{below[0][1]} Hz: they have nothing to teach up there; leave them out, choose a lower --rate, or pass "
            "--allow-upsampled to learn from them as far up as they go"
        )


def _split(corpus: Corpus, settings: UpsampleSettings) -> tuple[tuple[Sound, ...], tuple[Sound, ...]]:
    if settings.split == "file":
        return hold_out(corpus.sounds, settings.held_out, settings.train.seed, settings.held_out_names)
    sounds = [replace(sound, label=_group(sound.path, settings.split)) for sound in corpus.sounds]
    groups = sorted({str(sound.label) for sound in sounds})
    if len(groups) < 2:
        raise DataError(
            f"--split {settings.split}: all sounds lie in one folder, {groups[0]!r}, so that nothing is left to hold "
            "out; choose --split file"
        )
    if settings.held_out_names is not None:
        chosen = {name for name in groups if fnmatchcase(name, settings.held_out_names)}
    else:
        order = np.random.default_rng([settings.train.seed, len(groups)]).permutation(len(groups))
        chosen = {groups[place] for place in order[: max(1, round(settings.held_out * len(groups)))]}
    if not 0 < len(chosen) < len(groups):
        raise DataError(
            f"{settings.held_out_names!r} holds {len(chosen)} of {len(groups)} folders out "
            f"({', '.join(groups[:4])}{', …' if len(groups) > 4 else ''}); it must be some of them and leave others to "
            "learn from"
        )
    held = tuple(sound for sound in sounds if sound.label in chosen)
    heard_before = {sound.sha256 for sound in held}  # a copy in another folder would give it away
    learned = tuple(sound for sound in sounds if sound.label not in chosen and sound.sha256 not in heard_before)
    if not learned:
        raise DataError("all that is left to learn from are copies of what is held out; give other sounds")
    return learned, held


def _group(path: Path, split: str) -> str:
    """The folder that a sound lies in, or the one above that: wav48/p225/p225_001.wav, speaker/chapter/1.flac."""
    return path.parent.name if split == "folder" else path.parent.parent.name
