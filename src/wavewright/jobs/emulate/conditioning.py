"""The network of a name with further inputs: more channels of sound, knobs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from wavewright.errors import SettingsError
from wavewright.nets import registry
from wavewright.nets.channels import Channels, ChannelsConfig
from wavewright.nets.contract import Network
from wavewright.nets.knob_wavenet import KnobWaveNet, KnobWaveNetConfig
from wavewright.nets.slimmable import Slimmable
from wavewright.nets.wavenet import WaveNet
from wavewright.nets.wavenet_config import WaveNetConfig


def network_for(
    name: str,
    channels: int = 1,
    knobs: int = 0,
    conditioning: str = "concat",
    layout: str = "joint",
    **overrides: Any,
) -> Network:
    """The network called ``name``, hearing ``channels`` channels of sound and then ``knobs`` knobs.

    ``layout``: ``joint`` for one network that hears them all, ``each`` for one a channel, ``shared`` for one that
    plays each of them. ``overrides`` replace fields of its settings.

    Raises:
        SettingsError: an unknown name, or a network that has no place for them.

    >>> network_for("a1-nano", knobs=2).in_channels
    3
    """
    if layout in ("each", "shared") and channels > 1:
        one = network_for(name, 1, knobs, conditioning, **overrides)
        _refuse_side_by_side(name, one)
        kind, plain = registry.config_of(one)
        return Channels(ChannelsConfig(channels, layout == "shared", kind, plain))
    if channels == 1 and knobs == 0:
        return registry.build(name, **overrides)
    kind, config = registry.NETWORKS[name][0], registry.settings_of(name, **overrides)
    if kind == "wavenet":
        wavenet = wavenet_for(config, channels)
        if not knobs:
            return WaveNet(wavenet)
        return KnobWaveNet(KnobWaveNetConfig(wavenet, knobs, conditioning))
    if kind in ("lstm", "gru"):
        sizes = {"input_size": channels + knobs, "output_size": channels, "controls": knobs}
        return registry.KINDS[kind].network(replace(config, **sizes))
    what = "knobs" if knobs else f"{channels} channels"
    beside = kind != "a2" and getattr(config, "causal", kind != "window")
    other = ", or --channels each or shared" if beside and not knobs else ""
    raise SettingsError(
        [f"network {name} takes no {what}; choose a WaveNet (a1-…, a2-full, a2-lite), an LSTM or a GRU{other}"]
    )


def _refuse_side_by_side(name: str, network: Network) -> None:
    """Raise `SettingsError` where a network cannot stand beside others for further channels."""
    if isinstance(network, Slimmable):
        raise SettingsError([f"network {name} is two for one channel; choose a2-full or a2-lite, or --channels mono"])
    if not network.causal:
        raise SettingsError(
            [f"network {name} looks ahead, and those for several channels may not; choose another, or --channels mono"]
        )


def wavenet_for(config: WaveNetConfig, channels: int) -> WaveNetConfig:
    """The same WaveNet with so many channels in and out: every layer hears all of them beside its stream."""
    if channels == 1:
        return config
    arrays = [replace(array, condition_size=channels) for array in config.arrays]
    arrays[0] = replace(arrays[0], input_size=channels)
    arrays[-1] = replace(arrays[-1], head_size=channels)
    return replace(config, arrays=tuple(arrays))
