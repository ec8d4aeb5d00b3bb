"""Regions of recordings for training, validation and testing that share no sample, not even through a context.

A region is where *targets* lie. A network with receptive field R and latency D needs ``R - 1 + D`` samples in front
of its first target; that context belongs to the region as well, and is the gap left between neighbours:

    recording   |·context·|== train ==|·context·|= validation =|·context·|= test =|
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from wavewright.data.manifest import Item
from wavewright.errors import DataError, SettingsError

NAMES = ("train", "validation", "test")


@dataclass(frozen=True)
class Region:
    """Targets in ``[start, stop)``, in samples of a track, with ``context`` samples in front that may be read too."""

    start: int
    stop: int
    context: int = 0

    @property
    def frames(self) -> int:
        """How many targets there are."""
        return self.stop - self.start

    @property
    def first(self) -> int:
        """The first sample that may be read: where the context starts."""
        return self.start - self.context


@dataclass(frozen=True)
class Split:
    """The regions of each part; ``left_out`` names the files too short to hold one window."""

    train: tuple[Region, ...]
    validation: tuple[Region, ...] = ()
    test: tuple[Region, ...] = ()
    left_out: tuple[str, ...] = ()


def split(
    frames: int,
    rate: int,
    *,
    receptive_field: int,
    window: int,
    latency: int = 0,
    validation: float = 0.1,
    test: float = 0.0,
    unit: str = "fraction",
) -> Split:
    """Cut a recording of ``frames`` samples at ``rate`` Hz into train, validation and test, in that order.

    ``validation`` and ``test`` are fractions of all targets, or seconds where ``unit`` is ``"seconds"``; 0 leaves a
    part out. A part is never shorter than one ``window`` (samples); the rest is for training.

    Raises:
        DataError: the recording cannot hold a window and its context for every part.
        SettingsError: shares that are negative or leave nothing for training.

    >>> split(100_000, 48_000, receptive_field=4093, window=8192, validation=0.2).validation
    (Region(start=81637, stop=100000, context=4092),)
    """
    context = receptive_field - 1 + latency
    shares = _checked_shares(validation, test, unit)
    parts = 1 + sum(share > 0 for share in shares)
    targets = frames - parts * context
    needed = parts * (context + window)
    if frames < needed:
        raise DataError(
            f"the recording has {_length(frames, rate)}, but {parts} part{'s' * (parts > 1)} with a window of "
            f"{_length(window, rate)} and a context of {_length(context, rate)} each need {_length(needed, rate)}; "
            "record more, or choose a shorter window or a network with a smaller receptive field"
        )
    whole = targets if unit == "fraction" else rate
    lengths = [max(window, round(share * whole)) if share > 0 else 0 for share in shares]
    remaining = targets - sum(lengths)
    if remaining < window:
        raise DataError(
            f"validation and test take {_length(sum(lengths), rate)} of {_length(targets, rate)}, which leaves less "
            f"than a window of {_length(window, rate)} for training; give them less, or record more"
        )
    regions: list[tuple[Region, ...]] = []
    position = 0
    for length in (remaining, *lengths):
        if length == 0:
            regions.append(())
            continue
        regions.append((Region(position + context, position + context + length, context),))
        position += context + length
    train, held_out, tested = regions
    return Split(train, held_out, tested)


def regions_of(items: Sequence[Item], *, receptive_field: int, window: int, latency: int = 0) -> Split:
    """Every file as one region of ``train``, a context in front of its first target; too short ones are left out."""
    context = receptive_field - 1 + latency
    long_enough = [item for item in items if item.length >= context + window]
    return Split(
        _whole(long_enough, context), left_out=tuple(item.path for item in items if item.length < context + window)
    )


def split_files(
    items: Sequence[Item],
    rate: int,
    *,
    receptive_field: int,
    window: int,
    latency: int = 0,
    validation: float = 0.1,
    test: float = 0.0,
    seed: int = 0,
) -> Split:
    """Give whole files to train, validation and test, by fractions of the total length.

    The order depends on each file's content and ``seed`` alone, not on names or folders, and two copies of one sound
    always land on the same side.

    Raises:
        DataError: no file is long enough, or there are fewer different sounds than parts.
        SettingsError: fractions that are negative or leave nothing for training.
    """
    shares = _checked_shares(validation, test, "fraction")
    context = receptive_field - 1 + latency
    usable = [item for item in items if item.length >= context + window]
    left_out = tuple(item.path for item in items if item.length < context + window)
    sounds: dict[str, list[Item]] = {}
    for item in usable:
        key = hashlib.sha256(f"{seed}:{item.sha256}".encode()).hexdigest()
        sounds.setdefault(key, []).append(item)
    parts = 1 + sum(share > 0 for share in shares)
    if len(sounds) < parts:
        longest = max((item.length for item in items), default=0)
        raise DataError(
            f"{len(sounds)} of {len(items)} files are different and hold a window of {_length(window, rate)} behind a "
            f"context of {_length(context, rate)} (the longest file has {_length(longest, rate)}), but {parts} parts "
            "need one each; add files, or choose a shorter window"
        )
    total = sum(item.length for item in usable)
    groups = [sounds[key] for key in sorted(sounds)]
    chosen: dict[str, list[Item]] = {name: [] for name in NAMES}
    for name, share in zip(NAMES[1:], shares, strict=True):
        later = sum(other > 0 for other in shares[NAMES.index(name) :])
        while share > 0 and len(groups) > later + 1 and sum(item.length for item in chosen[name]) < share * total:
            chosen[name] += groups.pop()
        if share > 0 and not chosen[name]:
            chosen[name] += groups.pop()
    chosen["train"] = [item for group in groups for item in group]
    train, held_out, tested = (_whole(sorted(chosen[name], key=lambda item: item.start), context) for name in NAMES)
    return Split(train, held_out, tested, left_out)


def _whole(items: Sequence[Item], context: int) -> tuple[Region, ...]:
    return tuple(Region(item.start + context, item.start + item.length, context) for item in items)


def _checked_shares(validation: float, test: float, unit: str) -> tuple[float, float]:
    problems = []
    if unit not in ("fraction", "seconds"):
        problems.append(f"setting unit = {unit!r}: allowed: fraction, seconds")
    problems += [
        f"setting {name} = {share!r}: must be at least 0"
        for name, share in (("validation", validation), ("test", test))
        if not share >= 0
    ]
    if unit == "fraction" and validation + test >= 1:
        problems.append(f"settings validation = {validation!r} and test = {test!r}: together they must be below 1")
    if problems:
        raise SettingsError(problems)
    return validation, test


def _length(frames: int, rate: int) -> str:
    return f"{frames / rate:.3g} s ({frames} samples)"
