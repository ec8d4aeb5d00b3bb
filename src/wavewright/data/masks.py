"""Which values are hidden from a learner that is to guess them: single points, or blocks of time. No torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wavewright.errors import SettingsError
from wavewright.settings import did_you_mean

SHAPES = ("points", "blocks", "series")

Mask = NDArray[np.bool_]


def hidden(given: Mask, share: float, shape: str, dice: np.random.Generator, block: int = 24) -> Mask:
    """Which of the ``given`` values ``(series, time)`` to hide: a ``share`` of each series' own, never all of them.

    ``points``: each by itself. ``blocks``: stretches of ``block`` samples, each series by itself. ``series``: the same
    stretches in all series at once, as when a logger fails.

    Raises:
        SettingsError: an unknown shape, a share not in (0, 1), or a block below 1.

    >>> given = np.ones((2, 1000), bool)
    >>> [int(hidden(given, 0.3, shape, np.random.default_rng(0)).sum()) for shape in SHAPES]
    [600, 600, 600]
    """
    problems = []
    if shape not in SHAPES:
        problems.append(f"shape of what is hidden, {shape!r}: {did_you_mean(shape, SHAPES)}")
    if not 0 < share < 1:
        problems.append(f"share hidden = {share}: must be above 0 and below 1")
    if block < 1:
        problems.append(f"block = {block}: must be at least 1")
    if problems:
        raise SettingsError(problems)
    series, time = given.shape
    if shape == "points":
        order = dice.random((series, time))
    else:
        # every sample belongs to one block of a grid with a random offset; whole blocks go, in a random order
        rows = 1 if shape == "series" else series
        offset = dice.integers(block, size=(rows, 1))
        number = (np.arange(time) + offset) // block  # (rows, time)
        rank = dice.random((rows, int(number.max()) + 1))
        order = np.broadcast_to(np.take_along_axis(rank, number, axis=1), (series, time))
    order = np.where(given, order, np.inf)
    wanted = np.minimum(np.round(share * given.sum(axis=1)), given.sum(axis=1) - 1).astype(int)
    ranked = order.argsort(axis=1, kind="stable")
    found = np.zeros_like(given)
    for row, (places, count) in enumerate(zip(ranked, wanted, strict=True)):
        found[row, places[: max(0, count)]] = True
    return found
