"""Distortion and noise side by side, on devices whose figures are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from wavewright.audio.recording import FloatArray
from wavewright.audio.signals import sine_sweep
from wavewright.report.bench import bench_table, on_the_same_sweep, recorded, sides, tones

RATE = 48_000


def shaper(x: FloatArray) -> FloatArray:
    """x + x²/2: of a sine of amplitude a the second harmonic is a/4 of the first."""
    return np.asarray(x + 0.5 * x**2, dtype=np.float32)


def hissing(x: FloatArray) -> FloatArray:
    noise = 1e-3 * np.random.default_rng(0).standard_normal(len(x))
    return np.asarray(shaper(x) + noise, dtype=np.float32)


def test_tones_tell_the_closed_form() -> None:
    amplitude = 10 ** (-12 / 20)
    found = tones(hissing, RATE)
    assert list(found.thd) == [100.0, 1000.0, 5000.0]
    for thd in found.thd.values():
        assert thd == pytest.approx(amplitude / 4, rel=0.01)
    assert found.floor == pytest.approx(-60, abs=0.2)
    assert found.thd_n[1000.0] > found.thd[1000.0]


def test_a_recorded_sweep_and_silence_tell_the_same() -> None:
    level = 0.25
    sweep = sine_sweep(40, 12_000, 6.0, RATE, level)
    dry = np.concatenate([np.zeros(RATE, np.float32), sweep, np.zeros(RATE, np.float32)])
    found = recorded(dry, hissing(dry), RATE)
    assert found.level_db == pytest.approx(20 * np.log10(level), abs=0.2)
    for thd in found.thd.values():
        assert thd == pytest.approx(level / 4, rel=0.1)
    assert found.floor == pytest.approx(-60, abs=0.2)
    assert on_the_same_sweep(shaper, dry, RATE)[1000.0] == pytest.approx(level / 4, rel=0.1)
    twin, device = sides(lambda x: x, None, dry, hissing(dry), RATE)
    shown = bench_table(twin, device, output_dbu=12.0)
    assert "below 0.1 %" in shown  # the twin does not distort, as far as a sweep can tell
    assert "6.2" in shown or "6.3" in shown
    assert "digital silence" in shown
    assert "dBu" in shown
    assert "cannot be known" not in shown


def test_what_the_recording_does_not_hold_is_said() -> None:
    dry = np.asarray(0.1 * np.random.default_rng(1).standard_normal(2 * RATE), dtype=np.float32)
    twin, device = sides(shaper, None, dry, shaper(dry), RATE)
    assert device.thd == {}
    assert device.floor is None
    shown = bench_table(twin, device)
    assert "THD cannot be known" in shown
    assert "noise floor cannot be known" in shown
    assert "THD + noise at 1000 Hz" in shown


def test_a_device_at_hand_is_fed_with_the_same_tones() -> None:
    twin, device = sides(shaper, hissing, np.zeros(0, np.float32), np.zeros(0, np.float32), RATE)
    assert twin.thd.keys() == device.thd.keys() == device.thd_n.keys()
    assert device.thd_n[1000.0] > twin.thd_n[1000.0]
