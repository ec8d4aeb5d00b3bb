"""The losses against closed forms, a slow loop with scipy, and finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from wavewright.errors import SettingsError
from wavewright.losses import (
    SOUND_FLOOR,
    Loss,
    LossSettings,
    MultiResolutionSTFT,
    combine,
    dc,
    esr,
    fair_target,
    mse,
    multi_resolution_stft,
    pre_emphasise,
)


def noise(*shape: int, seed: int = 0, level: float = 0.3) -> Tensor:
    return level * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@settings(deadline=None, max_examples=20)
@given(gain=st.floats(-2, 2), level=st.floats(0.01, 1), pre=st.sampled_from([None, 0.5, 0.85, 0.95]))
def test_esr_of_a_scaled_copy(gain: float, level: float, pre: float | None) -> None:
    x = noise(3, 2, 500, level=level)
    assert esr(gain * x, x, pre).item() == pytest.approx((1 - gain) ** 2, rel=1e-9, abs=1e-15)


def test_esr_counts_items_alike_whatever_their_level() -> None:
    x = noise(2, 1, 400)
    x[1] *= 0.05  # 26 dB down, far above the floor
    output = torch.stack([0.9 * x[0], 0.5 * x[1]])
    assert esr(output, x).item() == pytest.approx((0.01 + 0.25) / 2, rel=1e-9)
    over_the_batch = ((output - x).square().sum() / x.square().sum()).item()
    assert over_the_batch < 0.02  # what a batch-global norm would have said


def test_esr_of_silence_is_judged_at_the_floor() -> None:
    silent = torch.zeros(1, 1, 1000, dtype=torch.float64)
    error = torch.full_like(silent, 1e-4)
    assert esr(error, silent).item() == pytest.approx(1e-8 / SOUND_FLOOR, rel=1e-9)
    assert esr(silent, silent).item() == 0.0


def test_mse_is_the_mean_over_the_items() -> None:
    x, y = noise(3, 2, 50), noise(3, 2, 50, seed=1)
    each = [float(np.mean((x[i].numpy() - y[i].numpy()) ** 2)) for i in range(3)]
    assert mse(y, x).item() == pytest.approx(np.mean(each), rel=1e-12)


def test_dc_of_a_known_offset() -> None:
    x = torch.sin(2 * math.pi * torch.arange(1000, dtype=torch.float64) / 100).reshape(1, 1, -1)  # mean square 1/2
    assert dc(x + 0.1, x).item() == pytest.approx(0.01 / 0.5, rel=1e-9)
    assert dc(2 * x, x).item() == pytest.approx(0.0, abs=1e-20)


def test_dc_of_opposite_channels_does_not_cancel() -> None:
    x = noise(1, 2, 300)
    offset = torch.tensor([0.1, -0.1], dtype=torch.float64).reshape(1, 2, 1)
    assert dc(x + offset, x).item() == pytest.approx(0.01 / x.square().mean().item(), rel=1e-9)


def test_pre_emphasis_is_the_first_difference_filter() -> None:
    x = noise(2, 1, 100)
    filtered = scipy.signal.lfilter([1.0, -0.85], [1.0], x.numpy(), axis=-1)[..., 1:]
    np.testing.assert_allclose(pre_emphasise(x, 0.85).numpy(), filtered, atol=1e-15)


def slow_multi_resolution(output: Tensor, target: Tensor) -> float:
    """Each item and each resolution with scipy's STFT, one after the other."""
    items = []
    for given_item, wanted_item in zip(output.numpy(), target.numpy(), strict=True):
        total = 0.0
        for size in (512, 1024, 2048):
            magnitudes = []
            for signal in (given_item, wanted_item):
                window = scipy.signal.get_window("hann", size)
                padded = np.pad(signal, ((0, 0), (size // 2, size // 2)))
                _, _, spectrum = scipy.signal.stft(
                    padded, window=window, nperseg=size, noverlap=size * 3 // 4, boundary=None, padded=False
                )
                power = np.abs(spectrum * window.sum()) ** 2
                magnitudes.append(np.sqrt(np.maximum(power, 1e-8)))
            guess, truth = magnitudes
            total += float(np.linalg.norm(truth - guess) / np.linalg.norm(truth))
            total += float(np.abs(np.log(truth) - np.log(guess)).mean())
        items.append(total / 3)
    return float(np.mean(items))


@pytest.mark.parametrize(("channels", "time"), [(1, 4096), (2, 5000), (1, 1000)])
def test_multi_resolution_stft_against_scipy(channels: int, time: int) -> None:
    x = noise(2, channels, time)
    x[1] *= 0.03
    y = 0.8 * x + noise(2, channels, time, seed=1, level=0.01)
    assert multi_resolution_stft(y, x).item() == pytest.approx(slow_multi_resolution(y, x), rel=1e-9)


def test_multi_resolution_stft_of_a_scaled_copy() -> None:
    x = noise(2, 1, 4096)
    expected = 0.5 + math.log(2)  # |1 − g| and |ln g| in every bin
    assert multi_resolution_stft(0.5 * x, x).item() == pytest.approx(expected, rel=1e-9)


def test_multi_resolution_stft_ignores_polarity_and_knows_silence() -> None:
    x = noise(2, 1, 4096)
    assert multi_resolution_stft(-x, x).item() == 0.0
    silent = torch.zeros_like(x)
    assert math.isfinite(multi_resolution_stft(x, silent).item())


def test_a_perfect_item_still_gives_a_finite_gradient() -> None:
    x = noise(2, 1, 2048)
    output = x.clone().requires_grad_()
    multi_resolution_stft(output, x).backward()
    assert output.grad is not None
    assert torch.isfinite(output.grad).all()


@pytest.mark.parametrize("name", ["mse", "esr", "esr pre-emphasised", "dc", "stft", "stft long"])
def test_gradients_against_finite_differences(name: str) -> None:
    losses = {
        "mse": mse,
        "esr": esr,
        "esr pre-emphasised": lambda a, b: esr(a, b, 0.85),
        "dc": dc,
        "stft": MultiResolutionSTFT((8, 16)),
        "stft long": MultiResolutionSTFT((32,)),  # longer than the signal
    }
    target = noise(2, 2, 21)
    output = noise(2, 2, 21, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda y: losses[name](y, target), (output,), atol=1e-7)


def test_gradient_is_none_of_the_targets_business_unless_asked() -> None:
    target = noise(1, 1, 40, seed=2).requires_grad_()
    output = noise(1, 1, 40)
    assert torch.autograd.gradcheck(lambda x: MultiResolutionSTFT((16,))(output, x), (target,), atol=1e-7)


def test_loss_is_the_weighted_sum_of_its_terms() -> None:
    chosen = LossSettings(mse=2.0, esr=0.5, dc=0.25, stft=0.125, pre_emphasis=0.85)
    loss = Loss(chosen)
    x, y = noise(2, 1, 3000), noise(2, 1, 3000, seed=1)
    expected = (
        2.0 * mse(y, x)
        + 0.5 * esr(y, x, 0.85)
        + 0.25 * dc(y, x)
        + 0.125 * multi_resolution_stft(pre_emphasise(y, 0.85), pre_emphasise(x, 0.85))
    )
    assert loss(y, x).item() == pytest.approx(expected.item(), rel=1e-12)
    assert combine(loss.terms(y, x), chosen).item() == pytest.approx(expected.item(), rel=1e-12)
    assert set(Loss(LossSettings(stft=0.0)).terms(y, x)) == {"mse"}


def test_loss_of_half_precision_is_taken_in_single() -> None:
    x = noise(1, 1, 3000).float()
    y = (x + 1e-3).bfloat16()
    loss = Loss()(y, x.bfloat16())
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(Loss()(y.float(), x.bfloat16().float()).item(), rel=1e-6)


def test_wrong_shapes_and_weights_are_named() -> None:
    with pytest.raises(ValueError, match=r"\(1, 1, 5\).*\(1, 1, 6\)"):
        mse(torch.zeros(1, 1, 5), torch.zeros(1, 1, 6))
    with pytest.raises(ValueError, match="batch, channels, time"):
        esr(torch.zeros(5), torch.zeros(5))
    with pytest.raises(SettingsError, match="mse = -1"):
        Loss(LossSettings(mse=-1.0))


def test_a_gain_is_learned_as_if_nothing_had_been_cut_off() -> None:
    """Least squares on clipped targets gives too small a gain; with what was cut off free, the true one."""
    x = torch.randn(1, 1, 4000, generator=torch.Generator().manual_seed(0))
    wet = (1.5 * x).clamp(-1, 1)
    found = {}
    for rail in (None, 1.0):
        gain = torch.ones((), requires_grad=True)
        for _ in range(300):
            slope = torch.autograd.grad(mse(gain * x, fair_target(gain * x, wet, rail)), gain)[0]
            gain = (gain - 0.5 * slope).detach().requires_grad_()
        found[rail] = float(gain.detach())
    assert found[1.0] == pytest.approx(1.5, abs=1e-3)
    assert found[None] < 1.2


@given(output=st.floats(-3, 3), target=st.floats(-1, 1), known=st.booleans())
@settings(deadline=None, max_examples=100)
def test_a_fair_target_by_the_sample(output: float, target: float, known: bool) -> None:
    """Against the rule in words, for one sample."""
    rail = 0.95
    beyond = abs(target) >= rail and output * math.copysign(1, target) >= abs(target)
    wanted = output if beyond or not known else target
    found = fair_target(torch.tensor([[[output]]]), torch.tensor([[[target]]]), rail, torch.tensor([[[known]]]))
    assert float(found) == pytest.approx(wanted, abs=1e-6)


def test_where_nothing_is_told_there_is_no_slope() -> None:
    output = torch.tensor([[[1.5, 0.5, 0.2, -0.3]]], requires_grad=True)
    target = torch.tensor([[[1.0, 1.0, 0.0, 0.0]]])
    known = torch.tensor([[[True, True, False, True]]])
    mse(output, fair_target(output, target, 1.0, known)).backward()  # type: ignore[no-untyped-call]
    assert output.grad is not None
    assert output.grad[0, 0].tolist() == pytest.approx([0.0, -0.25, 0.0, -0.15])
