"""A twin as it plays: opened from a run or a model file, and files rendered through it. No torch here, unless a network
needs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from wavewright.engine import render as rendering
from wavewright.engine.automation import Controls
from wavewright.errors import ModelFileError, RunError
from wavewright.formats import model_file as model_files
from wavewright.formats.model_file import ModelFile
from wavewright.jobs.emulate.knobs import controls_for, knobs_of
from wavewright.jobs.emulate.pairs import Knob
from wavewright.jobs.emulate.settings import JOB
from wavewright.jobs.upsample import pretrained
from wavewright.nets import plain, standing
from wavewright.nets.onnx_network import OnnxNetwork
from wavewright.nets.plain import PlainNetwork
from wavewright.nets.slimmable_config import plain_size
from wavewright.train import model_file
from wavewright.train.run import RunFolder

if TYPE_CHECKING:
    from wavewright.nets.contract import Network


class Playable(Protocol):
    """What can be played: a network, and its rate in Hz where that is known."""

    @property
    def network(self) -> Network | PlainNetwork | OnnxNetwork:
        """The network."""

    @property
    def rate(self) -> int | None:
        """Its rate in Hz."""


@dataclass(frozen=True)
class Opened:
    """A twin ready to play, and what it is called."""

    network: Network | PlainNetwork | OnnxNetwork
    rate: int | None
    name: str
    knobs: tuple[Knob, ...] = ()

    def at(self, words: Sequence[str], automations: Sequence[Path] = ()) -> tuple[Opened, Controls | None]:
        """The twin with its knobs where ``words`` (``NAME=VALUE``) and automation files say.

        Where they stand still, a twin without knobs, which plays faster; else what moves them.

        Raises:
            SettingsError, DataError: knobs that it has not, values out of range, a knob without a place.
        """
        controls = controls_for(self.knobs, words, automations)
        if not self.knobs:
            return self, None
        if controls.moves or isinstance(self.network, OnnxNetwork):
            return self, controls
        return replace(self, network=standing.at(self.network, controls.first), knobs=()), None


def open_playable(path: Path, size: str | None = None) -> Opened:
    """The twin in a run folder or a model file. ``size`` picks from a container: ``lite`` or ``full``.

    Raises:
        RunError, ModelFileError: there is none, or it is damaged.
    """
    if not path.is_dir():
        model = open_model(path)
        network = of_size(model, path, size).network
        return Opened(network, model.rate, model.metadata.name or path.stem, knobs_of_file(model))
    run = open_run(path)
    saved = model_file.load_plain(run.model)
    name, knobs = path.resolve().name, knobs_of(run)
    if saved.kind == "a2":
        return Opened(plain_size(saved.config, saved.weights, size or "full", str(run.model)), saved.rate, name)
    refuse_size(path, size)
    if saved.kind not in plain.kinds():
        from wavewright.jobs.trained import trained_network

        return Opened(alone(trained_network(run)), saved.rate, name, knobs)
    return Opened(plain.from_names(saved.kind, saved.config, saved.weights, str(run.model)), saved.rate, name, knobs)


def alone(network: Network) -> Network:
    """The one network that all channels share, which plays any number of them; every other as it is."""
    from wavewright.nets.channels import Channels

    return network.first if isinstance(network, Channels) and network.config.shared else network


def knobs_of_file(model: ModelFile) -> tuple[Knob, ...]:
    """The knobs that a model file names."""
    return tuple(Knob(name, low, high) for name, (low, high) in model.knobs.items())


def open_run(path: Path) -> RunFolder:
    """The run of a twin that has a model.

    Raises:
        RunError: it is of another job, or was stopped before it had one.
    """
    run = RunFolder.open(path)
    if run.job != JOB:
        raise RunError(f"run {path} belongs to the job {run.job}, not {JOB}; name a run of train emulate")
    if not run.model.is_file():
        raise RunError(
            f"run {path} has no model.safetensors yet: it was stopped before its first validation; resume it"
        )
    return run


def open_model(path: Path) -> ModelFile:
    """The model file at ``path``, in any format that can be read.

    Raises:
        ModelFileError: there is none, or it cannot be read.
    """
    if not path.exists():
        raise ModelFileError(
            f"no run and no model file at {path}; name a run folder, a .nam, .json or .onnx file, or a model of the "
            f"package ({', '.join(pretrained.NAMES)})"
        )
    return model_files.load(path)


def of_size(model: ModelFile, path: Path, size: str | None) -> ModelFile:
    """The model of ``size`` in a container; the whole file where None.

    Raises:
        ModelFileError: a size was asked for, and the file holds one model alone.
    """
    if size is None:
        return model
    if not model.models:
        refuse_size(path, size)
    return model.models[0 if size == "lite" else -1]


def refuse_size(path: Path, size: str | None) -> None:
    """Raise `ModelFileError` where a size of a twin is asked for that comes in one."""
    if size is not None:
        raise ModelFileError(f"{path} holds one model, not a container of sizes; leave --size away")


def render(
    twin: Playable,
    sources: Sequence[Path],
    output: Path,
    *,
    resample: bool = False,
    subtype: str | None = None,
    threads: int | None = None,
    exact: bool = False,
    force: bool = False,
    progress: rendering.Progress | None = None,
    tell: Callable[[str], None] | None = None,
    controls: Controls | None = None,
) -> list[rendering.Rendered]:
    """Play files through the twin, block by block, each to its own output file, on ``threads`` threads (None: all).

    ``controls`` moves its knobs; a twin whose knobs stand still comes from `Opened.at`.
    ``exact`` asks for activations that are right to the last places, where the player has quicker ones.

    Raises:
        AudioFileError, DataError, OutputError: found for every file before the first is rendered; or on the way, where
            there is only one.
        RenderError: of several files some failed on the way; the others are finished.
    """
    plans = rendering.plan(sources, output, twin.rate, resample=resample, subtype=subtype, force=force)
    return rendering.render_files(
        twin.network,
        twin.rate,
        plans,
        threads=threads,
        exact=exact,
        force=force,
        progress=progress,
        tell=tell,
        controls=controls,
    )
