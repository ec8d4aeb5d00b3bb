"""How `wavewright.data.mosaic` rebuilds a sound. Apart from it, so that ``--help`` reads this alone."""

from __future__ import annotations

from dataclasses import dataclass

from wavewright.settings import checked, setting


@dataclass(frozen=True)
class MosaicSettings:
    """How a sound is rebuilt from grains."""

    grain: float = setting(0.05, "seconds of a grain, where no onset comes before", low=0.005, high=5)
    onsets: bool = setting(True, "begin a grain wherever something begins (--no-onsets: even grains)")
    candidates: int = setting(24, "grains of the corpus that are considered for each of the target's", low=1, high=1000)
    continuity: float = setting(
        0.5, "how much a grain that does not go on where the last one ended costs; 0: nothing", low=0, high=100
    )
    level: bool = setting(True, "give each grain the level of the target's (--no-level: its own)")
    relative: bool = setting(
        False, "hold the target against its own mean and spread, and the corpus against its own: for unlike sounds"
    )

    def __post_init__(self) -> None:
        checked(self)
