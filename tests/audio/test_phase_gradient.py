"""Phases from magnitudes: tones come back as tones and clicks as clicks, better than by going back and forth."""

from __future__ import annotations

import numpy as np
import pytest

from wavewright.audio.phase_gradient import phases
from wavewright.audio.recording import FloatArray
from wavewright.audio.spectra import istft, stft

N, HOP, RATE = 512, 64, 16_000


def rebuilt(x: FloatArray, known: int = 0) -> FloatArray:
    X = stft(x, N, HOP)
    found = phases(np.abs(X), HOP, known=np.angle(X[:, :known]) if known else None)
    return istft((np.abs(X) * np.exp(1j * found)).astype(np.complex64), HOP, len(x))


def missed(y: FloatArray, x: FloatArray) -> float:
    """Spectral convergence: how far the magnitudes are from those asked for."""
    wanted = np.abs(stft(x, N, HOP))
    return float(np.linalg.norm(np.abs(stft(y, N, HOP)) - wanted) / np.linalg.norm(wanted))


@pytest.mark.parametrize("hz", [180.0, 440.0, 1234.5, 6000.0])
def test_a_steady_tone_stays_one(hz: float) -> None:
    x = np.sin(2 * np.pi * hz * np.arange(8000) / RATE).astype(np.float32)
    y = rebuilt(x)[1000:7000]
    spectrum = np.abs(np.fft.rfft(y * np.hanning(len(y)))) ** 2
    bin_ = round(hz * len(y) / RATE)
    assert spectrum[bin_ - 4 : bin_ + 5].sum() > 0.98 * spectrum.sum()


@pytest.mark.parametrize("at", [1500, 3000, 4001])
def test_a_click_stays_in_its_place(at: int) -> None:
    x = np.zeros(6000, np.float32)
    x[at] = 1.0
    y = rebuilt(x)
    # half a millisecond, of frames of 32
    assert abs(int(np.abs(y).argmax()) - at) <= 8
    assert np.square(y[at - 16 : at + 17]).sum() > 0.9 * np.square(y).sum()


def test_a_falling_tone_comes_back() -> None:
    t = np.arange(8000) / RATE
    x = (np.sin(2 * np.pi * (200 * t + 12 * (1 - np.exp(-t / 0.04)))) * np.exp(-t / 0.15)).astype(np.float32)
    dice = np.random.default_rng(0)
    guessed = np.abs(stft(x, N, HOP)) * np.exp(2j * np.pi * dice.random((N // 2 + 1, 126)))
    assert missed(rebuilt(x), x) < 0.12
    assert missed(rebuilt(x), x) < 0.3 * missed(istft(guessed.astype(np.complex64), HOP, len(x)), x)


def test_it_goes_on_from_phases_that_are_known() -> None:
    x = np.sin(2 * np.pi * 700 * np.arange(6000) / RATE).astype(np.float32)
    y = rebuilt(x, known=20)
    # the sound itself, not one like it: its sign and place follow from the frames known
    assert np.abs(y[1400:3000] - x[1400:3000]).max() < 0.25


def test_silence_asks_for_nothing() -> None:
    assert np.isfinite(phases(np.zeros((129, 10), np.float32), 32)).all()
