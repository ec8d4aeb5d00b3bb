"""What the samplers are made of: products against numpy, bytes exactly, activations within their bounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from wavewright.engine import vector_code
from wavewright.engine.integer_dots import FORM, Form, offset_of
from wavewright.engine.sampler_packing import (
    LANES,
    SHAPES,
    in_steps,
    pack,
    pack_bytes,
    row_scales,
    stream_groups,
    tile_vectors,
    unit_tiles,
)
from wavewright.engine.sampler_pointwise import SamplerVectors, quantise
from wavewright.engine.sampler_tiles import multiplier
from wavewright.engine.vector_code import at, types

FORMS: tuple[Form, ...] = tuple(dict.fromkeys((FORM, "portable")))


def product(form: Form | None) -> Callable[..., None]:
    """``multiply`` over arrays."""
    multiply = multiplier(form)

    @numba.njit
    def run(shape, tiles, count, x, scale, weights, bias, start, out):  # type: ignore[no-untyped-def]
        multiply(
            shape, tiles, count, at(x, 0), x.shape[1], at(scale, 0), at(weights, 0), at(bias, 0), at(start, 0),
            start.shape[1], at(out, 0), out.shape[1],
        )  # fmt: skip

    return run  # type: ignore[no-any-return]


PRODUCTS = {form: product(form) for form in (None, *FORMS)}


def numbers(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("inputs", [1, 7, 64, 131])
@pytest.mark.parametrize(("size", "streams"), [(size, n) for size, served in SHAPES.items() for n in served])
def test_products_of_numbers(size: int, streams: int, inputs: int) -> None:
    outputs = 2 * size * LANES
    weights, x = numbers(outputs, inputs), numbers(streams, inputs, seed=1)
    bias, start = numbers(outputs, seed=2), numbers(streams, outputs, seed=3)
    out = np.zeros((streams, outputs), np.float32)
    packed = pack(weights, [size, size])
    PRODUCTS[None](8 * size + streams, 2, inputs, x, np.zeros((streams, outputs), np.float32), packed, bias, start, out)
    np.testing.assert_allclose(out, start + bias + x.astype(float) @ weights.T.astype(float), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("inputs", [1, 7, 64, 131])
@pytest.mark.parametrize(("size", "streams"), [(size, n) for size, served in SHAPES.items() for n in served])
def test_products_of_bytes_are_exact(form: Form, size: int, streams: int, inputs: int) -> None:
    """Weights that are whole numbers, 127 the largest of each row, are their own bytes: the sums are exact then."""
    rng, outputs = np.random.default_rng(inputs), 2 * size * LANES
    weights = rng.integers(-127, 128, (outputs, inputs))
    weights[:, 0] = rng.choice([-127, 127], outputs)
    x = np.zeros((streams, -(-inputs // 4) * 4), np.int64)
    x[:, :inputs] = rng.choice([-127, 127, 0, 1, -1, 55], (streams, inputs))
    cells = (x + offset_of(form)).astype(np.int16).astype(np.uint8)
    zeros, out = np.zeros((streams, outputs), np.float32), np.zeros((streams, outputs), np.float32)
    packed = pack_bytes(weights.astype(np.float32), [size, size], form)
    PRODUCTS[form](
        8 * size + streams, 2, x.shape[1] // 4, cells, np.ones_like(zeros), packed, zeros[0], zeros, out
    )  # fmt: skip
    np.testing.assert_array_equal(out, x[:, :inputs] @ weights.T)


@given(seed=st.integers(0, 10_000), inputs=st.integers(1, 40))
def test_steps_of_a_row_reach_its_largest_weight(seed: int, inputs: int) -> None:
    weights = numbers(5, inputs, seed=seed) * np.float32(10.0) ** np.arange(-3, 2)[:, None].astype(np.float32)
    weights[2] = 0
    steps, scales = in_steps(weights).astype(float), row_scales(weights)[:, None]
    assert np.abs(steps).max(axis=1).tolist() == [127, 127, 0, 127, 127]
    assert (np.abs(steps * scales - weights) <= 0.5001 * scales).all()


@given(vectors=st.integers(1, 200), streams=st.integers(1, 70))
def test_tiles_and_groups_cover_everything(vectors: int, streams: int) -> None:
    for tiles in (tile_vectors(vectors, streams), [3 * size for size in unit_tiles(vectors, streams)]):
        assert sum(tiles) in (vectors, 3 * vectors)
        for size in set(tiles):
            groups = stream_groups(streams, size)
            assert sum(groups) == streams
            assert set(groups) <= set(SHAPES[size])


def pointwise(write: Callable[..., None]) -> Callable[..., Any]:
    """``write(v, x, vectors, out)`` as a function over arrays."""

    @vector_code.intrinsic
    def work(typing: Any, x: Any, vectors: Any, out: Any) -> Any:
        def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
            write(SamplerVectors(b), *arguments)
            return context.get_dummy_value()

        return types.void(x, types.intp, out), generate

    @numba.njit
    def run(x, out):  # type: ignore[no-untyped-def]
        work(at(x, 0), x.size // LANES, at(out, 0))

    return run  # type: ignore[no-any-return]


@pytest.mark.parametrize(("name", "bound"), [("tanh", 4e-7), ("sigmoid", 3e-7)])
def test_activations_keep_their_bounds(name: str, bound: float) -> None:
    def write(v: SamplerVectors, x: Any, vectors: Any, out: Any) -> None:
        def step(index: Any, _: Any) -> list[Any]:
            place = v.builder.mul(index, vector_code.ir.Constant(vector_code.INT, v.lanes))
            v.store(getattr(v, name)(v.load(v.address(x, place))), v.address(out, place))
            return []

        vector_code.loop(v.builder, vectors, [], step)

    x = np.concatenate([np.linspace(-20, 20, 1 << 20), numbers(1 << 16) * 1e-3, [-1e30, 1e30, 0, -0.0]])
    x = np.resize(x.astype(np.float32), len(x) // LANES * LANES)
    out = np.empty_like(x)
    pointwise(write)(x, out)
    exact = np.tanh(x.astype(float)) if name == "tanh" else 0.5 + 0.5 * np.tanh(0.5 * x.astype(float))
    assert np.abs(out - exact).max() < bound


@settings(deadline=None, max_examples=30)
@given(
    values=st.lists(st.floats(-1e6, 1e6, width=32), min_size=LANES, max_size=LANES), factor=st.sampled_from([1, 1e-35])
)
def test_bytes_of_numbers(values: list[float], factor: float) -> None:
    """The largest becomes ±127, every other is at most half a step away; next to nothing becomes nothing."""
    x = (np.array(values) * factor).astype(np.float32)
    out, scale = np.zeros(LANES, np.uint8), np.zeros(1, np.float32)
    QUANTISE(x, out, scale)
    whole = (out.astype(np.int16) - offset_of(FORM)).astype(np.int8).astype(float)
    most = np.abs(x).max()
    if most < 1e-30:
        assert not whole.any()
        return
    assert np.abs(whole).max() == 127
    np.testing.assert_allclose(scale[0], most / 127, rtol=1e-6)
    assert np.abs(whole * scale[0] - x).max() <= 0.5001 * scale[0]


def _quantise() -> Callable[..., Any]:
    @vector_code.intrinsic
    def work(typing: Any, x: Any, out: Any, scale: Any) -> Any:
        def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
            x, out, scale = arguments
            quantise(SamplerVectors(b), False, x, vector_code.ir.Constant(vector_code.INT, 1), out, scale)
            return context.get_dummy_value()

        return types.void(x, out, scale), generate

    @numba.njit
    def run(x, out, scale):  # type: ignore[no-untyped-def]
        work(at(x, 0), at(out, 0), at(scale, 0))

    return run  # type: ignore[no-any-return]


QUANTISE = _quantise()
