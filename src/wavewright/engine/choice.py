"""How the next code is chosen: temperature, top-k and top-p, and the draw itself as compiled code.

The rule is that of `wavewright.nets.distributions.draw`, sums in float64: weights exp((logit − largest) / temperature);
the ``top_k`` largest are kept, of equals the lower code; of those the smallest head, most likely first, whose share
reaches ``top_p``; then the first kept code at which the sum in the order of codes exceeds u · total.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit
from numpy.typing import NDArray

from wavewright.engine import vector_code
from wavewright.engine.vector_code import INT, Vectors, at, types
from wavewright.errors import SettingsError

WIDTH = 8
"""Weights that are summed together before the sums are; logits come in multiples of it."""


@dataclass(frozen=True)
class Choice:
    """How codes are drawn from what the network says.

    ``temperature`` divides the logits and, in a mixture, multiplies the scales: one number, or one a sample, (time,).
    ``top_k`` keeps the likeliest codes alone (0: all), ``top_p`` the fewest whose share reaches it (1: all).

    Raises:
        SettingsError: a temperature not above 0, a negative ``top_k``, ``top_p`` outside (0, 1].

    >>> Choice(temperature=0.9, top_p=0.95).top_k
    0
    """

    temperature: float | NDArray[np.floating[Any]] = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        problems = []
        temperatures = np.asarray(self.temperature, np.float64)
        if temperatures.ndim > 1:
            problems.append(f"temperature has the shape {temperatures.shape}: must be one number, or one a sample")
        wrong = temperatures[~((temperatures > 0) & np.isfinite(temperatures))]
        if wrong.size:
            problems.append(
                f"temperature = {wrong.flat[0]}: must be a finite number above 0; small ones take the likeliest"
            )
        if self.top_k < 0:
            problems.append(f"top_k = {self.top_k}: must be 0 (all codes) or how many of the likeliest to keep")
        if not 0.0 < self.top_p <= 1.0:
            problems.append(f"top_p = {self.top_p}: must be above 0 and at most 1 (all codes)")
        if problems:
            raise SettingsError(problems)

    def temperatures(self, time: int) -> NDArray[np.float64]:
        """The temperature of each of ``time`` samples.

        Raises:
            SettingsError: there is one a sample, but of another number of samples.
        """
        given = np.asarray(self.temperature, np.float64)
        if given.ndim and len(given) != time:
            raise SettingsError([f"temperature has {len(given)} numbers: must be one, or {time}, one a sample"])
        return np.ascontiguousarray(np.broadcast_to(given, (time,)))


def _exponential(v: Vectors, x: Any) -> Any:
    """eˣ in double precision for x ≤ 0, to 2e-16 relative; below −708 it is e⁻⁷⁰⁸.

    x = k ln 2 + r, |r| ≤ ln 2 / 2, and the series of e^r to its 13th term.
    """
    b = v.builder
    least = v.constant(-708.0)
    x = b.select(b.fcmp_ordered("<", x, least), least, x)
    k = v.call("rint", b.fmul(x, v.constant(1.4426950408889634)))
    r = v.multiply_add(k, v.constant(-6.93147180369123816490e-01), x)
    r = v.multiply_add(k, v.constant(-1.90821492927058770002e-10), r)
    bits = b.add(b.fptosi(k, v.whole), ir.Constant(v.whole, [1023] * v.lanes))
    power = b.bitcast(b.shl(bits, ir.Constant(v.whole, [52] * v.lanes)), v.type)
    return b.fmul(v.polynomial(r, [1 / math.factorial(n) for n in range(13)]), power)


@vector_code.intrinsic
def _weigh(typing: Any, logits: Any, groups: Any, largest: Any, inverse: Any, weights: Any, sums: Any) -> Any:
    """``weights = exp((logits − largest) · inverse)`` and the ``sums`` of each group of `WIDTH`; returns their sum."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        logits, groups, largest, inverse, weights, sums = arguments
        v = Vectors(b, types.float64)
        most, factor = v.spread(b.fpext(largest, v.scalar)), v.spread(inverse)
        singles = ir.VectorType(ir.FloatType(), v.lanes)

        def group(index: Any, state: Sequence[Any]) -> list[Any]:
            first, total = b.mul(index, ir.Constant(INT, WIDTH)), v.zero
            for part in range(0, WIDTH, v.lanes):
                place = b.add(first, ir.Constant(INT, part))
                row = b.load(b.bitcast(v.address(logits, place), singles.as_pointer()))
                row.align = 4
                weight = _exponential(v, b.fmul(b.fsub(b.fpext(row, v.type), most), factor))
                v.store(weight, v.address(weights, place))
                total = b.fadd(total, weight)
            v.builder.store(
                b.extract_element(v.lane_sums([total]), ir.Constant(ir.IntType(32), 0)), v.address(sums, index)
            )
            return [b.fadd(state[0], total)]

        (total,) = vector_code.loop(b, groups, [v.zero], group)
        return b.extract_element(v.lane_sums([total]), ir.Constant(ir.IntType(32), 0))

    double = types.float64
    return double(logits, types.intp, types.float32, double, weights, sums), generate


@vector_code.intrinsic
def _greatest(typing: Any, logits: Any, groups: Any) -> Any:
    """The largest of ``groups`` times `WIDTH` numbers."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        logits, groups = arguments
        kind = ir.VectorType(ir.FloatType(), WIDTH)

        def load(index: Any) -> Any:
            place = b.gep(logits, [b.mul(index, ir.Constant(INT, WIDTH))])
            value = b.load(b.bitcast(place, kind.as_pointer()))
            value.align = 4
            return value

        def larger(x: Any, y: Any) -> Any:
            return b.select(b.fcmp_ordered(">", x, y), x, y)

        one = ir.Constant(INT, 1)
        (most,) = vector_code.loop(
            b,
            b.sub(groups, one),
            [load(ir.Constant(INT, 0))],
            lambda index, state: [larger(load(b.add(index, one)), state[0])],
        )
        none, width = ir.Constant(kind, ir.Undefined), WIDTH
        while width > 1:
            width //= 2
            lanes = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [lane ^ width for lane in range(WIDTH)])
            most = larger(most, b.shuffle_vector(most, none, lanes))
        return b.extract_element(most, ir.Constant(ir.IntType(32), 0))

    return types.float32(logits, types.intp), generate


@vector_code.intrinsic
def _bits(typing: Any, number: Any) -> Any:
    """The bits of a single-precision number as a whole number."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        return b.bitcast(arguments[0], ir.IntType(32))

    return types.int32(types.float32), generate


@njit(nogil=True, error_model="numpy")
def _sink(heap, place, size):  # type: ignore[no-untyped-def]
    """Puts the number at ``place`` of a heap, largest first, where it belongs."""
    number = heap[place]
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        if child + 1 < size and heap[child + 1] > heap[child]:
            child += 1
        if heap[child] <= number:
            break
        heap[place] = heap[child]
        place = child
    heap[place] = number


@njit(nogil=True, error_model="numpy")
def _keep(logits, levels, top_k, top_p, total, weights, heap, kept):  # type: ignore[no-untyped-def]
    """Takes away the weights of all but the likeliest codes; ``total`` is the sum of all.

    A heap hands the codes out, most likely first: its numbers grow with the logit and, of equal logits, with what the
    code lacks to the last one. They come to stand behind the heap, from its end downwards.
    """
    for code in range(levels):
        bits = np.int64(_bits(logits[code])) if logits[code] != 0 else np.int64(0)  # −0 equals 0
        grows = bits if bits >= 0 else np.int64(-2147483648) - bits
        heap[code] = (grows << 32) + (levels - code)
    for place in range(levels // 2 - 1, -1, -1):
        _sink(heap, place, levels)
    most = levels if top_k == 0 else min(top_k, levels)
    wanted = np.inf if most < levels or top_p >= 1 else total * top_p
    count, share = 0, 0.0
    while count < most and share < wanted:
        likeliest = heap[0]
        count += 1
        heap[0] = heap[levels - count]
        _sink(heap, 0, levels - count)
        heap[levels - count] = likeliest
        share += weights[levels - (likeliest & 0xFFFFFFFF)]
    if most < levels and top_p < 1:
        wanted, share, most, count = share * top_p, 0.0, count, 0
        while count < most and share < wanted:
            count += 1
            share += weights[levels - (heap[levels - count] & 0xFFFFFFFF)]
    for index in range(count):
        kept[index] = weights[levels - (heap[levels - 1 - index] & 0xFFFFFFFF)]
    for code in range(levels):
        weights[code] = 0
    for index in range(count):
        weights[levels - (heap[levels - 1 - index] & 0xFFFFFFFF)] = kept[index]


@njit(nogil=True, error_model="numpy")
def draw_softmax(logits, levels, uniform, temperature, top_k, top_p, scratch, heap):  # type: ignore[no-untyped-def]
    """A code, and its −ln p at temperature 1, all codes kept.

    ``logits`` come in whole groups of `WIDTH`, those beyond ``levels`` as low as can be. ``scratch`` has room for three
    times as many numbers, ``heap`` for as many whole ones.
    """
    groups = (levels + WIDTH - 1) // WIDTH
    weights, sums, kept = at(scratch, 0), at(scratch, WIDTH * groups), at(scratch, 2 * WIDTH * groups)
    largest = _greatest(logits, groups)
    plain = total = _weigh(logits, groups, largest, 1.0 / temperature, weights, sums)
    if top_k != 0 or top_p < 1:
        _keep(logits, levels, top_k, top_p, total, weights, at(heap, 0), kept)
        total = 0.0
        for group in range(groups):
            share = 0.0
            for code in range(group * WIDTH, (group + 1) * WIDTH):
                share += weights[code]
            sums[group] = share
            total += share
    wanted, before, group = uniform * total, 0.0, 0
    while group < groups - 1 and before + sums[group] <= wanted:
        before += sums[group]
        group += 1
    code, last = group * WIDTH, min((group + 1) * WIDTH, levels) - 1
    while code < last and before + weights[code] <= wanted:
        before += weights[code]
        code += 1
    while code > 0 and weights[code] == 0:  # rounding led beyond the last that was kept
        code -= 1
    if temperature != 1:
        plain = _weigh(logits, groups, largest, 1.0, weights, sums)
    return code, np.log(plain) - (np.float64(logits[code]) - largest)


@njit(nogil=True, error_model="numpy")
def softmax_nats(logits, levels, code, scratch):  # type: ignore[no-untyped-def]
    """−ln p of ``code``; for the rest see `draw_softmax`."""
    groups = (levels + WIDTH - 1) // WIDTH
    largest = _greatest(logits, groups)
    total = _weigh(logits, groups, largest, 1.0, at(scratch, 0), at(scratch, WIDTH * groups))
    return np.log(total) - (np.float64(logits[code]) - largest)


@njit(nogil=True, error_model="numpy")
def draw_mixture(parameters, components, levels, least, most, uniforms, temperature):  # type: ignore[no-untyped-def]
    """A code from a mixture of logistics, log scales held from ``least`` to ``most``; takes two ``uniforms``."""
    largest = parameters[0]
    for index in range(1, components):
        largest = max(largest, parameters[index])
    total = 0.0
    for index in range(components):
        total += np.exp((np.float64(parameters[index]) - largest) / temperature)
    wanted, chosen = uniforms[0] * total, 0
    share = np.exp((np.float64(parameters[0]) - largest) / temperature)
    while chosen < components - 1 and share <= wanted:
        chosen += 1
        share += np.exp((np.float64(parameters[chosen]) - largest) / temperature)
    scale = np.exp(min(max(np.float64(parameters[2 * components + chosen]), least), most))
    logistic = np.log(uniforms[1]) - np.log1p(-uniforms[1])
    value = parameters[components + chosen] + temperature * scale * logistic
    return np.int64(np.floor((min(max(value, -1.0), 1.0) + 1.0) * (0.5 * (levels - 1)) + 0.5))


@njit(nogil=True, error_model="numpy")
def _log_sigmoid(x):  # type: ignore[no-untyped-def]
    return min(x, 0.0) - np.log1p(np.exp(-abs(x)))


@njit(nogil=True, error_model="numpy")
def mixture_nats(parameters, components, levels, least, most, code):  # type: ignore[no-untyped-def]
    """−ln p of ``code`` under a mixture of logistics (`wavewright.nets.distributions.LogisticMixture`)."""
    level = 2.0 * code / (levels - 1) - 1.0
    weighed, together = -np.inf, -np.inf  # the logarithms of what the weights, and weights times p, add up to
    for index in range(components):
        weight = np.float64(parameters[index])
        narrow = np.exp(-min(max(np.float64(parameters[2 * components + index]), least), most))
        a, half = (level - parameters[components + index]) * narrow, narrow / (levels - 1)
        log_p = 0.0
        if code != levels - 1:
            log_p += _log_sigmoid(a + half)
        if code != 0:
            log_p += _log_sigmoid(half - a)
        if code not in (0, levels - 1):
            log_p += np.log(-np.expm1(-2.0 * half))
        weighed = np.logaddexp(weighed, weight)
        together = np.logaddexp(together, weight + log_p)
    return weighed - together
