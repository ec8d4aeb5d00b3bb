"""How the next code is chosen: temperature, top-k and top-p."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wavewright.errors import SettingsError


@dataclass(frozen=True)
class Choice:
    """How codes are drawn from what the network says.

    ``temperature`` divides the logits and, in a mixture, multiplies the scales: one number, or one a sample, (time,).
    ``top_k`` keeps the likeliest codes alone (0: all), ``top_p`` the fewest whose share reaches it (1: all).

    Raises:
        SettingsError: a temperature not above 0, a negative ``top_k``, ``top_p`` outside (0, 1].

    >>> Choice(temperature=0.9, top_p=0.95).top_k
    0
    """

    temperature: float | NDArray[np.floating[Any]] = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        problems = []
        temperatures = np.asarray(self.temperature, np.float64)
        if temperatures.ndim > 1:
            problems.append(f"temperature has the shape {temperatures.shape}: must be one number, or one a sample")
        wrong = temperatures[~((temperatures > 0) & np.isfinite(temperatures))]
        if wrong.size:
            problems.append(
                f"temperature = {wrong.flat[0]}: must be a finite number above 0; small ones take the likeliest"
            )
        if self.top_k < 0:
            problems.append(f"top_k = {self.top_k}: must be 0 (all codes) or how many of the likeliest to keep")
        if not 0.0 < self.top_p <= 1.0:
            problems.append(f"top_p = {self.top_p}: must be above 0 and at most 1 (all codes)")
        if problems:
            raise SettingsError(problems)

    def temperatures(self, time: int) -> NDArray[np.float64]:
        """The temperature of each of ``time`` samples.

        Raises:
            SettingsError: there is one a sample, but of another number of samples.
        """
        given = np.asarray(self.temperature, np.float64)
        if given.ndim and len(given) != time:
            raise SettingsError([f"temperature has {len(given)} numbers: must be one, or {time}, one a sample"])
        return np.broadcast_to(given, (time,)).copy()
