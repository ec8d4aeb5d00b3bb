"""From a name to a network, and from a network to plain values and back.

A *name* (``"a1-standard"``) is what users type; a *kind* (``"wavenet"``) with a plain dictionary is what run folders
keep.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from wavewright.errors import ModelFileError, SettingsError
from wavewright.nets.audio_rnn import AudioRNN, AudioRNNConfig
from wavewright.nets.audio_unet import AudioUNet, AudioUNetConfig
from wavewright.nets.channels import Channels, ChannelsConfig
from wavewright.nets.contract import Network
from wavewright.nets.conv_deconv import ConvDeconv, ConvDeconvConfig
from wavewright.nets.frame_config import FrameLSTMConfig
from wavewright.nets.frame_lstm import FrameLSTM
from wavewright.nets.frame_mixture import FrameMixture
from wavewright.nets.frame_tokens import FrameTokens
from wavewright.nets.gated_wavenet import GatedWaveNet, GatedWaveNetConfig
from wavewright.nets.knob_wavenet import KnobWaveNet
from wavewright.nets.knob_wavenet_config import read_knob_wavenet
from wavewright.nets.linear import Linear, LinearConfig
from wavewright.nets.patch_dnn import PatchDNN, PatchDNNConfig
from wavewright.nets.plain_settings import read_settings, read_wavenet, shown
from wavewright.nets.recurrent import GRU, LSTM, RecurrentConfig
from wavewright.nets.sample_rnn import SampleRNN, SampleRNNConfig
from wavewright.nets.sample_wavenet import SampleWaveNet, SampleWaveNetConfig
from wavewright.nets.series import SeriesGRU, SeriesGRUConfig, SeriesLinear, SeriesLinearConfig
from wavewright.nets.slimmable import Slimmable, SlimmableConfig
from wavewright.nets.spectral_upsampler import SpectralUpsampler, SpectralUpsamplerConfig
from wavewright.nets.wavenet import WaveNet
from wavewright.nets.wavenet_config import PRESETS
from wavewright.nets.window_regressor import WindowConfig, WindowRegressor
from wavewright.settings import did_you_mean, from_mapping, from_words


@dataclass(frozen=True)
class Kind:
    """One architecture: its network, and how its settings come from plain values."""

    network: Callable[[Any], Network]
    read: Callable[[Mapping[str, Any]], Any]


SINGLE: dict[str, tuple[Callable[[Any], Network], Any]] = {
    "gated-wavenet": (GatedWaveNet, GatedWaveNetConfig()),
    "lstm": (LSTM, RecurrentConfig()),
    "gru": (GRU, RecurrentConfig()),
    "linear": (Linear, LinearConfig()),
}
"""Architectures of one network each, which bears their name: its class and its settings. A new one is a line here."""

KINDS: dict[str, Kind] = {
    "wavenet": Kind(WaveNet, read_wavenet),
    "knob-wavenet": Kind(KnobWaveNet, read_knob_wavenet),
    "a2": Kind(Slimmable, lambda values: from_mapping(SlimmableConfig, values)),
    **{name: Kind(network, partial(from_mapping, type(config))) for name, (network, config) in SINGLE.items()},
    "window": Kind(WindowRegressor, lambda values: from_mapping(WindowConfig, values)),
    "conv-deconv": Kind(ConvDeconv, lambda values: from_mapping(ConvDeconvConfig, values)),
    "channels": Kind(Channels, lambda values: from_mapping(ChannelsConfig, values)),
    "audio-rnn": Kind(AudioRNN, lambda values: from_mapping(AudioRNNConfig, values)),
    "sample-wavenet": Kind(SampleWaveNet, lambda values: from_mapping(SampleWaveNetConfig, values)),
    "sample-rnn": Kind(SampleRNN, lambda values: from_mapping(SampleRNNConfig, values)),
    "frame-lstm": Kind(FrameLSTM, lambda values: from_mapping(FrameLSTMConfig, values)),
    "frame-tokens": Kind(FrameTokens, lambda values: from_mapping(FrameLSTMConfig, values)),
    "frame-mixture": Kind(FrameMixture, lambda values: from_mapping(FrameLSTMConfig, values)),
    "spectral-upsampler": Kind(SpectralUpsampler, lambda values: from_mapping(SpectralUpsamplerConfig, values)),
    "audio-unet": Kind(AudioUNet, lambda values: from_mapping(AudioUNetConfig, values)),
    "patch-dnn": Kind(PatchDNN, lambda values: from_mapping(PatchDNNConfig, values)),
    "series-gru": Kind(SeriesGRU, lambda values: from_mapping(SeriesGRUConfig, values)),
    "series-linear": Kind(SeriesLinear, lambda values: from_mapping(SeriesLinearConfig, values)),
}
"""Every architecture, by the name that run folders keep."""

NETWORKS: dict[str, tuple[str, Any]] = {
    **{name: ("wavenet", config) for name, config in PRESETS.items()},
    "a2": ("a2", SlimmableConfig()),
    **{name: (name, config) for name, (_, config) in SINGLE.items()},
    "window-linear": ("window", WindowConfig()),
    "window-dense": ("window", WindowConfig(activation="relu")),
    "conv-deconv": ("conv-deconv", ConvDeconvConfig()),
    "conv-deconv-multi": ("conv-deconv", ConvDeconvConfig(width=24, filter_sizes=(16, 64, 128))),
    "audio-rnn": ("audio-rnn", AudioRNNConfig()),
    "sample-wavenet": ("sample-wavenet", SampleWaveNetConfig()),
    "sample-rnn": ("sample-rnn", SampleRNNConfig()),
    "sample-rnn-two-tier": ("sample-rnn", SampleRNNConfig(frame_sizes=(16,))),
    "frame-mixture": ("frame-mixture", FrameLSTMConfig(hidden_size=128, mixtures=2)),
    "frame-tokens": ("frame-tokens", FrameLSTMConfig(hidden_size=128, codebooks=4, tokens=64)),
    "frame-lstm": ("frame-lstm", FrameLSTMConfig()),
    "spectral-upsampler": ("spectral-upsampler", SpectralUpsamplerConfig()),
    "tfilm-unet": ("audio-unet", AudioUNetConfig()),
    "audio-unet": ("audio-unet", AudioUNetConfig(block=0, strided=True)),
    "patch-dnn": ("patch-dnn", PatchDNNConfig()),
    "tfilm-series": ("audio-unet", AudioUNetConfig(layers=3, filters=32, kernel_size=9, block=16, memory=512)),
    "unet-series": ("audio-unet", AudioUNetConfig(layers=3, filters=32, kernel_size=9, block=0)),
    "series-gru": ("series-gru", SeriesGRUConfig()),
    "series-linear": ("series-linear", SeriesLinearConfig()),
}
"""Name → kind and settings, for all that `build` builds."""


def build(name: str, **overrides: Any) -> Network:
    """A new network by name, its weights freshly drawn from torch's random generator.

    ``overrides`` replace fields of the network's settings.

    Raises:
        SettingsError: an unknown name or setting (with the nearest known one), or values out of range.

    >>> build("a1-feather").receptive_field
    4093
    """
    settings = settings_of(name, **overrides)
    return KINDS[NETWORKS[name][0]].network(settings)


def settings_of(name: str, **overrides: Any) -> Any:
    """The settings `build` would build with; raises what it raises, values out of range apart."""
    if name not in NETWORKS:
        raise SettingsError([f"unknown network {name!r}: {did_you_mean(name, NETWORKS)}"])
    settings = NETWORKS[name][1]
    fields = [field.name for field in dataclasses.fields(settings)]
    problems = [
        f"network {name} has no setting {key}: {did_you_mean(key, fields)}" for key in overrides if key not in fields
    ]
    if problems:
        raise SettingsError(problems)
    return dataclasses.replace(settings, **overrides)


def weight_count(name: str, **overrides: Any) -> int:
    """How many weights `build` would take memory for; 0 where a network's settings do not tell."""
    return int(getattr(settings_of(name, **overrides), "weight_count", 0))


def overrides(name: str, words: Sequence[str]) -> dict[str, Any]:
    """What ``key=value`` words say of the settings of the network called ``name``, for `build`.

    Raises:
        SettingsError: no such network or setting (with the nearest known one), or a value of another type.

    >>> overrides("conv-deconv", ["width=32", "filter_sizes=16,128"])
    {'width': 32, 'filter_sizes': (16, 128)}
    """
    if name not in NETWORKS:
        raise SettingsError([f"unknown network {name!r}: {did_you_mean(name, NETWORKS)}"])
    return from_words(type(NETWORKS[name][1]), words, f"network {name}")


def config_of(net: Network) -> tuple[str, dict[str, Any]]:
    """The kind of ``net`` and its settings as plain values, ready for JSON; `from_config` brings it back.

    Raises:
        SettingsError: the network is of no registered kind.
    """
    for kind, entry in KINDS.items():
        if type(net) is entry.network:
            plain = _plain(dataclasses.asdict(net.config))  # type: ignore[call-overload]
            return kind, dict(plain)
    raise SettingsError([f"{type(net).__name__} is not a registered network; allowed: {', '.join(KINDS)}"])


def from_config(kind: str, config: Mapping[str, Any]) -> Network:
    """A network as `config_of` described it, its weights freshly drawn.

    Raises:
        ModelFileError: an unknown kind, unknown or missing settings, wrong types, or sizes out of all proportion;
            found before any memory is taken.

    >>> kind, plain = config_of(build("a2-lite"))
    >>> from_config(kind, plain).receptive_field
    6347
    """
    if kind not in KINDS:
        raise ModelFileError(f"unknown kind of network {shown(kind)}: {did_you_mean(str(kind), KINDS)}")
    entry = KINDS[kind]
    return read_settings(kind, lambda values: entry.network(entry.read(values)), config)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, (list, tuple)) else value
