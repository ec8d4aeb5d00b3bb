"""The simple devices: curves against their formulas, blocks against the whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.audio.devices import LowPass, SoftClipper

RATE = 48_000


def test_the_soft_clipper_is_odd_rising_and_bounded() -> None:
    x = np.linspace(-1, 1, 2001, dtype=np.float32)
    y = SoftClipper(drive_db=24.0)(x, RATE)
    np.testing.assert_allclose(y, -y[::-1], atol=1e-7)
    assert (np.diff(y) >= 0).all()
    assert (y[0], y[-1]) == (-1.0, 1.0)
    gain = 10 ** (24 / 20)
    assert (y[1001] - y[999]) / (x[1001] - x[999]) == pytest.approx(gain, rel=1e-3)


@pytest.mark.parametrize("order", [1, 2, 5])
@pytest.mark.parametrize("cutoff", [200.0, 4000.0])
def test_the_low_pass_has_the_response_of_a_butterworth(order: int, cutoff: float) -> None:
    impulse = np.zeros(RATE, np.float32)
    impulse[0] = 1.0
    response = np.abs(np.fft.rfft(LowPass(cutoff, order)(impulse, RATE)))
    f = np.arange(len(response))
    warped = np.tan(np.pi * f[:-1] / RATE) / np.tan(np.pi * cutoff / RATE)
    np.testing.assert_allclose(response[:-1], 1 / np.sqrt(1 + warped ** (2 * order)), atol=1e-5)


@given(cuts=st.lists(st.integers(0, 500), max_size=6), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_blocks_equal_the_whole(cuts: list[int], seed: int) -> None:
    x = np.random.default_rng(seed).uniform(-1, 1, (2, 500)).astype(np.float32)
    for device in (SoftClipper(), LowPass(1000.0, 3)):
        state, out = None, []
        for piece in np.split(x, sorted(cuts), axis=1):
            y, state = device.process(piece, RATE, state)
            out.append(y)
        np.testing.assert_array_equal(np.concatenate(out, axis=1), device(x, RATE))


@pytest.mark.parametrize("device", [LowPass(24_000.0), LowPass(0.0), LowPass(100.0, 0)])
def test_a_low_pass_that_cannot_be_is_refused(device: LowPass) -> None:
    with pytest.raises(ValueError, match="below half the rate"):
        device(np.zeros(10, np.float32), RATE)
