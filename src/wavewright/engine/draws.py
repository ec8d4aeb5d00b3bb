"""Draws from what a network says, as compiled code, by the rule of `wavewright.nets.distributions.draw`.

Softmax, in float64: weights exp((logit − largest) / temperature); the ``top_k`` largest are kept, of equals the lower
code; of those the smallest head, most likely first, whose share reaches ``top_p``; then the first kept code at which
the sum in the order of codes exceeds u · total. Most draws are certain in single precision already: all whose u · total
is further than `DOUBT` from the sums on both sides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit

from wavewright.engine import vector_code
from wavewright.engine.sampler_packing import LANES
from wavewright.engine.vector_code import INT, Vectors, at, types

DOUBT = 1e-5
"""By how much, of the total, sums in single precision may be wrong; they are to 2e-6."""


def _exponential(v: Vectors, x: Any) -> Any:
    """eˣ in double precision for x ≤ 0, to 2e-16 relative; below −708 it is 0.

    x = k ln 2 + r, |r| ≤ ln 2 / 2, and the series of e^r to its 13th term.
    """
    b = v.builder
    least = v.constant(-708.0)
    nothing = b.fcmp_ordered("<", x, least)
    x = b.select(nothing, least, x)
    k = v.call("rint", b.fmul(x, v.constant(1.4426950408889634)))
    r = v.multiply_add(k, v.constant(-6.93147180369123816490e-01), x)
    r = v.multiply_add(k, v.constant(-1.90821492927058770002e-10), r)
    bits = b.add(b.fptosi(k, v.whole), ir.Constant(v.whole, [1023] * v.lanes))
    power = b.bitcast(b.shl(bits, ir.Constant(v.whole, [52] * v.lanes)), v.type)
    return b.select(nothing, v.zero, b.fmul(v.polynomial(r, [1 / math.factorial(n) for n in range(13)]), power))


def _quick_exponential(v: Vectors, x: Any) -> Any:
    """eˣ in single precision for x ≤ 0, to 2e-7 relative and 1e-7 · |x|; below −87 it is e⁻⁸⁷."""
    b = v.builder
    least = v.constant(-87.0)
    x = b.select(b.fcmp_ordered("<", x, least), least, x)
    k = v.call("rint", b.fmul(x, v.constant(1.4426950408889634)))
    r = v.multiply_add(k, v.constant(-0.693359375), x)  # k times it is exact
    r = v.multiply_add(k, v.constant(2.12194440e-4), r)
    bits = b.add(b.fptosi(k, v.whole), ir.Constant(v.whole, [127] * v.lanes))
    power = b.bitcast(b.shl(bits, ir.Constant(v.whole, [23] * v.lanes)), v.type)
    return b.fmul(v.polynomial(r, [1 / math.factorial(n) for n in range(7)]), power)


@vector_code.intrinsic
def _weigh(typing: Any, logits: Any, groups: Any, largest: Any, inverse: Any, weights: Any) -> Any:
    """``weights = exp((logits − largest) · inverse)`` over ``groups`` of `LANES`; returns their sum."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        logits, groups, largest, inverse, weights = arguments
        v = Vectors(b, types.float64)
        most, factor = v.spread(b.fpext(largest, v.scalar)), v.spread(inverse)
        singles = ir.VectorType(ir.FloatType(), v.lanes)

        def step(index: Any, state: Sequence[Any]) -> list[Any]:
            place = b.mul(index, ir.Constant(INT, v.lanes))
            row = b.load(b.bitcast(v.address(logits, place), singles.as_pointer()))
            row.align = 4
            weight = _exponential(v, b.fmul(b.fsub(b.fpext(row, v.type), most), factor))
            v.store(weight, v.address(weights, place))
            return [b.fadd(state[0], weight)]

        vectors = b.mul(groups, ir.Constant(INT, LANES // v.lanes))
        (total,) = vector_code.loop(b, vectors, [v.zero], step)
        return b.extract_element(v.lane_sums([total]), ir.Constant(ir.IntType(32), 0))

    return types.float64(logits, types.intp, types.float32, types.float64, weights), generate


class _Quick(Vectors):
    """What a draw in single precision takes."""

    def __init__(self, builder: Any) -> None:
        super().__init__(builder, types.float32)

    def larger(self, x: Any, y: Any) -> Any:
        """The larger of each lane's numbers."""
        return self.builder.select(self.builder.fcmp_ordered(">", x, y), x, y)

    def greatest(self, row: Any, vectors: Any) -> Any:
        """The largest number of ``vectors`` vectors."""
        b = self.builder

        def step(index: Any, state: Sequence[Any]) -> list[Any]:
            place = b.mul(index, ir.Constant(INT, self.lanes))
            return [self.larger(self.load(self.address(row, place)), state[0])]

        (most,) = vector_code.loop(b, vectors, [self.load(row)], step)
        width = self.lanes
        while width > 1:
            width //= 2
            most = self.larger(most, self.shuffle(most, most, [lane ^ width for lane in range(self.lanes)]))
        return self.lane(most, 0)

    def lane(self, x: Any, index: int) -> Any:
        """One lane's number."""
        return self.builder.extract_element(x, ir.Constant(ir.IntType(32), index))

    def weigh(self, logits: Any, vectors: Any, largest: Any, factor: Any, weights: Any) -> Any:
        """``weights = exp((logits − largest) · factor)``, ``vectors`` vectors; returns their sum."""
        b = self.builder
        most, factors = self.spread(largest), self.spread(factor)

        def step(index: Any, state: Sequence[Any]) -> list[Any]:
            place = b.mul(index, ir.Constant(INT, self.lanes))
            x = b.fmul(b.fsub(self.load(self.address(logits, place)), most), factors)
            weight = _quick_exponential(self, x)
            self.store(weight, self.address(weights, place))
            return [b.fadd(state[0], weight)]

        (total,) = vector_code.loop(b, vectors, [self.zero], step)
        return self.lane(self.lane_sums([total]), 0)

    def sums_so_far(self, x: Any, before: Any) -> Any:
        """In each lane ``before`` and the sum of its number and of those in front of it."""
        distance = 1
        while distance < self.lanes:
            lanes = [lane - distance if lane >= distance else self.lanes for lane in range(self.lanes)]
            x = self.builder.fadd(x, self.shuffle(x, self.zero, lanes))
            distance *= 2
        return self.builder.fadd(x, self.spread(before))

    def not_above(self, x: Any, limit: Any) -> Any:
        """How many lanes' numbers are not above ``limit``."""
        b, bits = self.builder, ir.IntType(self.lanes)
        mask = b.bitcast(b.fcmp_ordered("<=", x, self.spread(limit)), bits)
        name = f"llvm.ctpop.i{self.lanes}"
        count = b.module.globals.get(name) or ir.Function(b.module, ir.FunctionType(bits, [bits]), name)
        return b.zext(b.call(count, [mask]), INT)


@vector_code.intrinsic
def _draw_quickly(typing: Any, logits: Any, vectors: Any, factor: Any, uniform: Any, quick: Any, results: Any) -> Any:
    """The code at which the sum of exp((logits − largest) · factor) exceeds its share ``uniform`` of the total, or −1
    where single precision is in doubt. ``results`` become the largest logit and the total; ``quick`` is for the work.
    """

    def work(b: Any, arguments: Sequence[Any]) -> None:
        logits, vectors, factor, uniform, quick, results, found = arguments
        v = _Quick(b)
        one, lanes = ir.Constant(INT, 1), ir.Constant(INT, v.lanes)
        largest = v.greatest(logits, vectors)
        total = v.weigh(logits, vectors, largest, factor, quick)
        b.store(largest, results)
        b.store(total, v.address(results, 1))
        wanted, doubt = b.fmul(uniform, total), b.fmul(total, ir.Constant(v.scalar, DOUBT))
        edges = v.address(results, 2)  # room for a number in front of a vector

        def below(row: Any, before: Any) -> tuple[Any, Any, Any]:
            """How many sums of ``row`` are not above what is wanted, the last of these, and the next one."""
            sums = v.sums_so_far(row, before)
            b.store(before, edges)
            v.store(sums, v.address(edges, 1))
            count = v.not_above(sums, wanted)
            return count, b.load(v.address(edges, count)), b.load(v.address(edges, b.add(count, one)))

        def block(index: Any, state: Sequence[Any]) -> list[Any]:
            first = b.mul(index, b.mul(lanes, lanes))
            rows = [v.load(v.address(quick, first), n) for n in range(v.lanes)]
            count, before, _ = below(v.lane_sums(rows), state[1])
            # behind a block of which not all sums are below, nothing is: the sum so far ends there
            whole = b.icmp_signed("==", state[0], b.mul(index, lanes))
            nothing = ir.Constant(INT, 0)
            return [b.add(state[0], b.select(whole, count, nothing)), b.select(whole, before, state[1])]

        blocks = b.udiv(b.add(vectors, b.sub(lanes, one)), lanes)
        start = [ir.Constant(INT, 0), ir.Constant(v.scalar, 0.0)]
        vector, before = vector_code.loop(b, blocks, start, block)
        last = b.sub(vectors, one)
        vector = b.select(b.icmp_signed("<", vector, last), vector, last)
        count, lower, upper = below(v.load(v.address(quick, b.mul(vector, lanes))), before)
        near = b.or_(
            b.fcmp_unordered("<", b.fsub(wanted, lower), doubt), b.fcmp_unordered("<", b.fsub(upper, wanted), doubt)
        )
        code = b.add(b.mul(vector, lanes), count)
        near = b.or_(near, b.icmp_signed("==", count, lanes))
        b.store(b.select(near, ir.Constant(INT, -1), code), found)

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        found = b.alloca(INT)
        vector_code.apart(b, "wavewright_draw_quickly", [*arguments, found], work)
        return b.load(found)

    single = types.float32
    return types.int64(logits, types.intp, single, single, quick, results), generate


@vector_code.intrinsic
def _sum_quickly(typing: Any, logits: Any, vectors: Any, quick: Any, results: Any) -> Any:
    """``results`` become the largest logit and the sum of exp(logits − largest)."""

    def work(b: Any, arguments: Sequence[Any]) -> None:
        logits, vectors, quick, results = arguments
        v = _Quick(b)
        largest = v.greatest(logits, vectors)
        b.store(largest, results)
        b.store(v.weigh(logits, vectors, largest, ir.Constant(v.scalar, 1.0), quick), v.address(results, 1))

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        vector_code.apart(b, "wavewright_sum_quickly", arguments, work)
        return context.get_dummy_value()

    return types.void(logits, types.intp, quick, results), generate


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
def _draw_exactly(logits, levels, largest, uniform, temperature, top_k, top_p, scratch, heap):  # type: ignore[no-untyped-def]
    """A code by the rule, in float64, added up one after the other as the rule does."""
    groups = (levels + LANES - 1) // LANES
    weights, kept = at(scratch, 0), at(scratch, LANES * groups)
    total = _weigh(logits, groups, largest, 1.0 / temperature, weights)
    if top_k != 0 or top_p < 1:
        _keep(logits, levels, top_k, top_p, total, weights, at(heap, 0), kept)
    total = 0.0
    for code in range(levels):
        total += weights[code]
    wanted, code, reached = uniform * total, 0, weights[0]
    while code < levels - 1 and reached <= wanted:
        code += 1
        reached += weights[code]
    while code > 0 and weights[code] == 0:  # rounding led beyond the last that was kept
        code -= 1
    return code


def quick_room(levels: int) -> int:
    """How many single-precision numbers `draw_softmax` works with: weights in whole blocks, and what comes of them."""
    blocks = -(-levels // LANES**2)
    return blocks * LANES**2 + 2 * LANES + 4


@njit(nogil=True, error_model="numpy")
def draw_softmax(logits, levels, uniform, temperature, top_k, top_p, scratch, quick, heap):  # type: ignore[no-untyped-def]
    """A code, and its −ln p at temperature 1, all codes kept.

    ``logits`` come in whole vectors, those beyond ``levels`` as low as can be. ``scratch`` (float64) has room for twice
    as many numbers, ``heap`` for as many whole ones; ``quick`` are `quick_room` float32 that began as zeros. What
    single precision is certain of is not computed again.
    """
    vectors = (levels + LANES - 1) // LANES
    results = at(quick, quick.size - 2 * LANES - 4)
    code = _draw_quickly(
        logits, vectors, np.float32(1) / np.float32(temperature), np.float32(uniform), at(quick, 0), results
    )
    if code < 0 or code >= levels or top_k != 0 or top_p < 1:
        code = _draw_exactly(logits, levels, results[0], uniform, temperature, top_k, top_p, scratch, heap)
    if temperature != 1:
        _sum_quickly(logits, vectors, at(quick, 0), results)
    return code, np.log(np.float64(results[1])) - (np.float64(logits[code]) - results[0])


@njit(nogil=True, error_model="numpy")
def softmax_nats(logits, levels, code, quick):  # type: ignore[no-untyped-def]
    """−ln p of ``code``; for the rest see `draw_softmax`."""
    results = at(quick, quick.size - 2 * LANES - 4)
    _sum_quickly(logits, (levels + LANES - 1) // LANES, at(quick, 0), results)
    return np.log(np.float64(results[1])) - (np.float64(logits[code]) - results[0])


@njit(nogil=True, error_model="numpy")
def draw_mixture(parameters, components, levels, limits, uniforms, temperature):  # type: ignore[no-untyped-def]
    """A code from a mixture of logistics, log scales held within ``limits``; takes two ``uniforms``."""
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
    scale = np.exp(min(max(np.float64(parameters[2 * components + chosen]), limits[0]), limits[1]))
    logistic = np.log(uniforms[1]) - np.log1p(-uniforms[1])
    value = parameters[components + chosen] + temperature * scale * logistic
    code = np.int64(np.floor((min(max(value, -1.0), 1.0) + 1.0) * (0.5 * (levels - 1)) + 0.5))
    return min(max(code, 0), levels - 1)  # also where a network has gone wrong and says what is no number


@njit(nogil=True, error_model="numpy")
def _log_sigmoid(x):  # type: ignore[no-untyped-def]
    return min(x, 0.0) - np.log1p(np.exp(-abs(x)))


@njit(nogil=True, error_model="numpy")
def mixture_nats(parameters, components, levels, limits, code):  # type: ignore[no-untyped-def]
    """−ln p of ``code`` under a mixture of logistics (`wavewright.nets.distributions.LogisticMixture`)."""
    level = 2.0 * code / (levels - 1) - 1.0
    weighed, together = -np.inf, -np.inf  # the logarithms of what the weights, and weights times p, add up to
    for index in range(components):
        weight = np.float64(parameters[index])
        narrow = np.exp(-min(max(np.float64(parameters[2 * components + index]), limits[0]), limits[1]))
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
