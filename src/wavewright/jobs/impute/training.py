"""Impute: a network learns to fill the gaps of series from what of them is given.

Four parts, as in every job: its settings (`wavewright.jobs.impute.settings`), its data
(`wavewright.jobs.impute.material`), its training step here, and its way of applying the result
(`wavewright.jobs.impute.imputing`).
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wavewright.data import masks, tables
from wavewright.data.bridge import kinds
from wavewright.data.masks import Mask
from wavewright.data.series import Scale
from wavewright.errors import RunError, SettingsError
from wavewright.jobs import runs
from wavewright.jobs.impute.material import BRIDGE, Material, hidden_of, material_of, told
from wavewright.jobs.impute.settings import JOB, ImputeSettings
from wavewright.jobs.impute.trust import Trust
from wavewright.jobs.runs import Begun
from wavewright.nets import registry
from wavewright.nets.contract import Network
from wavewright.settings import from_mapping, to_mapping
from wavewright.train import memory
from wavewright.train.loop import Outcome
from wavewright.train.loop import train as run_training
from wavewright.train.progress import Reporter
from wavewright.train.run import AGAIN, RunFolder, refuse_place

VALIDATED_SHARE = 0.3
"""Of the held-out values, hidden at each validation: once in points, once in blocks."""

COPY_BYTES = 5
"""Of a value of a copy: the number, and whether it was hidden."""


def new_network(settings: ImputeSettings, material: Material) -> Network:
    """The network of these settings for this table, its first weights drawn from their seed alone.

    Raises:
        SettingsError: the network has no such size, or its training would not fit into memory.
    """
    kind, _ = registry.NETWORKS[settings.network]
    size, layers = {"audio-unet": ("filters", "layers"), "series-gru": ("hidden", "layers")}.get(kind, ("taps", ""))
    asked = {size: settings.size, layers: settings.layers} if layers else {size: settings.size}
    return runs.new_network(
        settings.network, settings.train.seed, inputs=material.inputs, outputs=material.rows, **asked
    )


class ImputeTask:
    """What the training loop asks of this job: windows with values hidden, the error of the guesses, the figures.

    What is hidden, and what the bridge makes of it, is worked out for the whole table ``copies`` times over, before the
    first step; a window of any step is then cut out of one of the copies.

    Raises:
        SettingsError: the copies would not fit into memory.
    """

    goal = "mae"

    def __init__(self, network: Network, material: Material, settings: ImputeSettings) -> None:
        self.network, self.material, self.settings = network, material, settings
        self.steps_per_epoch = max(1, material.learned_times // (settings.window * settings.batch))
        needed, free = COPY_BYTES * settings.copies * material.learned.size, memory.available()
        if needed > free:
            raise SettingsError(
                [
                    f"setting copies = {settings.copies}: so many of {material.learned.size:,} values take "
                    f"{needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free; choose fewer"
                ]
            )

    @cached_property
    def copies(self) -> list[tuple[NDArray[np.float32], Mask]]:
        """Each a bridged table ``(groups, rows, time)`` and what was hidden of it, up to the end of what is learned."""
        material, found = self.material, []
        for number in range(self.settings.copies):
            dice = np.random.default_rng([self.settings.train.seed, 0x41DE, number])
            hidden = hidden_of(material.learned_given, self.settings, dice)
            bridged = material.bridged(material.learned, material.learned_given & ~hidden)
            found.append((material.grouped(bridged).astype(np.float32), material.grouped(hidden)))
        return found

    def prepare(self) -> None:
        """Work out the copies now."""
        _ = self.copies

    def batch(self, step: int, rank: int, world: int) -> tuple[Tensor, ...]:
        """What is heard (batch, 2 rows + calendar, window), the values, which were hidden, and the bridge's doubt."""
        material, window = self.material, self.settings.window
        dice = np.random.default_rng([self.settings.train.seed, 0xBA7C, step * world + rank])
        values, given = material.grouped(material.learned), material.grouped(material.learned_given)
        groups, rows, count = values.shape
        heard = np.empty((self.settings.batch, material.inputs, window), np.float32)
        truth = np.empty((self.settings.batch, rows, window), np.float32)
        hidden = np.empty((self.settings.batch, rows, window), bool)
        doubt = np.empty_like(truth)
        for place in range(self.settings.batch):
            bridged, hidden_all = self.copies[dice.integers(len(self.copies))]
            group, begin = dice.integers(groups), dice.integers(count - window + 1)
            at = (group, slice(None), slice(begin, begin + window))
            hidden[place] = hidden_all[at]
            heard[place, :rows] = bridged[at]
            heard[place, rows : 2 * rows] = given[at] & ~hidden[place]
            heard[place, 2 * rows :] = material.when[:, begin : begin + window]
            doubt[place] = material.doubt(given[at] & ~hidden[place])
            truth[place] = np.where(hidden[place], values[at], 0)
        return tuple(map(torch.from_numpy, (heard, truth, hidden, doubt)))

    def loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Mean absolute error of the hidden values, and half of their root mean square error."""
        x, values, hidden, doubt = batch
        guess, _ = self.network(x, None)
        bridged = x[:, : guess.shape[1]]
        missed = (bridged + doubt * (guess - bridged) - values) * hidden
        count = hidden.sum().clamp(min=1)
        return torch.as_tensor(missed.abs().sum() / count + 0.5 * (missed.square().sum() / count + 1e-8).sqrt())

    @cached_property
    def _judged(self) -> list[tuple[NDArray[np.float64], Mask, Mask]]:
        """For each shape the bridged table, what is shown of it and what is judged."""
        material, found = self.material, []
        for number, shape in enumerate(("points", "blocks")):
            dice = np.random.default_rng([self.settings.train.seed, 0xE7A1, number])
            held = material.given & material.held
            mask = masks.hidden(held, VALIDATED_SHARE, shape, dice, min(24, self.settings.longest_block))
            shown = material.given & ~mask
            found.append((material.bridged(material.scaled, shown), shown, mask))
        return found

    def validate(self) -> dict[str, float]:
        """Mean absolute and root mean square error of hidden values of what is held out, scaled.

        So much of the network's correction is taken as leaves the least of them: a network that has learned nothing
        useful changes nothing.
        """
        missed, corrections, classes = [], [], []
        for bridged, shown, mask in self._judged:
            guess = self.material.corrected(self.network, bridged, shown, mask)
            missed.append((self.material.scaled - bridged)[mask])
            corrections.append((guess - bridged)[mask])
            classes.append(kinds(shown)[mask])
        error, correction, kind = np.concatenate(missed), np.concatenate(corrections), np.concatenate(classes)
        trust = Trust.measured(error, correction, kind)
        left = error - trust.of(kind) * correction
        return {"mae": float(np.abs(left).mean()), "rmse": float(np.sqrt(np.square(left).mean())), **trust.figures}

    def preview(self, path: Path) -> None:
        """There is nothing to be heard."""


# ── a run, from its beginning or from where it stopped ────────────────────────────────────────────────────────────


def begin(
    path: Path, folder: Path, settings: ImputeSettings, reporter: Reporter, *, force: bool = False
) -> Begun[ImputeTask]:
    """Read a table, and make a new run at ``folder`` for it.

    Raises:
        WavewrightError: whatever is wrong with settings, table or folder.
    """
    refuse_settings(settings)
    refuse_place(folder, force=force)
    table = tables.read(path, settings.table)
    material = material_of(table, settings)
    for line in told(material):
        reporter.say(line)
    network = new_network(settings, material)
    task = ImputeTask(network, material, settings)
    run = RunFolder.create(
        folder,
        job=JOB,
        settings=to_mapping(settings),
        network=registry.config_of(network),
        rate=None,
        data=[path],
        extra={
            "series": list(table.names),
            "scale": material.scale.to_dict(),
            "cycles": list(material.cycles),
            "seconds": table.seconds,
            "together": material.together,
        },
        force=force,
    )
    if material.bridge is not None:
        material.bridge.save(run.path / BRIDGE)
    return Begun(run, task)


def learn(begun: Begun[ImputeTask], settings: ImputeSettings, reporter: Reporter, *, resume: bool = False) -> Outcome:
    """Train. What is hidden for it is hidden, and bridged, before the clock of a budget in minutes begins."""
    reporter.say(f"hiding values {settings.copies} times over, and bridging what is hidden")
    begun.task.prepare()
    return run_training(begun.task, settings.train, begun.run, resume=resume, reporter=reporter)


def resume(folder: Path, settings: ImputeSettings, reporter: Reporter) -> Outcome:
    """Go on with the run at ``folder``, to the weights of a run that was never stopped.

    Raises:
        RunError: there is no such run, or it is damaged.
        DataError: its table has changed since.
        SettingsError: settings that a resumed run may not change.
    """
    refuse_settings(settings)
    run = runs.reopened(folder, JOB, settings)
    table = tables.read(table_of(run), settings.table)
    material = material_of(table, settings)
    if material.bridge is not None and not (run.path / BRIDGE).exists():  # lost, or killed before it was written
        material.bridge.save(run.path / BRIDGE)
    task = ImputeTask(new_network(settings, material), material, settings)
    return learn(Begun(run, task), settings, reporter, resume=True)


def scale_of(run: RunFolder, series: int) -> Scale:
    """The scale that a run was trained with, of so many ``series``.

    Raises:
        RunError: run.json has none, or one of others.
    """
    return run.fact("scale", lambda told: Scale.read(told, series))


def table_of(run: RunFolder) -> Path:
    """The table that a run was trained on.

    Raises:
        RunError: run.json names none.
    """
    if not run.info["data"]:
        raise RunError(f"run {run}: run.json is damaged (it names no table); {AGAIN}")
    return Path(run.info["data"][0]["path"])


def settings_of(run: RunFolder) -> ImputeSettings:
    """The settings that a run was trained with."""
    return from_mapping(ImputeSettings, run.settings)


def refuse_settings(settings: ImputeSettings) -> None:
    """As `wavewright.jobs.runs.refuse_settings`, with what does not go together here."""
    problems = []
    if settings.least_hidden > settings.most_hidden:
        problems.append(
            f"settings least_hidden = {settings.least_hidden}, most_hidden = {settings.most_hidden}: the least must "
            "not be above the most"
        )
    if settings.hold == "series" and settings.group == "together":
        problems.append("settings hold = series, group = together: series that are heard together cannot be held out")
    runs.refuse_settings(settings, problems)
