"""Files of any length through a player, block by block: memory does not grow with the file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wavewright.atomic import refuse_existing
from wavewright.audio import files
from wavewright.audio.recording import FloatArray
from wavewright.audio.resample import StreamResampler
from wavewright.engine.player import Player
from wavewright.errors import DataError, OutputError
from wavewright.nets.contract import Network

BLOCK = 1 << 15
"""Samples a block: long enough that calls cost nothing, short enough to stay in the cache."""

Progress = Callable[[int, int], None]
"""Told the samples done and the samples in all, after each block."""


@dataclass(frozen=True)
class Rendered:
    """What became of one file. ``clipped`` counts output samples cut off at full scale by an integer format."""

    source: Path
    output: Path
    rate: int
    seconds: float
    took: float
    clipped: int
    non_finite: int

    @property
    def times_real_time(self) -> float:
        """Seconds of sound rendered in a second."""
        return self.seconds / max(self.took, 1e-9)


@dataclass(frozen=True)
class RenderPlan:
    """One file to render, checked before any work: where from, where to, and at which rates."""

    info: files.FileInfo
    output: Path
    subtype: str | None


def plan(
    sources: Sequence[Path], output: Path, rate: int | None, *, resample: bool, subtype: str | None = None, force: bool
) -> list[RenderPlan]:
    """Check every input and output, and give what is to be done.

    One source goes to the file ``output``, or into it where it is a folder; several want a folder.

    Raises:
        AudioFileError: an input that cannot be read.
        DataError: an input whose rate is not the network's ``rate`` (Hz) where ``resample`` was not allowed.
        OutputError: an output that exists already (without ``force``), is an input, or cannot be written.
    """
    infos = [files.info(path) for path in sources]
    for info in infos:
        if rate is not None and info.rate != rate and not resample:
            raise DataError(
                f"{info.path} is at {info.rate} Hz, the network at {rate} Hz; "
                "pass --resample to convert on the way in and back on the way out"
            )
    if len(infos) > 1 and not output.is_dir():
        raise OutputError(f"{len(infos)} files cannot all become {output}; create that folder, or name another one")
    targets = [output / f"{info.path.stem}.wav" if output.is_dir() else output for info in infos]
    twice = {target for target in targets if targets.count(target) > 1}
    if twice:
        raise OutputError(f"two inputs would both become {sorted(twice)[0]}; render them in two calls")
    for info, target in zip(infos, targets, strict=True):
        if target.exists() and target.samefile(info.path):
            raise OutputError(f"output {target} is the input itself; name another file")
        refuse_existing(target, force=force)
    return [RenderPlan(info, target, subtype) for info, target in zip(infos, targets, strict=True)]


def render_file(
    net: Network,
    rate: int | None,
    planned: RenderPlan,
    *,
    force: bool = False,
    progress: Progress | None = None,
    tell: Callable[[str], None] | None = None,
) -> Rendered:
    """Play one planned file through ``net``, channel by channel alike, and write the result at the file's own rate.

    The output has the input's length, and the network's latency is taken out. ``tell`` gets a line where kernels must
    be compiled first.
    """
    info = planned.info
    player = Player(net, channels=info.channels, tell=tell)
    started = time.perf_counter()
    through = _through(player, files.blocks(info.path, BLOCK), net.latency, info.frames)
    if rate is not None and rate != info.rate:
        through = _resampled(player, info, rate, net.latency)
    written = 0
    with files.Writer(planned.output, info.rate, info.channels, subtype=planned.subtype, force=force) as writer:
        for block in through:
            kept = block[:, : info.frames - written]
            writer.write(kept)
            written += kept.shape[1]
            if progress is not None:
                progress(written, info.frames)
    return Rendered(
        info.path,
        planned.output,
        info.rate,
        info.seconds,
        time.perf_counter() - started,
        writer.clipped,
        player.non_finite,
    )


def _through(player: Player, blocks: Iterator[FloatArray], latency: int, frames: int) -> Iterator[FloatArray]:
    """Blocks through the player, the first ``latency`` samples left away and as many of silence pushed behind."""
    early = latency
    for block in blocks:
        out = player.process(block)
        yield out[:, min(early, out.shape[1]) :]
        early -= min(early, out.shape[1])
    if latency:
        yield player.process(np.zeros((player.channels, latency), np.float32))[:, early:]


def _resampled(player: Player, info: files.FileInfo, rate: int, latency: int) -> Iterator[FloatArray]:
    """The same at the network's own rate, with a resampler on either side."""
    there = StreamResampler(info.rate, rate, info.channels)
    back = StreamResampler(rate, info.rate, info.channels)
    none = np.zeros((info.channels, 0), np.float32)

    def arriving() -> Iterator[FloatArray]:
        for block in files.blocks(info.path, BLOCK):
            yield there.push(block)
        yield there.push(none, last=True)

    for block in _through(player, arriving(), latency, info.frames):
        yield back.push(block)
    yield back.push(none, last=True)
