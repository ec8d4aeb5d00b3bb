"""Compiled draws against the rule in torch: ties, filters, ends of the uniforms, borders between two codes."""

from __future__ import annotations

import numba
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from wavewright.engine.draws import draw_mixture, draw_softmax, mixture_nats, quick_room, softmax_nats
from wavewright.engine.sampler_packing import padded
from wavewright.engine.vector_code import at
from wavewright.nets.distributions import LogisticMixture, Softmax, draw


@numba.njit
def _draw(logits, levels, uniforms, temperature, top_k, top_p, scratch, quick, heap, codes, nats, again):  # type: ignore[no-untyped-def]
    for index in range(uniforms.size):
        codes[index], nats[index] = draw_softmax(
            at(logits, 0), levels, uniforms[index], temperature, top_k, top_p, scratch, quick, heap
        )
        again[index] = softmax_nats(at(logits, 0), levels, codes[index], quick)


def drawn(
    logits: NDArray[np.float32], uniforms: NDArray[np.float64], temperature: float, top_k: int, top_p: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """A code for each of ``uniforms``, and its nats."""
    levels, room = len(logits), padded(len(logits))
    row = np.full(room, -1e30, np.float32)
    row[:levels] = logits
    codes, nats, again = np.zeros(len(uniforms), np.int64), np.zeros(len(uniforms)), np.zeros(len(uniforms))
    scratch = np.zeros(2 * room), np.zeros(quick_room(levels), np.float32), np.zeros(room, np.int64)
    _draw(row, levels, uniforms, temperature, top_k, top_p, *scratch, codes, nats, again)
    np.testing.assert_array_equal(nats, again)
    return codes, nats


def by_rule(
    logits: NDArray[np.float32], uniforms: NDArray[np.float64], temperature: float, top_k: int, top_p: float
) -> NDArray[np.int64]:
    rows = torch.as_tensor(logits).expand(len(uniforms), -1)
    return draw(Softmax(len(logits)), rows, torch.as_tensor(uniforms)[:, None], temperature, top_k, top_p).numpy()


def borders(logits: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
    """Uniforms just below and just above the borders between codes."""
    weights = np.exp((logits.astype(float) - logits.max()) / temperature)
    edges = np.cumsum(weights)[:-1] / weights.sum()
    return np.clip(np.concatenate([edges - 1e-9, edges + 1e-9]), 0, 1 - 1e-16)


@settings(deadline=None, max_examples=150)
@given(
    seed=st.integers(0, 10_000),
    levels=st.sampled_from([2, 5, 16, 17, 100, 256]),
    spread=st.sampled_from([0.0, 0.1, 1.0, 5.0, 40.0]),
    temperature=st.sampled_from([1.0, 0.3, 1.7, 1e-4]),
    top_k=st.sampled_from([0, 1, 3, 40, 1000]),
    top_p=st.sampled_from([1.0, 0.9, 0.5, 1e-6]),
    ties=st.booleans(),
)
def test_every_draw_is_the_rule_s(
    seed: int, levels: int, spread: float, temperature: float, top_k: int, top_p: float, ties: bool
) -> None:
    rng = np.random.default_rng(seed)
    logits = (rng.standard_normal(levels) * spread).astype(np.float32)
    if ties:
        logits = np.round(logits)
    uniforms = np.concatenate([rng.random(40), [0.0, 1 - 1e-16], borders(logits, temperature)[:60]])
    uniforms = np.maximum(uniforms, 1e-300)  # weights that no normal number holds are nought here, and not in numpy
    codes, nats = drawn(logits, uniforms, temperature, top_k, top_p)
    np.testing.assert_array_equal(codes, by_rule(logits, uniforms, temperature, top_k, top_p))
    exact = -torch.log_softmax(torch.as_tensor(logits).double(), dim=0).numpy()[codes]
    np.testing.assert_allclose(nats, exact, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("spread", [0.1, 1.0, 5.0, 20.0])
@pytest.mark.parametrize("levels", [17, 100, 256])
def test_draws_that_single_precision_is_certain_of_are_the_rule_s(levels: int, spread: float) -> None:
    """A vector holds 4, 8 or 16 weights, and as many vectors are a block: 256 codes are one block or sixteen."""
    rng = np.random.default_rng(levels)
    logits, uniforms = (rng.standard_normal(levels) * spread).astype(np.float32), rng.random(2000)
    codes, _ = drawn(logits, uniforms, 1.0, 0, 1.0)
    np.testing.assert_array_equal(codes, by_rule(logits, uniforms, 1.0, 0, 1.0))


def test_zero_has_no_sign() -> None:
    """Equal logits are kept in the order of their codes, and −0 equals 0."""
    codes, _ = drawn(np.array([0.0, -0.0, 0.0, -5.0], np.float32), np.linspace(0, 0.999, 50), 1.0, 2, 1.0)
    assert set(codes.tolist()) == {0, 1}


@numba.njit
def _mix(parameters, components, levels, limits, uniforms, temperature, codes, nats):  # type: ignore[no-untyped-def]
    for index in range(len(codes)):
        row = at(parameters, index * 3 * components)
        codes[index] = draw_mixture(row, components, levels, limits, at(uniforms, 2 * index), temperature)
        nats[index] = mixture_nats(row, components, levels, limits, codes[index])


@pytest.mark.parametrize("temperature", [1.0, 0.5, 2.0])
@pytest.mark.parametrize(("components", "levels"), [(1, 65_536), (3, 1000), (10, 65_536)])
def test_mixtures_are_drawn_by_the_rule(components: int, levels: int, temperature: float) -> None:
    rng, family = np.random.default_rng(components), LogisticMixture(components, levels)
    parameters = rng.standard_normal((3000, 3 * components)).astype(np.float32)
    parameters[:, 2 * components :] = rng.uniform(-16, 8, (3000, components))
    parameters[:100, components : 2 * components] *= 5  # means beyond full scale
    uniforms = rng.random((3000, 2))
    uniforms[:4] = [[0, 0], [0, 1 - 1e-16], [1 - 1e-16, 0], [1 - 1e-16, 0.5]]
    codes, nats = np.zeros(3000, np.int64), np.zeros(3000)
    _mix(parameters, components, levels, np.array(family.log_scales), uniforms, temperature, codes, nats)
    rows = torch.as_tensor(parameters)
    np.testing.assert_array_equal(codes, draw(family, rows, torch.as_tensor(uniforms), temperature).numpy())
    exact = family.nats(rows.double().unsqueeze(2), torch.as_tensor(codes)[:, None])[:, 0].numpy()
    np.testing.assert_allclose(nats, exact, rtol=1e-5, atol=1e-5)
