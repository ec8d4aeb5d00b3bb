"""Movement against a slow plain loop over scipy's spectra, and by its laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import ShortTimeFFT, get_window

from wavewright.audio.spectra import mel_matrix
from wavewright.metrics.movement import DEPTH_DB, MOMENT, SOUNDING_DB, movement, movement_of

RATE = 8000
T = np.arange(RATE) / RATE


def tone(hz: float, seconds: float = 1.0) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE).astype(np.float32)


def slowly(sound: np.ndarray) -> float:
    """One moment after the other, one pair after the other."""
    hop, size = 80, 256
    spectrum = ShortTimeFFT(get_window("hann", size), hop, RATE)
    matrix = mel_matrix(RATE, size, 40).astype(np.float64)
    found = []
    first = 2 * hop  # the first glance that sees nothing before the sound
    length = round(MOMENT * RATE)
    while first + length + hop <= len(sound):
        power = np.zeros(40)
        for at in range(first, first + length, hop):
            piece = sound[at - size // 2 : at + size // 2].astype(np.float64)
            power += matrix @ np.abs(spectrum.fac_magnitude * size * np.fft.rfft(piece * spectrum.win) / size) ** 2
        found.append(power)
        first += length
    loudest = max(power.sum() for power in found)
    spectra = []
    for power in found:
        if power.sum() > loudest * 10 ** (-SOUNDING_DB / 10):
            level = 10 * np.log10(np.maximum(power, power.max() * 10 ** (-DEPTH_DB / 10)))
            spectra.append(level - level.mean())
    pairs = [
        math.sqrt(float(np.mean((spectra[a] - spectra[b]) ** 2)))
        for a in range(len(spectra))
        for b in range(len(spectra))
        if a != b
    ]
    return sum(pairs) / len(pairs)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.5, 2.0))
def test_it_is_what_a_plain_loop_finds(seed: int, seconds: float) -> None:
    random = np.random.default_rng(seed)
    parts = [tone(random.uniform(100, 3500), seconds / 4) * random.uniform(0.003, 0.9) for _ in range(4)]
    sound = np.concatenate(parts) + 1e-3 * random.standard_normal(4 * len(parts[0]))
    assert movement_of(sound.astype(np.float32), RATE) == pytest.approx(slowly(sound.astype(np.float32)), rel=1e-3)


def test_one_frame_for_ever_moves_by_nothing_and_noise_hardly() -> None:
    random = np.random.default_rng(0)
    frame = random.standard_normal(80)
    forever = np.resize(frame, 2 * RATE).astype(np.float32)
    assert movement_of(forever, RATE) < 1e-3
    assert movement_of(np.concatenate([tone(300), tone(900)]), RATE) > 5
    assert movement_of(random.standard_normal(2 * RATE).astype(np.float32), RATE) < 2


def test_growing_louder_is_no_movement_and_levels_do_not_count() -> None:
    steady = tone(300, 2) + 0.1 * tone(1700, 2)
    swelling = steady * np.linspace(0.1, 1, steady.size, dtype=np.float32)
    assert movement_of(swelling, RATE) < 0.1
    vowels = np.concatenate([tone(300), tone(900)])
    assert movement_of(np.float32(1e-2) * vowels, RATE) == pytest.approx(movement_of(vowels, RATE), rel=1e-4)


def test_silence_is_left_out_and_what_is_too_short_is_not_told() -> None:
    faded = tone(300) * np.sin(np.pi * T).astype(np.float32) ** 2
    twice = np.concatenate([faded, np.zeros(RATE, np.float32), faded])
    assert movement_of(twice, RATE) < 0.05 * movement_of(np.concatenate([faded, tone(900)]), RATE)
    assert movement_of(np.zeros(RATE, np.float32), RATE) == 0
    click = np.zeros(RATE, np.float32)
    click[4000] = 1
    assert movement_of(click, RATE) == 0
    assert math.isnan(movement_of(tone(300, 0.15), RATE))
    assert math.isnan(movement_of(np.zeros(0, np.float32), RATE))


def test_of_a_set_it_is_the_mean_of_those_long_enough() -> None:
    still, moving = tone(300), np.concatenate([tone(300, 0.5), tone(900, 0.5)])
    mean = (movement_of(still, RATE) + movement_of(moving, RATE)) / 2
    assert movement([still, moving, tone(300, 0.1)], RATE) == pytest.approx(mean)
    assert math.isnan(movement([], RATE))


def test_very_long_sounds_are_looked_at_here_and_there() -> None:
    vowels = np.concatenate([tone(300, 0.5), tone(900, 0.5)])
    assert movement_of(np.tile(vowels, 120), RATE) == pytest.approx(movement_of(np.tile(vowels, 20), RATE), rel=0.2)
