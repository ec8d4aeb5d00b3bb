"""Emulate: a dry and a wet recording become a digital twin of the device between them.

Four parts, as in every job: its settings (in `wavewright.jobs.settings`), its data, its training step, and its way of
applying the result (in `wavewright.jobs.twin`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from wavewright import losses
from wavewright.audio import files
from wavewright.audio.recording import FloatArray, Recording
from wavewright.audio.resample import resample
from wavewright.data import align
from wavewright.data.check import PairReport, check_pair
from wavewright.data.split import split
from wavewright.data.store import Store
from wavewright.data.windows import Windows
from wavewright.engine import fused_wavenet
from wavewright.errors import DataError, PairError, RunError, SettingsError
from wavewright.jobs.settings import JOB, EmulateSettings
from wavewright.jobs.settings import STORE as STORE
from wavewright.metrics.waveform import ErrorSums
from wavewright.nets import registry
from wavewright.nets.contract import Network
from wavewright.settings import problems_of, to_mapping
from wavewright.train.distributed import choose_device
from wavewright.train.loop import Outcome
from wavewright.train.loop import train as run_training
from wavewright.train.progress import Reporter
from wavewright.train.run import RunFolder, own_rank, refuse_place
from wavewright.train.settings import budget_problems

PREVIEW_SECONDS = 8.0
VALIDATION_BLOCK = 1 << 16


# ── data ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Pair:
    """A dry and a wet recording that run in parallel, ``(1, time)`` each, and what the check said of them."""

    dry: FloatArray
    wet: FloatArray
    rate: int
    delay: int
    report: PairReport


def load_pair(dry: Path, wet: Path) -> tuple[Recording, Recording]:
    """Read both recordings whole, after the cheap checks.

    Raises:
        AudioFileError: one of them cannot be read.
        PairError: both names are one file.
    """
    for path in (dry, wet):
        files.info(path)
    if dry.samefile(wet):
        raise PairError(f"dry and wet are both {dry}; name the recording of what went in, then of what came out")
    return files.read(dry), files.read(wet)


def check(dry: Path, wet: Path, *, allow_resample: bool = False) -> PairReport:
    """Alignment and quality of two files; what `wavewright check` prints.

    Raises:
        AudioFileError, PairError: the recordings cannot be used, or not together.
    """
    return check_pair(*load_pair(dry, wet), allow_resample=allow_resample)


def prepare(dry: Path, wet: Path, settings: EmulateSettings) -> Pair:
    """Read, check and align two recordings.

    Raises:
        AudioFileError, PairError: the recordings cannot be used, or not together.
    """
    went_in, came_out = load_pair(dry, wet)
    report = check_pair(went_in, came_out, allow_resample=settings.resample)
    if came_out.rate != went_in.rate:
        came_out = resample(came_out, went_in.rate)
    alignment = report.alignment
    if settings.delay is not None:
        alignment = replace(alignment, delay=float(settings.delay), delay_samples=settings.delay, drift_ppm=0.0)
    went_in, came_out = align.apply(alignment, went_in, came_out)
    x, y = (align.mono(recording)[0][np.newaxis] for recording in (went_in, came_out))
    return Pair(x, y, went_in.rate, alignment.delay_samples, report)


def keep(pair: Pair, run: RunFolder, sources: Sequence[Path]) -> Store:
    """Lay an aligned pair down in its run, as a store with the tracks ``dry`` and ``wet``."""
    tracks = {"dry": Recording(pair.dry, pair.rate), "wet": Recording(pair.wet, pair.rate)}
    done = (f"wet moved {pair.delay} samples earlier",)
    return Store.from_recordings(run.path / STORE, tracks, sources, done=done, force=True)


# ── training step ─────────────────────────────────────────────────────────────────────────────────────────────────


class EmulateTask:
    """What the training loop asks of this job: windows of dry and wet, the loss, the held-out figure, a preview."""

    goal = "esr"

    def __init__(
        self, network: Network, dry: FloatArray, wet: FloatArray, rate: int, settings: EmulateSettings
    ) -> None:
        self.network = network
        self.dry, self.wet, self.rate = dry, wet, rate
        self.context = network.receptive_field - 1
        # on a CPU several times faster than torch; elsewhere, and for other networks, it is network.valid itself
        self.hear = partial(fused_wavenet.valid_forward, network)
        parts = split(
            dry.shape[1],
            rate,
            receptive_field=network.receptive_field,
            window=settings.window,
            validation=settings.validation_seconds,
            unit="seconds",
        )
        self.held_out = parts.validation[0]
        self.windows = Windows(
            [self.dry, self.wet],
            parts.train,
            batch=settings.batch,
            length=settings.window,
            context=(self.context, 0),
            seed=settings.train.seed,
        )
        self.steps_per_epoch = max(1, self.windows.count // settings.batch)
        self.measure = losses.Loss(settings.loss)

    def batch(self, step: int, rank: int, world: int) -> tuple[Tensor, ...]:
        """Dry windows ``(batch, 1, context + window)`` and the wet they should become, ``(batch, 1, window)``."""
        return self.windows.batch(step, rank, world)

    def loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """The weighted distance between the twin's output and the wet windows."""
        dry, wet = batch
        return self.measure(self.hear(dry), wet)

    def validate(self) -> dict[str, float]:
        """The error-to-signal ratio over the held-out end of the recording."""
        sums = ErrorSums()
        for start in range(self.held_out.start, self.held_out.stop, VALIDATION_BLOCK):
            stop = min(start + VALIDATION_BLOCK, self.held_out.stop)
            sums.add(self._twin(start, stop), self.wet[:, start:stop])
        return {"esr": sums.esr}

    def preview(self, path: Path) -> None:
        """The twin's version of the held-out passage, its first seconds."""
        start = self.held_out.start
        stop = min(self.held_out.stop, start + round(PREVIEW_SECONDS * self.rate))
        files.write(path, Recording(self._twin(start, stop), self.rate), force=True)

    def _twin(self, start: int, stop: int) -> FloatArray:
        """The network's output ``(1, stop - start)`` for that stretch of the dry track."""
        dry = torch.from_numpy(np.array(self.dry[:, start - self.context : stop]))
        weight = next(self.network.parameters())
        with torch.no_grad():
            twin = self.hear(dry[None].to(weight.device))  # (1, 1, stop - start)
        return np.asarray(twin[0].float().cpu().numpy())


# ── a run, from its beginning or from where it stopped ────────────────────────────────────────────────────────────


def train(
    dry: Path, wet: Path, folder: Path, settings: EmulateSettings, reporter: Reporter, *, force: bool = False
) -> Outcome:
    """Learn a twin from two recordings, into a new run at ``folder``.

    Raises:
        WavewrightError: whatever is wrong with settings, recordings or folder, before any training.
    """
    refuse_settings(settings)
    refuse_place(folder, force=force)
    network = new_network(settings)
    pair = prepare(dry, wet, settings)
    task = EmulateTask(network, pair.dry, pair.wet, pair.rate, settings)
    for line in pair.report.warnings:
        reporter.say(f"note: {line}")
    reporter.say(f"wet is {pair.delay} samples late; {task.held_out.frames / pair.rate:.1f} s are held out")
    run = RunFolder.create(
        folder,
        job=JOB,
        settings=to_mapping(settings),
        network=registry.config_of(network),
        rate=pair.rate,
        data=[dry, wet],
        extra={
            "delay": pair.delay,
            "check": pair.report.to_dict(),
            "validation": [task.held_out.start, task.held_out.stop],
        },
        force=force,
    )
    if own_rank() == 0:  # the other processes of a distributed run keep what they have read in memory
        keep(pair, run, [dry, wet])
    return learn(task, settings, run, reporter)


def resume(
    folder: Path, settings: EmulateSettings, reporter: Reporter, recordings: tuple[Path, ...] | None = None
) -> Outcome:
    """Go on with the run at ``folder``, to the weights of a run that was never stopped.

    Raises:
        RunError: there is no such run, or it is damaged.
        DataError: its recordings have changed since, or are not those given.
        SettingsError: settings that a resumed run may not change.
    """
    refuse_settings(settings)
    run = RunFolder.open(folder)
    if run.job != JOB:
        raise RunError(f"run {folder} belongs to the job {run.job}, not {JOB}")
    kept = [Path(file["path"]) for file in run.info["data"]]
    if recordings is not None and [path.resolve() for path in recordings] != kept:
        raise DataError(f"run {folder} was begun with {', '.join(map(str, kept))}; resume with those, or name none")
    run.refuse_changed_data()
    run.settle(to_mapping(settings))
    if not (run.path / STORE).exists():  # ended before the aligned pair was written: the recordings are unchanged
        dry, wet = kept
        keep(prepare(dry, wet, settings), run, kept)
    store = Store.open(run.path / STORE)
    task = EmulateTask(new_network(settings), store.track("dry"), store.track("wet"), store.rate, settings)
    return learn(task, settings, run, reporter, resume=True)


def learn(
    task: EmulateTask, settings: EmulateSettings, run: RunFolder, reporter: Reporter, *, resume: bool = False
) -> Outcome:
    """Train, with kernels compiled before the clock starts."""
    if fused_wavenet.supports(task.network) and choose_device(settings.train.device).type == "cpu":
        fused_wavenet.prepare(reporter.say)
    return run_training(task, settings.train, run, resume=resume, reporter=reporter)


def refuse_settings(settings: EmulateSettings) -> None:
    """Raise `SettingsError` with everything that is wrong in ``settings``, a device that is not there included."""
    problems = problems_of(settings) + budget_problems(settings.train)
    if problems:
        raise SettingsError(problems)
    choose_device(settings.train.device)


def new_network(settings: EmulateSettings) -> Network:
    """The network of these settings, its first weights drawn from their seed alone."""
    torch.manual_seed(settings.train.seed)
    return registry.build(settings.network)
