"""Mosaic: any sound, rebuilt from the grains of what a generator has learned."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wavewright.audio import files
from wavewright.audio.recording import FloatArray
from wavewright.data.corpus import Corpus, is_store
from wavewright.data.mosaic import MosaicIndex, refuse_silent
from wavewright.data.mosaic_settings import MosaicSettings
from wavewright.data.store import Store
from wavewright.errors import RunError
from wavewright.jobs.generate_settings import JOB, GenerateSettings
from wavewright.jobs.material import kept_material
from wavewright.settings import from_mapping
from wavewright.train.run import RunFolder


@dataclass(frozen=True)
class Mosaic:
    """A mosaic that was written: ``seconds`` long, of ``grains`` from a choice of ``choice``."""

    path: Path
    rate: int
    seconds: float
    grains: int
    choice: int
    distance: float
    """Mean distance of the grains from the target's, in standard deviations of the corpus."""
    joins: float
    """Share of the joins at which a grain does not go on where the last one ended."""
    clipped: int


def mosaic(
    source: Path,
    target: Path,
    output: Path,
    settings: MosaicSettings | None = None,
    *,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> Mosaic:
    """Rebuild the sound file ``target`` from the sounds of ``source``, a run of generate or a store, into ``output``.

    The target may have any rate and channels: it is brought to the rate of the sounds and mixed down, and ``tell``
    hears of it. It is laid down on the disk first, and written block by block, so that it may be of any length.

    Raises:
        RunError, DataError: ``source`` is neither, or holds no sound; the target is silent.
        AudioFileError: the target cannot be read.
        OutputError: ``output`` is there already (without ``force``), or cannot be written.
    """
    say = tell or (lambda line: None)
    about = files.info(target)
    corpus = corpus_of(source)
    files.Writer(output, corpus.rate, 1, force=force)  # refuses what cannot be written
    if about.rate != corpus.rate:
        say(f"the target is brought from {about.rate} to {corpus.rate} Hz, the rate of the sounds learned")
    if about.channels > 1:
        say(f"its {about.channels} channels are mixed down")
    with tempfile.TemporaryDirectory() as place:
        store = Store.create(Path(place) / "target", [target], rate=corpus.rate, mono=True)
        wanted = store.track(store.tracks[0])[0]
        refuse_silent(wanted, f"the target {target}")
        return _written(MosaicIndex(_sounds(corpus), corpus.rate, settings), wanted, output, force, progress)


def corpus_of(source: Path) -> Corpus:
    """The sounds of a run of generate, or of a store of `wavewright prepare`.

    Raises:
        RunError: it is neither, or a run of another job.
        DataError: the store is damaged, or not of mono sound.
    """
    if is_store(source):
        return Corpus.open(source)
    run = RunFolder.open(source)
    if run.job != JOB:
        raise RunError(
            f"run {source} belongs to the job {run.job}, not {JOB}; name a run of train generate, or a store"
        )
    return kept_material(run, from_mapping(GenerateSettings, run.settings)).corpus


def _sounds(corpus: Corpus) -> list[FloatArray]:
    return [corpus.track[0, sound.start : sound.start + sound.length] for sound in corpus.sounds]


def _written(
    index: MosaicIndex,
    wanted: FloatArray,
    output: Path,
    force: bool,
    progress: Callable[[int, int], None] | None,
) -> Mosaic:
    target = index.cut(wanted)
    chosen = index.choose(target)
    with files.Writer(output, index.rate, 1, force=force, frames=wanted.size) as out:
        for block in index.render(target, chosen):
            if block.size:
                out.write(block[None])
            if progress is not None:
                progress(out.frames, wanted.size)
    return Mosaic(
        output,
        index.rate,
        wanted.size / index.rate,
        len(chosen.grains),
        len(index),
        chosen.distance,
        chosen.joins,
        out.clipped,
    )
