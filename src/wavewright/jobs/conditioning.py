"""The network of a name with further inputs: more channels of sound, knobs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from wavewright.errors import SettingsError
from wavewright.nets import registry
from wavewright.nets.contract import Network
from wavewright.nets.knob_wavenet import KnobWaveNet, KnobWaveNetConfig
from wavewright.nets.wavenet import WaveNet
from wavewright.nets.wavenet_config import WaveNetConfig


def network_for(
    name: str, channels: int = 1, knobs: int = 0, conditioning: str = "concat", **overrides: Any
) -> Network:
    """The network called ``name``, hearing ``channels`` channels of sound and then ``knobs`` knobs.

    ``overrides`` replace fields of its settings.

    Raises:
        SettingsError: an unknown name, or a network that has no place for them.

    >>> network_for("a1-nano", knobs=2).in_channels
    3
    """
    if channels == 1 and knobs == 0:
        return registry.build(name, **overrides)
    kind, config = registry.NETWORKS[name][0], registry.settings_of(name, **overrides)
    if kind == "wavenet":
        wavenet = wavenet_for(config, channels)
        if not knobs:
            return WaveNet(wavenet)
        return KnobWaveNet(KnobWaveNetConfig(wavenet, knobs, conditioning))
    if kind in ("lstm", "gru") and channels == 1:
        return registry.KINDS[kind].network(replace(config, input_size=1 + knobs, controls=knobs))
    what = "knobs" if knobs else f"{channels} channels"
    raise SettingsError([f"network {name} takes no {what}; choose a WaveNet (a1-…, a2-…), an LSTM or a GRU"])


def wavenet_for(config: WaveNetConfig, channels: int) -> WaveNetConfig:
    """The same WaveNet with so many channels in and out: every layer hears all of them beside its stream."""
    if channels == 1:
        return config
    arrays = [replace(array, condition_size=channels) for array in config.arrays]
    arrays[0] = replace(arrays[0], input_size=channels)
    arrays[-1] = replace(arrays[-1], head_size=channels)
    return replace(config, arrays=tuple(arrays))
