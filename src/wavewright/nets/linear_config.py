"""The settings of an impulse response. No torch here."""

from __future__ import annotations

from dataclasses import dataclass

from wavewright.settings import setting


@dataclass(frozen=True)
class LinearConfig:
    """Settings of an impulse response."""

    taps: int = setting(2048, "length of the impulse response in samples", low=1, high=1_000_000)
    bias: bool = setting(False, "add a constant")
