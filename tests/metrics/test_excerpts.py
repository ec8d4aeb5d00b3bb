"""The nearest excerpt against a loop over all of them."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.metrics.excerpts import nearest_excerpts, padded, starts_of_windows


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 6), st.floats(-30, 30))
@settings(deadline=None)
def test_the_nearest_excerpt_is_the_nearest_of_all(seed: int, bands: int, frames: int, louder: float) -> None:
    random = np.random.default_rng(seed)
    spectra = [
        (number, int(random.integers(100)), random.normal(0, 9, (bands, frames + more)).astype(np.float32))
        for number, more in enumerate(random.integers(0, 9, 4).tolist())
    ]
    windows = [random.normal(louder, 9, (bands, frames)).astype(np.float32) for _ in range(3)]
    windows.append(spectra[2][2][:, -frames:] + np.float32(louder))  # one that is there, at another level
    distances, owners, starts = nearest_excerpts(windows, spectra)
    for window, distance, owner, start in zip(windows, distances, owners, starts, strict=True):
        every = {
            (number, first + at): np.sqrt(np.var(part[:, at : at + frames].astype(np.float64) - window))
            for number, first, part in spectra
            for at in range(part.shape[1] - frames + 1)
        }
        least = min(every.values())
        assert abs(distance - every[int(owner), int(start)]) < 1e-4
        assert distance < least + 0.02
    assert distances[3] < 1e-5


@given(st.integers(1, 500), st.integers(1, 100))
def test_windows_leave_nothing_out(length: int, window: int) -> None:
    starts = starts_of_windows(length, window)
    assert starts[0] == 0
    assert starts[-1] == max(0, length - window)
    assert all(0 < later - earlier <= max(1, window // 4) for earlier, later in itertools.pairwise(starts))


def test_short_spectra_are_followed_by_the_lowest_level() -> None:
    spectra = np.array([[-1, -9], [-3, -4]], np.float32)
    assert padded(spectra, 4)[:, 2:].tolist() == [[-9, -9], [-9, -9]]
    assert padded(spectra, 2) is spectra
