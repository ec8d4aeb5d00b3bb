"""Whether a network's training fits into this machine's memory, asked before any of it is taken."""

from __future__ import annotations

import os
from pathlib import Path

from wavewright.errors import SettingsError

COPIES = 8
"""How often training holds every weight: itself, its gradient, two moments, the last good state of all but the
gradient, and the best."""


def refuse_too_large(weights: int, network: str, flags: str = "--net width=…, --net window=…") -> None:
    """Raise `SettingsError` where ``weights`` float32 weights cannot be trained here; ``flags`` ask for fewer."""
    needed, free = COPIES * 4 * weights, available()
    if needed > free:
        raise SettingsError(
            [
                f"network {network} has {weights:,} weights, and training it takes {needed / 1e9:.1f} GB of memory; "
                f"{free / 1e9:.1f} GB are free: choose a smaller one ({flags})"
            ]
        )


def available() -> float:
    """Bytes of memory that can be had; infinity where the system does not tell."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return 1024.0 * int(line.split()[1])
    except OSError:
        pass
    try:
        return float(os.sysconf("SC_PHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return float("inf")
