"""Alignment against devices whose delay, polarity and clock are known, and against the real pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from wavewright.audio import files
from wavewright.audio.recording import FloatArray, Recording
from wavewright.audio.warp import read_at
from wavewright.data.align import Alignment, align, apply, mono
from wavewright.data.arrival import minimum_phase
from wavewright.data.clicks import find_clicks
from wavewright.data.correlate import Line, coarse_lags, phase_lag, stretches
from wavewright.errors import PairError

RATE = 24_000
CUT = 72_000


def plucks(seconds: float, seed: int, rate: int = RATE) -> FloatArray:
    """Decaying noise bursts and tones at random times: sound with attacks, like an instrument."""
    random = np.random.default_rng(seed)
    x = np.zeros(int(seconds * rate))
    for start in range(0, len(x), rate // 5):
        at = start + int(random.integers(0, rate // 10))
        t = np.arange(min(rate // 2, len(x) - at)) / rate
        tone = np.sin(2 * np.pi * random.uniform(80, 900) * t) + 0.4 * random.standard_normal(len(t))
        x[at : at + len(t)] += random.uniform(0.05, 0.5) * np.exp(-t * random.uniform(4, 20)) * tone
    return np.asarray(0.5 * x / np.abs(x).max(), dtype=np.float32)


def device(x: FloatArray, drive: float, cutoff: float, noise_db: float, seed: int = 0) -> FloatArray:
    """A clipper, a second-order low-pass and noise."""
    y = np.tanh(drive * x.astype(np.float64)) / np.tanh(drive)
    y = signal.sosfilt(signal.butter(2, cutoff, fs=RATE, output="sos"), y)
    y = 0.5 * y / np.abs(y).max()
    return np.asarray(y + 10 ** (noise_db / 20) * np.random.default_rng(seed).standard_normal(len(y)), dtype=np.float32)


def moved(x: FloatArray, delay: int) -> FloatArray:
    return np.concatenate([np.zeros(delay, np.float32), x]) if delay >= 0 else x[-delay:]


def with_clicks(x: FloatArray, rate: int = RATE) -> FloatArray:
    pause = np.zeros(rate // 5, np.float32)
    click = np.array([0.9, -0.5], np.float32)
    return np.concatenate([pause, click, pause, x, pause, click, pause])


def one(x: FloatArray, rate: int = RATE) -> Recording:
    return Recording(x[None], rate)


@settings(max_examples=12, deadline=None)
@given(
    delay=st.integers(-6000, 12000),
    polarity=st.sampled_from([1, -1]),
    drive=st.sampled_from([0.1, 3.0, 30.0]),
    cutoff=st.sampled_from([1500.0, 4000.0, 10000.0]),
    noise=st.sampled_from([-90.0, -60.0]),
    gain=st.sampled_from([0.05, 1.0]),
    offset=st.sampled_from([0.0, 0.1]),
    extra=st.integers(-8000, 8000),
    seed=st.integers(0, 5),
)
def test_correlation_finds_delay_to_the_early_side(
    delay: int,
    polarity: int,
    drive: float,
    cutoff: float,
    noise: float,
    gain: float,
    offset: float,
    extra: int,
    seed: int,
) -> None:
    dry = plucks(8, seed)
    wet = moved(device(dry, drive, cutoff, noise), delay)
    wet = wet[:extra] if extra < 0 else np.concatenate([wet, np.zeros(extra, np.float32)])
    found = align(one(dry), one(np.float32(gain * polarity) * wet + np.float32(offset)))
    assert found.method == "correlation"
    assert found.polarity == polarity
    assert found.drift_ppm == 0
    assert -10 <= found.delay_samples - delay <= 1, (found.delay_samples, delay)


@settings(max_examples=10, deadline=None)
@given(delay=st.integers(-3000, 9000), polarity=st.sampled_from([1, -1]), drive=st.sampled_from([0.1, 30.0]))
def test_clicks_give_the_exact_first_arrival(delay: int, polarity: int, drive: float) -> None:
    dry = with_clicks(plucks(6, 1))
    wet = moved(device(dry, drive, 6000, -90), delay) * np.float32(polarity)
    found = align(one(dry), one(wet))
    assert (found.method, found.delay_samples, found.polarity) == ("clicks", delay, polarity)


def test_identical_recordings_have_no_delay_and_a_fraction_is_reported() -> None:
    dry = plucks(8, 2)
    same = align(one(dry), one(dry))
    assert (same.delay_samples, same.polarity, same.drift_ppm) == (0, 1, 0.0)
    assert abs(same.delay) < 0.1
    clicked = with_clicks(dry)
    late = read_at(moved(clicked, 50)[None], -0.4, 1.0, len(clicked) + 50)[0]
    found = align(one(clicked), one(late))
    assert 49 <= found.delay_samples <= 50
    assert found.delay == pytest.approx(50.4, abs=0.1)


def test_a_weak_first_arrival_counts_not_the_loudest_one() -> None:
    dry = with_clicks(plucks(8, 3))
    wet = 0.1 * moved(dry, 40) + np.pad(moved(dry, 55)[:-15], 0)
    assert int(np.argmax(np.abs(signal.correlate(wet, dry, method="fft")))) - len(dry) + 1 == 55
    assert align(one(dry), one(wet.astype(np.float32))).delay_samples == 40


@pytest.mark.parametrize("ppm", [-200.0, -30.0, 40.0, 200.0])
def test_drift_is_found_and_corrected(ppm: float) -> None:
    dry = plucks(60, 4)
    pace = 1 + 1e-6 * ppm
    answer = device(dry, 3.0, 6000, -80)
    late = np.concatenate([np.zeros(500, np.float32), answer, np.zeros(500, np.float32)])
    wet = read_at(late[None], 0.0, 1 / pace, int((len(late) - 1) * pace))[0]
    found = align(one(dry), one(wet))
    assert found.drift_ppm == pytest.approx(ppm, abs=1.0)
    went_in, came_out = apply(found, one(dry), one(wet))
    assert went_in.frames == came_out.frames > 0.99 * len(dry)
    first = phase_lag(went_in.samples[0, :RATE], came_out.samples[0, :RATE])
    last = phase_lag(went_in.samples[0, -2 * RATE :], came_out.samples[0, -2 * RATE :])
    assert abs(first - last) <= 1


@pytest.mark.parametrize("delay", [-700, 0, 450])
def test_apply_cuts_both_to_what_they_share_and_keeps_polarity(delay: int) -> None:
    dry = with_clicks(plucks(3, 5))
    wet = -moved(dry, delay)
    went_in, came_out = apply(align(one(dry), one(wet)), one(dry), one(wet))
    assert went_in.frames == came_out.frames >= len(dry) - abs(delay)
    np.testing.assert_array_equal(came_out.samples, -went_in.samples)
    assert np.shares_memory(came_out.samples, wet)


def test_apply_refuses_recordings_that_do_not_overlap() -> None:
    far = Alignment(90_000, 90_000, 1, 0.0, 1.0, 1.0, "clicks", 9.0, 1.0, 2, "")
    with pytest.raises(PairError, match="do not overlap"):
        apply(far, one(plucks(1, 0)), one(plucks(1, 0)))


def test_strangers_are_refused() -> None:
    random = np.random.default_rng(6)
    noise = np.asarray(0.1 * random.standard_normal(10 * RATE), dtype=np.float32)
    for wet in (plucks(12, 7), noise):
        with pytest.raises(PairError, match="do not belong together"):
            align(one(plucks(10, 8)), one(wet))


def test_unusable_recordings_are_refused_before_work() -> None:
    good = plucks(3, 9)
    bad = good.copy()
    bad[100:103] = np.nan
    for dry, wet, words in (
        (good, np.zeros_like(good), "wet recording is silent"),
        (np.full_like(good, 0.3), good, "dry recording is a constant 0.3"),
        (good, good[:1000], "wet recording has 1000 samples"),
        (good, bad, "3 samples that are not finite"),
    ):
        with pytest.raises(PairError, match=words):
            align(one(dry), one(wet))
    with pytest.raises(PairError, match=r"24000 Hz .* 48000 Hz"):
        align(one(good), one(good, 48_000))


def test_a_rectifier_is_a_true_pair_without_a_polarity() -> None:
    dry = plucks(20, 10)
    found = align(one(dry), one(np.abs(moved(dry, 300))))
    assert abs(found.delay_samples - 300) <= 40
    assert "no meaning" in found.explanation


def test_stereo_is_represented_by_one_channel_and_told() -> None:
    left, right = plucks(2, 11), plucks(2, 12)
    assert mono(Recording(left[None], RATE))[1] == ""
    same, words = mono(Recording(np.stack([left, left]), RATE))
    np.testing.assert_allclose(same, left, atol=1e-7)
    assert "hold the same" in words
    first, words = mono(Recording(np.stack([left, right]), RATE))
    np.testing.assert_array_equal(first, left)
    assert "differ" in words
    sounding, words = mono(Recording(np.stack([0 * left, right]), RATE))
    np.testing.assert_array_equal(sounding, right)
    assert "channel 1 of 2 is silent" in words


def test_clicks_are_told_from_music() -> None:
    music = plucks(4, 13)
    assert find_clicks(music, RATE) == []
    assert find_clicks(with_clicks(music), RATE) == [RATE // 5, 3 * (RATE // 5) + 2 + len(music)]


def test_linear_response_is_the_filter_itself() -> None:
    """Averaged cross-spectra of white noise through a known filter, against its impulse response."""
    x = np.asarray(np.random.default_rng(14).standard_normal(200_000), dtype=np.float32)
    taps = np.array([0.0, 0.5, -0.3, 0.2, 0.1])
    y = np.asarray(np.convolve(x, taps)[: len(x)], dtype=np.float32)
    found = stretches(x, y, Line(0.0), (0, len(x)), 1024, 400, groups=8)
    response, error = found.to_lags(1 / found.dry)
    heard = response[found.before : found.before + 5] / response[found.before + 1]  # stretches are scaled to one power
    np.testing.assert_allclose(heard, taps / taps[1], atol=0.02)
    assert float(np.max(error)) < 0.02


def test_coarse_lag_survives_inversion_and_distortion() -> None:
    dry = plucks(10, 15)
    wet = -np.sign(moved(dry, 7777)).astype(np.float32)
    assert abs(coarse_lags(dry, wet, RATE, 1)[0] - 7777) < 0.02 * RATE


def test_minimum_phase_of_a_maximum_phase_filter_is_its_mirror() -> None:
    flipped = np.fft.rfft([0.25, -0.6, 1.0], 1024)  # its zeros lie outside
    mirror = np.fft.rfft([1.0, -0.6, 0.25], 1024)
    np.testing.assert_allclose(minimum_phase(np.log(np.abs(flipped))), np.angle(mirror), atol=1e-9)


def test_reading_at_another_pace_is_exact_on_a_tone() -> None:
    n = np.arange(20_000)
    tone = np.sin(0.3 * n).astype(np.float32)
    read = read_at(tone[None], 100.25, 1 + 150e-6, 15_000)[0]
    expected = np.sin(0.3 * (100.25 + n[:15_000] * (1 + 150e-6)))
    np.testing.assert_allclose(read, expected, atol=2e-4)


def test_amp_is_137_samples_late(shared: Path) -> None:
    dry, wet = (files.read(shared / "audio" / "amp" / f"{name}.flac") for name in ("dry", "wet"))
    found = align(dry, wet)
    assert (found.delay_samples, found.method, found.clicks, found.drift_ppm) == (137, "clicks", 2, 0.0)
    assert found.confidence > 0.9


def test_amp_without_clicks_is_found_early(shared: Path) -> None:
    dry, wet = (files.read(shared / "audio" / "amp" / f"{name}.flac") for name in ("dry", "wet"))
    short = Recording(dry.samples[:, CUT:-CUT], dry.rate)
    for cut in (CUT, CUT - 22_000):
        found = align(short, Recording(wet.samples[:, cut : wet.frames - CUT], wet.rate))
        true = 137 + CUT - cut
        assert found.method == "correlation"
        assert found.drift_ppm == 0
        assert -8 <= found.delay_samples - true <= 0


def test_klon_inverts_without_delay_or_drift(shared: Path) -> None:
    dry = files.read(shared / "audio" / "klon" / "dry.flac")
    for gain in ("000", "100"):
        found = align(dry, files.read(shared / "audio" / "klon" / f"wet_gain{gain}.flac"))
        assert (found.delay_samples, found.polarity, found.drift_ppm) == (0, -1, 0.0)


def test_amp_and_klon_do_not_belong_together(shared: Path) -> None:
    dry = files.read(shared / "audio" / "amp" / "dry.flac", 0, 30 * 48_000)
    wet = files.read(shared / "audio" / "klon" / "wet_gain050.flac", 0, 30 * 44_100)
    with pytest.raises(PairError, match="do not belong together"):
        align(dry, Recording(wet.samples, dry.rate))


def test_a_long_looped_recording_is_matched_to_the_nearest_turn_and_its_clock() -> None:
    """Longer than the first search reaches, and the same minute over and over."""
    minute = plucks(60, 16, 8_000)
    dry = np.tile(minute, 7)
    late = np.concatenate([np.zeros(900, np.float32), dry])
    wet = read_at(late[None], 0.0, 1 / (1 + 50e-6), len(late))[0]
    found = align(one(dry, 8_000), one(wet, 8_000))
    assert found.drift_ppm == pytest.approx(50, abs=1)
    assert -6 <= found.delay_samples - 900 <= 1
