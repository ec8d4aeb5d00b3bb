"""What the next sample may be: against scipy in float64, against the rule of a draw read slowly, and by its laws."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import special, stats

from wavewright.audio.companding import QUANTIZERS, quantizer
from wavewright.errors import SettingsError
from wavewright.nets.distributions import (
    Distribution,
    LogisticMixture,
    Softmax,
    codes_of,
    distribution_for,
    draw,
)

Doubles = NDArray[np.float64]


def mixture_oracle(parameters: Doubles, code: int, levels: int) -> float:
    """−ln p of one code in float64, each bin from whichever tail loses no digits."""
    weights, means, log_scales = parameters.reshape(3, -1)
    logistic = stats.logistic(loc=means, scale=np.exp(log_scales))
    level, half = 2.0 * code / (levels - 1) - 1.0, 1.0 / (levels - 1)
    if code == 0:
        log_p = logistic.logcdf(level + half)
    elif code == levels - 1:
        log_p = logistic.logsf(level - half)
    else:
        # The logarithms of both ends of the bin, on the side where both are small.
        mirrored = np.where(level < means, 2.0 * means - level, level)
        upper, lower = logistic.logsf(mirrored - half), logistic.logsf(mirrored + half)
        log_p = upper + np.log1p(-np.exp(lower - upper))
    return -float(special.logsumexp(special.log_softmax(weights) + log_p))


def nats_of(distribution: Distribution, parameters: Any, codes: Any, dtype: torch.dtype) -> Doubles:
    """``parameters`` (time, size) and ``codes`` (time,) → (time,)."""
    p = torch.as_tensor(np.asarray(parameters), dtype=dtype).T.unsqueeze(0)
    return np.asarray(distribution.nats(p, torch.as_tensor(np.asarray(codes)).unsqueeze(0))[0].double())


def near_mean(levels: int) -> st.SearchStrategy[int]:
    return st.one_of(st.integers(0, levels - 1), st.sampled_from([0, 1, levels // 2, levels - 2, levels - 1]))


@settings(deadline=None, max_examples=200)
@given(data=st.data(), levels=st.sampled_from([300, 65_536]), components=st.integers(1, 4))
def test_mixture_against_float64(data: st.DataObject, levels: int, components: int) -> None:
    code = data.draw(near_mean(levels))
    level = 2.0 * code / (levels - 1) - 1.0
    finest, _ = LogisticMixture(components, levels).log_scales
    each = st.lists(st.floats(-5.0, 5.0, width=32), min_size=components, max_size=components)
    weights = data.draw(each)
    log_scales = [data.draw(st.floats(math.ceil(finest), 2.0, width=32)) for _ in range(components)]
    means = [float(np.float32(level + data.draw(st.floats(-20.0, 20.0)) * math.exp(scale))) for scale in log_scales]
    parameters = np.array([*weights, *means, *log_scales], dtype=np.float32)
    expected = mixture_oracle(parameters.astype(np.float64), code, levels)
    single = nats_of(LogisticMixture(components, levels), [parameters], [code], torch.float32)[0]
    double = nats_of(LogisticMixture(components, levels), [parameters], [code], torch.float64)[0]
    assert single == pytest.approx(expected, rel=2e-5, abs=2e-6)
    assert double == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("levels", [257, 65_536])
@pytest.mark.parametrize("log_scale", [-14.0, -11.0, -6.0, -1.0, 3.0])
def test_mixture_probabilities_sum_to_one(levels: int, log_scale: float) -> None:
    random = np.random.default_rng(3)
    distribution = LogisticMixture(5, levels)
    parameters = np.concatenate([random.normal(size=5), random.uniform(-1.3, 1.3, 5), np.full(5, log_scale)])
    codes = np.arange(levels)
    nats = nats_of(distribution, np.tile(parameters, (levels, 1)), codes, torch.float32)
    assert np.exp(-nats).sum() == pytest.approx(1.0, abs=1e-5)


def test_mixture_far_from_everything_is_finite_and_teaches() -> None:
    distribution = LogisticMixture(2)
    parameters = torch.tensor([[0.0, 5.0, -40.0, 40.0, -60.0, 60.0], [90.0, -90.0, 0.0, 0.1, -11.0, -9.0]])
    parameters = parameters.T.unsqueeze(0).requires_grad_()
    nats = distribution.nats(parameters, torch.tensor([[32_000, 65_000]]))
    nats.sum().backward()
    assert bool(nats.isfinite().all())
    assert parameters.grad is not None
    assert bool(parameters.grad.isfinite().all())
    assert bool((parameters.grad[0, 2:4] != 0).any())


def test_mixture_gradients() -> None:
    torch.manual_seed(1)
    distribution = LogisticMixture(3, 4096)
    parameters = torch.randn(2, 9, 5, dtype=torch.float64) * 0.5
    parameters[:, 6:] -= 3.0
    codes = torch.tensor([[0, 4095, 2048, 1, 3000]] * 2)
    assert torch.autograd.gradcheck(lambda p: distribution.nats(p, codes), parameters.requires_grad_())


def test_softmax_against_scipy() -> None:
    random = np.random.default_rng(2)
    logits, codes = random.normal(size=(40, 256)) * 10.0, random.integers(0, 256, 40)
    expected = -special.log_softmax(logits, axis=1)[np.arange(40), codes]
    np.testing.assert_allclose(nats_of(Softmax(256), logits, codes, torch.float64), expected, rtol=1e-12)
    np.testing.assert_allclose(nats_of(Softmax(256), logits, codes, torch.float32), expected, rtol=1e-5, atol=1e-5)


def test_codes_may_be_of_any_whole_type() -> None:
    logits = torch.randn(2, 256, 3)
    codes = torch.randint(0, 256, (2, 3))
    for kind in (torch.uint8, torch.int32, torch.int64):
        torch.testing.assert_close(
            Softmax(256).nats(logits, codes.to(kind)), Softmax(256).nats(logits, codes), rtol=0, atol=0
        )
    parameters, codes = torch.randn(2, 30, 3), torch.randint(0, 65_536, (2, 3))
    mixture = LogisticMixture()
    torch.testing.assert_close(
        mixture.nats(parameters, codes.to(torch.uint16)), mixture.nats(parameters, codes), rtol=0, atol=0
    )


@pytest.mark.parametrize(("levels", "family"), [(2, Softmax), (256, Softmax), (257, LogisticMixture)])
def test_which_family_suits(levels: int, family: type) -> None:
    distribution = distribution_for(levels, components=4)
    assert type(distribution) is family
    assert distribution.levels == levels


@pytest.mark.parametrize("name", QUANTIZERS)
def test_levels_give_their_codes_back(name: str) -> None:
    known = quantizer(name)
    codes = np.arange(known.levels)
    assert codes_of(torch.from_numpy(known.levels_of(codes)), known.levels).tolist() == codes.tolist()
    assert codes_of(torch.zeros(1), known.levels).tolist() == [known.silence]
    assert codes_of(torch.tensor([-9.0, 9.0, math.inf, -math.inf]), known.levels).tolist() == [
        0,
        known.levels - 1,
        known.levels - 1,
        0,
    ]


def slow_softmax_draw(logits: Doubles, u: float, temperature: float, top_k: int, top_p: float) -> int:
    """The rule as it is written, one code after the other."""
    levels = len(logits)
    weights = [math.exp((float(logit) - float(max(logits))) / temperature) for logit in logits]
    kept = sorted(range(levels), key=lambda code: (-logits[code], code))
    kept = kept[:top_k] if top_k else kept
    if top_p < 1.0:
        total, head, reached = sum(weights[code] for code in kept), [], 0.0
        for code in kept:
            head.append(code)
            reached += weights[code]
            if reached >= top_p * total:
                break
        kept = head
    total, reached = sum(weights[code] for code in sorted(kept)), 0.0
    for code in sorted(kept):
        reached += weights[code]
        if reached > u * total:
            return code
    raise AssertionError("no code reached the share")


# Numbers of few digits: sums in another order are exact enough that no draw hangs on the last bit.
COARSE = st.integers(-12, 12).map(lambda n: n / 4)


@settings(deadline=None, max_examples=300)
@given(
    logits=st.lists(COARSE, min_size=2, max_size=12),
    u=st.integers(0, 996).map(lambda n: n / 997),
    temperature=st.sampled_from([0.3, 0.9, 1.0, 1.7]),
    top_k=st.integers(0, 14),
    top_p=st.sampled_from([0.013, 0.31, 0.77, 0.93, 1.0]),
)
def test_softmax_draw_by_the_rule(logits: list[float], u: float, temperature: float, top_k: int, top_p: float) -> None:
    expected = slow_softmax_draw(np.array(logits), u, temperature, top_k, top_p)
    parameters = torch.tensor([logits], dtype=torch.float32)
    found = draw(Softmax(len(logits)), parameters, torch.tensor([[u]]).double(), temperature, top_k, top_p)
    assert found.tolist() == [expected]


@settings(deadline=None, max_examples=200)
@given(
    numbers=st.lists(COARSE, min_size=3, max_size=3),
    u=st.tuples(st.integers(0, 996), st.integers(1, 996)).map(lambda pair: (pair[0] / 997, pair[1] / 997)),
    temperature=st.sampled_from([0.2, 1.0, 1.5]),
    levels=st.sampled_from([257, 65_536]),
)
def test_mixture_draw_by_the_rule(
    numbers: list[float], u: tuple[float, float], temperature: float, levels: int
) -> None:
    means, log_scales = [-0.7, 0.01, 0.96], [-9.0, -3.0, -1.0]
    reached, total, component = 0.0, sum(math.exp(n / temperature) for n in numbers), -1
    while reached <= u[0] * total:
        component += 1
        reached += math.exp(numbers[component] / temperature)
    scale = math.exp(np.float32(log_scales[component]))
    value = float(np.float32(means[component])) + temperature * scale * math.log(u[1] / (1.0 - u[1]))
    expected = round((min(1.0, max(-1.0, value)) + 1.0) / 2.0 * (levels - 1))
    parameters = torch.tensor([[*numbers, *means, *log_scales]])
    found = draw(LogisticMixture(3, levels), parameters, torch.tensor([u]).double(), temperature)
    assert found.tolist() == [expected]


def test_draws_come_as_often_as_they_are_likely() -> None:
    """Evenly spaced uniforms meet each code within one of its share."""
    logits = torch.randn(1, 64, generator=torch.Generator().manual_seed(4)) * 2.0
    count = 4000
    uniforms = (torch.arange(count, dtype=torch.float64) + 0.5).unsqueeze(1) / count
    found = draw(Softmax(64), logits.expand(count, -1), uniforms)
    expected = torch.softmax(logits[0].double(), 0) * count
    assert float((torch.bincount(found, minlength=64) - expected).abs().max()) <= 1.0


def test_mixture_draws_come_as_often_as_they_are_likely() -> None:
    """Draws from a grid of uniforms against the very probabilities that training sees."""
    levels, steps = 300, 400
    distribution = LogisticMixture(2, levels)
    parameters = torch.tensor([[0.4, -0.3, -0.2, 0.9, -2.5, -2.0]])
    line = (torch.arange(steps, dtype=torch.float64) + 0.5) / steps
    uniforms = torch.cartesian_prod(line, line)
    found = draw(distribution, parameters.expand(len(uniforms), -1), uniforms)
    shares = np.cumsum(np.bincount(found.numpy(), minlength=levels)) / len(uniforms)
    nats = nats_of(distribution, np.tile(parameters.numpy(), (levels, 1)), np.arange(levels), torch.float64)
    assert np.abs(shares - np.cumsum(np.exp(-nats))).max() < 2.0 / steps


def test_cold_draws_take_the_likeliest() -> None:
    logits = torch.randn(50, 256)
    found = draw(Softmax(256), logits, torch.rand(50, 1), temperature=1e-6)
    assert found.tolist() == logits.argmax(1).tolist()
    assert draw(Softmax(256), logits, torch.rand(50, 1), top_k=1).tolist() == logits.argmax(1).tolist()
    assert draw(Softmax(256), logits, torch.rand(50, 1), top_p=1e-9).tolist() == logits.argmax(1).tolist()


def test_of_equals_the_lower_code_is_kept() -> None:
    line = ((torch.arange(100, dtype=torch.float64) + 0.5) / 100).unsqueeze(1)
    equal = torch.zeros(100, 256)
    assert set(draw(Softmax(256), equal, line, top_k=5).tolist()) == {0, 1, 2, 3, 4}
    assert set(draw(Softmax(256), equal, line, top_p=2.0**-6).tolist()) == {0, 1, 2, 3}  # which reach it exactly
    assert set(draw(Softmax(256), equal, line, top_k=8, top_p=0.25).tolist()) == {0, 1}  # a share of those kept


@pytest.mark.parametrize("u", [0.0, 1.0 - 2.0**-53])
def test_the_ends_of_the_uniforms_give_codes_that_can_be(u: float) -> None:
    logits = torch.full((1, 10), -math.inf)
    logits[0, 3:6] = 0.7
    assert draw(Softmax(10), logits, torch.tensor([[u]], dtype=torch.float64)).tolist() == [3 if u == 0.0 else 5]
    parameters = torch.zeros(1, 9)
    uniforms = torch.tensor([[u, u]], dtype=torch.float64)
    assert draw(LogisticMixture(3), parameters, uniforms).tolist() == [0 if u == 0.0 else 65_535]


@pytest.mark.parametrize(
    ("distribution", "choice", "told"),
    [
        (Softmax(), {"temperature": 0.0}, r"temperature = 0.0: must be a finite number above 0"),
        (Softmax(), {"temperature": math.nan}, "temperature = nan"),
        (Softmax(), {"top_k": -1}, "top_k = -1: must be 0"),
        (Softmax(), {"top_p": 0.0}, "top_p = 0.0: must be above 0"),
        (Softmax(), {"top_p": 1.1}, "top_p = 1.1"),
        (LogisticMixture(), {"top_k": 5}, "mixture of logistics has no codes to leave out"),
        (LogisticMixture(), {"top_p": 0.5}, "mixture of logistics has no codes to leave out"),
    ],
)
def test_choices_that_make_no_sense_are_refused(distribution: Distribution, choice: dict[str, Any], told: str) -> None:
    parameters = torch.zeros(1, distribution.size)
    with pytest.raises(SettingsError, match=told):
        draw(distribution, parameters, torch.full((1, distribution.draws), 0.5), **choice)
