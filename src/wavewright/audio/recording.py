"""Sound in memory: samples that carry their own rate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Recording:
    """Samples of shape ``(channels, time)``, float32, full scale at ±1, and their ``rate`` in Hz."""

    samples: FloatArray
    rate: int

    @property
    def channels(self) -> int:
        """How many channels there are."""
        return int(self.samples.shape[0])

    @property
    def frames(self) -> int:
        """Length in samples."""
        return int(self.samples.shape[1])

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.frames / self.rate
