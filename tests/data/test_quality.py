"""Quality figures against signals of which they are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import signal

from wavewright.audio import files
from wavewright.audio.recording import FloatArray, Recording
from wavewright.data.quality import BLOCK, inspect
from wavewright.data.repeats import find_repeats, repeat_agreement

RATE = 48_000


def noise(seconds: float, seed: int = 0, level: float = 0.1) -> FloatArray:
    x = level * np.random.default_rng(seed).standard_normal(int(seconds * RATE))
    return np.asarray(x, dtype=np.float32)


def test_levels_and_dc_of_a_tone() -> None:
    tone = 0.25 + 0.5 * np.sin(2 * np.pi * 1000 / RATE * np.arange(RATE))
    quality = inspect(Recording(tone.astype(np.float32)[None], RATE))
    assert quality.peak == pytest.approx(20 * np.log10(0.75), abs=0.01)
    assert quality.rms == pytest.approx(10 * np.log10(0.25**2 + 0.125), abs=0.01)
    assert quality.dc == pytest.approx(0.25, abs=1e-6)
    assert (quality.full_scale, quality.flat_tops, quality.silence, quality.non_finite) == (0, 0, 0, 0)


@pytest.mark.parametrize("ceiling", [1.0, 0.8])
def test_clipping_is_counted_at_full_scale_and_below_it(ceiling: float) -> None:
    wave = 2 * np.sin(2 * np.pi * 97 / RATE * np.arange(3 * RATE) + 0.3)
    cut = np.clip(wave, -1, 1)
    quality = inspect(Recording((ceiling * cut).astype(np.float32)[None], RATE))
    share = float(np.mean(np.abs(cut) >= 1))
    assert quality.flat_tops == pytest.approx(share, abs=1e-4)
    assert quality.full_scale == pytest.approx(share if ceiling == 1 else 0, abs=1e-4)
    assert quality.clipped == pytest.approx(share, abs=1e-4)


def test_noise_floor_and_silence() -> None:
    x = noise(4)
    x[RATE : 2 * RATE] = noise(1, 1, 1e-4)
    x[2 * RATE : 3 * RATE] = 0
    quality = inspect(Recording(x[None], RATE))
    assert quality.noise_floor == pytest.approx(-80, abs=0.5)
    assert quality.silence == pytest.approx(0.5, abs=0.01)
    silent = inspect(Recording(np.zeros((1, RATE), np.float32), RATE))
    assert (silent.peak, silent.rms, silent.noise_floor, silent.silence) == (None, None, None, 1.0)


@pytest.mark.parametrize("cutoff", [3000.0, 8000.0, 15000.0])
def test_bandwidth_is_where_a_steep_filter_cuts(cutoff: float) -> None:
    taps = signal.firwin(2047, cutoff, fs=RATE, window=("kaiser", 14.0))
    x = signal.fftconvolve(noise(5), taps, "same").astype(np.float32)
    f, h = signal.freqz(taps, worN=1 << 16, fs=RATE)
    edge = float(f[np.flatnonzero(np.abs(h) ** 2 > 1e-9)[-1]])
    assert inspect(Recording(x[None], RATE)).bandwidth == pytest.approx(edge, abs=10 * RATE / 4096)
    assert inspect(Recording(noise(5)[None], RATE)).bandwidth > 23_900


def test_non_finite_samples_are_counted_and_left_out() -> None:
    x = np.full((2, RATE), 0.5, np.float32)
    x[0, 7], x[1, 9], x[1, 10] = np.nan, np.inf, -np.inf
    quality = inspect(Recording(x, RATE))
    assert quality.non_finite == 3
    assert quality.dc == pytest.approx(0.5, abs=1e-9)


def test_a_file_in_blocks_reads_as_the_whole(tmp_path: Path) -> None:
    x = np.stack([noise(12, 2), 0.5 * noise(12, 3)])
    x[:, : BLOCK // 3] = 0
    recording = Recording(np.clip(x, -0.2, 0.2), RATE)
    files.write(tmp_path / "long.wav", recording, subtype="FLOAT")
    assert recording.frames > 2 * BLOCK
    assert inspect(tmp_path / "long.wav") == inspect(recording)


def test_repeats_are_found_at_any_distance() -> None:
    x = noise(12)
    x[7 * RATE + 13 : 9 * RATE + 13] = x[2 * RATE : 4 * RATE]
    assert find_repeats(x, RATE) == [(2 * RATE, 7 * RATE + 13, 2 * RATE)]
    assert find_repeats(noise(12, 4), RATE) == []
    assert find_repeats(np.zeros(4 * RATE, np.float32), RATE) == []


def test_repeat_esr_tells_twice_the_noise() -> None:
    x = noise(12)
    x[7 * RATE : 10 * RATE] = x[2 * RATE : 5 * RATE]
    hiss = noise(12, 5, 0.01)
    found = repeat_agreement(x, x + hiss, RATE)
    assert found is not None
    assert found.esr == pytest.approx(2 * 0.01**2 / (0.1**2 + 0.01**2), rel=0.05)
    assert found.best_esr == found.esr / 2
    exact = repeat_agreement(x, x, RATE)
    assert exact is not None
    assert exact.esr == 0
    assert repeat_agreement(noise(5, 6), noise(5, 7), RATE) is None


def test_klon_sits_at_full_scale(shared: Path) -> None:
    quality = inspect(shared / "audio" / "klon" / "wet_gain050.flac")
    assert quality.full_scale == pytest.approx(0.28, abs=0.002)
    assert quality.dc == pytest.approx(-0.37, abs=0.01)
