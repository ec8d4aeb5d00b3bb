"""Griffin-Lim: magnitudes come about, and what is fixed stays as it is."""

from __future__ import annotations

import numpy as np

from wavewright.audio.griffin_lim import griffin_lim
from wavewright.audio.music import drum_loop
from wavewright.audio.spectra import stft


def convergence(y: np.ndarray, wanted: np.ndarray, hop: int) -> float:
    return float(np.linalg.norm(np.abs(stft(y, 256, hop)) - wanted) / np.linalg.norm(wanted))


def test_the_magnitudes_come_about() -> None:
    x = drum_loop(1.0, 8000)
    wanted = np.abs(stft(x, 256, 64))
    one, many = (griffin_lim(wanted, 64, len(x), rounds=rounds) for rounds in (1, 40))
    assert convergence(many, wanted, 64) < 0.8 * convergence(one, wanted, 64)
    assert convergence(many, wanted, 64) < 0.065


def test_what_is_known_stays() -> None:
    x = np.sin(np.arange(4000) / 7).astype(np.float32)
    wanted = np.abs(stft(x, 256, 64))
    y = griffin_lim(wanted, 64, len(x), known=x[:2000])
    assert np.array_equal(y[:2000], x[:2000])
    # the tone goes on in phase: magnitudes alone would not tell it where it stands
    assert np.abs(y[2000:2300] - x[2000:2300]).max() < 0.3


def test_the_same_seed_gives_the_same_sound() -> None:
    wanted = np.abs(stft(drum_loop(0.3, 8000), 256, 64))
    one, same, other = (griffin_lim(wanted, 64, 2400, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
