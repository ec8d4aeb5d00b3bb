"""The floors against closed forms, direct least squares, and the laws of a distribution that looks back only."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from wavewright.audio.companding import QUANTIZERS, Quantizer, quantizer
from wavewright.audio.files import read
from wavewright.metrics import floors as module
from wavewright.metrics.floors import (
    TEXTBOOK,
    LpcFloor,
    LpcSettings,
    decision_edges,
    fit_lpc,
    floors,
    predictions,
    unigram_bits,
)

QUICK = LpcSettings(forgetting=(0.99,), samples=20_000)


def voice(samples: int, seed: int = 0, level: float = 0.01) -> np.ndarray:
    """Noise through two resonances: what a linear predictor is made for."""
    noise = level * np.random.default_rng(seed).standard_normal(samples)
    resonances = np.poly([0.95 * np.exp(0.3j), 0.95 * np.exp(-0.3j), 0.9 * np.exp(1.2j), 0.9 * np.exp(-1.2j)]).real
    return np.asarray(lfilter([1.0], resonances, noise), np.float32)


@pytest.fixture(scope="module")
def fitted() -> LpcFloor:
    mu = quantizer("mu-law")
    return fit_lpc([mu.encode(voice(20_000, seed)) for seed in range(3)], mu, QUICK)


def test_unigram_counts_and_adds_one() -> None:
    random = np.random.default_rng(0)
    training = [random.integers(0, 5, size) for size in (0, 7, 300)]
    counts = [1 + sum(int((codes == code).sum()) for codes in training) for code in range(6)]
    expected = [-math.log2(count / sum(counts)) for count in counts]
    assert unigram_bits(training, levels=6) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", QUANTIZERS)
def test_an_edge_is_where_the_next_code_begins(name: str) -> None:
    q = quantizer(name)
    inner = decision_edges(q)[1:-1].astype(np.float32)
    np.testing.assert_array_equal(q.encode(inner), np.arange(1, q.levels))
    np.testing.assert_array_equal(q.encode(np.nextafter(inner, np.float32(-2))), np.arange(q.levels - 1))


@settings(deadline=None, max_examples=15)
@given(past=st.lists(st.integers(0, 255), max_size=60), quiet=st.booleans())
def test_the_codes_of_a_sample_sum_to_one(fitted: LpcFloor, past: list[int], quiet: bool) -> None:
    before = np.array(past, np.int64) // (16 if quiet else 1) + (120 if quiet else 0)
    endings = [np.append(before, code).astype(np.uint8) for code in range(256)]
    total = sum(2.0 ** -fitted.bits(codes)[-1] for codes in endings)
    assert total == pytest.approx(1.0, abs=1e-12)


def test_nothing_is_known_of_the_future_and_blocks_do_not_show(
    fitted: LpcFloor, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = quantizer("mu-law").encode(voice(3000, seed=9))
    whole = fitted.bits(codes)
    other = codes.copy()
    other[2000:] = 255 - other[2000:]
    np.testing.assert_array_equal(fitted.bits(other)[:2000], whole[:2000])
    assert not np.array_equal(fitted.bits(other)[2000:], whole[2000:])
    monkeypatch.setattr(module, "_BLOCK", 333)
    np.testing.assert_allclose(fitted.bits(codes), whole, rtol=1e-12)


@pytest.mark.parametrize("ridge", [1e-3, 1.0])
def test_the_predictor_is_the_least_squares_one(ridge: float) -> None:
    q, keep = quantizer("16-bit"), 0.98
    codes = q.encode(voice(400))
    x = q.decode(codes).astype(np.float64)
    chosen = LpcSettings(order=16, ridge=ridge)
    ((_, (predicted, running)),) = predictions(q, chosen, keep, codes)
    padded = np.concatenate([np.zeros(16), x])
    pasts = np.stack([padded[t : t + 16][::-1] for t in range(400)])  # (time, order), latest first
    for t in (0, 1, 17, 200, 399):
        weight = keep ** np.arange(t - 1, -1, -1.0)
        matrix = (pasts[:t] * weight[:, None]).T @ pasts[:t] + keep**t * ridge * np.eye(16)
        taps = np.linalg.solve(matrix, (pasts[:t] * weight[:, None]).T @ x[:t])
        assert predicted[t] == pytest.approx(taps @ pasts[t], abs=1e-6)
    errors = np.abs(x - predicted)
    expected = sum(0.1 * 0.9**age * error for age, error in enumerate(errors[:300][::-1]))
    assert running[300] == pytest.approx(expected + running[0], rel=1e-9)


def test_a_predictable_sound_costs_the_entropy_of_its_innovations() -> None:
    q, level = quantizer("16-bit"), 0.01
    training = [q.encode(voice(100_000, seed, level)) for seed in range(2)]
    held_out = [q.encode(voice(100_000, 7, level))]
    found = floors(training, held_out, q, LpcSettings(forgetting=(0.99, 0.9995), samples=100_000))
    entropy = math.log2(level * math.sqrt(2 * math.pi * math.e) * 65_535 / 2)  # of a normal deviate, in steps
    assert entropy < found.lpc < entropy + 0.05
    assert found.unigram > entropy + 2
    assert found.samples == 100_000


def test_what_cannot_be_predicted_costs_all_its_bits() -> None:
    random = np.random.default_rng(0)
    training, held_out = random.integers(0, 256, (2, 30_000))
    found = floors([training], [held_out], quantizer("linear"), QUICK)
    assert 8.0 < found.lpc < 8.25
    assert 8.0 < found.unigram < 8.02


def test_a_long_silence_does_not_upset_the_predictor(fitted: LpcFloor) -> None:
    q = quantizer("16-bit")
    codes = q.encode(voice(5000))
    zeros = np.zeros(200_000, codes.dtype) + q.silence
    quiet = fit_lpc([np.concatenate([zeros, codes])], q, QUICK)
    bits = quiet.bits(np.concatenate([zeros, codes, zeros, codes]))
    assert np.isfinite(bits).all()
    assert bits[150_000:200_000].mean() < 0.3
    alone = quiet.bits(codes)[1000:].mean()
    assert bits[-4000:].mean() == pytest.approx(alone, abs=0.02)


def test_the_last_code_costs_what_it_does_whatever_the_type_of_the_codes() -> None:
    mu = quantizer("mu-law")
    loud = mu.encode(np.clip(4 * voice(4_000, level=0.1), -1, 1))  # many samples at full scale, in bytes
    assert (loud == 255).any()
    floor = fit_lpc([loud], mu, QUICK)
    assert np.isfinite(floor.bits(loud)).all()
    assert np.allclose(floor.bits(loud), floor.bits(loud.astype(np.int64)))


def test_the_best_forgetting_is_taken_and_nothing_to_learn_from_is_refused() -> None:
    q = quantizer("mu-law")
    steady = [q.encode(voice(30_000))]
    assert fit_lpc(steady, q, LpcSettings(forgetting=(0.9, 0.9995, 0.95), samples=30_000)).forgetting == 0.9995
    with pytest.raises(ValueError, match="training sounds"):
        fit_lpc([], q)
    with pytest.raises(ValueError, match="held-out"):
        floors(steady, [], q, QUICK)
    with pytest.raises(ValueError, match="forgetting"):
        fit_lpc(steady, q, LpcSettings(forgetting=()))
    assert fit_lpc(steady, q, QUICK).bits(np.zeros(0, np.uint8)).size == 0


@pytest.mark.shared
def test_spoken_digits_cost_what_is_known_of_them(shared: Path) -> None:
    q: Quantizer = quantizer("mu-law")
    training, held_out = [], []
    for path in sorted((shared / "audio" / "digits").glob("*.wav")):
        heard = int(path.stem.split("_")[2]) in (5, 6, 7)
        (held_out if heard else training).append(q.encode(read(path).samples[0]))
    textbook = floors(training, held_out, q, TEXTBOOK)
    assert textbook.unigram == pytest.approx(7.18, abs=0.015)
    assert textbook.lpc == pytest.approx(5.08, abs=0.015)
    quick = floors(training, held_out[::6], q, LpcSettings(forgetting=(0.99,), samples=100_000))
    assert quick.lpc < 4.45  # it adapts from the first samples on
