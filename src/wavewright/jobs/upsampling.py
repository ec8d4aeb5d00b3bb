"""Upsampling at work: a trained network puts bandwidth back into files of any length, rate and channels.

What a file holds already stays its own: the network writes above the file's band alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wavewright.audio import files
from wavewright.audio.bandwidth import BandEdge
from wavewright.audio.recording import FloatArray
from wavewright.audio.resample import StreamResampler
from wavewright.engine.player import Player
from wavewright.errors import OutputError, RunError
from wavewright.jobs.trained import trained_network
from wavewright.jobs.upsample_settings import JOB
from wavewright.nets.contract import Network
from wavewright.nets.crossover import Crossover
from wavewright.train.run import RunFolder

BLOCK = 1 << 15
KEPT_BAND = 0.8
"""Of half the low rate, what decimation filters leave untouched: the band that a file keeps where it goes no higher."""
CROSSING = 0.1
"""Width of the crossover, as a share of half the low rate."""
FULL = 0.9
"""Of half the full rate: a file whose sound goes this far up lacks nothing."""
EDGE_MARGIN = 0.97


@dataclass(frozen=True)
class Upsampler:
    """A network and the two rates in Hz that it lies between."""

    network: Network
    rate: int
    low_rate: int
    name: str
    run: RunFolder | None = None

    def crossed(self, edge: float | None = None) -> Crossover:
        """The network above ``edge`` Hz alone; where None, above what every low-rate sound keeps."""
        half = self.rate / 2
        kept = KEPT_BAND * self.low_rate / 2
        width = CROSSING * self.low_rate / 2
        low = max(kept, min(edge or 0.0, FULL * half))
        return Crossover(self.network, low / half, min(width / half, 0.99 - low / half))


@dataclass(frozen=True)
class Upsampled:
    """What became of one file. ``edge``: Hz up to which it held sound; ``already_full``: nothing was added."""

    source: Path
    output: Path
    rate: int
    seconds: float
    took: float
    edge: float
    already_full: bool
    clipped: int

    @property
    def times_real_time(self) -> float:
        """Seconds of sound in a second."""
        return self.seconds / max(self.took, 1e-9)


def open_upsampler(path: Path) -> Upsampler:
    """The upsampler in a run folder.

    Raises:
        RunError, ModelFileError: there is none, or it is damaged.
    """
    run = RunFolder.open(path)
    if run.job != JOB:
        raise RunError(f"run {path} belongs to the job {run.job}, not {JOB}; name a run of train upsample")
    return Upsampler(
        trained_network(run), int(run.rate or 0), int(run.info["extra"]["low_rate"]), path.resolve().name, run
    )


def render(
    upsampler: Upsampler,
    sources: Sequence[Path],
    output: Path,
    *,
    subtype: str | None = None,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> list[Upsampled]:
    """Put bandwidth back into sound files, each to its own output at the full rate, in blocks.

    Raises:
        AudioFileError: a file that cannot be read; found before any work.
        OutputError: an output that is there already (without ``force``), or cannot be written; likewise.
    """
    say = tell or (lambda line: None)
    infos = [files.info(path) for path in sources]
    if len(infos) > 1 and not output.is_dir():
        raise OutputError(f"{len(infos)} files cannot all become {output}; create that folder, or name another one")
    targets = [output / f"{info.path.stem}.wav" if output.is_dir() else output for info in infos]
    lengths = [-(-info.frames * upsampler.rate // info.rate) for info in infos]
    for info, target, frames in zip(infos, targets, lengths, strict=True):
        if target.exists() and target.samefile(info.path):
            raise OutputError(f"output {target} is the input itself; name another file")
        files.Writer(target, upsampler.rate, info.channels, subtype=subtype, force=force, frames=frames)
    done, total = 0, sum(lengths)
    results = []
    for info, target, frames in zip(infos, targets, lengths, strict=True):

        def count(at: int, before: int = done) -> None:
            if progress is not None:
                progress(before + at, total)

        results.append(_render(upsampler, info, target, frames, subtype, force, count, say))
        done += frames
    return results


def _render(
    upsampler: Upsampler,
    info: files.FileInfo,
    target: Path,
    frames: int,
    subtype: str | None,
    force: bool,
    count: Callable[[int], None],
    say: Callable[[str], None],
) -> Upsampled:
    started = time.perf_counter()
    edge = BandEdge(info.rate)
    for block in files.blocks(info.path, BLOCK):
        edge.add(block)
    already_full = edge.hz >= FULL * upsampler.rate / 2
    if already_full:
        say(
            f"{info.path} holds sound up to {edge.hz:,.0f} Hz already, of {upsampler.rate / 2:,.0f}: nothing is added"
            + (f", and it is brought to {upsampler.rate} Hz" if info.rate != upsampler.rate else "")
        )
    sound = _at_rate(info, upsampler.rate)
    if not already_full:
        sound = _through(upsampler, edge.hz, sound, info.channels)
    written = 0
    with files.Writer(target, upsampler.rate, info.channels, subtype=subtype, force=force, frames=frames) as writer:
        for block in sound:
            kept = block[:, : frames - written]
            writer.write(kept)
            written += kept.shape[1]
            count(written)
        if written < frames:  # a resampler may round the last sample away
            writer.write(np.zeros((info.channels, frames - written), np.float32))
    return Upsampled(
        info.path,
        target,
        upsampler.rate,
        info.seconds,
        time.perf_counter() - started,
        edge.hz,
        already_full,
        writer.clipped,
    )


def _at_rate(info: files.FileInfo, rate: int) -> Iterator[FloatArray]:
    """The blocks of a file at ``rate``, which is its own or is reached by band-limited interpolation."""
    resampler = StreamResampler(info.rate, rate, info.channels)
    for block in files.blocks(info.path, BLOCK):
        yield resampler.push(block)
    if info.rate != rate:
        yield resampler.push(np.zeros((info.channels, 0), np.float32), last=True)


def _through(upsampler: Upsampler, edge: float, sound: Iterator[FloatArray], channels: int) -> Iterator[FloatArray]:
    """Blocks at the full rate through the network, above what the sound holds, the latency taken out."""
    low_half = upsampler.low_rate / 2
    goes_on = edge > low_half  # the file holds more than the network expects: its own is kept up there
    player = Player(upsampler.crossed(EDGE_MARGIN * edge if goes_on else None), channels)
    early = player.latency
    for block in sound:
        out = player.process(block)
        yield out[:, min(early, out.shape[1]) :]
        early -= min(early, out.shape[1])
    yield player.flush()[:, early:]


def play(upsampler: Upsampler, low: FloatArray, edge: float | None = None) -> FloatArray:
    """What the upsampler makes of a sound ``(time,)`` at the full rate whose upper band is missing."""
    player = Player(upsampler.crossed(edge))
    out = np.concatenate([player.process(low[np.newaxis]), player.flush()], axis=1)
    return np.asarray(out[0, player.latency :])
