"""Companding against the formula worked out in high precision, sample by sample, and by its laws."""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wavewright.audio.companding import QUANTIZERS, quantizer
from wavewright.errors import SettingsError

NAMES = pytest.mark.parametrize("name", QUANTIZERS)
SAMPLES = st.floats(-1, 1, width=32)


def curve(name: str, x: float) -> Decimal:
    """F(x) to fifty digits."""
    if name != "mu-law":
        return Decimal(x)
    return ((1 + 255 * abs(Decimal(x))).ln() / Decimal(256).ln()).copy_sign(Decimal(x))


@NAMES
@given(x=SAMPLES)
@example(x=-1e-30)
@example(x=-0.0)
@example(x=float(np.nextafter(np.float32(-1), np.float32(0))))
@settings(deadline=None, max_examples=200)
def test_the_code_is_the_nearest_in_the_companded_domain(name: str, x: float) -> None:
    q = quantizer(name)
    code = int(q.encode(np.array(x, np.float32)))
    with localcontext(prec=50):
        place = (curve(name, x) + 1) * (q.levels - 1) / 2
        assert Decimal("-0.5") <= place - code <= Decimal("0.5")


@NAMES
def test_neighbours_of_every_threshold_take_the_code_on_their_side(name: str) -> None:
    """Bisection finds where each code begins; half-way between the levels is where it must be, to the last bit."""
    q = quantizer(name)
    codes = np.arange(1, q.levels)[:: 1 if q.levels == 256 else 97]
    below, above = np.full(len(codes), -1, np.float32), np.full(len(codes), 1, np.float32)
    for _ in range(200):
        middle = ((below.astype(np.float64) + above) / 2).astype(np.float32)
        reached = q.encode(middle) >= codes
        below, above = np.where(reached, below, middle), np.where(reached, middle, above)
        stuck = (middle == below) | (middle == above)
        if stuck.all() and (np.nextafter(below, np.float32(2)) == above).all():
            break
    with localcontext(prec=50):
        for code, under, over in zip(codes.tolist(), below.tolist(), above.tolist(), strict=True):
            half_way = Decimal(2 * code - q.levels) / (q.levels - 1)
            assert curve(name, under) < half_way <= curve(name, over)


@NAMES
def test_every_code_comes_back(name: str) -> None:
    q = quantizer(name)
    codes = np.arange(q.levels)
    np.testing.assert_array_equal(q.encode(q.decode(codes)), codes)
    assert q.encode(q.decode(codes)).dtype == q.dtype
    assert (np.diff(q.decode(codes)) > 0).all()
    np.testing.assert_array_equal(q.decode(codes), -q.decode(codes)[::-1])


@NAMES
def test_levels_lie_evenly_from_end_to_end(name: str) -> None:
    q = quantizer(name)
    codes = np.arange(q.levels, dtype=q.dtype)
    np.testing.assert_allclose(q.levels_of(codes), 2 * np.arange(q.levels) / (q.levels - 1) - 1, atol=6e-8)
    np.testing.assert_allclose(
        [float(curve(name, x)) for x in q.decode(codes[::17]).tolist()], q.levels_of(codes[::17]), atol=6e-7
    )


@NAMES
@given(x=st.floats(1, 2.0**127, width=32))
@settings(deadline=None, max_examples=50)
def test_beyond_full_scale_lie_the_end_codes(name: str, x: float) -> None:
    q = quantizer(name)
    ends = q.encode(np.array([x, -x, np.inf, -np.inf], np.float32))
    assert ends.tolist() == [q.levels - 1, 0, q.levels - 1, 0]


@NAMES
@given(values=st.lists(SAMPLES, min_size=2, max_size=50))
@settings(deadline=None, max_examples=50)
def test_louder_is_never_a_lower_code_whatever_the_shape(name: str, values: list[float]) -> None:
    q = quantizer(name)
    x = np.sort(np.array(values, np.float32))
    codes = q.encode(x)
    assert (np.diff(codes.astype(int)) >= 0).all()
    np.testing.assert_array_equal(q.encode(x[np.newaxis, :, np.newaxis]), codes[np.newaxis, :, np.newaxis])
    assert int(q.encode(np.zeros(1, np.float32))[0]) == q.silence
    step = np.diff(q.decode(np.arange(q.levels))).max()
    np.testing.assert_allclose(q.decode(codes), x, atol=float(step) / 2 + 1e-7)


def test_names_and_sizes() -> None:
    assert [quantizer(name).levels for name in QUANTIZERS] == [256, 256, 65_536]
    assert [quantizer(name).encode(np.zeros(1, np.float32)).dtype.itemsize for name in QUANTIZERS] == [1, 1, 2]
    with pytest.raises(SettingsError, match="quantizer = 'mulaw': did you mean 'mu-law'"):
        quantizer("mulaw")
