"""Activation functions as vector code: for training, with derivatives; for playing, in a quick and an exact form.

The quick forms have a stated absolute error, the exact ones are right to the last places (units of the last place of
the true number, ulp), over all finite numbers. Infinities give the limits, and not-a-number stays what it is. Measured
against float64 in steps over every exponent (`tests/engine/test_activations.py`):

    =========  =====================================  ==============
    function   quick, absolute                        exact
    =========  =====================================  ==============
    tanh       5e-7, and 1e-6 relative                1.5 ulp
    sigmoid    3e-7                                   3 ulp or 1e-36
    SiLU       3e-7 · max(1, x), 6e-6 for x < 0       3 ulp or 1e-36
    softsign   3e-7, and 3e-7 relative                2 ulp
    hardswish  3 ulp                                  3 ulp
    =========  =====================================  ==============

The quick tanh is x·P(x²)/Q(x²) on abs(x) ≤ 8, P and Q fitted to the least absolute error (1.3e-7) by reweighted least
squares, with the processor's estimate of 1/Q and one step of Newton's. The quick sigmoid is the same function,
½ + ½·tanh(x/2), its coefficients scaled by powers of two: it costs one addition more.

The exact forms go through the exponential, e^y = 2^k·e^r with k whole, abs(r) ≤ ln 2 / 2 and e^r − 1 by its series:

    sigmoid x = 1 / (1 + e^{−x})        tanh x = 1 − 2 / (e^{2x} + 1), and x + x³·p(x²) where abs(x) is below 0.625

with p fitted to the least relative error (7e-9) as above.

Training's functions are those of `vector_code`, in both precisions. Their derivatives come from what a layer keeps:
the function's value where that tells enough, else its input (`KEEPS_INPUT`).
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from wavewright.engine.vector_code import Vectors, types
from wavewright.nets.wavenet_config import Activation

TANH, RECTIFIER, SIGMOID, SILU, HARDSWISH, HARDTANH, SOFTSIGN = range(1, 8)
"""The functions; a leaky rectifier is one with a slope."""

KEEPS_INPUT = (RECTIFIER, SILU, HARDSWISH)
"""The functions whose derivative is worked out from the input; a rectifier of positive slope's from either."""

NUMBERS = {
    "Tanh": TANH, "ReLU": RECTIFIER, "LeakyReLU": RECTIFIER, "Sigmoid": SIGMOID, "SiLU": SILU,
    "Hardswish": HARDSWISH, "Hardtanh": HARDTANH, "Softsign": SOFTSIGN,
}  # fmt: skip
"""Every activation of `wavewright.nets.wavenet_config.ACTIVATIONS` by its number here."""

TANH_LIMIT = 8.0
TANH_P = (0.9999993620905921, 0.12913639898398493, 0.0029388262734310116, 1.131020934321348e-05)
TANH_Q = (1.0, 0.46246738642239665, 0.023763821107108674, 0.00023702827410176006, 2.4238369109400316e-07)
SIGMOID_P = tuple(p / 4 ** (k + 1) for k, p in enumerate(TANH_P))
SIGMOID_Q = tuple(q / 4**k for k, q in enumerate(TANH_Q))

SMALL = 0.625
SMALL_P = (-0.3333326083, 0.1333085082, -0.05368940165, 0.02047314987, -0.005518682403)
LEAST_SILU = -16.0  # where the quick form stops following a number down to 0; the exact one goes to −88
LOG2_E = 1.4426950408889634
LN2_HIGH, LN2_LOW = 0.693359375, -2.12194440e-4  # the first has few digits: k times it is exact
SERIES = (1.0, 1 / 2, 1 / 6, 1 / 24, 1 / 120, 1 / 720, 1 / 5040)  # of (e^r − 1)/r
SOFTSIGN_LIMIT = 2.0**26  # beyond it the function is 1 in single precision
QUICK_DIVISION = ("arcp", "contract", "afn", "reassoc", "nnan", "ninf")


def slope_of(activation: Activation) -> float:
    """What a rectifier multiplies negative numbers with."""
    return activation.negative_slope if activation.name == "LeakyReLU" else 0.0


class Activations(Vectors):
    """The writers of `vector_code` with activations and their derivatives."""

    def activate(self, function: int, x: Any, slopes: Any) -> Any:
        """``function`` of ``x``; ``slopes`` counts for the rectifier alone."""
        b = self.builder
        if function == TANH:
            return self.tanh(x)
        if function == RECTIFIER:
            return b.select(b.fcmp_ordered(">", x, self.zero), x, b.fmul(x, slopes))
        if function == SIGMOID:
            return self.sigmoid(x)
        if function == SILU:
            return self.silu(x)
        if function == HARDSWISH:
            return b.fmul(x, b.fmul(self.held(b.fadd(x, self.constant(3.0)), 0.0, 6.0), self.constant(1 / 6)))
        if function == HARDTANH:
            return self.clamp(x, 1.0)
        assert function == SOFTSIGN
        x = self.clamp(x, SOFTSIGN_LIMIT)
        return self.divide(x, b.fadd(self.constant(1.0), self.call("fabs", x)))

    def gradient(self, function: int, kept: Any, slopes: Any) -> Any:
        """The derivative of ``function``, from its input or its value as `KEEPS_INPUT` says."""
        b, one = self.builder, self.constant(1.0)
        if function == TANH:
            return self.multiply_add(b.fneg(kept), kept, one)
        if function == RECTIFIER:
            return b.select(b.fcmp_ordered(">", kept, self.zero), one, slopes)
        if function == SIGMOID:
            return b.fmul(kept, b.fsub(one, kept))
        if function == SILU:
            gate = self.sigmoid(kept)
            return b.fmul(gate, self.multiply_add(kept, b.fsub(one, gate), one))
        if function == HARDSWISH:
            middle = self.multiply_add(kept, self.constant(1 / 3), self.constant(0.5))
            middle = b.select(b.fcmp_ordered(">", kept, self.constant(-3.0)), middle, self.zero)
            return b.select(b.fcmp_ordered("<", kept, self.constant(3.0)), middle, one)
        if function == HARDTANH:
            return b.select(b.fcmp_ordered("<", self.call("fabs", kept), one), one, self.zero)
        assert function == SOFTSIGN
        rest = b.fsub(one, self.call("fabs", kept))
        return b.fmul(rest, rest)

    def sigmoid(self, x: Any) -> Any:
        """1 / (1 + e^{−x}), as (1 + tanh(x/2)) / 2."""
        half = self.constant(0.5)
        return self.multiply_add(self.tanh(self.builder.fmul(x, half)), half, half)

    def silu(self, x: Any) -> Any:
        """x · sigmoid(x)."""
        return self.builder.fmul(x, self.sigmoid(x))

    def divide(self, p: Any, q: Any) -> Any:
        """``p/q``."""
        return self.builder.fdiv(p, q)

    def held(self, x: Any, low: float, high: float) -> Any:
        """``x`` held within ``low`` … ``high``; not-a-number stays what it is."""
        b = self.builder
        x = b.select(b.fcmp_ordered(">", x, self.constant(high)), self.constant(high), x)
        return b.select(b.fcmp_ordered("<", x, self.constant(low)), self.constant(low), x)

    def masked(self, x: Any, mask: Any) -> Any:
        """``x`` where ``mask`` has all bits, 0 where it has none, whatever ``x`` is."""
        b = self.builder
        return b.bitcast(b.and_(b.bitcast(x, self.whole), b.bitcast(mask, self.whole)), self.type)


class StreamActivations(Activations):
    """Activations in single precision for playing, in their quick or their ``exact`` forms."""

    def __init__(self, builder: Any, *, exact: bool = False) -> None:
        super().__init__(builder, types.float32)
        self.exact = exact

    def tanh(self, x: Any) -> Any:
        """Hyperbolic tangent."""
        if not self.exact:
            return self._rational(x, TANH_LIMIT, TANH_P, TANH_Q)
        b, one, two = self.builder, self.constant(1.0), self.constant(2.0)
        u, size = b.fmul(x, x), self.call("fabs", x)
        small = self.multiply_add(b.fmul(x, u), self.polynomial(u, SMALL_P), x)
        grown = self._exponential(self.held(b.fmul(size, two), 0.0, 20.0))
        large = self.call("copysign", b.fsub(one, b.fdiv(two, b.fadd(grown, one))), x)
        return b.select(b.fcmp_ordered("<", size, self.constant(SMALL)), small, large)

    def sigmoid(self, x: Any) -> Any:
        """1 / (1 + e^{−x})."""
        b, one = self.builder, self.constant(1.0)
        if not self.exact:
            return b.fadd(self._rational(x, 2 * TANH_LIMIT, SIGMOID_P, SIGMOID_Q), self.constant(0.5))
        return b.fdiv(one, b.fadd(one, self._exponential(self.clamp(b.fneg(x), 88.0))))

    def silu(self, x: Any) -> Any:
        """x · sigmoid(x)."""
        low = self.constant(-88.0 if self.exact else LEAST_SILU)
        x = self.builder.select(self.builder.fcmp_ordered("<", x, low), low, x)
        return self.builder.fmul(x, self.sigmoid(x))

    def divide(self, p: Any, q: Any) -> Any:
        """``p/q``; quick: within 2 units in the last place, for q that is neither 0 nor infinite."""
        return self.builder.fdiv(p, q, flags=() if self.exact else QUICK_DIVISION)

    def _rational(self, x: Any, limit: float, p: tuple[float, ...], q: tuple[float, ...]) -> Any:
        x = self.clamp(x, limit)
        u = self.builder.fmul(x, x)
        return self.divide(self.builder.fmul(x, self.polynomial(u, p)), self.polynomial(u, q))

    def _exponential(self, y: Any) -> Any:
        """e^y for abs(y) ≤ 88, to 1 ulp."""
        b = self.builder
        k = self.call("rint", b.fmul(y, self.constant(LOG2_E)))
        r = self.multiply_add(k, self.constant(-LN2_HIGH), y)
        r = self.multiply_add(k, self.constant(-LN2_LOW), r)
        rest = self.multiply_add(b.fmul(r, r), self.polynomial(r, SERIES[1:]), r)
        bits = b.add(b.fptosi(k, self.whole), ir.Constant(self.whole, [127] * self.lanes))
        power = b.bitcast(b.shl(bits, ir.Constant(self.whole, [23] * self.lanes)), self.type)
        return self.multiply_add(power, rest, power)
