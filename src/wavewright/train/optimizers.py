"""The optimisers by name. To add one: a function here, a line in `BUILDERS`, its name in `settings.OPTIMIZERS`.

Whatever keeps all its memory in `Optimizer.state_dict` (tensors and plain values, nested as it likes) is checkpointed
and resumed exactly. A builder may give its groups unequal rates: the schedule scales each from where it starts.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn, optim

from wavewright.errors import SettingsError
from wavewright.settings import did_you_mean
from wavewright.train.soap import SOAP

Builder = Callable[[nn.Module, float, float], optim.Optimizer]


def adam(network: nn.Module, learning_rate: float, weight_decay: float) -> optim.Optimizer:
    """Adam (Kingma and Ba, 2015); weight decay is added to the gradient."""
    return optim.Adam(_trained(network), lr=learning_rate, weight_decay=weight_decay, fused=True)


def adamw(network: nn.Module, learning_rate: float, weight_decay: float) -> optim.Optimizer:
    """Adam with weight decay apart from the gradient (Loshchilov and Hutter, 2019)."""
    return optim.AdamW(_trained(network), lr=learning_rate, weight_decay=weight_decay, fused=True)


def soap(network: nn.Module, learning_rate: float, weight_decay: float) -> optim.Optimizer:
    """Adam in the eigenbasis of Shampoo's preconditioner: far fewer steps than Adam on WaveNets of audio."""
    return SOAP(_trained(network), lr=learning_rate, weight_decay=weight_decay)


BUILDERS: dict[str, Builder] = {"soap": soap, "adam": adam, "adamw": adamw}


def build(name: str, network: nn.Module, learning_rate: float, weight_decay: float = 0.0) -> optim.Optimizer:
    """The optimiser called ``name`` over the trainable parameters of ``network``.

    Raises:
        SettingsError: there is none of that name, or the network has nothing to train.
    """
    if name not in BUILDERS:
        raise SettingsError([f"setting optimizer = {name!r}: {did_you_mean(name, BUILDERS)}"])
    return BUILDERS[name](network, learning_rate, weight_decay)


def _trained(network: nn.Module) -> list[nn.Parameter]:
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if not parameters:
        raise SettingsError([f"network {type(network).__name__} has no trainable parameters; choose another network"])
    return parameters
