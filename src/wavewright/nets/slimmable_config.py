"""The settings of a twin in two sizes. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wavewright.nets.plain import PlainNetwork, refuse_misfits, wavenet_shapes
from wavewright.nets.plain_settings import read_settings
from wavewright.nets.wavenet_config import WaveNetConfig, a2
from wavewright.settings import checked, from_mapping, setting

UP_TO = {"lite": 0.5, "full": 1.0}
"""The sizes, smallest first, and up to which setting of a player's size control each serves."""


@dataclass(frozen=True)
class SlimmableConfig:
    """Settings of a WaveNet A2 in two sizes: channels of each. The defaults are those that players know as A2."""

    full_channels: int = setting(8, "channels of the full network", low=1, high=256)
    lite_channels: int = setting(3, "channels of the lite one", low=1, high=256)

    def size(self, name: str) -> WaveNetConfig:
        """The network of one size: ``lite`` or ``full``."""
        return a2(self.full_channels if name == "full" else self.lite_channels)


def plain_size(values: Mapping[str, Any], weights: Mapping[str, NDArray[Any]], name: str, source: str) -> PlainNetwork:
    """The network of one size out of what a run keeps: settings as plain ``values``, weights by name.

    Raises:
        ModelFileError: settings that cannot be used, or weights that do not fit them; ``source`` is named.
    """
    settings = read_settings("a2", lambda plain: checked(from_mapping(SlimmableConfig, plain)), values)
    config = settings.size(name)
    begin = f"{name}."
    own = {key.removeprefix(begin): np.asarray(value) for key, value in weights.items() if key.startswith(begin)}
    refuse_misfits(dict(wavenet_shapes(config)), {key: value.shape for key, value in own.items()}, source)
    return PlainNetwork("wavenet", config, own)
