"""The settings of WaveNets with knobs. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wavewright.errors import SettingsError
from wavewright.nets.plain_settings import known_values, read_wavenet, shown
from wavewright.nets.wavenet_config import WaveNetConfig
from wavewright.settings import problems_of, setting

CONDITIONINGS = {
    "concat": "a knob shifts what goes into every activation, as a further input would",
    "film": "a knob scales and shifts what goes into every activation",
}


@dataclass(frozen=True)
class KnobWaveNetConfig:
    """A WaveNet, and how knobs move it. ``units``: of a layer between the knobs and what they do; 0 for none."""

    wavenet: WaveNetConfig
    knobs: int = setting(1, "how many knobs there are", low=1, high=64)
    conditioning: str = setting("concat", "how a knob is heard", choices=CONDITIONINGS)
    units: int = setting(0, "units of a layer between the knobs and what they do; 0 for none", low=0, high=256)

    def problems(self) -> list[str]:
        """All that makes this no network that can be built; empty where it is one."""
        found = self.wavenet.problems()
        if not found and self.wavenet.controls:
            found = [f"wavenet.controls = {self.wavenet.controls}: must be 0, knobs are counted by themselves"]
        return found + [problem for problem in problems_of(self) if "setting wavenet" not in problem]

    @property
    def features(self) -> int:
        """How many numbers of the knobs each layer hears."""
        return self.units or self.knobs


def read_knob_wavenet(values: Mapping[str, Any]) -> KnobWaveNetConfig:
    """The settings from the plain values of `wavewright.nets.registry.config_of`."""
    plain = known_values(KnobWaveNetConfig, values)
    if not isinstance(plain["wavenet"], Mapping):
        raise SettingsError([f"setting wavenet must be a table; found {shown(plain['wavenet'])}"])
    return KnobWaveNetConfig(**{**plain, "wavenet": read_wavenet(plain["wavenet"])})
