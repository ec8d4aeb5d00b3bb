"""What a generator learns from: the corpus, which of it is held out, and how it is coded."""

from __future__ import annotations

import atexit
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from wavewright.audio import files
from wavewright.audio.recording import FloatArray
from wavewright.data import store as stores
from wavewright.data.controls import Controls
from wavewright.data.corpus import Corpus, Labels, Sound, hold_out, is_store
from wavewright.data.encoding import Encoding
from wavewright.data.excerpts import Excerpts
from wavewright.data.slicing import sliced
from wavewright.data.store import Store
from wavewright.jobs.generate.settings import STORE, GenerateSettings, class_parts, highest_rate
from wavewright.train.progress import Reporter
from wavewright.train.run import RunFolder, own_rank


@dataclass(frozen=True)
class Material:
    """A corpus ready for learning: which sounds are learned, which held out, how they are coded and told apart."""

    corpus: Corpus
    learned: tuple[Sound, ...]
    held_out: tuple[Sound, ...]
    encoding: Encoding
    controls: Controls

    def sound(self, sound: Sound) -> FloatArray:
        """The samples of one sound ``(time,)``, mapped from the disk."""
        return self.corpus.track[0, sound.start : sound.start + sound.length]

    def moved(self, folder: Path) -> Material:
        """The same, its store now at ``folder``."""
        return replace(self, corpus=replace(self.corpus, store=Store.open(folder)))

    def excerpts(self, sounds: Sequence[Sound], tail: float = 0.0) -> Excerpts:
        """Codes of some of the sounds, ``tail`` seconds of silence behind each."""
        return Excerpts(self.corpus.track, sounds, self.encoding, self.controls, tail=round(tail * self.corpus.rate))


def prepare(
    sources: Sequence[Path],
    store: Path,
    settings: GenerateSettings,
    progress: Callable[[int, int], None] | None = None,
) -> Material:
    """Lay the corpus down as a store (one that is given is used where it lies), and decide who hears what.

    Raises:
        AudioFileError, DataError: the folder holds nothing that can be learned.
        OutputError: the store cannot be written.
    """
    labels = Labels(settings.classes, class_parts(settings.class_part))
    corpus = Corpus.create(
        store,
        sources,
        rate=settings.rate,
        highest=highest_rate(settings.network),
        labels=labels,
        force=True,
        progress=progress,
    )
    return material_of(corpus, settings)


def material_of(corpus: Corpus, settings: GenerateSettings) -> Material:
    """The corpus split by files, with the gain that keeps its loudest sample within the codes.

    Raises:
        DataError: it shall be sliced, and cannot be; or what `hold_out` refuses.
    """
    corpus = sliced(corpus) if settings.sliced else corpus
    learned, held_out = hold_out(
        corpus.sounds, settings.held_out, seed=settings.train.seed, pattern=settings.held_out_files
    )
    encoding = Encoding.fitted(corpus.peak(settings.pre_emphasis), settings.quantization, settings.pre_emphasis)
    controls = controls_of(settings, corpus.rate, corpus.labels)
    return Material(corpus, learned, held_out, encoding, controls)


def controls_of(settings: GenerateSettings, rate: int, labels: Sequence[str]) -> Controls:
    """What a network of these settings is told of sounds with these labels."""
    return Controls(rate, tuple(labels), settings.onset, settings.envelope, settings.position)


def kept_material(run: RunFolder, settings: GenerateSettings) -> Material:
    """What a run learns from: its own store, the one it was given, or the sounds laid down anew after an early end."""
    sources = run.fact("sources", lambda names: [Path(name) for name in names])
    place = run.path / STORE
    if place.exists() or is_store(sources[0]):
        labels = Labels(settings.classes, class_parts(settings.class_part))
        return material_of(Corpus.open(place if place.exists() else sources[0], labels=labels), settings)
    return prepare(sources, place, settings)


def tell_of(material: Material, reporter: Reporter) -> None:
    """Say what was found: how much, how it is split, what was left out."""
    corpus = material.corpus
    kinds = "".join(f", classes {', '.join(values)}" for values in material.controls.parts)
    held = sum(sound.length for sound in material.held_out) / corpus.rate
    reporter.say(
        f"{len(corpus.sounds)} sounds, {corpus.seconds:.1f} s at {corpus.rate} Hz{kinds}; "
        f"{len(material.held_out)} of them ({held:.1f} s) are held out"
    )
    if corpus.skipped:
        reporter.say(f"note: {len(corpus.skipped)} files left out; the first: {corpus.skipped[0].why}")


def files_of(sources: Sequence[Path]) -> list[Path]:
    """The files whose change would make another corpus."""
    if len(sources) == 1 and is_store(sources[0]):
        return [sources[0] / stores.MANIFEST, sources[0] / stores.AUDIO]
    return files.find(list(sources))


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """A place beside the run for its store, until the run is there; each process of a distributed run has its own."""
    rank = own_rank()
    folder.parent.mkdir(parents=True, exist_ok=True)
    place = folder.parent / f".{folder.name}.{STORE}{rank or ''}"
    try:
        yield place
    finally:
        if rank == 0:
            shutil.rmtree(place, ignore_errors=True)
        else:  # mapped until the process ends
            atexit.register(shutil.rmtree, place, ignore_errors=True)
