"""Emulate: dry and wet recordings become a digital twin of the device between them.

Four parts, as in every job, here those of the files beside this one: its settings (`settings`), its data (`pairs` and
`takes`), its training step, and its way of applying the result (`twin`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from wavewright import losses
from wavewright.audio import files
from wavewright.audio.recording import FloatArray, Recording
from wavewright.data.outages import widened
from wavewright.data.quality import FULL_SCALE
from wavewright.data.split import Region, split
from wavewright.data.windows import Windows
from wavewright.engine import fused_gru, fused_wavenet
from wavewright.errors import DataError
from wavewright.jobs import runs
from wavewright.jobs.emulate import takes
from wavewright.jobs.emulate.conditioning import network_for
from wavewright.jobs.emulate.pairs import Capture, one_pair
from wavewright.jobs.emulate.settings import JOB, EmulateSettings
from wavewright.jobs.emulate.settings import STORE as STORE
from wavewright.jobs.emulate.takes import Material, Take
from wavewright.jobs.emulate.takes import check as check
from wavewright.metrics import error_table
from wavewright.metrics.waveform import ErrorSums
from wavewright.nets import registry
from wavewright.nets.channels import Channels
from wavewright.nets.contract import Network
from wavewright.nets.recurrent import GRU
from wavewright.nets.slimmable import Slimmable
from wavewright.settings import to_mapping
from wavewright.train import transfer
from wavewright.train.distributed import choose_device
from wavewright.train.loop import Outcome
from wavewright.train.loop import train as run_training
from wavewright.train.memory import refuse_too_large
from wavewright.train.progress import Reporter
from wavewright.train.run import RunFolder, own_rank, refuse_place

PREVIEW_SECONDS = 8.0
VALIDATION_BLOCK = 1 << 16

Hearing = Callable[[Tensor], Tensor]
"""From dry windows to what a network makes of them, without its past."""


# ── training step ─────────────────────────────────────────────────────────────────────────────────────────────────


class EmulateTask:
    """What the training loop asks of this job: windows of dry and wet, the loss, the held-out figures, a preview.

    The network hears the channels of the dry recording, then one channel for each knob, which stands at its position
    (0 to 1) all along. Each pair keeps its own end held out.
    """

    goal = "esr"

    def __init__(self, network: Network, material: Material, settings: EmulateSettings) -> None:
        self.network = network
        self.dry, self.wet, self.rate = material.dry, material.wet, material.rate
        self.takes = material.takes
        self.past, self.future = network.context
        # on a CPU several times faster than torch; elsewhere, and for other networks, it is network.valid itself
        self.sizes = {name: partial(hearing, part) for name, part in sizes_of(network).items()}
        *_, self.hear = self.sizes.values()  # the largest, where there are several
        self.positions = np.array([take.positions for take in self.takes], np.float32)  # (pairs, knobs)
        parts = [self._parts(take, settings) for take in self.takes]
        self.held_out = [held_out for _, held_out in parts]
        self.rail = FULL_SCALE if any(take.clipped for take in self.takes) else None
        counts = _counting(material)
        tracks: list[Any] = [self.dry, self.wet] if counts is None else [self.dry, self.wet, counts]
        self.windows = Windows(
            tracks,
            [
                part
                for take, (training, _) in zip(self.takes, parts, strict=True)
                for part in _usable(take, training, self._window(settings))
            ],
            batch=settings.batch,
            length=self._window(settings),
            hop=settings.scroll,
            context=(self.past, *[0] * (len(tracks) - 1)),
            after=(self.future, *[0] * (len(tracks) - 1)),
            seed=settings.train.seed,
        )
        self.steps_per_epoch = max(1, self.windows.count // settings.batch)
        # for the table: of what each pair has for training, the end, as long as what is held out
        self.heard = (
            [
                replace(all_of_it, start=max(all_of_it.start, all_of_it.stop - held_out.frames))
                for all_of_it, held_out in parts
            ]
            if settings.table_epochs is not None
            else []
        )
        self.measure = losses.Loss(settings.loss)

    def _window(self, settings: EmulateSettings) -> int:
        return settings.window + -settings.window % self.network.multiple

    def _parts(self, take: Take, settings: EmulateSettings) -> tuple[Region, Region]:
        """Where training and where validation finds the targets of a pair."""
        try:
            parts = split(
                take.frames - self.future,
                self.rate,
                receptive_field=self.past + self.future + 1,
                window=self._window(settings),
                validation=settings.validation_seconds,
                unit="seconds",
            )
        except DataError as error:
            raise error if len(self.takes) == 1 else DataError(f"{take.label}: {error}") from error
        (training,), (held_out,) = parts.train, parts.validation
        return _moved(training, take.start), _moved(held_out, take.start)

    def batch(self, step: int, rank: int, world: int) -> tuple[Tensor, ...]:
        """Dry windows with their knobs ``(batch, channels + knobs, past + window + future)`` and the wet they should
        become, ``(batch, channels, window)``; where not all of it counts, ``(batch, 1, window)`` says what does."""
        dry, *others = self.windows.batch(step, rank, world)
        if self.positions.shape[1]:
            starts = [take.start for take in self.takes]
            pair = np.searchsorted(starts, self.windows.positions(step, rank, world), side="right") - 1
            dry = with_knobs(dry, torch.from_numpy(self.positions[pair]))
        return dry, *others

    def loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """The weighted distance between the twin's output and the wet windows; of several sizes the sum."""
        dry, wet, *counts = batch
        found = [self._distance(hear(dry), wet, *counts) for hear in self.sizes.values()]
        return sum(found[1:], start=found[0])

    def _distance(self, twin: Tensor, wet: Tensor, counts: Tensor | None = None) -> Tensor:
        if self.rail is not None:
            wet = losses.fair_target(twin, wet, self.rail, counts)
        return self.measure(twin, wet)

    def validate(self) -> dict[str, float]:
        """The error-to-signal ratio over the held-out ends of all pairs together, and of each where there are several.

        Of a network in several sizes the largest counts, and the others' ratios stand beside it. Where a table is kept,
        what stands in its lines as well.
        """
        sums = [self._judged(region, at) for at, region in enumerate(self.held_out)]
        figures = {"esr": _together(sums).esr}
        if len(sums) > 1:
            figures |= {f"esr {take.label}": one.esr for take, one in zip(self.takes, sums, strict=True)}
        for name, hear in list(self.sizes.items())[:-1]:
            figures[f"esr {name}"] = _together([self._judged(r, at, hear) for at, r in enumerate(self.held_out)]).esr
        if self.heard:
            heard = _together([self._judged(region, at) for at, region in enumerate(self.heard)])
            figures |= error_table.figures(heard.table, _together(sums).table)
        return figures

    def _judged(self, region: Region, pair: int, hear: Hearing | None = None) -> ErrorSums:
        """The error over a stretch of a pair, of the largest size or of the one that is given."""
        sums, block = ErrorSums(), VALIDATION_BLOCK + -VALIDATION_BLOCK % self.network.multiple
        for start in range(region.start, region.stop, block):
            stop = min(start + block, region.stop)
            twin, take = self._twin(start, stop, pair, hear), self.takes[pair]
            if take.clipped:
                twin = np.clip(twin, -1, 1)  # the converter that the device was heard through
            for begin, end in take.counting(start, stop):
                sums.add(twin[:, begin - start : end - start], self.wet[:, begin:end])
        return sums

    def preview(self, path: Path) -> None:
        """The twin's version of the held-out passages, the first seconds of each, one after the other."""
        most = round(PREVIEW_SECONDS * self.rate / len(self.held_out))
        played = [
            self._twin(region.start, min(region.stop, region.start + most), pair)
            for pair, region in enumerate(self.held_out)
        ]
        files.write(path, Recording(np.concatenate(played, axis=1), self.rate), force=True)

    def _twin(self, start: int, stop: int, pair: int, hear: Hearing | None = None) -> FloatArray:
        """The network's output ``(channels, stop - start)`` for that stretch of the dry track, at a pair's knobs."""
        dry = torch.from_numpy(np.array(self.dry[:, start - self.past : stop + self.future]))[None]
        dry = F.pad(dry, (0, -(stop - start) % self.network.multiple))
        dry = with_knobs(dry, torch.from_numpy(self.positions[pair : pair + 1]))
        weight = next(self.network.parameters())
        with torch.no_grad():
            twin = (hear or self.hear)(dry.to(weight.device))  # (1, channels, stop - start)
        return np.asarray(twin[0, :, : stop - start].float().cpu().numpy())


def sizes_of(network: Network) -> Mapping[str, Network]:
    """The networks that learn side by side, smallest first; most are one alone."""
    return network.sizes if isinstance(network, Slimmable) else {"": network}


def hearing(network: Network, x: Tensor) -> Tensor:
    """``network.valid(x)``, by kernels where there are any; networks side by side one by one."""
    if isinstance(network, Channels):
        return network.valid_by(hearing, x)
    by_kernels = fused_gru.valid_forward if isinstance(network, GRU) else fused_wavenet.valid_forward
    return by_kernels(network, x)


def with_knobs(x: Tensor, positions: Tensor) -> Tensor:
    """``x`` (batch, channels, time) and behind it a constant channel for each of ``positions`` (batch, knobs)."""
    return torch.cat([x, positions.unsqueeze(-1).expand(-1, -1, x.shape[-1])], dim=1) if positions.shape[1] else x


def _usable(take: Take, training: Region, window: int) -> list[Region]:
    """The parts of a region that windows are taken from: each with room for one, and with something that counts."""
    if take.usable is None:
        return [training]
    parts = widened(take.usable, window, training.start, training.stop)
    return [Region(start, stop, training.context) for start, stop in parts]


def _counting(material: Material) -> NDArray[np.bool_] | None:
    """A track ``(1, time)``, True where a sample counts; None where all do."""
    if all(take.usable is None for take in material.takes):
        return None
    counts = np.zeros((1, material.dry.shape[1]), np.bool_)
    for take in material.takes:
        for start, stop in take.counting(take.start, take.stop):
            counts[:, start:stop] = True
    return counts


def _together(sums: Sequence[ErrorSums]) -> ErrorSums:
    whole = ErrorSums()
    for one in sums:
        whole.merge(one)
    return whole


def _moved(region: Region, by: int) -> Region:
    return Region(region.start + by, region.stop + by, region.context)


# ── a run, from its beginning or from where it stopped ────────────────────────────────────────────────────────────


def train(
    dry: Path, wet: Path, folder: Path, settings: EmulateSettings, reporter: Reporter, *, force: bool = False
) -> Outcome:
    """Learn a twin from two recordings, into a new run at ``folder``: `train_capture` of one pair."""
    return train_capture(one_pair(dry, wet), folder, settings, reporter, force=force)


def train_capture(
    capture: Capture, folder: Path, settings: EmulateSettings, reporter: Reporter, *, force: bool = False
) -> Outcome:
    """Learn a twin from any number of pairs, into a new run at ``folder``.

    Raises:
        WavewrightError: whatever is wrong with settings, recordings or folder, before any training.
    """
    refuse_settings(settings)
    refuse_place(folder, force=force)
    if settings.start_from is not None:
        transfer.model_of(settings.start_from)
    new_network(settings, knobs=len(capture.knobs))  # refused now where it cannot be, and not after reading
    pairs = takes.prepare(capture, settings)
    material = takes.gather(capture, pairs)
    network = new_network(settings, material.channels, len(capture.knobs), settings.start_from, material.layout)
    task = EmulateTask(network, material, settings)
    for line in takes.notes(capture, pairs):
        reporter.say(line)
    reporter.say(takes.summary(capture, pairs, [region.frames / material.rate for region in task.held_out]))
    run = RunFolder.create(
        folder,
        job=JOB,
        settings=to_mapping(settings),
        network=registry.config_of(network),
        rate=material.rate,
        data=capture.files,
        extra=takes.facts(capture, pairs, material, [(region.start, region.stop) for region in task.held_out])
        | {"steps_per_epoch": task.steps_per_epoch},
        force=force,
    )
    if own_rank() == 0:  # the other processes of a distributed run keep what they have read in memory
        if settings.start_from is not None:
            transfer.keep(settings.start_from, run)
        takes.keep(capture, pairs, material, run)
    return learn(task, settings, run, reporter)


def resume(
    folder: Path, settings: EmulateSettings, reporter: Reporter, recordings: Sequence[Path] | None = None
) -> Outcome:
    """Go on with the run at ``folder``, to the weights of a run that was never stopped.

    Raises:
        RunError: there is no such run, or it is damaged.
        DataError: its recordings have changed since, or are not those given.
        SettingsError: settings that a resumed run may not change.
    """
    refuse_settings(settings)
    run = runs.reopened(folder, JOB, settings, recordings)
    if not (run.path / STORE).exists():  # ended before the aligned pairs were written: the recordings are unchanged
        capture = takes.capture_of(run)
        pairs = takes.prepare(capture, settings)
        takes.keep(capture, pairs, takes.gather(capture, pairs), run)
    material = takes.material_of(run)
    start = None if settings.start_from is None else transfer.kept(run)
    network = new_network(settings, material.channels, len(material.knobs), start, material.layout)
    return learn(EmulateTask(network, material, settings), settings, run, reporter, resume=True)


def learn(
    task: EmulateTask, settings: EmulateSettings, run: RunFolder, reporter: Reporter, *, resume: bool = False
) -> Outcome:
    """Train, with kernels compiled before the clock starts."""
    parts = [part.first if isinstance(part, Channels) else part for part in sizes_of(task.network).values()]
    for fused in (fused_wavenet, fused_gru):
        if any(map(fused.supports, parts)) and choose_device(settings.train.device).type == "cpu":
            fused.prepare(reporter.say)
    train = settings.train
    if settings.table_epochs is not None and train.validate_steps is None:
        train = replace(train, validate_steps=settings.table_epochs * task.steps_per_epoch)
    return run_training(task, train, run, resume=resume, reporter=reporter)


def refuse_settings(settings: EmulateSettings) -> None:
    """As `wavewright.jobs.runs.refuse_settings`, with what does not go together here."""
    bare = "setting freeze: there is nothing learned to keep; say with start_from (a run) where to begin"
    runs.refuse_settings(settings, [bare] if settings.freeze and settings.start_from is None else [])


def new_network(
    settings: EmulateSettings, channels: int = 1, knobs: int = 0, start: Path | None = None, layout: str = "joint"
) -> Network:
    """The network of these settings, its first weights drawn from their seed alone, or taken from the run at ``start``.

    Raises:
        SettingsError: no such network, setting or part, no place for the knobs, or its training would not fit into
            memory; found before memory is taken.
        RunError, ModelFileError: nothing to start from, or a network other than that of the settings.
    """
    overrides = registry.overrides(settings.network, settings.net)
    refuse_too_large(registry.weight_count(settings.network, **overrides), settings.network)
    torch.manual_seed(settings.train.seed)
    network = network_for(settings.network, channels, knobs, settings.conditioning, layout, **overrides)
    if start is not None:
        transfer.take_weights(network, registry.config_of(network), start)
    if settings.freeze:
        transfer.freeze(network, settings.freeze)
    return network
