"""How the kernels are written: vector instructions, loops and calls as LLVM code, through Numba intrinsics.

What `tiles` (training) and `stream_tiles` (playing) have in common: the width of this processor's vectors, the
instructions on them with a hyperbolic tangent among them, and the few shapes of control flow that kernels need.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from typing import Any, cast

import llvmlite.binding as llvm
import numba.core.cgutils
import numba.core.config
import numba.core.types
import numba.extending
from llvmlite import ir

# tanh(x) = x·P(x²)/Q(x²) for |x| ≤ 8.6, fitted to the least relative error (1.3e-8) by reweighted least squares;
# rounding to single precision makes it 3.3e-7, absolute and relative.
TANH_LIMIT = 8.6
TANH_P = (1.0, 0.13406874239444733, 0.0035263998433947563, 2.112235415552277e-05, 1.408244010292492e-08)
TANH_Q = (1.0, 0.4674019515514374, 0.025993892922997475, 0.0003336267254780978, 8.070622925515636e-07)

X86 = platform.machine().lower() in ("x86_64", "amd64")
types: Any = numba.core.types

INT, LANE = ir.IntType(64), ir.IntType(32)


def _features() -> set[str]:
    """The instructions that Numba compiles for: all that this processor has, unless NUMBA_CPU_FEATURES names fewer."""
    chosen = numba.core.config.CPU_FEATURES
    if chosen is not None:
        return {word[1:] for word in chosen.split(",") if word.startswith("+")}
    return {name for name, present in llvm.get_host_cpu_features().items() if present}


def _vector_bytes() -> int:
    """Bytes of the widest vector register that this processor multiplies and adds in."""
    features = _features() if X86 else set()
    return 64 if "avx512f" in features else 32 if "avx2" in features else 16


VECTOR_BYTES = _vector_bytes()
WIDE = VECTOR_BYTES == 64 or not X86
"""Whether there are 32 vector registers (AVX-512, NEON) and not 16 (AVX2)."""


def intrinsic(function: Callable[..., Any]) -> Callable[..., Any]:
    """Makes ``function``, which writes vector code, callable from compiled code."""
    return cast(Callable[..., Any], numba.extending.intrinsic(function))


class Vectors:
    """Writes vector instructions at the place where ``builder`` stands, for one element type."""

    def __init__(self, builder: Any, element: Any) -> None:
        self.builder = builder
        self.bytes = 4 if element == types.float32 else 8
        self.lanes = VECTOR_BYTES // self.bytes
        self.scalar = ir.FloatType() if self.bytes == 4 else ir.DoubleType()
        self.type = ir.VectorType(self.scalar, self.lanes)
        self.whole = ir.VectorType(ir.IntType(8 * self.bytes), self.lanes)
        self._undefined = ir.Constant(self.type, ir.Undefined)
        self.zero = ir.Constant(self.type, None)

    def constant(self, value: float) -> Any:
        """A vector of ``value`` in every lane, rounded to the element's precision."""
        return ir.Constant(self.type, [ir.Constant(self.scalar, value)] * self.lanes)

    def address(self, pointer: Any, offset: Any) -> Any:
        """``pointer + offset`` elements; the offset a number or a value."""
        return self.builder.gep(pointer, [ir.Constant(INT, offset) if isinstance(offset, int) else offset])

    def load(self, pointer: Any, vectors: int = 0) -> Any:
        """The vector that starts ``vectors`` whole vectors behind ``pointer``."""
        place = self.builder.bitcast(self.address(pointer, vectors * self.lanes), self.type.as_pointer())
        value = self.builder.load(place)
        value.align = self.bytes
        return value

    def store(self, value: Any, pointer: Any, vectors: int = 0) -> None:
        """Write a vector ``vectors`` whole vectors behind ``pointer``, which is aligned to single numbers alone."""
        place = self.builder.bitcast(self.address(pointer, vectors * self.lanes), self.type.as_pointer())
        self.builder.store(value, place).align = self.bytes

    def spread(self, scalar: Any) -> Any:
        """``scalar`` in every lane."""
        one = self.builder.insert_element(self._undefined, scalar, ir.Constant(LANE, 0))
        return self.shuffle(one, self._undefined, [0] * self.lanes)

    def shuffle(self, a: Any, b: Any, lanes: Sequence[int]) -> Any:
        """A vector of the named ``lanes`` of ``a``, counted from 0, and of ``b``, counted on from the end of ``a``."""
        return self.builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(LANE, len(lanes)), list(lanes)))

    def call(self, name: str, *arguments: Any) -> Any:
        """The LLVM intrinsic ``name`` on whole vectors."""
        full = f"llvm.{name}.v{self.lanes}f{8 * self.bytes}"
        kind = ir.FunctionType(self.type, [self.type] * len(arguments))
        function = self.builder.module.globals.get(full) or ir.Function(self.builder.module, kind, full)
        return self.builder.call(function, arguments)

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        """``a·b + c``, in one rounding where the processor has the instruction."""
        return self.call("fmuladd", a, b, c)

    def polynomial(self, x: Any, coefficients: Sequence[float]) -> Any:
        """``c₀ + c₁x + c₂x² + …`` by Horner's rule."""
        value = self.constant(coefficients[-1])
        for coefficient in coefficients[-2::-1]:
            value = self.multiply_add(value, x, self.constant(coefficient))
        return value

    def clamp(self, x: Any, limit: float) -> Any:
        """``x`` held within ±limit; not-a-number stays what it is."""
        b = self.builder
        x = b.select(b.fcmp_ordered(">", x, self.constant(limit)), self.constant(limit), x)
        return b.select(b.fcmp_ordered("<", x, self.constant(-limit)), self.constant(-limit), x)

    def tanh(self, x: Any) -> Any:
        """Hyperbolic tangent: to 3.3e-7 in single precision, to 3e-16 (absolute) in double."""
        b = self.builder
        if self.bytes == 8:
            return self._exact_tanh(x)
        x = self.clamp(x, TANH_LIMIT)
        u = b.fmul(x, x)
        return b.fdiv(b.fmul(x, self.polynomial(u, TANH_P)), self.polynomial(u, TANH_Q))

    def _exact_tanh(self, x: Any) -> Any:
        """``1 − 2/(1 + e^{2x})``, with e^y = 2^k·e^r, k whole and |r| ≤ ln 2 / 2, e^r by its series."""
        b = self.builder
        y = b.fmul(self.clamp(x, 20.0), self.constant(2.0))
        k = self.call("rint", b.fmul(y, self.constant(1.4426950408889634)))
        r = self.multiply_add(k, self.constant(-6.93147180369123816490e-01), y)
        r = self.multiply_add(k, self.constant(-1.90821492927058770002e-10), r)
        series = [1.0]
        for n in range(1, 15):
            series.append(series[-1] / n)
        bits = b.add(b.fptosi(k, self.whole), ir.Constant(self.whole, [1023] * self.lanes))
        power = b.bitcast(b.shl(bits, ir.Constant(self.whole, [52] * self.lanes)), self.type)
        grown = b.fadd(b.fmul(self.polynomial(r, series), power), self.constant(1.0))
        return b.fsub(self.constant(1.0), b.fdiv(self.constant(2.0), grown))

    def lane_sums(self, vectors: Sequence[Any]) -> Any:
        """One vector whose lane ``i`` is the sum over the lanes of ``vectors[i]`` (at most as many as lanes)."""
        level = [*vectors, *[self.zero] * (self.lanes - len(vectors))]
        even, odd = range(0, 2 * self.lanes, 2), range(1, 2 * self.lanes, 2)
        while len(level) > 1:
            pairs = zip(level[::2], level[1::2], strict=True)
            level = [
                self.zero
                if a is self.zero and b is self.zero
                else self.builder.fadd(self.shuffle(a, b, even), self.shuffle(a, b, odd))
                for a, b in pairs
            ]
        return level[0]


def loop(builder: Any, count: Any, state: Sequence[Any], body: Any) -> list[Any]:
    """``for i in range(count): state = body(i, state)`` with ``state`` kept in registers; returns the last state."""
    before = builder.block
    head, work, after = (builder.append_basic_block(name) for name in ("head", "work", "after"))
    builder.branch(head)
    builder.position_at_end(head)
    index = builder.phi(INT)
    index.add_incoming(ir.Constant(INT, 0), before)
    carried = [builder.phi(value.type) for value in state]
    for phi, value in zip(carried, state, strict=True):
        phi.add_incoming(value, before)
    builder.cbranch(builder.icmp_signed("<", index, count), work, after)
    builder.position_at_end(work)
    changed = body(index, carried)
    index.add_incoming(builder.add(index, ir.Constant(INT, 1)), builder.block)
    for phi, value in zip(carried, changed, strict=True):
        phi.add_incoming(value, builder.block)
    builder.branch(head)
    builder.position_at_end(after)
    return carried


def apart(builder: Any, name: str, arguments: Sequence[Any], body: Callable[[Any, Sequence[Any]], None]) -> None:
    """Calls ``body`` as a function of its own, never inlined: small functions compile several times faster than one
    that holds them all, and a call is nothing beside a tile. Nor are its loops unrolled: a tile is that already."""
    function = builder.module.globals.get(name)
    if function is None:
        kind = ir.FunctionType(ir.VoidType(), [argument.type for argument in arguments])
        function = ir.Function(builder.module, kind, name)
        function.linkage = "linkonce_odr"
        function.attributes.add("noinline")
        function.attributes.add("optsize")
        inside = ir.IRBuilder(function.append_basic_block())
        body(inside, function.args)
        inside.ret_void()
    builder.call(function, arguments)


def switch(builder: Any, value: Any, cases: dict[int, Callable[[], None]]) -> None:
    """Writes the case that ``value`` chooses; nothing happens where there is none."""
    after = builder.append_basic_block("after")
    choice = builder.switch(value, after)
    for number, write in cases.items():
        block = builder.append_basic_block(f"case{number}")
        choice.add_case(ir.Constant(INT, number), block)
        builder.position_at_end(block)
        write()
        builder.branch(after)
    builder.position_at_end(after)


@intrinsic
def at(typing: Any, array: Any, offset: Any) -> Any:
    """The address of element ``offset`` of a contiguous array."""
    signature = types.CPointer(array.dtype)(array, types.intp)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        return builder.gep(view.data, [arguments[1]])

    return signature, generate


def fetch(b: Any, pointer: Any) -> None:
    """Asks for the cache line at ``pointer`` ahead of its use."""
    byte, flag, name = ir.IntType(8).as_pointer(), ir.IntType(32), "llvm.prefetch.p0i8"
    kind = ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
    function = b.module.globals.get(name) or ir.Function(b.module, kind, name)
    b.call(function, [b.bitcast(pointer, byte), flag(0), flag(2), flag(1)])


@intrinsic
def move(typing: Any, to: Any, source: Any, count: Any) -> Any:
    """Copies ``count`` elements; the two places may overlap."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        numba.core.cgutils.raw_memmove(b, *arguments, Vectors(b, to.dtype).bytes)
        return context.get_dummy_value()

    return types.void(to, source, types.intp), generate
