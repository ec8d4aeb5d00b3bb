"""A network that lies in an ONNX file, with what must be known of it to play it. Neither torch nor ONNX here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

LONGEST_BLOCK = 4096
"""Samples that go through such a network at once; its memory is known for as many."""


@dataclass(frozen=True)
class OnnxState:
    """One tensor that is remembered: its input, the output that gives it anew, and what it is after silence.

    ``start`` has the tensor's shape, without the batch.
    """

    input: str
    output: str
    start: NDArray[np.float32]


@dataclass(frozen=True)
class OnnxNetwork:
    """A causal network over ``(batch, in_channels, time)``; ``content`` is the whole file.

    Its input for the sound is called ``audio``, its output ``audio_out``. The last ``controls`` inputs are knobs.
    """

    content: bytes = field(repr=False)
    states: tuple[OnnxState, ...]
    in_channels: int = 1
    out_channels: int = 1
    controls: int = 0
    latency: int = 0
    receptive_field: int = 1
    prewarm: int = 0
    weights: int = 0
    """How many numbers it holds."""
    knobs: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """What the controls are called, and what their ends stand for."""

    causal: bool = field(default=True, init=False)
