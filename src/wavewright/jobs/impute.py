"""Impute: a network learns to fill the gaps of series from what of them is given.

Four parts, as in every job: its settings (`wavewright.jobs.impute_settings`), its data and its training step here, and
its way of applying the result (`wavewright.jobs.imputing`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wavewright.data import masks, tables
from wavewright.data.masks import Mask
from wavewright.data.series import Scale, calendar, heard
from wavewright.data.split import Region
from wavewright.data.tables import Table
from wavewright.data.windows import Windows
from wavewright.engine.player import Player
from wavewright.errors import DataError, RunError, SettingsError
from wavewright.jobs.impute_settings import JOB, ImputeSettings
from wavewright.nets import registry
from wavewright.nets.contract import Network
from wavewright.settings import from_mapping, problems_of, to_mapping
from wavewright.train.distributed import choose_device
from wavewright.train.loop import Outcome
from wavewright.train.loop import train as run_training
from wavewright.train.progress import Reporter
from wavewright.train.run import RunFolder, refuse_place
from wavewright.train.settings import budget_problems

VALIDATED_SHARE = 0.3
"""Of the held-out values, hidden at each validation: half of it in points, half in blocks."""


@dataclass(frozen=True)
class Material:
    """A table as networks hear it: ``scaled`` ``(series, time)`` with NaN in its gaps, and where training ends."""

    table: Table
    scale: Scale
    scaled: NDArray[np.float64]
    when: NDArray[np.float32]
    end: int

    @property
    def inputs(self) -> int:
        """Channels that a network hears."""
        return 2 * len(self.table.names) + len(self.when)

    @property
    def given(self) -> Mask:
        """Which values are known."""
        return ~np.isnan(self.scaled)


def material_of(table: Table, settings: ImputeSettings, scale: Scale | None = None) -> Material:
    """The table scaled by what training may see of it, or as a run has it.

    Raises:
        DataError: too few times for a window in both parts, or a series of which training sees nothing.
    """
    count = table.values.shape[1]
    end = count - max(1, round(settings.held_out * count))
    if end < settings.window:
        raise DataError(
            f"table {table.path} has {count} times, of which {end} are learned from: a window needs {settings.window}; "
            "choose a shorter --window, or give a longer table"
        )
    if scale is None:
        empty = np.flatnonzero(np.isnan(table.values[:, :end]).all(axis=1))
        if len(empty):
            raise DataError(
                f"table {table.path}: series {table.names[empty[0]]!r} has no value among the {end} times that are "
                "learned from; leave it out, or choose a smaller --held-out"
            )
        scale = Scale.of(table.values[:, :end])
    return Material(table, scale, scale.there(table.values), calendar(table), end)


def new_network(settings: ImputeSettings, material: Material) -> Network:
    """The network of these settings for this table, its first weights drawn from their seed alone.

    Raises:
        SettingsError: the network has no such size.
    """
    torch.manual_seed(settings.train.seed)
    kind, _ = registry.NETWORKS[settings.network]
    size, layers = {"audio-unet": ("filters", "layers"), "series-gru": ("hidden", "layers")}.get(kind, ("taps", ""))
    asked = {size: settings.size, layers: settings.layers} if layers else {size: settings.size}
    return registry.build(
        settings.network,
        inputs=material.inputs,
        outputs=len(material.table.names),
        **{name: value for name, value in asked.items() if value is not None},
    )


class ImputeTask:
    """What the training loop asks of this job: windows with values hidden, the error of the guesses, the figures."""

    goal = "mae"

    def __init__(self, network: Network, material: Material, settings: ImputeSettings) -> None:
        self.network, self.material, self.settings = network, material, settings
        tracks = [material.scaled, material.when] if len(material.when) else [material.scaled]
        self.windows = Windows(
            [np.asarray(track, np.float32) for track in tracks],
            [Region(0, material.end)],
            batch=settings.batch,
            length=settings.window,
            hop=max(1, settings.window // 2),
            seed=settings.train.seed,
        )
        self.steps_per_epoch = max(1, self.windows.count // settings.batch)

    def batch(self, step: int, rank: int, world: int) -> tuple[Tensor, ...]:
        """What is heard (batch, 2 series + calendar, window), the values, and which of them were hidden."""
        parts = [part.numpy() for part in self.windows.batch(step, rank, world)]
        values, when = parts[0], parts[1] if len(parts) > 1 else np.zeros((len(parts[0]), 0, self.settings.window))
        first = (step * world + rank) * self.settings.batch
        heard_, hidden = [], []
        for place, (one, date) in enumerate(zip(values, when, strict=True)):
            dice = np.random.default_rng([self.settings.train.seed, 0x41DE, first + place])
            known = ~np.isnan(one)
            mask = self._hidden(known, dice)
            heard_.append(heard(one, known & ~mask, date.astype(np.float32)))
            hidden.append(mask)
        return (
            torch.from_numpy(np.stack(heard_)),
            torch.from_numpy(np.nan_to_num(values)),
            torch.from_numpy(np.stack(hidden)),
        )

    def _hidden(self, known: Mask, dice: np.random.Generator) -> Mask:
        told = self.settings
        shape = ("points", "blocks", "series")[dice.integers(3)] if told.hide == "mix" else told.hide
        share = float(dice.uniform(told.least_hidden, max(told.least_hidden, told.most_hidden)))
        block = int(np.exp(dice.uniform(np.log(2), np.log(told.longest_block))))
        return masks.hidden(known, share, shape, dice, block)

    def loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Mean absolute error of the hidden values."""
        x, values, hidden = batch
        guess, _ = self.network(x, None)
        missed = ((guess - values).abs() * hidden).sum()
        return torch.as_tensor(missed / hidden.sum().clamp(min=1))

    def validate(self) -> dict[str, float]:
        """Mean absolute and root mean square error of hidden values behind the end of what is learned, scaled."""
        material = self.material
        errors = []
        for number, shape in enumerate(("points", "blocks")):
            dice = np.random.default_rng([self.settings.train.seed, 0xE7A1, number])
            held = material.given.copy()
            held[:, : material.end] = False
            mask = masks.hidden(held, VALIDATED_SHARE, shape, dice, min(24, self.settings.longest_block))
            guess = guess_of(self.network, material.scaled, material.given & ~mask, material.when)
            errors.append((guess - material.scaled)[mask])
        every = np.concatenate(errors)
        return {"mae": float(np.abs(every).mean()), "rmse": float(np.sqrt(np.square(every).mean()))}

    def preview(self, path: Path) -> None:
        """There is nothing to be heard."""


def guess_of(
    network: Network, scaled: NDArray[np.float64], given: Mask, when: NDArray[np.float32]
) -> NDArray[np.float64]:
    """What the network makes of series ``(series, time)`` of which only what is ``given`` is shown to it."""
    x = heard(scaled, given, when)
    player = Player(network, inputs=network.in_channels, outputs=network.out_channels)
    out = np.concatenate([player.process(x), player.flush()], axis=1)[:, player.latency :]
    return np.asarray(out, np.float64)


# ── a run, from its beginning or from where it stopped ────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Begun:
    """A run that is about to train."""

    run: RunFolder
    task: ImputeTask


def begin(path: Path, folder: Path, settings: ImputeSettings, reporter: Reporter, *, force: bool = False) -> Begun:
    """Read a table, and make a new run at ``folder`` for it.

    Raises:
        WavewrightError: whatever is wrong with settings, table or folder.
    """
    refuse_settings(settings)
    refuse_place(folder, force=force)
    table = tables.read(path, settings.table)
    material = material_of(table, settings)
    missing = float(np.isnan(table.values).mean())
    reporter.say(
        f"{len(table.names)} series of {table.values.shape[1]} times, {missing:.1%} missing; the last "
        f"{table.values.shape[1] - material.end} times are held out"
    )
    for line in table.told:
        reporter.say(f"note: {line}")
    network = new_network(settings, material)
    task = ImputeTask(network, material, settings)
    run = RunFolder.create(
        folder,
        job=JOB,
        settings=to_mapping(settings),
        network=registry.config_of(network),
        rate=None,
        data=[path],
        extra={"series": list(table.names), "scale": material.scale.to_dict(), "calendar": len(material.when)},
        force=force,
    )
    return Begun(run, task)


def learn(begun: Begun, settings: ImputeSettings, reporter: Reporter, *, resume: bool = False) -> Outcome:
    """Train."""
    return run_training(begun.task, settings.train, begun.run, resume=resume, reporter=reporter)


def resume(folder: Path, settings: ImputeSettings, reporter: Reporter) -> Outcome:
    """Go on with the run at ``folder``, to the weights of a run that was never stopped.

    Raises:
        RunError: there is no such run, or it is damaged.
        DataError: its table has changed since.
        SettingsError: settings that a resumed run may not change.
    """
    refuse_settings(settings)
    run = RunFolder.open(folder)
    if run.job != JOB:
        raise RunError(f"run {folder} belongs to the job {run.job}, not {JOB}")
    run.refuse_changed_data()
    run.settle(to_mapping(settings))
    table = tables.read(Path(run.info["data"][0]["path"]), settings.table)
    material = material_of(table, settings, scale_of(run))
    task = ImputeTask(new_network(settings, material), material, settings)
    return learn(Begun(run, task), settings, reporter, resume=True)


def scale_of(run: RunFolder) -> Scale:
    """The scale that a run was trained with."""
    kept = run.info["extra"]["scale"]
    return Scale(tuple(kept["mean"]), tuple(kept["deviation"]))


def settings_of(run: RunFolder) -> ImputeSettings:
    """The settings that a run was trained with."""
    return from_mapping(ImputeSettings, run.settings)


def refuse_settings(settings: ImputeSettings) -> None:
    """Raise `SettingsError` with everything that is wrong in ``settings``, a device that is not there included."""
    problems = problems_of(settings) + budget_problems(settings.train)
    if settings.least_hidden > settings.most_hidden:
        problems.append(
            f"settings least_hidden = {settings.least_hidden}, most_hidden = {settings.most_hidden}: the least must "
            "not be above the most"
        )
    if problems:
        raise SettingsError(problems)
    choose_device(settings.train.device)
