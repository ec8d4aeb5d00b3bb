"""Instruments and music: in tune, dying away as asked, within their level, and the same for the same seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from wavewright.audio.instruments import hat, horn, kick_808, plucked_string, snare
from wavewright.audio.music import drum_loop, riff
from wavewright.audio.recording import FloatArray

RATE = 48_000


def pitch(x: FloatArray, near: float) -> float:
    """The strongest frequency within a semitone or two of ``near``, to a small part of a bin."""
    size = 1 << 20
    spectrum = np.abs(np.fft.rfft(x * np.hanning(len(x)), size))
    low, high = int(near * 0.9 / RATE * size), int(near * 1.1 / RATE * size)
    return float((low + spectrum[low:high].argmax()) * RATE / size)


@pytest.mark.parametrize("hz", [41.2, 82.41, 196.0, 440.0, 1318.5, 3520.0])
@pytest.mark.parametrize("muted", [False, True])
def test_a_string_is_in_tune_within_a_cent(hz: float, muted: bool) -> None:
    x = plucked_string(hz, 1.5, RATE, ring_seconds=8.0, muted=muted)
    cents = 1200 * np.log2(pitch(x[2400:], hz) / hz)
    assert abs(cents) < 1.0


@pytest.mark.parametrize(("hz", "ring"), [(82.41, 2.0), (220.0, 4.0)])
def test_the_fundamental_dies_away_as_asked(hz: float, ring: float) -> None:
    x = plucked_string(hz, 2.0, RATE, ring_seconds=ring).astype(np.float64)
    t = np.arange(len(x)) / RATE
    periods = round(0.5 * hz) / hz  # whole periods, so that other harmonics do not leak in
    span = round(periods * RATE)

    def fundamental(start: float) -> float:
        at = slice(round(start * RATE), round(start * RATE) + span)
        return float(np.abs(np.sum(x[at] * np.hanning(span) * np.exp(-2j * np.pi * hz * t[at]))))

    fall = 20 * np.log10(fundamental(1.2) / fundamental(0.2))
    assert fall == pytest.approx(-60 / ring, abs=0.3)


def test_a_muted_string_is_shorter_and_a_soft_one_darker() -> None:
    def energy_after(x: FloatArray) -> float:
        return float(np.square(x[RATE // 2 :]).sum() / np.square(x).sum())

    def brightness(x: FloatArray) -> float:
        power = np.abs(np.fft.rfft(x)) ** 2
        return float(power[len(power) // 8 :].sum() / power.sum())

    plain = plucked_string(110, 1.0, RATE)
    assert energy_after(plucked_string(110, 1.0, RATE, muted=True)) < 0.1 * energy_after(plain)
    assert brightness(plucked_string(110, 1.0, RATE, softness=0.8)) < 0.3 * brightness(plain)


@pytest.mark.parametrize("position", [0.5, 0.25])
def test_harmonics_with_a_node_at_the_pick_are_missing(position: float) -> None:
    hz = RATE / 400  # a whole number of samples, so that the comb is exact
    x = plucked_string(hz, 1.0, RATE, softness=0.0, pick_position=position)[4000:].astype(np.float64)
    spectrum = np.abs(np.fft.rfft(x * np.hanning(len(x))))
    level = [spectrum[round(k * hz * len(x) / RATE)] for k in range(1, 9)]
    node = round(1 / position)
    missing, present = level[node - 1], np.median(level)
    assert missing < 0.03 * present


def test_a_string_refuses_what_it_cannot_play() -> None:
    for hz in (10.0, 7000.0, float("nan")):
        with pytest.raises(ValueError, match="must be 20 to 6000"):
            plucked_string(hz, 1.0, RATE)
    for bad in ({"softness": 1.0}, {"pick_position": 0.0}, {"ring_seconds": 0.0}):
        with pytest.raises(ValueError, match="must be 0 to below 1, above 0"):
            plucked_string(110, 1.0, RATE, **bad)


@pytest.mark.parametrize("hz", [110.0, 440.0, 1800.0])
def test_a_horn_is_in_tune_and_has_but_breath_between_its_partials(hz: float) -> None:
    x = horn(hz, 2.0, RATE)
    assert abs(1200 * np.log2(pitch(x, hz) / hz)) < 5.0  # of a vibrato of 7 cents either way
    partials = np.arange(1, 6) * hz
    power = np.abs(np.fft.rfft(x * np.hanning(len(x)))) ** 2
    at = np.fft.rfftfreq(len(x), 1 / RATE)
    near = (np.abs(at[:, None] - partials) < 0.02 * partials + 12).any(axis=1)
    below = at < 5.5 * hz
    assert power[below & ~near].sum() < 3e-3 * power[below].sum()


def test_a_horn_is_brighter_where_it_is_louder_and_where_asked() -> None:
    def brightness(x: FloatArray) -> float:
        power = np.abs(np.fft.rfft(x * np.hanning(len(x)))) ** 2
        return float(power[round(3000 * len(x) / RATE) :].sum() / power.sum())

    x = horn(220.0, 2.0, RATE, brightness=0.5)
    assert brightness(x[RATE // 5 : RATE // 2]) > 2 * brightness(x[3 * RATE // 2 : 9 * RATE // 5])
    assert brightness(horn(220.0, 1.0, RATE, brightness=1.0)) > 2 * brightness(horn(220.0, 1.0, RATE, brightness=0.2))


def test_a_horn_is_the_sum_of_partials_in_phase() -> None:
    hz, time = 500.0, 2400
    x = horn(hz, time / RATE, RATE, brightness=1.0).astype(np.float64)
    t = np.arange(time) / RATE
    dice = np.random.default_rng(0)
    loudness = np.minimum(t / 0.03, 1) * np.exp(-1.5 * t / 0.05) * np.minimum((0.05 - t) / 0.04, 1)
    vibrato = 0.004 * np.sin(2 * np.pi * (5.5 * t + dice.random())) * t / 0.2
    phase = 2 * np.pi * np.cumsum(hz * (1 + vibrato)) / RATE
    wanted = np.zeros(time)
    for k in range(1, int(RATE / 2 / (1.01 * hz)) + 1):
        wanted += np.exp(-k * hz / (600 + 6200 * loudness)) * np.cos(k * phase)
    wanted += 0.01 * np.abs(wanted).max() * dice.standard_normal(time)
    wanted *= loudness
    np.testing.assert_allclose(x, 0.5 * wanted / np.abs(wanted).max(), atol=1e-6)


def test_a_horn_refuses_what_it_cannot_play() -> None:
    for told in ({"hz": 10.0}, {"hz": 7000.0}, {"hz": 220.0, "brightness": 1.5}):
        with pytest.raises(ValueError, match="must be 20 to 6000"):
            horn(seconds=1.0, rate=RATE, **told)


def test_the_kick_falls_to_its_pitch_and_dies_away() -> None:
    x = kick_808(0.8, RATE, hz=50.0, ring_seconds=0.8)
    assert pitch(x[RATE // 5 :], 50.0) == pytest.approx(50.0, abs=1.0)
    crossings = np.flatnonzero(np.diff(np.signbit(x[: RATE // 20])))
    assert RATE / (2 * np.diff(crossings)[2:4].mean()) > 70  # still on its way down
    assert np.abs(x[-RATE // 20 :]).max() < 0.005


def test_the_hat_is_all_highs() -> None:
    power = np.abs(np.fft.rfft(hat(0.2, RATE))) ** 2
    assert power[: round(0.2 * 5000)].sum() < 0.01 * power.sum()


SEEDED: list[Callable[[int], FloatArray]] = [
    lambda seed: plucked_string(110, 0.5, RATE, 0.6, seed=seed),
    lambda seed: horn(110, 0.5, RATE, 0.6, seed=seed),
    lambda seed: kick_808(0.5, RATE, 0.6, seed=seed),
    lambda seed: snare(0.3, RATE, 0.6, seed=seed),
    lambda seed: hat(0.1, RATE, 0.6, seed=seed),
    lambda seed: riff(10.0, RATE, 0.6, seed=seed),
    lambda seed: drum_loop(5.0, RATE, 0.6, seed=seed),
]


@pytest.mark.parametrize("play", SEEDED)
def test_everything_keeps_its_level_and_its_seed(play: Callable[[int], FloatArray]) -> None:
    x = play(1)
    assert x.dtype == np.float32
    assert np.abs(x).max() == pytest.approx(0.6, rel=1e-6)
    np.testing.assert_array_equal(x, play(1))
    assert not np.array_equal(x, play(2))


def test_the_riff_has_dynamics_registers_and_rests() -> None:
    x = riff(60.0, RATE, seed=0)
    level = 20 * np.log10(np.sqrt((x.reshape(-1, RATE // 10) ** 2).mean(axis=1)) + 1e-9)
    assert (level < -80).mean() > 0.01
    assert np.percentile(level[level > -80], 90) - np.percentile(level[level > -80], 10) > 15
    power = np.abs(np.fft.rfft(x)) ** 2
    hz = np.fft.rfftfreq(len(x), 1 / RATE)
    for low, high in ((35, 80), (80, 330), (330, 1300), (1300, 5000)):
        assert power[(hz >= low) & (hz < high)].sum() > 1e-3 * power.sum()
    assert abs(x.mean()) < 1e-4


@pytest.mark.parametrize("rate", [4000, 8000, 44_100, 96_000])
def test_music_plays_at_any_rate_and_length(rate: int) -> None:
    for play in (riff, drum_loop):
        for seconds in (0.01, 20.0):
            assert play(seconds, rate).shape == (round(seconds * rate),)
