"""Network architectures, one a file, all under the contract of `wavewright.nets.contract`.

`TFiLM` is here for use in networks of one's own; torch is loaded when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wavewright.nets.tfilm import TFiLM

__all__ = ["TFiLM"]


def __getattr__(name: str) -> object:
    if name != "TFiLM":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from wavewright.nets.tfilm import TFiLM

    return TFiLM
