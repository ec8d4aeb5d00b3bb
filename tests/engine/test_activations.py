"""The activations of the player against float64, over every exponent that a number can have: the stated bounds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numba import njit
from scipy.special import expit

from wavewright.engine.activations import HARDSWISH, HARDTANH, NUMBERS, RECTIFIER, SIGMOID, SILU, SOFTSIGN, TANH
from wavewright.engine.stream_tiles import FRESH, activate_rows, kind
from wavewright.engine.vector_code import VECTOR_BYTES, at
from wavewright.nets.wavenet import activate
from wavewright.nets.wavenet_config import ACTIVATIONS, Activation

LANES = VECTOR_BYTES // 4
TINY = float(np.finfo(np.float32).tiny)
EXACT = {
    TANH: np.tanh,
    SIGMOID: expit,
    SILU: lambda x: x * expit(x),
    SOFTSIGN: lambda x: x / (1 + np.abs(x)),
    HARDSWISH: lambda x: x * np.clip(x + 3, 0, 6) / 6,
    HARDTANH: lambda x: np.clip(x, -1, 1),
    RECTIFIER: lambda x: np.where(x > 0, x, np.float64(np.float32(0.01)) * x),
}


@njit
def _rows(number, rows, x, total, slope):  # type: ignore[no-untyped-def]
    activate_rows(number, rows, x.shape[1] // LANES, at(x, 0), x.shape[1], at(total, 0), x.shape[1], slope)


def through(function: int, x: np.ndarray, exact: bool) -> np.ndarray:
    """``x`` through the kernel."""
    out = np.zeros((1, -(-x.size // 64) * 64), np.float32)
    out[0, : x.size] = x
    _rows(kind(function, exact) + FRESH, 1, out, np.empty_like(out), np.float32(0.01))
    return out[0, : x.size]


def every_exponent() -> np.ndarray:
    """Both signs of some numbers of every exponent, and many where the functions bend."""
    rng = np.random.default_rng(0)
    powers = 2.0 ** np.arange(-126, 128)[:, None] * rng.uniform(1, 2, (254, 400))
    x = np.concatenate([powers.ravel(), rng.uniform(0, 20, 300_000), rng.uniform(80, 95, 5000), [0.0]])
    return np.concatenate([x, -x]).astype(np.float32)


def units_off(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Errors in units of the last place of the true number; those below 1e-36 count for nothing."""
    unit = np.spacing(np.maximum(np.abs(true), TINY).astype(np.float32)).astype(np.float64)
    error = np.abs(found - true)
    return np.where(error < 1e-36, 0, error / unit)


QUICK = {TANH: 5e-7, SIGMOID: 3e-7, SILU: 3e-7, SOFTSIGN: 3e-7}


@pytest.mark.parametrize("function", QUICK)
def test_quick_forms_keep_their_absolute_bound(function: int) -> None:
    x = every_exponent()
    error = np.abs(through(function, x, False) - EXACT[function](x.astype(np.float64)))
    if function == SILU:
        assert error[x < 0].max() <= 6e-6
        error = error[x >= 0] / np.maximum(1, x[x >= 0])
    assert error.max() <= QUICK[function]


@pytest.mark.parametrize(("function", "bound"), [(TANH, 1e-6), (SOFTSIGN, 3e-7)])
def test_quick_forms_keep_quiet_sounds_in_proportion(function: int, bound: float) -> None:
    x = every_exponent()
    true = EXACT[function](x.astype(np.float64))
    seen = np.abs(true) > TINY
    assert (np.abs(through(function, x, False) - true)[seen] / np.abs(true)[seen]).max() <= bound


@pytest.mark.parametrize(("function", "units"), [(TANH, 1.5), (SIGMOID, 3), (SILU, 3), (SOFTSIGN, 2), (HARDSWISH, 3)])
def test_exact_forms_are_right_to_the_last_places(function: int, units: float) -> None:
    x = every_exponent()
    with np.errstate(over="ignore"):
        assert units_off(through(function, x, True), EXACT[function](x.astype(np.float64))).max() <= units


@pytest.mark.parametrize("function", [HARDTANH, RECTIFIER])
def test_simple_functions_are_exact(function: int) -> None:
    x = every_exponent()
    true = EXACT[function](x.astype(np.float64)).astype(np.float32)
    np.testing.assert_array_equal(through(function, x, False), true)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("function", sorted(set(NUMBERS.values()) - {SOFTSIGN}))
def test_what_is_not_finite(function: int, exact: bool) -> None:
    x = np.array([np.inf, np.nan, 0.0, -0.0], np.float32)
    with np.errstate(invalid="ignore"):
        found = through(function, x, exact)
    limit = {TANH: 1, SIGMOID: 1, HARDTANH: 1}.get(function, np.inf)
    np.testing.assert_allclose(found[0], limit, atol=3e-7)
    assert np.isnan(found[1])
    np.testing.assert_allclose(found[2:], [0.5, 0.5] if function == SIGMOID else [0, 0], atol=1e-7)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_sums(name: str, exact: bool) -> None:
    rng = np.random.default_rng(1)
    z, total = rng.normal(0, 3, (3, 128)).astype(np.float32), rng.normal(0, 1, (3, 128)).astype(np.float32)
    want = activate(torch.from_numpy(z.astype(np.float64)), Activation(name)).numpy()
    slope = np.float32(0.01 if name == "LeakyReLU" else 0)
    out, summed, fresh = z.copy(), total.copy(), np.full_like(total, np.nan)
    _rows(kind(NUMBERS[name], exact), 3, out, summed, slope)
    np.testing.assert_allclose(out, want, rtol=0, atol=3e-6)
    np.testing.assert_allclose(summed, total + want, rtol=0, atol=3e-6)
    _rows(kind(NUMBERS[name], exact) + FRESH, 3, z, fresh, slope)
    np.testing.assert_array_equal(fresh, out)
