"""Products of bytes summed four at a time into 32-bit integers: the processor's own instruction, or a form for all.

    sums[i] += Σ_j a[4i + j] · b[4i + j],  j = 0 … 3,  a and b signed bytes

Processors differ in what they offer. AVX-512 VNNI and AVX-VNNI multiply signed bytes by unsigned ones, so that one side
is stored with 128 added (`OFFSET`) and the sums begin at −128 times the other side's; NEON takes signed bytes on both
sides. Everything else widens to 16 bits and adds pairs. All give the same integers.
"""

from __future__ import annotations

from typing import Any, Literal

import llvmlite.binding as llvm
from llvmlite import ir

from wavewright.engine import vector_code
from wavewright.engine.vector_code import VECTOR_BYTES, X86

Form = Literal["vnni", "neon", "portable"]


def _form() -> Form:
    """What this processor offers at the width of its vectors."""
    features = llvm.get_host_cpu_features()
    if X86 and (features.get("avx512vnni") if VECTOR_BYTES == 64 else features.get("avxvnni")):
        return "vnni"
    return "neon" if not X86 and features.get("dotprod") else "portable"


FORM: Form = _form()

_BYTE, _SHORT, _WORD = ir.IntType(8), ir.IntType(16), ir.IntType(32)


def offset_of(form: Form) -> int:
    """What is added to the bytes of the side that is spread."""
    return 128 if form == "vnni" else 0


OFFSET = offset_of(FORM)
"""`offset_of` this processor's form."""


class IntegerDots:
    """Writes sums of products of bytes at the place where ``builder`` stands."""

    def __init__(self, builder: Any, form: Form = FORM) -> None:
        self.builder, self.form = builder, form
        self.lanes = VECTOR_BYTES // 4
        self.type = ir.VectorType(_WORD, self.lanes)
        self.bytes = ir.VectorType(_BYTE, VECTOR_BYTES)

    def load(self, pointer: Any, vectors: int) -> Any:
        """The vector of words that starts ``vectors`` whole vectors behind the byte pointer."""
        place = self.builder.gep(pointer, [ir.Constant(vector_code.INT, vectors * VECTOR_BYTES)])
        value = self.builder.load(self.builder.bitcast(place, self.type.as_pointer()))
        value.align = 4
        return value

    def spread(self, pointer: Any) -> Any:
        """The four bytes at ``pointer``, with `offset_of` added to each, in every lane."""
        word = self.builder.load(self.builder.bitcast(pointer, _WORD.as_pointer()))
        word.align = 4
        none = ir.Constant(self.type, ir.Undefined)
        one = self.builder.insert_element(none, word, ir.Constant(_WORD, 0))
        return self.builder.shuffle_vector(one, none, ir.Constant(self.type, [0] * self.lanes))

    def add(self, sums: Any, spread: Any, row: Any) -> Any:
        """``sums`` plus the products of what `spread` gave and of ``row``, signed bytes as words."""
        b = self.builder
        if self.form == "vnni":
            name = f"llvm.x86.avx512.vpdpbusd.{8 * VECTOR_BYTES}"
            arguments = [sums, b.bitcast(spread, self.bytes), b.bitcast(row, self.bytes)]
            return b.call(self._function(name, [self.type, self.bytes, self.bytes]), arguments)
        if self.form == "neon":
            name = f"llvm.aarch64.neon.sdot.v{self.lanes}i32.v{VECTOR_BYTES}i8"
            arguments = [sums, b.bitcast(spread, self.bytes), b.bitcast(row, self.bytes)]
            return b.call(self._function(name, [self.type, self.bytes, self.bytes]), arguments)
        even = self._pairs(self._even(spread), self._even(row))
        return b.add(b.add(sums, even), self._pairs(self._odd(spread), self._odd(row)))

    def _function(self, name: str, arguments: list[Any]) -> Any:
        module = self.builder.module
        return module.globals.get(name) or ir.Function(module, ir.FunctionType(self.type, arguments), name)

    def _even(self, words: Any) -> Any:
        """Bytes 0 and 2 of each word as numbers of 16 bits."""
        b, eight = self.builder, self._eight
        return b.ashr(b.shl(b.bitcast(words, eight.type), eight), eight)

    def _odd(self, words: Any) -> Any:
        """Bytes 1 and 3 of each word as numbers of 16 bits."""
        return self.builder.ashr(self.builder.bitcast(words, self._eight.type), self._eight)

    @property
    def _eight(self) -> Any:
        return ir.Constant(ir.VectorType(_SHORT, 2 * self.lanes), [8] * (2 * self.lanes))

    def _pairs(self, a: Any, c: Any) -> Any:
        """Products of numbers of 16 bits, neighbours added: one instruction where there is one."""
        b = self.builder
        wide = ir.VectorType(_WORD, 2 * self.lanes)
        product = b.mul(b.sext(a, wide), b.sext(c, wide))
        none = ir.Constant(wide, ir.Undefined)
        first, second = (
            b.shuffle_vector(product, none, ir.Constant(self.type, list(range(start, 2 * self.lanes, 2))))
            for start in (0, 1)
        )
        return b.add(first, second)
