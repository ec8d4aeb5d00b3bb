"""A network whose knobs stand still: one without knobs, which plays at full speed and fits every format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np

from wavewright.errors import SettingsError
from wavewright.nets.plain import FloatArray, PlainNetwork
from wavewright.nets.recurrent_config import RecurrentConfig

if TYPE_CHECKING:
    from wavewright.nets.channels import Channels
    from wavewright.nets.contract import Network


def controls_of(net: object) -> int:
    """How many knobs a network of any form has."""
    if isinstance(net, PlainNetwork):
        return int(getattr(net.config, "controls", 0))
    return int(getattr(net, "controls", 0))


def at(net: Network | PlainNetwork, positions: Sequence[float]) -> Network | PlainNetwork:
    """The network without knobs that ``net`` is while each knob stands at its position, 0 to 1; ``net`` itself where it
    has none.

    Raises:
        SettingsError: not as many positions as knobs, or a network whose knobs cannot be taken out.
    """
    if len(positions) != controls_of(net):
        raise SettingsError([f"{len(positions)} positions for a network with {controls_of(net)} knobs"])
    if not positions:
        return net
    if isinstance(net, PlainNetwork):
        return _still(net, positions)
    from wavewright.nets.channels import Channels
    from wavewright.nets.knob_wavenet import KnobWaveNet
    from wavewright.nets.plain import plain_of

    if isinstance(net, KnobWaveNet):
        return net.at(positions)
    if isinstance(net, Channels):
        return _side_by_side(net, positions)
    plain = plain_of(net, convert=True)
    if plain is None:
        raise SettingsError([f"the knobs of a {type(net).__name__} cannot be taken out"])
    return _still(plain, positions).with_torch()


def _side_by_side(net: Channels, positions: Sequence[float]) -> Network:
    """The same side by side, each of them without knobs."""
    from wavewright.nets import registry
    from wavewright.nets.channels import Channels, ChannelsConfig

    still = [cast("Network", at(cast("Network", network), positions)) for network in net.networks]
    kind, settings = registry.config_of(still[0])
    whole = Channels(ChannelsConfig(net.config.channels, net.config.shared, kind, settings))
    for place, network in zip(whole.networks, still, strict=True):
        place.load_state_dict(network.state_dict())
    return whole.eval()


def _still(net: PlainNetwork, positions: Sequence[float]) -> PlainNetwork:
    """An LSTM or GRU, what its gates hear of the knobs moved to their biases."""
    config = net.config
    if not isinstance(config, RecurrentConfig):
        raise SettingsError([f"the knobs of a {net.kind} cannot be taken out"])
    name = "rnn.weight_ih_l0"
    weights: dict[str, FloatArray] = {**net.weights}
    sound = config.input_size - config.controls
    knobs = weights[name][:, sound:] @ np.asarray(positions, np.float32)
    weights["rnn.bias_ih_l0"] = weights["rnn.bias_ih_l0"] + knobs
    weights[name] = np.ascontiguousarray(weights[name][:, :sound])
    still: Mapping[str, FloatArray] = weights
    return PlainNetwork(net.kind, replace(config, input_size=sound, controls=0), still)
