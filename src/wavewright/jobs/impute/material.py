"""What the job impute learns from: a table scaled, its series grouped, its gaps bridged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wavewright.data import filling, masks
from wavewright.data.bridge import Bridge
from wavewright.data.masks import Mask
from wavewright.data.series import Scale, calendar, cycles_of, heard
from wavewright.data.tables import Table
from wavewright.engine.player import Player
from wavewright.errors import DataError
from wavewright.jobs.impute.settings import MOST_TOGETHER, ImputeSettings
from wavewright.jobs.impute.trust import WHOLE, Trust
from wavewright.nets.contract import Network

BRIDGE = Path("data") / "bridge.npz"
"""Where in a run the covariance lies."""

SIDE_BY_SIDE = 64
"""Groups of series that go through a network at once."""

WEIGHED = 4
"""How often all of a table is hidden anew to weigh first guesses: rare bursts would decide by chance."""

STRETCH = 256
"""Times over which what is hidden keeps its shape and its share."""


@dataclass(frozen=True)
class Material:
    """A table as networks hear it: ``scaled`` ``(series, time)`` with NaN in its gaps.

    Series are heard ``together``, one group of all of them, or each in a group of its own. Training knows the first
    ``end`` times of the first ``learners`` series; the rest is held out.
    """

    table: Table
    scale: Scale
    scaled: NDArray[np.float64]
    cycles: tuple[float, ...]
    together: bool
    bridge: Bridge | None
    end: int
    learners: int
    when: NDArray[np.float32]

    @property
    def rows(self) -> int:
        """Series of a group."""
        return len(self.scaled) if self.together else 1

    @property
    def inputs(self) -> int:
        """Channels that a network hears."""
        return 2 * self.rows + len(self.when)

    @property
    def given(self) -> Mask:
        """Which values are known."""
        return ~np.isnan(self.scaled)

    @property
    def learned(self) -> NDArray[np.float64]:
        """What training knows."""
        return self.scaled[: self.learners, : self.end]

    @property
    def learned_given(self) -> Mask:
        """Which values of it are known."""
        return ~np.isnan(self.learned)

    @property
    def learned_times(self) -> int:
        """How many times of all groups training knows."""
        return self.end if self.together else self.end * self.learners

    @property
    def held(self) -> Mask:
        """What training does not know."""
        held = np.ones(self.scaled.shape, bool)
        held[: self.learners, : self.end] = False
        return held

    def grouped(self, values: NDArray[Any]) -> NDArray[Any]:
        """``(series, time)`` → ``(groups, rows, time)``."""
        return values[np.newaxis] if self.together else values[:, np.newaxis]

    def bridged(self, scaled: NDArray[np.float64], shown: Mask) -> NDArray[np.float64]:
        """``scaled`` ``(series, time)`` with a first guess of all that is not ``shown``."""
        known = np.where(shown, scaled, np.nan)
        if self.bridge is None:
            return filling.linear(known)
        step = len(scaled) if self.together else SIDE_BY_SIDE
        parts = [slice(begin, begin + step) for begin in range(0, len(scaled), step)]
        return self.scale.within(np.concatenate([self.bridge.fill(scaled[part], shown[part]) for part in parts]), known)

    def doubt(self, shown: Mask) -> NDArray[np.float32]:
        """What a network's correction is multiplied with, ``(series, time)``: little where the first guess is good."""
        return np.ones(shown.shape, np.float32) if self.bridge is None else self.bridge.doubt(shown)

    def corrected(
        self, network: Network, bridged: NDArray[np.float64], shown: Mask, wanted: Mask, trust: Trust = WHOLE
    ) -> NDArray[np.float64]:
        """What a network makes of a bridged table ``(series, time)``; groups of which nothing is ``wanted`` stay.

        ``trust`` says how much of its correction is taken.
        """
        groups, given = self.grouped(bridged), self.grouped(shown)
        out, share = groups.copy(), self.grouped(trust.where(shown) * self.doubt(shown))
        asked = np.flatnonzero(self.grouped(wanted).any(axis=(1, 2)))
        for begin in range(0, len(asked), SIDE_BY_SIDE):
            some = asked[begin : begin + SIDE_BY_SIDE]
            x = np.concatenate([heard(groups[group], given[group], self.when) for group in some])
            player = Player(network, len(some), inputs=network.in_channels, outputs=network.out_channels)
            y = np.concatenate([player.process(x), player.flush()], axis=1)[:, player.latency :]
            correction = y.reshape(len(some), self.rows, -1) - groups[some].astype(np.float32)
            out[some] += share[some] * correction
        known = np.where(shown, self.scaled, np.nan)
        return self.scale.within(out.reshape(self.scaled.shape), known)

    @torch.no_grad()
    def guess(self, network: Network, shown: Mask, trust: Trust = WHOLE) -> NDArray[np.float64]:
        """What the network makes of the table ``(series, time)`` where only what is ``shown`` of it is known."""
        return self.corrected(network, self.bridged(self.scaled, shown), shown, ~shown, trust)


def material_of(table: Table, settings: ImputeSettings) -> Material:
    """The table scaled, and its covariance counted, by what training may see of it.

    Raises:
        DataError: too few times for a window, too few series, or a series of which training sees nothing.
    """
    together, end, learners = layout_of(table, settings)
    count = table.values.shape[1]
    if end < settings.window:
        raise DataError(
            f"table {table.path} has {count} times, of which {end} are learned from: a window needs {settings.window}; "
            "choose a shorter --window, or give a longer table"
        )
    if learners < 1:
        raise DataError(
            f"table {table.path} has one series: with --hold series it is held out and none left to learn from; hold "
            "out times"
        )
    empty = np.flatnonzero(np.isnan(table.values[:, :end]).all(axis=1))
    if len(empty):
        raise DataError(
            f"table {table.path}: series {table.names[empty[0]]!r} has no value among the {end} times that are "
            "learned from; leave it out, or choose a smaller --held-out"
        )
    scale, cycles = Scale.of(table.values[:, :end]), cycles_of(table)
    scaled = scale.there(table.values)
    learned = scaled[:learners, :end]
    given = ~np.isnan(learned)
    bridge = None
    if settings.bridge == "process":
        dice = [np.random.default_rng([settings.train.seed, 0xB81D, number]) for number in range(WEIGHED)]
        hidden = [hidden_of(given, settings, one) for one in dice]
        bridge = Bridge.learn(learned, given, hidden, alike=not together)
    return Material(table, scale, scaled, cycles, together, bridge, end, learners, calendar(table, cycles))


def material_for(
    table: Table, settings: ImputeSettings, scale: Scale, cycles: tuple[float, ...], bridge: Bridge | None
) -> Material:
    """A table to be filled with what a run has learned.

    Raises:
        DataError: the run learned days or years, and the table has no dates.
    """
    together, end, learners = layout_of(table, settings)
    scaled = scale.there(table.values)
    return Material(table, scale, scaled, cycles, together, bridge, end, learners, calendar(table, cycles))


def layout_of(table: Table, settings: ImputeSettings) -> tuple[bool, int, int]:
    """Whether series are heard together, and how many times of how many of them are learned from."""
    series, count = table.values.shape
    whole = settings.hold == "series"
    together = settings.group == "together" or (settings.group == "auto" and not whole and series <= MOST_TOGETHER)
    held = max(1, round(settings.held_out * (series if whole else count)))
    return together, count if whole else count - held, series - held if whole else series


def hidden_of(known: Mask, settings: ImputeSettings, dice: np.random.Generator) -> Mask:
    """What is hidden of a whole table ``(series, time)`` for training, stretch by stretch in another way."""
    mask = np.zeros_like(known)
    for begin in range(0, known.shape[1], STRETCH):
        shape = ("points", "blocks", "series")[dice.integers(3)] if settings.hide == "mix" else settings.hide
        share = float(dice.uniform(settings.least_hidden, max(settings.least_hidden, settings.most_hidden)))
        block = int(np.exp(dice.uniform(np.log(2), np.log(settings.longest_block))))
        part = slice(begin, begin + STRETCH)
        mask[:, part] = masks.hidden(known[:, part], share, shape, dice, block)
    return mask


def told(material: Material) -> list[str]:
    """What will be learned from, in words."""
    table = material.table
    series, count = table.values.shape
    missing = float(np.isnan(table.values).mean())
    held = f"{count - material.end} times" if material.end < count else f"{series - material.learners} series"
    how = "heard together" if material.together else "each heard by itself"
    lines = [f"{series} series of {count} times, {missing:.1%} missing, {how}; the last {held} are held out"]
    return lines + [f"note: {line}" for line in table.told]
