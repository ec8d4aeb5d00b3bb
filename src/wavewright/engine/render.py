"""Files of any length through a player, block by block: memory does not grow with the file.

Several files are played at the same time, and several channels of one: the kernels hold no lock. What comes out is the
same, bit for bit, as from one file after the other on one thread.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wavewright.atomic import refuse_existing
from wavewright.audio import files
from wavewright.audio.recording import FloatArray
from wavewright.engine.automation import Controls
from wavewright.engine.driven import DrivenPlayer
from wavewright.engine.player import Player, compiled
from wavewright.errors import DataError, OutputError, WavewrightError
from wavewright.nets.onnx_network import OnnxNetwork
from wavewright.nets.plain import PlainNetwork

if TYPE_CHECKING:
    from wavewright.engine.player import AnyNetwork

BLOCK = 1 << 15
"""Samples a block: long enough that calls cost nothing, short enough to stay in the cache."""

Progress = Callable[[int, int], None]
"""Told the samples done and the samples in all, after each block."""


@dataclass(frozen=True)
class Written:
    """What became of one file. ``clipped`` counts output samples cut off at full scale by an integer format."""

    source: Path
    output: Path
    rate: int
    seconds: float
    took: float
    clipped: int

    @property
    def times_real_time(self) -> float:
        """Seconds of sound rendered in a second."""
        return self.seconds / max(self.took, 1e-9)


@dataclass(frozen=True)
class Rendered(Written):
    """The same of a file through a player; ``non_finite`` counts input samples that were played as silence."""

    non_finite: int


@dataclass(frozen=True)
class Failed:
    """A file that could not be rendered, and why; nothing of it was written."""

    source: Path
    output: Path
    error: WavewrightError


class RenderError(WavewrightError):
    """Some of several files failed, the others are rendered; ``done`` tells of each in its place."""

    def __init__(self, done: Sequence[Written | Failed]) -> None:
        self.done = list(done)
        failed = [one for one in done if isinstance(one, Failed)]
        super().__init__(
            "\n".join([f"{len(failed)} of {len(done)} files failed:", *(str(one.error) for one in failed)])
        )


@dataclass(frozen=True)
class RenderPlan:
    """One file to render, checked before any work: where from, where to, and at which rates."""

    info: files.FileInfo
    output: Path
    subtype: str | None


def plan(
    sources: Sequence[Path],
    output: Path,
    rate: int | None,
    *,
    resample: bool,
    subtype: str | None = None,
    force: bool,
    rate_of: Callable[[files.FileInfo], int] | None = None,
) -> list[RenderPlan]:
    """Check every input and output, and give what is to be done.

    One source goes to the file ``output``, or into it where it is a folder; several want a folder. ``rate_of`` says at
    which rate in Hz an output is written; its input's where None.

    Raises:
        AudioFileError: an input that cannot be read.
        DataError: an input whose rate is not the network's ``rate`` (Hz) where ``resample`` was not allowed.
        OutputError: an output that exists already (without ``force``), is an input, or cannot be written: a format that
            cannot hold it, a folder that is not there, a disk that is too full for all of them.
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
    plans = [RenderPlan(info, target, subtype) for info, target in zip(infos, targets, strict=True)]
    _refuse_full_disk(plans, rate_of or (lambda info: info.rate))
    return plans


def _refuse_full_disk(plans: Sequence[RenderPlan], rate_of: Callable[[files.FileInfo], int]) -> None:
    """All outputs lie in one folder, thus on one disk."""
    needed = 0
    for each in plans:
        info, rate = each.info, rate_of(each.info)
        frames = round(info.frames * rate / info.rate)
        needed += files.bytes_to_write(each.output, rate, info.channels, frames, each.subtype)
    folder = plans[0].output.parent if plans else Path()
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OutputError(
            f"{folder} has {free / 1e6:,.1f} MB left, and about {needed / 1e6:,.1f} MB are to be written; "
            "free some space, choose another place, or a smaller --subtype"
        )


def cores() -> int:
    """How many threads there are to play on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def render_files(
    net: AnyNetwork,
    rate: int | None,
    plans: Sequence[RenderPlan],
    *,
    threads: int | None = None,
    exact: bool = False,
    force: bool = False,
    progress: Progress | None = None,
    tell: Callable[[str], None] | None = None,
    controls: Controls | None = None,
) -> list[Rendered]:
    """Play planned files through ``net``, on ``threads`` threads (all cores where None), and tell of each in its place.

    ``controls`` says where the network's knobs stand, where it has any; each file begins at their beginning.
    ``exact`` is the players'. ``progress`` is told of all files together, one call at a time. ``tell`` gets a line
    where kernels must be compiled first.

    Raises:
        RenderError: of several files some could not be rendered; the others are.
        AudioFileError, OutputError: the only file could not be rendered.
    """
    threads = cores() if threads is None else threads
    for each in plans:
        refuse_channels(net, each.info)
    count = _Count(sum(each.info.frames for each in plans), progress)
    side_by_side = max(1, min(threads, len(plans)))

    def one(planned: RenderPlan) -> Rendered | Failed:
        try:
            return _render(net, rate, planned, threads // side_by_side, force, count, tell, exact, controls)
        except WavewrightError as error:
            return Failed(planned.info.path, planned.output, error)

    if side_by_side == 1:
        done = [one(planned) for planned in plans]
    else:
        # compiled once, and not by all at the same time
        Player(net, tell=tell, exact=exact, inputs=_sounds(net, controls), outputs=net.out_channels)
        with ThreadPoolExecutor(side_by_side) as pool:
            waiting = [pool.submit(one, planned) for planned in plans]
            try:
                done = [each.result() for each in waiting]
            except BaseException:  # Ctrl-C, say: the others must end, too
                count.stopped.set()
                pool.shutdown(cancel_futures=True)
                raise
    rendered = [each for each in done if isinstance(each, Rendered)]
    if len(rendered) == len(done):
        return rendered
    if len(done) == 1 and isinstance(done[0], Failed):
        raise done[0].error
    raise RenderError(done)


def refuse_channels(net: AnyNetwork, info: files.FileInfo) -> None:
    """Raise `DataError` where a network that plays several channels together is given another number of them."""
    if net.out_channels not in (1, channels_of(net, info)):
        raise DataError(
            f"{info.path} has {info.channels} channel{'s' * (info.channels != 1)}, and the twin plays "
            f"{net.out_channels} together; give it a file with {net.out_channels}"
        )


def channels_of(net: AnyNetwork, info: files.FileInfo) -> int:
    """How many channels a file is played in: its own, but one channel goes to all networks that stand side by side."""
    return net.out_channels if info.channels == 1 and _side_by_side(net) else info.channels


def _side_by_side(net: AnyNetwork) -> bool:
    if net.out_channels == 1 or isinstance(net, (PlainNetwork, OnnxNetwork)):
        return False
    from wavewright.nets.channels import Channels

    return isinstance(net, Channels)


def _sounds(net: AnyNetwork, controls: Controls | None) -> int:
    """How many inputs a player gives: without controls those of the sound alone, as many as there are outputs."""
    return net.out_channels if controls is None else net.in_channels


class _Count:
    """Counts samples done on all threads; stops them where that was asked for."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._total, self._progress = total, progress
        self._done = 0
        self._lock = threading.Lock()
        self.stopped = threading.Event()

    def add(self, samples: int) -> None:
        """``samples`` more are done.

        Raises:
            KeyboardInterrupt: all is to end.
        """
        if self.stopped.is_set():
            raise KeyboardInterrupt
        with self._lock:
            self._done += samples
            if self._progress is not None:
                self._progress(self._done, self._total)


def _render(
    net: AnyNetwork,
    rate: int | None,
    planned: RenderPlan,
    threads: int,
    force: bool,
    count: _Count,
    tell: Callable[[str], None] | None,
    exact: bool,
    controls: Controls | None,
) -> Rendered:
    """Play one file, channel by channel alike, and write the result at the file's own rate.

    The output has the input's length, and the player's latency is taken out.
    """
    info, channels = planned.info, channels_of(net, planned.info)
    with _Voices(net, channels, threads, tell, exact, controls, rate or info.rate) as voices:
        started = time.perf_counter()
        through = _through(voices, _blocks(info, channels))
        if rate is not None and rate != info.rate:
            through = _resampled(voices, info, channels, rate)
        written = 0
        with files.Writer(
            planned.output, info.rate, channels, subtype=planned.subtype, force=force, frames=info.frames
        ) as writer:
            for block in through:
                kept = block[:, : info.frames - written]
                writer.write(kept)
                written += kept.shape[1]
                count.add(kept.shape[1])
    return Rendered(
        info.path,
        planned.output,
        info.rate,
        info.seconds,
        time.perf_counter() - started,
        writer.clipped,
        voices.non_finite,
    )


class _Voices:
    """All channels of a file, on up to ``threads`` threads: a player for each."""

    def __init__(
        self,
        net: AnyNetwork,
        channels: int,
        threads: int,
        tell: Callable[[str], None] | None,
        exact: bool,
        controls: Controls | None = None,
        rate: int = 1,
    ) -> None:
        # torch has threads of its own, and channels played apart would not be the same to the bit; channels that one
        # network hears together stay together
        together = net.out_channels
        parts = max(1, min(threads, channels)) if together == 1 and compiled(net) else 1
        ends = [channels * (part + 1) // parts for part in range(parts)]
        self._channels = [slice(begin, end) for begin, end in zip([0, *ends], ends, strict=False)]
        counts = [part.stop - part.start for part in self._channels]
        self._players: list[Player | DrivenPlayer] = [
            Player(net, count // together, tell, exact=exact, inputs=_sounds(net, controls), outputs=together)
            if controls is None
            else DrivenPlayer(net, count, controls, rate, tell, exact=exact)
            for count in counts
        ]
        self._pool = ThreadPoolExecutor(parts) if parts > 1 else None
        self.latency = self._players[0].latency

    def __enter__(self) -> _Voices:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    @property
    def non_finite(self) -> int:
        """Input samples that were no numbers."""
        return sum(player.non_finite for player in self._players)

    def process(self, block: FloatArray) -> FloatArray:
        """``block`` (channels, n) → the output, of the same shape."""
        if self._pool is None:
            return self._players[0].process(block)
        out = np.empty(block.shape, np.float32)
        work = [
            self._pool.submit(player.process, block[part], out[part])
            for player, part in zip(self._players, self._channels, strict=True)
        ]
        for each in work:
            each.result()
        return out

    def flush(self) -> FloatArray:
        """The last `latency` samples, (channels, latency)."""
        return np.concatenate([player.flush() for player in self._players])


def _blocks(info: files.FileInfo, channels: int) -> Iterator[FloatArray]:
    """The file in blocks ``(channels, n)``; its one channel as often as there are others."""
    for block in files.blocks(info.path, BLOCK):
        yield block if channels == info.channels else np.repeat(block, channels, axis=0)


def _through(voices: _Voices, blocks: Iterator[FloatArray]) -> Iterator[FloatArray]:
    """Blocks through the players, the first `latency` samples left away and as many fetched behind the last block."""
    early = voices.latency
    for block in blocks:
        out = voices.process(block)
        yield out[:, min(early, out.shape[1]) :]
        early -= min(early, out.shape[1])
    if voices.latency:
        yield voices.flush()[:, early:]


def _resampled(voices: _Voices, info: files.FileInfo, channels: int, rate: int) -> Iterator[FloatArray]:
    """The same at the network's own rate, with a resampler on either side."""
    from wavewright.audio.resample import StreamResampler

    there = StreamResampler(info.rate, rate, channels)
    back = StreamResampler(rate, info.rate, channels)
    none = np.zeros((channels, 0), np.float32)

    def arriving() -> Iterator[FloatArray]:
        for block in _blocks(info, channels):
            yield there.push(block)
        yield there.push(none, last=True)

    for block in _through(voices, arriving()):
        yield back.push(block)
    yield back.push(none, last=True)
