"""What the job impute can be told. No torch here: ``--help`` reads this."""

from __future__ import annotations

from dataclasses import dataclass, field

from wavewright.data.tables import TableSettings
from wavewright.nets.names import IMPUTER_NAMES
from wavewright.settings import setting
from wavewright.train.settings import TrainSettings

JOB = "impute"
"""What a run of this job calls it."""

MINUTES = 2.0
"""The budget of a run that was told none: on one core it suffices for tables of a few dozen series."""

SHAPES = ("mix", "points", "blocks", "series")
BRIDGES = ("process", "line")
GROUPS = ("auto", "together", "each")
MOST_TOGETHER = 48
"""Series that a network hears together where nothing else is asked; of more, each is heard by itself."""


@dataclass(frozen=True)
class ImputeSettings:
    """Gaps in series filled, learned from what is there. The defaults work untouched."""

    network: str = setting("tfilm-series", "which network", choices=IMPUTER_NAMES)
    size: int | None = setting(None, "its width: filters or units; absent for its own", low=2, high=4096)
    layers: int | None = setting(None, "its levels or layers; absent for its own", low=1, high=16)
    bridge: str = setting(
        "process",
        "what fills the gaps before the network corrects it: series taken as a normal process, or a straight line",
        choices=BRIDGES,
    )
    group: str = setting(
        "auto", f"hear all series together, or each by itself; auto: together up to {MOST_TOGETHER}", choices=GROUPS
    )
    window: int = setting(256, "times in one window", low=8, high=1_000_000)
    batch: int = setting(16, "windows a step, for each process", low=1, high=100_000)
    hide: str = setting("mix", "what is hidden for it to guess: single points, blocks, or either", choices=SHAPES)
    least_hidden: float = setting(0.05, "share of the given values hidden at least …", above=0.0, high=0.9)
    most_hidden: float = setting(0.6, "… and at most, drawn for each stretch", above=0.0, high=0.9)
    longest_block: int = setting(48, "times of the longest block hidden", low=2, high=100_000)
    copies: int = setting(8, "how often all of the table is hidden anew for training", low=1, high=1000)
    hold: str = setting(
        "times",
        "what is held out: times at the end, or whole series (each by itself only)",
        choices=("times", "series"),
    )
    held_out: float = setting(0.2, "share held out, which training never sees", above=0, high=0.9)
    table: TableSettings = field(default_factory=TableSettings)
    train: TrainSettings = field(default_factory=lambda: TrainSettings(optimizer="adam", learning_rate=2e-3))
