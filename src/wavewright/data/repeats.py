"""Passages that the dry recording holds twice, and how well the wet one repeats them: a limit for every twin.

What the wet recording does differently the second time, noise and drifting valves alike, no network can foretell.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wavewright.audio.recording import FloatArray
from wavewright.compiled import compiled

WINDOW = 64  # samples under the rolling hash
ONE_IN = 256  # hashes kept, chosen by their own value, so that both passages choose the same places
SHORTEST_SECONDS = 0.5
SETTLE_SECONDS = 0.25  # the start of a passage still answers to what came before it
MOST_PASSAGES = 64
AUDIBLE = 1e-3  # silence repeats itself, which says nothing


@dataclass(frozen=True)
class Repeats:
    """``passages`` stretches that come twice, ``seconds`` long together, and the ``esr`` between their wet answers."""

    passages: int
    seconds: float
    esr: float

    @property
    def best_esr(self) -> float:
        """What a twin without noise of its own can reach: of two noisy answers the difference holds both noises."""
        return self.esr / 2

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {**asdict(self), "best_esr": self.best_esr}


def find_repeats(dry: FloatArray, rate: int) -> list[tuple[int, int, int]]:
    """Stretches of ``dry`` (time,) that come again sample for sample, longest first: (start, second start, length).

    A rolling hash (Rabin & Karp) over 64 samples, sampled by content, finds equal places at any distance in linear
    time; each is then grown and confirmed sample by sample.
    """
    coarse = np.round(dry * np.float32(1 << 23)).astype(np.int64)
    places, hashes = _sampled_hashes(coarse, WINDOW, ONE_IN)
    order = np.argsort(hashes, kind="stable")
    places, hashes = places[order], hashes[order]
    equal = np.flatnonzero(hashes[1:] == hashes[:-1])
    first, second = places[equal], places[equal + 1]
    order = np.argsort(first)
    first, second = first[order], second[order]
    shortest = max(WINDOW, round(SHORTEST_SECONDS * rate))
    found: list[tuple[int, int, int]] = []
    covered: dict[int, int] = {}  # distance → where its last passage ended
    for one, two in zip(first.tolist(), second.tolist(), strict=True):
        distance = two - one
        if distance < shortest or one < covered.get(distance, -1):
            continue
        start, stop = _grown(dry, one, two)
        covered[distance] = stop
        if stop - start >= shortest and float(np.ptp(dry[start:stop])) > AUDIBLE:
            found.append((start, start + distance, min(stop - start, distance)))
    found.sort(key=lambda passage: -passage[2])
    return found[:MOST_PASSAGES]


def repeat_agreement(dry: FloatArray, wet: FloatArray, rate: int) -> Repeats | None:
    """How well ``wet`` repeats what ``dry`` repeats, both (time,) and aligned; None where nothing comes twice."""
    settle = round(SETTLE_SECONDS * rate)
    difference = power = 0.0
    seconds, count = 0.0, 0
    for one, two, length in find_repeats(dry, rate):
        a, b = wet[one + settle : one + length], wet[two + settle : two + length]
        shared = min(len(a), len(b))
        if shared < settle:
            continue
        a, b = a[:shared].astype(np.float64), b[:shared].astype(np.float64)
        difference += float(np.sum((a - b) ** 2))
        power += 0.5 * float(np.sum(a**2) + np.sum(b**2))
        seconds += length / rate
        count += 1
    return Repeats(count, round(seconds, 2), difference / power) if count and power > 0 else None


def _grown(x: FloatArray, one: int, two: int) -> tuple[int, int]:
    before, after = _extent(x, one, two)
    return one - int(before), one + int(after)


@compiled
def _extent(x: FloatArray, one: int, two: int) -> tuple[int, int]:
    """How far back and how far on the two places stay equal."""
    before = 0
    while one - before - 1 >= 0 and x[one - before - 1] == x[two - before - 1]:
        before += 1
    after = 0
    while two + after < len(x) and x[one + after] == x[two + after]:
        after += 1
    return before, after


@compiled
def _hash_places(
    x: NDArray[np.int64], window: int, one_in: int, places: NDArray[np.int64], hashes: NDArray[np.uint64]
) -> int:
    base = np.uint64(6364136223846793005)
    mix = np.uint64(11400714819323198485)
    top = np.uint64(1)
    for _ in range(window):
        top *= base
    value = np.uint64(0)
    moving = 0  # samples since the last run of equal ones began to fill the window
    found = 0
    for i in range(len(x)):
        value = value * base + np.uint64(x[i])
        if i >= window:
            value -= top * np.uint64(x[i - window])
        moving = 0 if i > 0 and x[i] == x[i - 1] else moving + 1
        if i + 1 >= window and moving > window // 2:
            mixed = (value * mix) >> np.uint64(32)
            if mixed % np.uint64(one_in) == 0 and found < len(places):
                places[found] = i - window + 1
                hashes[found] = value
                found += 1
    return found


def _sampled_hashes(x: NDArray[np.int64], window: int, one_in: int) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    room = len(x) * 4 // one_in + 1024
    places, hashes = np.zeros(room, dtype=np.int64), np.zeros(room, dtype=np.uint64)
    found = int(_hash_places(x, window, one_in, places, hashes))
    return places[:found], hashes[:found]
