"""The rate as a pure function of progress: nothing to save, nothing to restore.

Cosine annealing without restarts: Loshchilov and Hutter, SGDR (2017), equation 5 with one period.
"""

from __future__ import annotations

import math

FIRST = 0.1
"""Share of the full rate at which the warm-up begins."""

LAST = 1e-3
"""Share of the full rate at which the cosine ends: small enough to settle, not so small that steps are wasted."""


def rate_share(schedule: str, progress: float, warm_up: float) -> float:
    """Share of the highest rate at ``progress`` in [0, 1] through the budget.

    It rises in a line from `FIRST` to 1 over the first ``warm_up`` of the budget; then "cosine" falls to `LAST` along
    half a cosine, "constant" stays at 1.

    >>> [round(rate_share("cosine", p, warm_up=0.1), 3) for p in (0.0, 0.1, 0.55, 1.0)]
    [0.1, 1.0, 0.5, 0.001]
    """
    if progress < warm_up:
        return FIRST + (1 - FIRST) * progress / warm_up
    if schedule == "constant":
        return 1.0
    way = (progress - warm_up) / (1 - warm_up)
    return LAST + (1 - LAST) * 0.5 * (1 + math.cos(math.pi * min(1.0, way)))
