"""Upsampling at work: a trained network puts bandwidth back into files of any length, rate and channels.

What a file holds already stays its own. The network hears it at its own rate and says what is to be added above the
file's band; that alone is brought to the output's rate and added to the file's own samples:

    output = x at the output's rate + d at the output's rate,   d = h * (net(x) − x) at the network's rate

with h the high-pass of `wavewright.nets.crossover`. So a file of a higher rate than the network's loses nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wavewright.audio import files
from wavewright.audio.bandwidth import BandEdge
from wavewright.audio.recording import FloatArray
from wavewright.audio.resample import StreamResampler
from wavewright.engine.player import Player
from wavewright.engine.render import Failed, RenderError, Written, plan
from wavewright.errors import ModelFileError, RunError, SettingsError, WavewrightError
from wavewright.jobs.trained import trained_network
from wavewright.jobs.upsample import pretrained
from wavewright.jobs.upsample.material import sources_of
from wavewright.jobs.upsample.settings import JOB
from wavewright.nets import registry
from wavewright.nets.contract import Network
from wavewright.nets.crossover import Crossover
from wavewright.train import model_file
from wavewright.train.run import RunFolder

BLOCK = 1 << 15
KEPT_BAND = 0.8
"""Of half the low rate, what decimation filters leave untouched: the band that a file keeps where it goes no higher."""
CROSSING = 0.1
"""Width of the crossover, as a share of half the low rate."""
FULL = 0.9
"""Of half the full rate, or of the file's own where that is nearly as high: sound that goes so far up lacks nothing."""
NEARLY = 0.85
EDGE_MARGIN = 0.97
BEYOND = 1.05
"""Of half the low rate: a file that goes higher holds more than the network expects, and keeps that too."""
FADE_SECONDS = 0.01
"""Over which what is added comes in and goes out at a sound's ends: cut off there, it would be heard further down."""
HOLE = 0.9
"""Of the band that is kept: a file that ends below this leaves a hole that the network does not know how to fill."""


@dataclass(frozen=True)
class Upsampler:
    """A network and the two rates in Hz that it lies between."""

    network: Network
    rate: int
    low_rate: int
    name: str
    run: RunFolder | None = None

    @property
    def kept(self) -> float:
        """Hz up to which every sound stays its own."""
        return KEPT_BAND * self.low_rate / 2

    def crossed(self, edge: float | None = None) -> Crossover:
        """The network above ``edge`` Hz alone, hearing nothing but the low band; where None, above what is `kept`."""
        half = self.rate / 2
        width = CROSSING * self.low_rate / 2
        low = max(self.kept, min(edge or 0.0, FULL * half))
        hears = None if edge is None else self.low_rate / self.rate
        return Crossover(self.network, low / half, min(width / half, 0.99 - low / half), hears)


@dataclass(frozen=True)
class Upsampled(Written):
    """What became of one file.

    ``edge``: Hz up to which it held sound. ``above``: Hz from which on the network wrote; None where it did not.
    ``note``: what is worth knowing, a sentence; empty where nothing is.
    """

    edge: float
    above: float | None
    note: str = ""


def open_upsampler(path: Path) -> Upsampler:
    """The upsampler in a run folder, or that which comes with the package by that name.

    Raises:
        RunError, ModelFileError: there is none, or it is damaged.
    """
    run = RunFolder.open(pretrained.place(path))
    if run.job != JOB:
        raise RunError(f"run {path} belongs to the job {run.job}, not {JOB}; name a run of train upsample")
    low_rate = run.info["extra"].get("low_rate")
    if type(low_rate) is not int or not 0 < low_rate < (run.rate or 0):
        raise RunError(f"run {path}: run.json is damaged (rates); put back a copy of it, or begin the run anew")
    network = trained_network(run)
    if (network.in_channels, network.out_channels) != (1, 1):
        raise ModelFileError(f"{run.model} holds a network of several channels, which is no upsampler; train again")
    return Upsampler(network, run.rate or 0, low_rate, path.resolve().name, run)


def describe(path: Path) -> dict[str, Any]:
    """What `wavewright info` tells of a run."""
    opened = open_upsampler(path)
    assert opened.run is not None
    saved = model_file.load(opened.run.model)
    extra, told = opened.run.info["extra"], opened.run.settings
    count = {name: opened.run.fact(name, len) for name in ("held_out", "skipped") if name in extra}
    kind, _ = registry.config_of(opened.network)
    return {
        "name": opened.name,
        "job": JOB,
        "network": kind,
        "weights": sum(parameter.numel() for parameter in opened.network.parameters()),
        "rate": opened.rate,
        "low_rate": opened.low_rate,
        "keeps": f"the file's own sound up to {opened.kept:,.0f} Hz, further where it goes further",
        "aim": told.get("aim"),
        "degrade": told.get("degrade"),
        "step": saved.step,
        **{name: round(value, 4) for name, value in saved.figures.items()},
        "trained_on": ", ".join(map(str, sources_of(opened.run))),
        "held_out": count.get("held_out", 0),
        "left_out": count.get("skipped") or None,
    }


# ── files ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def render(
    upsampler: Upsampler,
    sources: Sequence[Path],
    output: Path,
    *,
    output_rate: int | None = None,
    edge: float | None = None,
    subtype: str | None = None,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> list[Upsampled]:
    """Put bandwidth back into sound files, in blocks.

    Args:
        sources: files, and folders of them.
        output: the file to write; for several, a folder.
        output_rate: Hz of the outputs; where None the network's, or the file's own where that is higher.
        edge: Hz up to which the files hold sound; found out where None.

    Raises:
        AudioFileError: a file that cannot be read; of a single one, or found before any work.
        OutputError: an output that is there already (without ``force``), or cannot be written; likewise.
        RenderError: of several files some failed; the others are there.
        SettingsError: a rate or an edge that leaves nothing to add.
    """
    _refuse_rates(upsampler, output_rate, edge)

    def rate_of(info: files.FileInfo) -> int:
        return output_rate or max(info.rate, upsampler.rate)

    plans = plan(files.find(sources), output, None, resample=True, subtype=subtype, force=force, rate_of=rate_of)
    lengths = [round(each.info.seconds * upsampler.rate) for each in plans]
    done, total = 0, sum(lengths)
    results: list[Upsampled | Failed] = []
    for each, length in zip(plans, lengths, strict=True):

        def count(at: int, before: int = done, own: int = each.info.rate) -> None:
            if progress is not None:
                progress(before + at * upsampler.rate // own, total)

        try:
            results.append(_render(upsampler, each.info, each.output, rate_of(each.info), edge, subtype, force, count))
        except WavewrightError as error:
            if len(plans) == 1:
                raise
            results.append(Failed(each.info.path, each.output, error))
        done += length
    if any(isinstance(one, Failed) for one in results):
        raise RenderError(results)
    return [one for one in results if isinstance(one, Upsampled)]


def _refuse_rates(upsampler: Upsampler, output_rate: int | None, edge: float | None) -> None:
    problems = []
    if output_rate is not None and not upsampler.low_rate < output_rate <= 768_000:
        problems.append(
            f"setting output_rate = {output_rate}: must be above {upsampler.low_rate} Hz, or nothing is added, and at "
            "most 768000"
        )
    if edge is not None and not 0 < edge <= FULL * upsampler.rate / 2:
        problems.append(
            f"setting edge = {edge:g}: must be above 0 and at most {FULL * upsampler.rate / 2:.0f} Hz, nine tenths of "
            f"half of {upsampler.rate} Hz, or there is nothing to add"
        )
    if problems:
        raise SettingsError(problems)


def _render(
    upsampler: Upsampler,
    info: files.FileInfo,
    target: Path,
    rate: int,
    edge: float | None,
    subtype: str | None,
    force: bool,
    count: Callable[[int], None],
) -> Upsampled:
    started = time.perf_counter()
    found = _edge_of(info) if edge is None else edge
    above, note = _plan_of(upsampler, info, found, told=edge is not None)
    blocks = _resampled(info, rate, count) if above is None else _restored(upsampler, info, rate, above or None, count)
    frames = round(info.frames * rate / info.rate)
    written = 0
    with files.Writer(target, rate, info.channels, subtype=subtype, force=force, frames=frames) as writer:
        for block in blocks:
            kept = block[:, : frames - written]
            writer.write(kept)
            written += kept.shape[1]
        if written < frames:  # a resampler may round the last sample away
            writer.write(np.zeros((info.channels, frames - written), np.float32))
    took = time.perf_counter() - started
    from_hz = None if above is None else max(upsampler.kept, above)
    return Upsampled(info.path, target, rate, info.seconds, took, writer.clipped, found, from_hz, note)


def _edge_of(info: files.FileInfo) -> float:
    edge = BandEdge(info.rate)
    for block in files.blocks(info.path, BLOCK):
        edge.add(block)
    return edge.hz


def _plan_of(upsampler: Upsampler, info: files.FileInfo, edge: float, *, told: bool) -> tuple[float | None, str]:
    """From where on the network is to write, and what to say of it: None not at all, 0 from where it always does."""
    half, low_half = upsampler.rate / 2, upsampler.low_rate / 2
    if told:
        return edge, ""
    if edge == 0:
        return None, f"{info.path} holds no sound to go by: nothing is added"
    own_half = info.rate / 2
    if edge >= FULL * half or (own_half >= NEARLY * half and edge >= FULL * own_half):
        return None, (
            f"{info.path} is full-band: it holds sound up to {edge:,.0f} Hz, and {upsampler.name} writes up to "
            f"{half:,.0f}; nothing is added"
        )
    if edge > BEYOND * low_half:
        return EDGE_MARGIN * edge, (
            f"{info.path} holds sound up to {edge:,.0f} Hz, more than the {low_half:,.0f} that {upsampler.name} "
            "expects: all of that stays its own, and the network writes above it"
        )
    if edge < HOLE * upsampler.kept:
        return 0.0, (
            f"{info.path} holds no sound above {edge:,.0f} Hz, and {upsampler.name} writes from {upsampler.kept:,.0f} "
            f"Hz on: what lies between stays empty; a model of a lower low rate suits it"
        )
    return 0.0, ""


def _resampled(info: files.FileInfo, rate: int, count: Callable[[int], None]) -> Iterator[FloatArray]:
    """The blocks of a file at ``rate``, which is its own or is reached by band-limited interpolation."""
    resampler = StreamResampler(info.rate, rate, info.channels)
    done = 0
    for block in files.blocks(info.path, BLOCK):
        yield resampler.push(block)
        done += block.shape[1]
        count(done)
    yield resampler.push(np.zeros((info.channels, 0), np.float32), last=True)


def _restored(
    upsampler: Upsampler, info: files.FileInfo, rate: int, above: float | None, count: Callable[[int], None]
) -> Iterator[FloatArray]:
    """The blocks of a file at ``rate``, with what the network adds ``above`` that many Hz."""
    channels, nothing = info.channels, np.zeros((info.channels, 0), np.float32)
    into = StreamResampler(info.rate, upsampler.rate, channels)
    beside = StreamResampler(info.rate, rate, channels)
    back = StreamResampler(upsampler.rate, rate, channels)
    player = Player(upsampler.crossed(above), channels)
    early, at = player.latency, 0
    total = round(info.frames * upsampler.rate / info.rate)
    heard, own, added = _Waiting(channels), _Waiting(channels), _Waiting(channels)

    def taken(block: FloatArray, last: bool) -> FloatArray:
        """What is ready at the output once ``block`` of the file has come."""
        nonlocal early, at
        x = into.push(block, last)
        own.put(x if rate == upsampler.rate else beside.push(block, last))
        heard.put(x)
        y = player.process(x)
        if last:
            y = np.concatenate([y, player.flush()], axis=1)
        skipped = min(early, y.shape[1])
        early -= skipped
        y = y[:, skipped:]
        new = _faded(y - heard.take(y.shape[1]), at, total, upsampler.rate)
        at += y.shape[1]
        added.put(back.push(new, last))
        ready = min(len(own), len(added))
        return own.take(ready) + added.take(ready)

    done = 0
    for block in files.blocks(info.path, BLOCK):
        yield taken(block, last=False)
        done += block.shape[1]
        count(done)
    yield taken(nothing, last=True)
    yield own.take(len(own))  # two resamplers may round to lengths that differ by a sample


class _Waiting:
    """Samples ``(channels, n)`` that wait until others that belong to them have come."""

    def __init__(self, channels: int) -> None:
        self._samples = np.zeros((channels, 0), np.float32)

    def __len__(self) -> int:
        return int(self._samples.shape[1])

    def put(self, block: FloatArray) -> None:
        """Lay ``block`` behind what waits."""
        self._samples = np.concatenate([self._samples, block], axis=1)

    def take(self, count: int) -> FloatArray:
        """The first ``count`` samples, which wait no longer."""
        taken, self._samples = self._samples[:, :count], self._samples[:, count:]
        return taken


# ── sounds in memory ──────────────────────────────────────────────────────────────────────────────────────────────


def play(upsampler: Upsampler, low: FloatArray, edge: float | None = None) -> FloatArray:
    """What the upsampler makes of a sound ``(time,)`` at the full rate whose upper band is missing."""
    player = Player(upsampler.crossed(edge))
    out = np.concatenate([player.process(low[np.newaxis]), player.flush()], axis=1)[:, player.latency :]
    return np.asarray(low + _faded(out - low, 0, len(low), upsampler.rate)[0], np.float32)


def _faded(new: FloatArray, at: int, total: int, rate: int) -> FloatArray:
    """``new`` ``(channels, n)``, from sample ``at`` of ``total``, faded where those begin and end."""
    fade, end = FADE_SECONDS * rate, at + new.shape[1]
    if at >= fade and end <= total - fade:
        return new
    place = np.arange(at, end) + 0.5
    share = np.minimum(place, total - place) / min(fade, total / 2)
    return np.asarray(new * np.sin(np.pi / 2 * np.clip(share, 0, 1)) ** 2, np.float32)
