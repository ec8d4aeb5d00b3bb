"""Beginning with what another run has learned, and keeping parts of it as they are.

A part is named by the network (`Network.parts`). Weights that are kept have no gradient and no optimiser state; they
come out bit for bit as they went in. A run that begins so keeps a copy of the weights it began with, and stands alone
as every run does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from wavewright import atomic
from wavewright.errors import ModelFileError, OutputError, RunError, SettingsError
from wavewright.nets.contract import Network
from wavewright.settings import did_you_mean
from wavewright.train import model_file
from wavewright.train.run import RunFolder
from wavewright.train.snapshot import set_weights

MOST_SHOWN = 80
"""Letters of a setting that an error message may show."""


def model_of(start: Path) -> Path:
    """The model file at ``start``: the file itself, or a run's best weights.

    Raises:
        RunError: a run without a model, or none at all.
    """
    if not start.is_dir():
        if not start.is_file():
            raise RunError(f"no run at {start} to start from; name a run folder")
        return start
    run = RunFolder.open(start)
    if not run.model.is_file():
        raise RunError(f"run {start} has no model.safetensors yet to start from; let it validate once, or resume it")
    return Path(run.model)


def take_weights(network: Network, config: tuple[str, Mapping[str, Any]], start: Path) -> None:
    """Give ``network``, of kind and settings ``config``, the weights of the run or model file at ``start``.

    Raises:
        RunError, ModelFileError: there is none, it is damaged, or it holds another network.
    """
    path = model_of(start)
    saved = model_file.load(path)
    kind, values = config
    if saved.kind != kind:
        raise ModelFileError(f"{start} holds a network of kind {saved.kind}, not {kind}; start from one of that kind")
    different = sorted(name for name in values.keys() | saved.config.keys() if _differ(values, saved.config, name))
    if different:
        name = different[0]
        there, here = (repr(config.get(name)) for config in (saved.config, values))
        if max(len(there), len(here)) > MOST_SHOWN:
            raise ModelFileError(f"{start} holds a {kind} with other {name}; ask for the same network as that run's")
        raise ModelFileError(
            f"{start} holds a {kind} with {name} = {there}, here it is {here}; ask for the same network as that run's"
        )
    wanted = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    if wanted != {name: tuple(value.shape) for name, value in saved.weights.items()}:
        raise ModelFileError(f"{path} does not fit the network it declares: it is damaged; train it again")
    set_weights(network, saved.weights)


def _differ(one: Mapping[str, Any], other: Mapping[str, Any], name: str) -> bool:
    """Whether two settings differ; a list from JSON is the tuple it was."""
    a, b = one.get(name), other.get(name)
    return (list(a) if isinstance(a, tuple) else a) != (list(b) if isinstance(b, tuple) else b)


def freeze(network: Network, parts: Iterable[str]) -> tuple[str, ...]:
    """Keep the weights of ``parts`` as they are; gives the names of those weights.

    Raises:
        SettingsError: the network has no such part, or nothing would be left to learn.
    """
    known = network.parts
    problems = [f"setting freeze = {part!r}: {did_you_mean(part, known)}" for part in parts if part not in known]
    if problems:
        raise SettingsError(problems)
    begins = tuple(begin for part in parts for begin in known[part])
    kept = tuple(
        name
        for name, _ in network.named_parameters()
        if any(name == begin or name.startswith(f"{begin}.") for begin in begins)
    )
    for name, parameter in network.named_parameters():
        if name in kept:
            parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise SettingsError(
            [f"setting freeze = {', '.join(parts)}: nothing is left to learn; this network's parts: {', '.join(known)}"]
        )
    return kept


def keep(start: Path, run: RunFolder) -> None:
    """Copy the weights at ``start`` into ``run``, which then needs ``start`` no more.

    Raises:
        RunError: there are none.
        OutputError: the copy cannot be written.
    """
    source = model_of(start)
    try:
        data = source.read_bytes()
    except OSError as error:
        raise OutputError(f"{source} cannot be read: {error.strerror}") from error
    atomic.write_bytes(Path(run.start), data)


def kept(run: RunFolder) -> Path:
    """Where ``run`` keeps the weights it began with, or, ended before it had them, where they came from."""
    path = Path(run.start)
    return path if path.is_file() else Path(str(run.settings["start_from"]))
