"""What stands between the products of a stack in training: activations, gates and their derivatives, row by row.

`finish`
    an activation, or the derivative of one, behind a product, in place.
`gate_rows`, `gate_gradient_rows`
    a = act(z₁)·sigmoid(z₂), or act(z₁) alone, beside the rows that it is made from, and its gradients.

Pointers are plain addresses, as in `tiles`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from llvmlite import ir

from wavewright.engine.activations import KEEPS_INPUT, NUMBERS, RECTIFIER, Activations
from wavewright.engine.vector_code import INT, apart, intrinsic, loop, switch, types

FUNCTIONS = tuple(sorted(set(NUMBERS.values())))

GRADIENT = 16
"""Added to a function's number: its derivative."""

GATED = 32
"""Added to a function's number: a sigmoid of a second half of the rows multiplies it."""

IN_PLACE = tuple(function for function in FUNCTIONS if function not in KEEPS_INPUT or function == RECTIFIER)
BESIDE = (*KEEPS_INPUT, *(function + GATED for function in FUNCTIONS))


def _cases(b: Any, kind: Any, name: str, arguments: Sequence[Any], body: Any, kinds: Sequence[int]) -> None:
    """``body``, told its kind, for each of ``kinds``: the one that ``kind`` says is called."""

    def case(number: int) -> None:
        apart(b, f"wavewright_{name}_{number}", arguments, partial(body, kind=number))

    cases: dict[int, Callable[[], None]] = {number: partial(case, number) for number in kinds}
    switch(b, kind, cases)


@intrinsic
def finish(typing: Any, kind: Any, out: Any, other: Any, steps: Any, slope: Any) -> Any:
    """The function ``kind`` on ``steps`` vectors of the row ``out``, in place.

    An activation's result is also added to the row ``other`` (the head's sum). For a derivative, ``other`` is what the
    layer kept (`KEEPS_INPUT`), and ``out`` is multiplied by it.
    """
    element = out.dtype

    def row(b: Any, arguments: Sequence[Any], kind: int) -> None:
        out, other, steps, slope = arguments
        v = Activations(b, element)
        slopes, function = v.spread(slope), kind % GRADIENT

        def step(index: Any, _: Sequence[Any]) -> list[Any]:
            t = b.mul(index, ir.Constant(INT, v.lanes))
            place, beside = v.address(out, t), v.address(other, t)
            value, known = v.load(place), v.load(beside)
            if kind & GRADIENT:
                v.store(b.fmul(value, v.gradient(function, known, slopes)), place)
            else:
                value = v.activate(function, value, slopes)
                v.store(value, place)
                v.store(b.fadd(known, value), beside)
            return []

        loop(b, steps, [], step)

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        kinds = [*IN_PLACE, *(function + GRADIENT for function in FUNCTIONS)]
        _cases(b, arguments[0], f"finish_{element}", arguments[1:], row, kinds)
        return context.get_dummy_value()

    return types.void(types.intp, out, other, types.intp, element), generate


@intrinsic
def gate_rows(
    typing: Any, kind: Any, rows: Any, steps: Any, z: Any, z_stride: Any, out: Any, out_stride: Any, total: Any,
    total_stride: Any, slope: Any,
) -> Any:  # fmt: skip
    """``out`` = act(z₁)·sigmoid(z₂) or act(z₁), ``rows`` × ``steps`` vectors; each row is added to a row of ``total``.

    z₂ lies ``rows`` rows behind z₁. What the derivatives need is left in their place: the gate, and the function's
    value unless it `KEEPS_INPUT`.
    """
    element, whole = z.dtype, types.intp

    def each(b: Any, arguments: Sequence[Any], kind: int) -> None:
        rows, steps, z, z_stride, out, out_stride, total, total_stride, slope = arguments
        v = Activations(b, element)
        slopes, function, further = v.spread(slope), kind % GRADIENT, b.mul(rows, z_stride)

        def row(index: Any, _: Sequence[Any]) -> list[Any]:
            source, place = v.address(z, b.mul(index, z_stride)), v.address(out, b.mul(index, out_stride))
            beside = v.address(total, b.mul(index, total_stride))
            gates = v.address(source, further)

            def step(index: Any, _: Sequence[Any]) -> list[Any]:
                t = b.mul(index, ir.Constant(INT, v.lanes))
                value = v.activate(function, v.load(v.address(source, t)), slopes)
                if function not in KEEPS_INPUT:
                    v.store(value, v.address(source, t))
                if kind & GATED:
                    gate = v.sigmoid(v.load(v.address(gates, t)))
                    v.store(gate, v.address(gates, t))
                    value = b.fmul(value, gate)
                v.store(value, v.address(place, t))
                v.store(b.fadd(v.load(v.address(beside, t)), value), v.address(beside, t))
                return []

            loop(b, steps, [], step)
            return []

        loop(b, rows, [], row)

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        _cases(b, arguments[0], f"gate_{element}", arguments[1:], each, BESIDE)
        return context.get_dummy_value()

    return types.void(whole, whole, whole, z, whole, out, whole, total, whole, element), generate


@intrinsic
def gate_gradient_rows(
    typing: Any, kind: Any, rows: Any, steps: Any, da: Any, da_stride: Any, kept: Any, kept_stride: Any, dz: Any,
    dz_stride: Any, slope: Any,
) -> Any:  # fmt: skip
    """The gradients by z₁ and z₂ from the one by a, ``da``, and what `gate_rows` left, ``kept``.

    With f = act(z₁) and g = sigmoid(z₂): ∂z₁ = ∂a·g·f' and ∂z₂ = ∂a·f·g(1 − g), ``rows`` rows further on.
    """
    element, whole = da.dtype, types.intp

    def each(b: Any, arguments: Sequence[Any], kind: int) -> None:
        rows, steps, da, da_stride, kept, kept_stride, dz, dz_stride, slope = arguments
        v = Activations(b, element)
        slopes, function = v.spread(slope), kind % GRADIENT
        kept_further, dz_further = b.mul(rows, kept_stride), b.mul(rows, dz_stride)

        def row(index: Any, _: Sequence[Any]) -> list[Any]:
            source, place = v.address(da, b.mul(index, da_stride)), v.address(dz, b.mul(index, dz_stride))
            known = v.address(kept, b.mul(index, kept_stride))
            gates, beyond = v.address(known, kept_further), v.address(place, dz_further)

            def step(index: Any, _: Sequence[Any]) -> list[Any]:
                t = b.mul(index, ir.Constant(INT, v.lanes))
                left, gate = v.load(v.address(known, t)), v.load(v.address(gates, t))
                through = b.fmul(v.load(v.address(source, t)), gate)
                v.store(b.fmul(through, v.gradient(function, left, slopes)), v.address(place, t))
                value = v.activate(function, left, slopes) if function in KEEPS_INPUT else left
                rest = b.fsub(v.constant(1.0), gate)
                v.store(b.fmul(b.fmul(through, value), rest), v.address(beyond, t))
                return []

            loop(b, steps, [], step)
            return []

        loop(b, rows, [], row)

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        kinds = [function + GATED for function in FUNCTIONS]
        _cases(b, arguments[0], f"gate_gradient_{element}", arguments[1:], each, kinds)
        return context.get_dummy_value()

    return types.void(whole, whole, whole, da, whole, kept, whole, dz, whole, element), generate
