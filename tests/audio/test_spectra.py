"""The short-time transform against torch, its inverse against the signal, mel against its definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.audio.spectra import hz_to_mel, istft, mel_matrix, mel_spectrogram, mel_to_hz, stft


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


@pytest.mark.parametrize("hop", [64, 128, 100])
def test_it_is_the_transform_torch_computes(hop: int) -> None:
    x = noise(2, 30 * hop)
    theirs = torch.stft(
        torch.from_numpy(x), 256, hop, window=torch.hann_window(256), pad_mode="constant", return_complex=True
    )
    np.testing.assert_allclose(stft(x, 256, hop), theirs.numpy(), atol=2e-5)


@given(
    time=st.integers(1, 700),
    half=st.integers(1, 80),
    share=st.floats(0.05, 1.0),
    window=st.sampled_from(["hann", "hamming"]),
    seed=st.integers(0, 99),
)
@settings(max_examples=30, deadline=None)
def test_the_inverse_brings_the_signal_back(time: int, half: int, share: float, window: str, seed: int) -> None:
    x = noise(2, time, seed=seed)
    hop = max(1, int(half * share))
    X = stft(x, 2 * half, hop, window)
    assert X.shape == (2, half + 1, 1 + math.ceil(time / hop))
    np.testing.assert_allclose(istft(X, hop, time, window), x, atol=1e-5)


def test_the_inverse_is_the_least_squares_signal() -> None:
    # an altered spectrogram: no signal has it, and the nearest one is where the error's gradient vanishes
    rng = np.random.default_rng(0)
    X = stft(noise(200), 32, 8) * rng.uniform(0.5, 1.5, (17, 26)).astype(np.float32)
    y = istft(X, 8, 200)

    def distance(signal: np.ndarray) -> float:
        difference = np.abs(stft(signal, 32, 8) - X) ** 2
        return float(difference[1:-1].sum() * 2 + difference[[0, -1]].sum())  # both halves of the spectrum

    assert all(distance(y) < distance(y + 1e-2 * noise(200, seed=seed)) for seed in range(20))


def test_impossible_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="n_fft = 255: must be even"):
        stft(noise(1000), 255, 64)
    for hop in (0, 129):
        with pytest.raises(ValueError, match="must be 1 to n_fft / 2 = 128"):
            stft(noise(1000), 256, hop)
    with pytest.raises(ValueError, match="time = 100"):
        istft(stft(noise(1000), 256, 64), 64, 100)


def test_mel_bands_are_the_triangles_of_the_definition() -> None:
    rate, n_fft, bands, low, high = 16_000, 512, 20, 100.0, 7000.0
    matrix = mel_matrix(rate, n_fft, bands, low, high)

    def mel(hz: float) -> float:
        return 1127.01048 * math.log(1 + hz / 700)  # the same scale with the natural logarithm

    corners = [700 * (math.exp((mel(low) + (mel(high) - mel(low)) * i / 21) / 1127.01048) - 1) for i in range(22)]
    for band in range(bands):
        a, b, c = corners[band : band + 3]
        for k in range(n_fft // 2 + 1):
            f = k * rate / n_fft
            expected = (f - a) / (b - a) if a < f <= b else (c - f) / (c - b) if b < f < c else 0.0
            assert matrix[band, k] == pytest.approx(expected, abs=1e-5)


def test_neighbouring_bands_share_every_frequency_between_them() -> None:
    matrix = mel_matrix(48_000, 2048, 40, 50.0, 20_000.0)
    f = np.arange(1025) * 48_000 / 2048
    centres = mel_to_hz(np.linspace(hz_to_mel(50.0), hz_to_mel(20_000.0), 42))
    inside = (f > centres[1]) & (f < centres[-2])
    np.testing.assert_allclose(matrix.sum(axis=0)[inside], 1.0, atol=1e-5)


def test_mel_and_hz_are_inverses_and_meet_at_1000() -> None:
    hz = np.geomspace(1, 20_000, 50)
    np.testing.assert_allclose(mel_to_hz(hz_to_mel(hz)), hz)
    assert float(hz_to_mel(1000.0)) == pytest.approx(1000.0, abs=0.02)


def test_a_tone_lights_up_its_band() -> None:
    x = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000).astype(np.float32)
    bands = mel_spectrogram(x, 16_000, 1024, 256, 32)
    centres = mel_to_hz(np.linspace(0, hz_to_mel(8000.0), 34))[1:-1]
    assert bands.shape == (32, 64)
    assert bands[:, 30].argmax() == np.abs(centres - 1000).argmin()


@pytest.mark.parametrize(("bands", "low", "high"), [(0, 0, None), (10, 500, 400), (10, -1, None), (10, 0, 9000)])
def test_impossible_bands_are_refused(bands: int, low: float, high: float | None) -> None:
    with pytest.raises(ValueError, match="within 0 to 8000"):
        mel_matrix(16_000, 512, bands, low, high)
