"""A network that is so much louder: its last, linear part multiplied, all else as it was."""

from __future__ import annotations

import copy
from dataclasses import replace

import torch

from wavewright.errors import SettingsError
from wavewright.nets.contract import Network
from wavewright.nets.gated_wavenet import GatedWaveNet
from wavewright.nets.linear import Linear
from wavewright.nets.recurrent import Recurrent
from wavewright.nets.wavenet import WaveNet


@torch.no_grad()
def scaled(net: Network, gain: float) -> Network:
    """A copy of ``net`` whose output is ``gain`` times as large.

    Raises:
        SettingsError: a network whose last step is not linear, or not known here.

    >>> from wavewright.nets.registry import build
    >>> net, x = build("lstm").eval(), torch.ones(1, 1, 50)
    >>> bool(torch.allclose(scaled(net, 0.5)(x)[0], 0.5 * net(x)[0], atol=1e-7))
    True
    """
    louder = copy.deepcopy(net)
    if isinstance(louder, WaveNet):
        louder.head_scale.mul_(gain)
    elif isinstance(louder, Recurrent):
        louder.head.weight.mul_(gain)
        louder.head.bias.mul_(gain)
        if louder.config.skip:
            louder.config = replace(louder.config, skip_gain=louder.config.skip_gain * gain)
    elif isinstance(louder, GatedWaveNet):
        louder.last.weight.mul_(gain)
        if louder.last.bias is not None:
            louder.last.bias.mul_(gain)
    elif isinstance(louder, Linear):
        louder.impulse_response.mul_(gain)
        if louder.bias is not None:
            louder.bias.mul_(gain)
    else:
        raise SettingsError([f"{type(net).__name__} cannot be made louder in itself; change the level behind it"])
    return louder
