"""Stretches of the past that a network is not to hear in training, so that it learns to do without.

A network that continues sounds learns from real ones alone, where silence in the middle of a word is followed by more
silence. New sound may fall silent where no real one does, and then would stay so for ever: nothing told the network
that there is a way back. Where some of what it hears is replaced by silence, while what it must predict stays, it
learns what to say after silence at any moment of a sound. Words are hidden in the same way from language models that
are too fond of their own past (Bowman et al., "Generating Sentences from a Continuous Space", 2016, section 3.1).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

SHORTEST, LONGEST = 0.005, 0.5
"""Seconds of a stretch; evenly distributed by their logarithm."""


def forget(x: Tensor, share: float, silence: float, rate: int, seed: Sequence[int]) -> Tensor:
    """``x`` (batch, 1 + controls, time) with some ``share`` of its first channel, on average, set to ``silence``.

    What is told beside the sound stays. The same ``seed`` hides the same stretches.

    Example:
        >>> import torch
        >>> x = torch.ones(2, 3, 80_000)
        >>> hidden = (forget(x, 0.1, silence=0.0, rate=8000, seed=[0]) == 0).float().mean(dim=(0, 2))
        >>> [round(share, 1) for share in hidden.tolist()]
        [0.1, 0.0, 0.0]
    """
    dice, time = np.random.default_rng(seed), x.shape[-1]
    mean = (LONGEST - SHORTEST) / np.log(LONGEST / SHORTEST) * rate  # samples
    heard, last = x.clone(), time + LONGEST * rate  # stretches may reach over either end of a row
    for row in heard[:, 0]:
        count = dice.poisson(-np.log1p(-share) * last / mean)
        lengths = np.exp(dice.uniform(np.log(SHORTEST), np.log(LONGEST), count)) * rate
        ends = dice.uniform(0, last, count)
        for first, end in zip((ends - lengths).round().astype(int), ends.round().astype(int), strict=True):
            row[max(0, first) : max(0, end)] = silence
    return heard
