"""Mosaic: any sound, or what a network has dreamt of MFCCs, rebuilt from the grains of what a generator has learned."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from wavewright.audio import files
from wavewright.audio.recording import FloatArray
from wavewright.data.corpus import Corpus, is_store
from wavewright.data.grains import Pieces, of_frames, starts_of
from wavewright.data.mosaic import MosaicIndex, refuse_silent
from wavewright.data.mosaic_settings import MosaicSettings
from wavewright.data.store import Store
from wavewright.errors import RunError
from wavewright.jobs.frames import sampling as frame_sampling
from wavewright.jobs.frames.drawing import FrameBlocks
from wavewright.jobs.generate.generator import OpenFrames, open_generator
from wavewright.jobs.generate.settings import JOB, GenerateSettings, SampleSettings
from wavewright.jobs.material import kept_material
from wavewright.settings import from_mapping
from wavewright.train.run import RunFolder

WITHOUT_PHASES = ("mfcc", "log-mel")
"""Frames that tell what a sound is like and not its samples."""


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


def generated(
    run: Path,
    output: Path,
    settings: MosaicSettings | None = None,
    *,
    seconds: float | None = None,
    seed: int = 0,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Mosaic:
    """A new sequence of frames, drawn from a network of frames without phases (MFCC, log-mel), as a mosaic of what it
    has learned: no phases are made up. Grains keep their own level.

    Raises:
        RunError: no run, or one whose frames have phases.
        OutputError: as `mosaic`.
    """
    opened = open_generator(run)
    if not isinstance(opened, OpenFrames) or opened.settings.frame.frames not in WITHOUT_PHASES:
        raise RunError(
            f"run {run} has no frames that a mosaic could follow ({' or '.join(WITHOUT_PHASES)} are needed); draw a "
            "sound from it with `wavewright sample`, and name that as the target"
        )
    files.Writer(output, opened.rate, 1, force=force)  # refuses what cannot be written
    wanted = frame_sampling.request(opened, SampleSettings(seconds=seconds, seed=seed))
    drawn = FrameBlocks(wanted.drawing, wanted.samples, [(0, 0)])
    frames = [block[0] for block in drawn]  # each (n, coefficients)
    hop, over = opened.cutting.kind.hop, int(drawn.over[0])
    length = max(1, over * hop) if wanted.open_end and over >= 0 else wanted.samples
    told = replace(settings or MosaicSettings(), onsets=False, level=False)
    index = MosaicIndex(_sounds(opened.material.corpus), opened.rate, told, opened.cutting.kind)
    starts = starts_of(np.zeros(length, np.float32), opened.rate, index.grain, at_onsets=False)
    target = of_frames(iter(frames), starts, index.grain, hop, length, np.zeros(len(starts)))
    return _laid(index, target, output, force, progress)


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
    return _laid(index, index.cut(wanted), output, force, progress)


def _laid(
    index: MosaicIndex, target: Pieces, output: Path, force: bool, progress: Callable[[int, int], None] | None
) -> Mosaic:
    chosen = index.choose(target)
    with files.Writer(output, index.rate, 1, force=force, frames=target.length) as out:
        for block in index.render(target, chosen):
            if block.size:
                out.write(block[None])
            if progress is not None:
                progress(out.frames, target.length)
    return Mosaic(
        output,
        index.rate,
        target.length / index.rate,
        len(chosen.grains),
        len(index),
        chosen.distance,
        chosen.joins,
        out.clipped,
    )
