"""The search for copies against looking everywhere, one excerpt at a time; planted copies; what is no copy."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.audio.files import read
from wavewright.metrics import memorisation as module
from wavewright.metrics.logmel import hop_of, log_mel
from wavewright.metrics.memorisation import Copies, Nearest


def noise(samples: int, seed: int = 0, level: float = 0.1) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(dtype=np.float64), b - b.mean(dtype=np.float64)
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return abs(float(a @ b)) / size if size > 1e-9 else 0.0


@settings(deadline=None, max_examples=15)
@given(
    sizes=st.lists(st.integers(1, 400), min_size=1, max_size=3),
    size=st.integers(2, 100),
    length=st.integers(8, 60),
    seed=st.integers(0, 999),
)
def test_the_best_correlation_is_found_wherever_it_is(sizes: list[int], size: int, length: int, seed: int) -> None:
    training = [np.cumsum(noise(each, seed + at)) for at, each in enumerate(sizes)]
    sound = np.cumsum(noise(size, seed + 99))
    copies = Copies(training, rate=8000, seconds=length / 8000)
    copies._fft = 256  # several blocks even for these few samples
    found = copies.nearest(sound)
    best = 0.0
    last = max(0, size - length)
    padded = [np.pad(other, (0, max(0, length - other.size))) for other in training]
    for at in {*range(0, last, length // 4), last}:
        window = np.pad(sound[at : at + length], (0, max(0, length - size)))
        for other in padded:
            best = max(best, *(likeness(window, other[k : k + length]) for k in range(other.size - length + 1)), 0.0)
    if np.std(sound) < 1e-4:
        return  # too quiet to be looked at
    assert found.correlation == pytest.approx(best, abs=2e-3)
    there = padded[found.sound][found.start : found.start + length]
    window = np.pad(sound, (0, length))[found.at : found.at + length]
    assert likeness(window, there) == pytest.approx(found.correlation, abs=2e-3)


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100])
@pytest.mark.parametrize("gain", [0.02, -1.5])
def test_a_planted_copy_is_found_where_it_came_from(rate: int, gain: float) -> None:
    training = [noise(2 * rate, seed, level=0.2) for seed in range(4)]
    sound = noise(rate, 50, level=0.2 * abs(gain))
    begin, source = rate // 3, rate // 7 + 1
    copied = slice(begin, begin + rate // 2)
    sound[copied] = gain * training[2][source : source + rate // 2] + noise(rate // 2, 51, level=0.02 * abs(gain))
    found = Copies(training, rate).nearest(sound)
    assert found.sound == 2
    assert found.start - found.at == source - begin
    assert found.correlation == pytest.approx(1 / math.sqrt(1.01), abs=2e-3)  # 20 dB of noise
    assert found.distance < 2.5
    assert found.distance_sound == 2
    assert abs(found.distance_start - (found.at + source - begin)) < rate  # some window of the copy
    under = found.aligned(training[2], sound.size)
    assert likeness(under[copied], sound[copied]) == pytest.approx(1 / math.sqrt(1.01), abs=2e-3)
    assert under.size == sound.size


def test_what_lies_under_a_sound_is_silent_beyond_the_ends_of_the_training_sound() -> None:
    ramp = np.arange(1, 6, dtype=np.float32)
    for start, at, expected in ((0, 2, [0, 0, 1, 2, 3, 4]), (3, 1, [3, 4, 5, 0, 0, 0]), (4, 0, [5, 0, 0, 0, 0, 0])):
        found = Nearest(1.0, 0, start, at, 2, 0.0, 0, 0)
        np.testing.assert_array_equal(found.aligned(ramp, 6), expected)


def test_independent_noise_is_no_copy() -> None:
    training = [noise(40_000, seed) for seed in range(3)]
    found = Copies(training, rate=8000).nearest(noise(16_000, 9))
    assert found.correlation < 5.5 / math.sqrt(2000)  # the largest of a million chance correlations of 2000 samples
    assert found.distance > 3


def test_the_least_distance_is_that_of_looking_at_every_frame() -> None:
    rate, seconds = 8000, 0.1
    training = [np.cumsum(noise(3000 + 700 * at, at, level=0.02)).astype(np.float32) for at in range(3)]
    sound = np.cumsum(noise(1600, 9, level=0.02)).astype(np.float32)
    found = Copies(training, rate, seconds).nearest(sound)
    hop, frames = hop_of(rate), 10
    best = (math.inf, 0, 0)
    for at in (0, 400, 800):
        asked = log_mel(sound, rate)[:, round(at / hop) :][:, :frames]
        for number, other in enumerate(training):
            spectra = log_mel(other, rate)
            for frame in range(spectra.shape[1] - frames + 1):
                there = spectra[:, frame : frame + frames]
                difference = (asked - asked.mean()) - (there - there.mean())
                best = min(best, (float(np.sqrt(np.mean(difference**2))), number, frame * hop))
    assert (found.distance, found.distance_sound, found.distance_start) == (pytest.approx(best[0], abs=1e-3), *best[1:])


def test_neither_blocks_nor_company_change_what_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    rate = 44_100
    training = [np.cumsum(noise(size, seed, 0.02)) for seed, size in enumerate((60_000, 300, 100_000))]
    sounds = [np.cumsum(noise(size, 10 + size, 0.02)) for size in (30_000, 5_000, 40_000, 0)]
    together = Copies(training, rate).nearest_all(sounds)
    monkeypatch.setattr(module, "_FFT", 1)
    monkeypatch.setattr(module, "_TOGETHER", 3)
    monkeypatch.setattr(module, "_PART", 0.7)
    copies = Copies(training, rate)
    for one, sound in zip(together, sounds, strict=True):
        alone = copies.nearest(sound)
        assert alone.correlation == pytest.approx(one.correlation, abs=1e-5)
        assert (alone.sound, alone.start, alone.at) == (one.sound, one.start, one.at)
        if sound.size:
            assert alone.distance == pytest.approx(one.distance, abs=0.1)  # parts of sounds have edges of their own


def test_silence_is_like_nothing() -> None:
    rate = 8000
    nothing = Nearest(0.0, 0, 0, 0, 2000, math.inf, 0, 0)
    copies = Copies([noise(8000)], rate)
    for sound in (np.zeros(8000, np.float32), np.full(8000, 0.5, np.float32), np.zeros(0, np.float32)):
        assert copies.nearest(sound) == nothing
    assert Copies([], rate).nearest(noise(8000)) == nothing
    quiet = Copies([np.zeros(9000, np.float32)], rate).nearest(noise(8000))
    assert (quiet.correlation, quiet.distance) == (0.0, math.inf)


def test_a_short_sound_is_found_with_the_silence_around_it() -> None:
    rate = 8000
    clicks = [noise(600, seed) for seed in range(5)]  # shorter than a window
    sound = np.concatenate([clicks[3], np.zeros(3000, np.float32)])
    found = Copies(clicks, rate).nearest(sound)
    assert (found.sound, found.start, found.at) == (3, 0, 0)
    assert found.correlation == pytest.approx(1.0, abs=1e-4)


@pytest.mark.shared
def test_held_out_words_are_no_copies_and_trained_ones_are(shared: Path) -> None:
    def spoken(take: int) -> list[np.ndarray]:
        return [read(path).samples[0] for path in sorted((shared / "audio" / "digits").glob(f"*_{take}.wav"))]

    training = spoken(10) + spoken(11)
    copies = Copies(training, 8000)
    held_out = copies.nearest_all(spoken(5)[::6])
    assert max(one.correlation for one in held_out) < 0.93
    first = spoken(5)[7]
    number = next(n for n, sound in enumerate(training) if n > 60 and sound.size > 1.25 * copies.length)
    found = copies.nearest(np.concatenate([first, training[number] * np.float32(0.5)]))
    assert found.correlation > 0.99
    assert (found.sound, found.start - found.at) == (number, -first.size)
