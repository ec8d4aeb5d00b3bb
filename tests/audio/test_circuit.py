"""The overdrive against the laws of its circuit: transfer function, DC solution, differential equation, symmetry."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.optimize import brentq
from scipy.signal import bilinear, freqs, freqz, lfilter

from wavewright.audio import circuit
from wavewright.audio.circuit import DiodeClipper, ToneStackClipper
from wavewright.audio.tone_stack import ToneStack

RATE = 48_000
PARTS = DiodeClipper()


def bassman(stack: ToneStack) -> tuple[list[float], list[float]]:
    """The transfer function in closed form, from loop equations: treble t, bass l, middle m; powers of s falling."""
    r1, r2, r3, r4 = 250e3, 1e6, 25e3, 56e3
    c1, c2, c3 = 250e-12, 20e-9, 20e-9
    t, m, l = stack.treble, stack.middle, np.exp(3.4 * (stack.bass - 1))  # noqa: E741
    b1 = t * c1 * r1 + m * c3 * r3 + l * (c1 + c2) * r2 + (c1 + c2) * r3
    b2 = (
        t * (c1 * c2 + c1 * c3) * r1 * r4
        - m**2 * (c1 + c2) * c3 * r3**2
        + m * (c1 * c3 * r1 * r3 + (c1 + c2) * c3 * r3**2)
        + l * (c1 * c2 * r1 * r2 + c1 * c2 * r2 * r4 + c1 * c3 * r2 * r4)
        + l * m * (c1 + c2) * c3 * r2 * r3
        + (c1 * c2 * r1 + c1 * c2 * r4 + c1 * c3 * r4) * r3
    )
    b3 = (
        c1
        * c2
        * c3
        * (
            l * m * (r1 + r4) * r2 * r3
            + (m - m**2) * (r1 + r4) * r3**2
            + t * (1 - m) * r1 * r3 * r4
            + t * l * r1 * r2 * r4
        )
    )
    a1 = (c1 * r1 + c1 * r3 + c2 * r3 + c2 * r4 + c3 * r4) + m * c3 * r3 + l * (c1 + c2) * r2
    a2 = (
        m * (c1 * c3 * r1 * r3 - c2 * c3 * r3 * r4 + (c1 + c2) * c3 * r3**2)
        + l * m * (c1 + c2) * c3 * r2 * r3
        - m**2 * (c1 + c2) * c3 * r3**2
        + l * (c1 * c2 * r2 * r4 + c1 * c2 * r1 * r2 + c1 * c3 * r2 * r4 + c2 * c3 * r2 * r4)
        + (c1 * c2 * r1 * r4 + c1 * c3 * r1 * r4 + c1 * c2 * r3 * r4 + c1 * c2 * r1 * r3)
        + (c1 * c3 + c2 * c3) * r3 * r4
    )
    a3 = (
        c1
        * c2
        * c3
        * (
            l * m * (r1 + r4) * r2 * r3
            - m**2 * (r1 + r4) * r3**2
            + m * (r4 + r1) * r3**2
            - m * r1 * r3 * r4
            + l * r1 * r2 * r4
            + r1 * r3 * r4
        )
    )
    return [b3, b2, b1, 0.0], [a3, a2, a1, 1.0]


KNOBS = st.floats(0.02, 0.98)


@given(treble=KNOBS, middle=KNOBS, bass=KNOBS)
@settings(max_examples=30, deadline=None)
def test_the_tone_stack_has_the_published_transfer_function(treble: float, middle: float, bass: float) -> None:
    stack = ToneStack(treble, middle, bass)
    w = 2 * np.pi * np.geomspace(10, 20_000, 60)
    _, ours = freqs(*stack.analog(), w)
    _, theirs = freqs(*bassman(stack), w)
    np.testing.assert_allclose(ours, theirs, rtol=5e-3)  # an ohm or two at the ends of each pot


def test_the_digital_tone_stack_follows_the_analog_one() -> None:
    f = np.geomspace(20, 10_000, 40)
    _, digital = freqz(*ToneStack().digital(4 * RATE), worN=f, fs=4 * RATE)
    _, analog = freqs(*ToneStack().analog(), 2 * np.pi * f)
    np.testing.assert_allclose(20 * np.log10(np.abs(digital / analog)), 0, atol=0.05)


@pytest.mark.parametrize("name", ["treble", "middle", "bass"])
def test_a_knob_turns_no_further_than_its_end(name: str) -> None:
    for value in (-0.01, 1.01):
        with pytest.raises(ValueError, match=f"{name} = {value}: must be 0 to 1"):
            ToneStack(**{name: value})
    ToneStack(**{name: 0.0}).digital(RATE)
    ToneStack(**{name: 1.0}).digital(RATE)


def test_quietly_the_clipper_is_an_rc_filter() -> None:
    u = 1e-6 * np.random.default_rng(0).uniform(-1, 1, (1, 5000))
    leak = 2 * PARTS.amperes / PARTS.volts * PARTS.ohms  # the diodes' own conductance at rest, times R
    b, a = bilinear([1.0], [PARTS.ohms * PARTS.farads, 1 + leak], fs=4 * RATE)
    v, _ = PARTS(u, 4 * RATE)
    np.testing.assert_allclose(v, lfilter(b, a, u), atol=1e-13)


def test_quietly_the_device_is_its_linear_circuit() -> None:
    device = ToneStackClipper(drive_db=20.0, volume=1.0)
    impulse = np.zeros(RATE, np.float32)
    impulse[0] = 1e-5
    f = np.array([40, 100, 400, 1000, 3000, 8000, 12_000])
    response = np.abs(np.fft.rfft(device(impulse, RATE).astype(np.float64)))[f] / 1e-5
    s = 2j * np.pi * f
    leak = 2 * PARTS.amperes / PARTS.volts * PARTS.ohms
    _, tone = freqs(*device.stack.analog(), 2 * np.pi * f)
    expected = np.abs(10.0 * tone / (1 + leak + s * PARTS.ohms * PARTS.farads))
    np.testing.assert_allclose(20 * np.log10(response / expected), 0, atol=0.1)


@pytest.mark.parametrize("volts", [1e-3, 0.1, 0.5, 1.0, 3.0, 10.0, 100.0])
def test_a_constant_voltage_settles_at_the_dc_solution(volts: float) -> None:
    v, _ = PARTS(np.full((1, 20_000), volts), 4 * RATE)
    expected = brentq(
        lambda x: (volts - x) / PARTS.ohms - 2 * PARTS.amperes * np.sinh(x / PARTS.volts), 0, 1.0, xtol=1e-14
    )
    assert v[0, -1] == pytest.approx(expected, abs=1e-11)


def test_it_follows_the_differential_equation_to_second_order() -> None:
    def slope(t: float, v: np.ndarray) -> np.ndarray:
        u = 4 * np.sin(2 * np.pi * 500 * t)
        return ((u - v) / PARTS.ohms - 2 * PARTS.amperes * np.sinh(v / PARTS.volts)) / PARTS.farads

    t = np.arange(1, 97) / RATE
    exact = solve_ivp(slope, (0, t[-1]), [0.0], "Radau", t_eval=t, rtol=1e-10, atol=1e-12).y[0]

    def error(oversampling: int) -> float:
        fine = np.arange(1, 96 * oversampling + 1) / (RATE * oversampling)
        v, _ = PARTS(4 * np.sin(2 * np.pi * 500 * fine)[None], RATE * oversampling)
        return float(np.abs(v[0, oversampling - 1 :: oversampling] - exact).max())

    assert error(4) < 2e-3
    assert error(64) / error(32) == pytest.approx(0.25, abs=0.03)


@given(
    target=st.floats(-3e38, 3e38),
    rate=st.sampled_from([8000.0, 48_000.0, 192_000.0]),
)
@example(target=1e-300, rate=48_000.0)
@example(target=0.0, rate=48_000.0)
@settings(max_examples=30, deadline=None)
def test_newton_converges_for_any_input(target: float, rate: float) -> None:
    half_step = 1 / (8 * rate * PARTS.farads)
    a, b = 1 + half_step / PARTS.ohms, 2 * half_step * PARTS.amperes
    v = circuit._solve(a, b, PARTS.volts, target)
    assert a * v + b * np.sinh(v / PARTS.volts) == pytest.approx(target, rel=1e-10)


@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1.0, 1e6, 1e30])
def test_no_input_upsets_it(scale: float) -> None:
    x = (np.random.default_rng(0).choice([-1, 0, 1], 2000) * scale).astype(np.float32)
    y = ToneStackClipper()(x, RATE)
    assert np.isfinite(y).all()
    assert np.abs(y).max() < 5  # the diodes let the voltage grow with the logarithm: 3.8 V for the largest input


def test_it_is_odd() -> None:
    x = np.random.default_rng(1).uniform(-1, 1, 3000).astype(np.float32)
    np.testing.assert_array_equal(ToneStackClipper()(-x, RATE), -ToneStackClipper()(x, RATE))


@given(cuts=st.lists(st.integers(0, 600), max_size=6), seed=st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_blocks_equal_the_whole(cuts: list[int], seed: int) -> None:
    x = np.random.default_rng(seed).uniform(-1, 1, (2, 600)).astype(np.float32)
    device = ToneStackClipper()
    state, out = None, []
    for piece in np.split(x, sorted(cuts), axis=1):
        y, state = device.process(piece, RATE, state)
        out.append(y)
    np.testing.assert_array_equal(np.concatenate(out, axis=1), device(x, RATE))


def test_the_blocks_it_works_in_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).uniform(-1, 1, 5000).astype(np.float32)
    whole = ToneStackClipper()(x, RATE)
    monkeypatch.setattr(circuit, "BLOCK", 333)
    np.testing.assert_array_equal(ToneStackClipper()(x, RATE), whole)


def test_it_is_causal_without_latency_and_keeps_channels_apart() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (3, 1000)).astype(np.float32)
    changed = x.copy()
    changed[1, 400:] = rng.uniform(-1, 1, 600)
    y, other = ToneStackClipper()(x, RATE), ToneStackClipper()(changed, RATE)
    np.testing.assert_array_equal(y[:, :400], other[:, :400])
    np.testing.assert_array_equal(y[[0, 2]], other[[0, 2]])
    assert y[1, 400] != other[1, 400]


def test_harmonics_fold_back_little() -> None:
    x = (0.5 * np.sin(2 * np.pi * 3001 * np.arange(RATE) / RATE)).astype(np.float32)
    y = ToneStackClipper(drive_db=30.0)(x, RATE)[RATE // 2 :]
    level = 20 * np.log10(np.abs(np.fft.rfft(y * np.blackman(len(y)))) + 1e-9)  # two hertz a bin
    hz = np.fft.rfftfreq(len(y), 1 / RATE)
    off = np.abs(hz / 3001 - np.round(hz / 3001)) * 3001 > 20
    assert level[off].max() - level.max() < -60
    assert level[~off & (hz > 8900) & (hz < 9100)].max() - level.max() > -20  # it does distort
