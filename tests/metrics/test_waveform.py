"""Waveform figures against closed forms and textbook formulas."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.metrics.waveform import ErrorSums, error_table, esr, si_sdr, snr


def noise(*shape: int, seed: int = 0, level: float = 0.3) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


@settings(deadline=None, max_examples=30)
@given(gain=st.floats(-3, 3).filter(lambda g: abs(1 - g) > 1e-3), channels=st.integers(1, 3))
def test_a_scaled_copy(gain: float, channels: int) -> None:
    x = noise(channels, 2000).astype(np.float64)
    assert esr(gain * x, x) == pytest.approx((1 - gain) ** 2, rel=1e-9)
    assert snr(gain * x, x) == pytest.approx(-20 * math.log10(abs(1 - gain)), abs=1e-7)
    if abs(gain) > 1e-3:
        assert si_sdr(gain * x, x) > 100


def test_a_sine_with_a_known_error() -> None:
    phase = 2 * np.pi * 7 * np.arange(1000) / 1000
    x, error = np.sin(phase), 0.1 * np.cos(phase) + 0.02  # orthogonal to x: energies 1/2, 1/200 + 4e-4
    assert esr(x + error, x) == pytest.approx((0.005 + 0.0004) / 0.5, rel=1e-12)
    assert snr(x + error, x) == pytest.approx(10 * math.log10(0.5 / 0.0054), rel=1e-12)
    table = error_table(x + error, x)
    assert table.mse == pytest.approx(0.0054, rel=1e-12)
    assert table.rmse == pytest.approx(math.sqrt(0.0054), rel=1e-12)
    assert table.error_std == pytest.approx(math.sqrt(0.005), rel=1e-12)  # the offset is no deviation
    assert table.reference_std == pytest.approx(math.sqrt(0.5), rel=1e-12)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 100), gain=st.floats(0.1, 3))
def test_si_sdr_is_the_snr_after_least_squares(seed: int, gain: float) -> None:
    x = noise(3000, seed=seed).astype(np.float64)
    output = gain * (x + noise(3000, seed=seed + 1, level=0.05))
    best, *_ = np.linalg.lstsq(output[:, None], x, rcond=None)
    assert si_sdr(output, x) == pytest.approx(snr(best * output, x), abs=1e-9)
    assert si_sdr(-output, x) == pytest.approx(si_sdr(output, x), abs=1e-9)


def test_si_sdr_keeps_its_digits_when_output_and_target_nearly_agree() -> None:
    phase = 2 * np.pi * 5 * np.arange(4096) / 4096
    x = np.sin(phase)
    assert si_sdr(x + 1e-7 * np.cos(phase), x) == pytest.approx(140.0, abs=1e-3)


@settings(deadline=None, max_examples=20)
@given(cuts=st.lists(st.integers(0, 5000), max_size=6), channels=st.integers(1, 2))
def test_blocks_give_what_the_whole_gives(cuts: list[int], channels: int) -> None:
    x = noise(channels, 5000)
    output = x + noise(channels, 5000, seed=1, level=0.02)
    sums = ErrorSums()
    edges = [0, *sorted(cuts), 5000]
    for start, stop in itertools.pairwise(edges):
        sums.add(output[:, start:stop], x[:, start:stop])
    for block_wise, whole in [(sums.esr, esr(output, x)), (sums.snr, snr(output, x)), (sums.si_sdr, si_sdr(output, x))]:
        assert block_wise == pytest.approx(whole, rel=1e-12)
    assert dataclasses.astuple(sums.table) == pytest.approx(dataclasses.astuple(error_table(output, x)), rel=1e-12)
    assert sums.count == channels * 5000


def test_long_files_are_summed_in_double_precision() -> None:
    x = np.full(3_000_000, 0.1, np.float32)  # a single-precision running sum is off in the fourth digit
    assert error_table(np.zeros_like(x), x).mse == pytest.approx(float(np.float32(0.1)) ** 2, rel=1e-12)


def test_silence_is_not_dressed_up() -> None:
    silent, sound = np.zeros(10), np.ones(10)
    assert esr(sound, silent) == math.inf
    assert snr(sound, silent) == -math.inf
    assert snr(sound, sound) == math.inf
    assert esr(sound, sound) == 0.0
    assert math.isnan(esr(silent, silent))
    assert math.isnan(snr(silent, silent))
    assert si_sdr(silent, sound) == 0.0  # no gain makes silence better
    assert math.isnan(ErrorSums().table.mse)


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(ValueError, match=r"\(5,\).*\(6,\)"):
        esr(np.zeros(5), np.zeros(6))
    with pytest.raises(ValueError, match="channels, time"):
        snr(np.zeros((1, 1, 5)), np.zeros((1, 1, 5)))
