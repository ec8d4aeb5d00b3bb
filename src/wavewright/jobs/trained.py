"""The trained network of a run, whatever its job."""

from __future__ import annotations

from torch import Tensor

from wavewright.errors import ModelFileError, RunError
from wavewright.nets import registry
from wavewright.nets.contract import Network
from wavewright.train import model_file
from wavewright.train.run import RunFolder


def trained_network(run: RunFolder) -> Network:
    """The network with the run's best weights, ready to be listened to.

    Raises:
        RunError: nothing has been validated yet.
        ModelFileError: the file is damaged, or of another network.
    """
    if not run.model.is_file():
        raise RunError(f"run {run} has no model.safetensors yet: it was stopped before its first validation; resume it")
    saved = model_file.load(run.model)
    if saved.kind is None:
        raise ModelFileError(f"{run.model} does not say which network it holds; train again")
    network = registry.from_config(saved.kind, saved.config)
    _put_weights(network, saved.weights, run)
    network.eval()
    return network


def _put_weights(network: Network, weights: dict[str, Tensor], run: RunFolder) -> None:
    wanted = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in weights.items()}
    if wanted != found:
        wrong = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        raise ModelFileError(
            f"{run.model} does not fit the network it declares ({', '.join(wrong[:3])}): it is damaged; train again"
        )
    network.load_state_dict(weights)
