"""The process and the bridge: against the conditional mean written out as one dense system, and their laws."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from wavewright.data import process
from wavewright.data.bridge import CLASSES, Bridge, kinds, sides
from wavewright.data.process import NUGGET, Process
from wavewright.errors import RunError


def correlated(count: int, seed: int = 0) -> np.ndarray:
    """Two series that know of one another, and a third that does not."""
    dice = np.random.default_rng(seed)
    noise = dice.standard_normal((3, count + 30))
    slow = np.stack([np.convolve(row, np.hanning(15), "same") for row in noise])[:, 15:-15]
    values = np.stack([slow[0], 0.7 * slow[0] + 0.4 * slow[1], slow[2]]) + 0.05 * noise[:, :count]
    return (values - values.mean(1, keepdims=True)) / values.std(1, keepdims=True)


def dense(learned: Process, values: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """The conditional mean by one dense solve over the given values."""
    rows, count = values.shape
    lag = np.arange(count)[None, :] - np.arange(count)[:, None]
    inside = np.abs(lag) <= learned.lags
    whole = learned.covariance[:, :, np.clip(lag, -learned.lags, learned.lags) + learned.lags] * inside
    K = whole.transpose(0, 2, 1, 3).reshape(rows * count, rows * count).astype(np.float64)
    K = (K + K.T) / 2
    known = shown.ravel()
    weights = np.linalg.solve(K[np.ix_(known, known)] + NUGGET * np.eye(known.sum()), values.ravel()[known])
    return np.where(shown, values, (K[:, known] @ weights).reshape(rows, count))


@given(share=st.floats(0.05, 0.8), seed=st.integers(0, 99))
@trials(deadline=None, max_examples=8)
def test_it_is_the_conditional_mean(share: float, seed: int) -> None:
    values = correlated(600)
    learned = Process.learn(values, np.ones(values.shape, bool), lags=24)
    part = values[:, 200:280]
    shown = np.random.default_rng(seed).random(part.shape) >= share
    shown[0, 30:50] = False
    got, wanted = learned.guess(part, shown), dense(learned, part, shown)
    np.testing.assert_allclose(got, wanted, atol=2e-2)
    assert np.sqrt(np.mean((got - wanted) ** 2)) < 3e-3


def test_the_covariance_by_a_plain_loop() -> None:
    values = correlated(80)
    shown = np.random.default_rng(1).random(values.shape) > 0.3
    learned = Process.learn(np.where(shown, values, np.nan), shown, lags=5)
    taper = process._taper(5)
    for i in range(3):
        for j in range(3):
            for lag in range(-5, 6):
                pairs = [
                    values[i, t] * values[j, t + lag]
                    for t in range(80)
                    if 0 <= t + lag < 80 and shown[i, t] and shown[j, t + lag]
                ]
                wanted = np.mean(pairs) * taper[lag + 5] * (1 - abs(lag) / 80)
                assert learned.covariance[i, j, lag + 5] == pytest.approx(wanted, abs=1e-6)


def test_in_chunks_as_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    values = correlated(900)
    shown = np.random.default_rng(2).random(values.shape) > 0.4
    learned = Process.learn(values, shown, lags=24)
    whole = learned.guess(values, shown)
    monkeypatch.setattr(process, "CHUNK", 256)
    np.testing.assert_allclose(learned.guess(values, shown), whole, atol=0.03)


def test_a_series_is_guessed_from_another() -> None:
    values = correlated(2000)
    shown = np.ones(values.shape, bool)
    learned = Process.learn(values, shown)
    shown[1, 500:600] = False
    error = (learned.guess(values, shown) - values)[1, 500:600]
    assert np.abs(error).mean() < 0.7 * np.abs(values[1, 500:600]).mean()


def test_nothing_shown_is_the_mean() -> None:
    values = correlated(300)
    learned = Process.learn(values, np.ones(values.shape, bool), lags=20)
    np.testing.assert_allclose(learned.guess(values, np.zeros(values.shape, bool)), 0)


@pytest.mark.parametrize("alike", [False, True])
def test_the_bridge_keeps_what_is_given_and_comes_back(tmp_path: Path, alike: bool) -> None:
    dice = np.random.default_rng(3)
    values = correlated(1500)
    values[2] = (dice.random(1500) < 0.02) * 4.0  # bursts: a line is better here
    known = dice.random(values.shape) > 0.02
    masks = [known & (dice.random(values.shape) < 0.2) for _ in range(2)]
    hidden = masks[0]
    bridge = Bridge.learn(np.where(known, values, np.nan), known, masks, alike=alike)
    if not alike:
        assert bridge.weight[0, 0, 0] > bridge.weight[2, 0, 0]
        assert bridge.tails.knots[0].tolist() == [2.0] * 2  # of two values, and of the last series alone
    bridge.save(tmp_path / "data" / "bridge.npz")
    back = Bridge.load(tmp_path / "data" / "bridge.npz")
    shown = known & ~hidden
    one, two = bridge.fill(values, shown), back.fill(values, shown)
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one[shown], values[shown])
    peeped = np.where(shown, values, 99.0)
    np.testing.assert_allclose(bridge.fill(peeped, shown), one)


@given(shown=st.lists(st.booleans(), min_size=1, max_size=40))
@trials(deadline=None, max_examples=40)
def test_distances_and_classes_by_a_plain_loop(shown: list[bool]) -> None:
    before, behind = (side[0] for side in sides(np.array([shown])))
    kind, count = kinds(np.array([shown]))[0], len(shown)
    for place in range(count):
        left = next((place - other for other in range(place, -1, -1) if shown[other]), count)
        right = next((other - place for other in range(place, count) if shown[other]), count)
        assert (before[place], behind[place]) == (left, right)
        if not shown[place]:
            near = sum(min(left, right) >= edge for edge in (2, 3, 5, 9, 17))
            long = sum(left + right - 1 >= edge for edge in (2, 4, 8, 16, 32))
            assert kind[place] == near * CLASSES[1] + long


def test_weights_are_those_with_the_least_error() -> None:
    """Where plenty is hidden of a class, no other weight does better by more than the prior's share."""
    values = correlated(4000)
    values[1] = np.round(values[1])
    given = np.ones(values.shape, bool)
    hidden = np.random.default_rng(5).random(values.shape) < 0.3
    bridge = Bridge.learn(values, given, [hidden])
    parts = {weight: replace(bridge, weight=np.full_like(bridge.weight, weight)) for weight in (0.0, 0.5, 1.0)}
    kind = kinds(~hidden)
    best = np.abs(bridge.fill(values, ~hidden) - values)
    for part in parts.values():
        other = np.abs(part.fill(values, ~hidden) - values)
        for row in range(3):
            at = hidden[row] & (kind[row] == 0)
            assert at.sum() > 500
            assert best[row, at].mean() < 1.02 * other[row, at].mean()
            assert bridge.error[row, 0, 0] == pytest.approx(best[row, at].mean(), rel=0.3)


def test_nothing_hidden_leaves_the_process_and_full_doubt() -> None:
    values = correlated(300)
    given = np.ones(values.shape, bool)
    bridge = Bridge.learn(values, given, [~given])
    assert (bridge.weight == 1).all()
    assert (bridge.error == 1).all()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nonsense", b"\x93NUMPY"])
def test_a_damaged_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bridge.npz").write_bytes(content)
    with pytest.raises(RunError, match="train again"):
        Bridge.load(tmp_path / "bridge.npz")
