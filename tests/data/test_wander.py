"""Delays that wander by known laws, put on by an interpolator of scipy's, against what is found and what is left."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import interpolate, signal

from wavewright.audio.recording import FloatArray, Recording
from wavewright.data.align import align, apply
from wavewright.data.check import check_pair
from wavewright.data.correlate import Line
from wavewright.data.wander import _best_path, track
from wavewright.errors import PairError

RATE = 16_000
SECONDS = 13
LATE = 200

Law = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def plucks(seconds: float, seed: int) -> FloatArray:
    """Decaying tones and noise at random times, with a second of silence and one of a held tone in between."""
    random = np.random.default_rng(seed)
    x = np.zeros(int(seconds * RATE))
    for start in range(0, len(x), RATE // 5):
        at = start + int(random.integers(0, RATE // 10))
        t = np.arange(min(RATE // 2, len(x) - at)) / RATE
        tone = np.sin(2 * np.pi * random.uniform(80, 900) * t) + 0.4 * random.standard_normal(len(t))
        x[at : at + len(t)] += random.uniform(0.05, 0.5) * np.exp(-t * random.uniform(4, 20)) * tone
    x /= np.abs(x).max()
    x[5 * RATE : 6 * RATE] = 0
    x[9 * RATE : 10 * RATE] = 0.2 * np.sin(2 * np.pi * 800 * np.arange(RATE) / RATE)[: len(x[9 * RATE : 10 * RATE])]
    return np.asarray(0.5 * x, dtype=np.float32)


def device(x: FloatArray) -> FloatArray:
    """A clipper behind a low-pass."""
    y = signal.sosfilt(signal.butter(2, 3500, fs=RATE, output="sos"), np.tanh(3.0 * x.astype(np.float64)))
    return np.asarray(0.6 * y, dtype=np.float32)


def played_along(x: FloatArray, lag: Law) -> FloatArray:
    """``x`` as a recorder hears it whose delay at sample n is ``lag(n)``: four times oversampled, then a spline."""
    n = np.arange(len(x), dtype=np.float64)
    heard_at = np.interp(n, n + lag(n), n)
    fine = interpolate.CubicSpline(np.arange(4 * len(x)) / 4, signal.resample(x.astype(np.float64), 4 * len(x)))
    return np.asarray(fine(heard_at), dtype=np.float32)


def one(x: FloatArray) -> Recording:
    return Recording(x[None], RATE)


def wow(milliseconds: float, hz: float, ppm: float = 0.0) -> Law:
    return lambda n: LATE + 1e-6 * ppm * n + 1e-3 * RATE * milliseconds * np.sin(2 * np.pi * hz * n / RATE)


def two_slow_waves(n: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(LATE + 4 * np.sin(n / RATE / 1.3) + 3 * np.sin(n / RATE / 0.6 + 1))


LAWS: dict[str, Law] = {
    "wow": wow(0.3, 0.4),
    "wow on a fast clock": wow(0.3, 0.4, 200),
    "wow on a slow clock": wow(0.2, 0.7, -200),
    "hardly any": wow(0.04, 0.5),
    "two slow waves": two_slow_waves,
}


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_a_known_law_is_found_and_taken_out(law: Law) -> None:
    dry = plucks(SECONDS, 1)
    answer = device(dry)
    wet = played_along(answer, law)
    found = align(one(dry), one(wet), "auto")
    assert found.wander is not None
    n = np.arange(RATE // 2, len(dry) - RATE // 2, 40.0)
    sounding = (n < 5 * RATE) | ((n > 6 * RATE) & (n < 9 * RATE)) | (n > 10 * RATE)
    lag = found.delay_samples + 1e-6 * found.drift_ppm * n + found.wander.at(n)
    error = (lag - law(n))[sounding]
    assert np.std(error) < 0.08  # samples: 5 µs
    assert abs(float(np.mean(error))) < 2.5  # set to the early side, as every delay
    assert found.wander.residual < 0.15
    went_in, came_out = apply(found, one(dry), one(wet))
    first = round(np.argmax(np.all(dry[:1000, None] == went_in.samples[0, 0], axis=1)))
    straight = played_along(answer, lambda m: np.full_like(m, -float(np.mean(error))))  # but for the rest of the delay
    middle = slice(RATE // 2, 5 * RATE)
    left = came_out.samples[0, middle] - straight[first:][middle]
    untouched = wet[first + LATE :][middle] - answer[first:][middle]
    power = float(np.mean(answer[first:][middle] ** 2))
    assert np.mean(left**2) < min(0.001 * power, 0.1 * np.mean(untouched**2))


def test_a_pair_without_wander_is_left_alone_bit_for_bit() -> None:
    dry = plucks(SECONDS, 2)
    hiss = 1e-3 * np.random.default_rng(0).standard_normal(len(dry))
    wet = np.concatenate([np.zeros(LATE), device(dry) + hiss]).astype(np.float32)
    followed, plain = align(one(dry), one(wet), "auto"), align(one(dry), one(wet), "off")
    assert followed == plain
    _, came_out = apply(followed, one(dry), one(wet))
    np.testing.assert_array_equal(came_out.samples[0], wet[plain.delay_samples : plain.delay_samples + len(dry)])


def test_an_even_clock_is_no_wander() -> None:
    dry = plucks(SECONDS, 3)
    wet = played_along(device(dry), wow(0.0, 1.0, 150))
    found = align(one(dry), one(wet), "auto")
    assert found.wander is None
    assert found.drift_ppm == pytest.approx(150, abs=2)


def test_strangers_are_not_followed_into_a_pair() -> None:
    with pytest.raises(PairError, match="do not belong together"):
        align(one(plucks(SECONDS, 4)), one(plucks(SECONDS, 14)), "on")


def test_on_follows_what_auto_would_leave_and_off_follows_nothing() -> None:
    dry = plucks(SECONDS, 6)
    late = np.concatenate([np.zeros(LATE, np.float32), device(dry)])
    found = align(one(dry), one(late), "on")
    assert found.wander is not None
    assert found.wander.rms < 0.3
    assert not found.wander.matters
    wet = played_along(device(dry), wow(0.2, 0.4))
    assert align(one(dry), one(wet), "off").wander is None


def test_the_check_tells_of_it() -> None:
    dry = plucks(SECONDS, 7)
    report = check_pair(one(dry), one(played_along(device(dry), wow(0.3, 0.4))))
    text = "\n".join(report.lines())
    assert report.alignment.wander is not None
    rms = report.alignment.wander.rms
    assert rms == pytest.approx(0.3e-3 * RATE / np.sqrt(2), rel=0.08)
    assert f"wander      {rms:.2f} samples" in text
    assert "once corrected" in text
    assert any(f"wanders by {rms:.2f}" in line and "µs" in line for line in report.warnings)
    told = json.loads(json.dumps(report.to_dict(), allow_nan=False))["wander"]
    assert told["rms_us"] == pytest.approx(212, abs=15)
    assert told["residual_rms_samples"] < 0.15
    assert told["unexplained_after"] < told["unexplained_before"]
    assert check_pair(one(dry), one(device(dry))).to_dict()["wander"] is None


def test_too_little_is_not_tracked() -> None:
    x = plucks(1, 8)[: RATE // 3]
    assert track(x, x, RATE, Line(0.0)) is None


def test_the_best_path_is_the_best_of_all_paths() -> None:
    """Against every path there is, on small tables."""
    random = np.random.default_rng(9)
    for _ in range(20):
        rows = random.uniform(0, 3, (5, 4)).astype(np.float32)
        path = _best_path(rows, 2, 0.7)

        def worth(path: NDArray[np.int64], rows: FloatArray = rows) -> float:
            return float(np.sum(rows[np.arange(5), path] ** 2) - 0.7 * np.sum(np.diff(path) ** 2))

        all_paths = (np.array(p) for p in np.ndindex(4, 4, 4, 4, 4))
        best = max(worth(p) for p in all_paths if np.max(np.abs(np.diff(p))) <= 2)
        assert worth(path) == pytest.approx(best, rel=1e-6)
