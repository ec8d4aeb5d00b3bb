"""The .nam WaveNet against its sizes, the laws of its contract, and a slow reading of its equations."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from wavewright.errors import SettingsError
from wavewright.nets.registry import build
from wavewright.nets.wavenet import Activation, LayerArrayConfig, WaveNet, WaveNetConfig

SIZES = {  # channels, receptive field and weights as the format's description lists them
    "a1-standard": (4093, 13_802),
    "a1-lite": (4093, 6_554),
    "a1-feather": (4093, 3_026),
    "a1-nano": (4093, 842),
    "a2-full": (6347, 12_146),
    "a2-lite": (6347, 1_871),
}


def small() -> WaveNet:
    """Two arrays with all that may vary: gates, a bottleneck, a head of several taps, uneven kernels."""
    torch.manual_seed(1)
    first = LayerArrayConfig(1, 1, 4, 6, (3, 2), (1, 5), (Activation("Tanh"), Activation("LeakyReLU", 0.2)), gated=True)
    second = LayerArrayConfig(
        6,
        1,
        1,
        5,
        (4, 1),
        (3, 2),
        (Activation("ReLU"), Activation("SiLU")),
        head_kernel_size=3,
        head_bias=True,
        bottleneck=4,
    )
    return WaveNet(WaveNetConfig((first, second), head_scale=0.5))


def mixed() -> WaveNet:
    """Two ungated arrays of unequal kernels, activations and head kernels."""
    torch.manual_seed(4)
    kinds = Activation("Tanh"), Activation("ReLU"), Activation("LeakyReLU", 0.2)
    first = LayerArrayConfig(1, 1, 4, 6, (3, 2, 1), (1, 5, 2), kinds, head_kernel_size=2)
    second = LayerArrayConfig(6, 1, 2, 5, (4, 2, 3), (3, 2, 1), kinds, 3, True, bottleneck=4)
    return WaveNet(WaveNetConfig((first, second), head_scale=0.5))


@pytest.mark.parametrize("name", SIZES)
def test_preset_sizes(name: str) -> None:
    net = build(name)
    field, weights = SIZES[name]
    assert net.receptive_field == field
    assert sum(p.numel() for p in net.parameters()) + 1 == weights
    assert isinstance(net, WaveNet)
    assert net.config.weight_count == weights


@pytest.mark.parametrize("name", ["a1-feather", "a2-lite"])
def test_block_invariance(name: str) -> None:
    torch.manual_seed(0)
    net = build(name)
    x = torch.randn(2, 1, 700) * 0.3
    with torch.no_grad():
        whole, _ = net(x)
        for size in (1, 64, 333):
            state, parts = net.init_state(2), []
            for block in x.split(size, dim=-1) if size > 1 else x[..., :100].split(1, dim=-1):
                y, state = net(block, state)
                parts.append(y)
            y = torch.cat(parts, dim=-1)
            torch.testing.assert_close(y, whole[..., : y.shape[-1]], rtol=0, atol=1e-5)


@pytest.mark.parametrize("make", [small, mixed, lambda: build("a1-nano"), lambda: build("a2-lite")])
def test_valid_is_the_tail_of_forward(make: Callable[[], WaveNet]) -> None:
    net = make()
    x = torch.randn(3, 1, net.receptive_field + 40)
    with torch.no_grad():
        y, _ = net(x)
        torch.testing.assert_close(net.valid(x), y[..., net.receptive_field - 1 :], rtol=0, atol=1e-6)


@pytest.mark.parametrize("make", [small, mixed, lambda: build("a1-nano"), lambda: build("a2-lite")])
def test_gradients_of_valid_are_those_of_forward(make: Callable[[], WaveNet]) -> None:
    """What is left out of the shrinking pass must not have mattered, in the values and in every gradient."""
    net = make()
    x = torch.randn(3, 1, net.receptive_field + 40)
    trained = [p for p in net.parameters() if p.requires_grad]
    expected = torch.autograd.grad(net(x)[0][..., net.receptive_field - 1 :].square().sum(), trained)
    found = torch.autograd.grad(net.valid(x).square().sum(), trained)
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-4 * float(theirs.abs().max()) + 1e-9)


def test_valid_serves_an_input_that_is_learned_too() -> None:
    net = mixed()
    x = torch.randn(1, 1, net.receptive_field + 4, requires_grad=True)
    (expected,) = torch.autograd.grad(net(x)[0][..., net.receptive_field - 1 :].square().sum(), x)
    (found,) = torch.autograd.grad(net.valid(x).square().sum(), x)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-7)


def test_receptive_field_is_exact() -> None:
    net = small().double()
    field = net.receptive_field
    x = torch.randn(1, 1, field + 5, dtype=torch.float64, requires_grad=True)
    y, _ = net(x)
    (reach,) = torch.autograd.grad(y[0, 0, -1], x)
    touched = torch.nonzero(reach[0, 0])
    assert int(touched.min()) == x.shape[-1] - field


def test_equations_read_slowly() -> None:
    """One gated array, sample by sample, straight from the module's docstring."""
    net = small().double()
    x = torch.randn(1, 1, 12, dtype=torch.float64)
    with torch.no_grad():
        y, _ = net(x)
    stream = x[0].detach()
    h: torch.Tensor | None = None
    for array in net.each_array():
        stream = array.rechannel.weight.detach()[:, :, 0] @ stream
        for layer, kernel, dilation in zip(
            array.each_layer(), array.config.kernel_sizes, array.config.dilations, strict=True
        ):
            out = torch.zeros_like(stream)
            a_all = torch.zeros(array.config.width, x.shape[-1], dtype=torch.float64)
            for t in range(x.shape[-1]):
                z = layer.conv.bias.detach() + layer.mixer.weight.detach()[:, :, 0] @ x[0, :, t]  # type: ignore[union-attr]
                for k in range(kernel):
                    back = t - (kernel - 1 - k) * dilation
                    if back >= 0:
                        z = z + layer.conv.weight.detach()[:, :, k] @ stream[:, back]
                if array.config.gated:
                    gate = torch.sigmoid(z[array.config.width :])
                    z = z[: array.config.width]
                else:
                    gate = torch.ones_like(z)
                match layer.activation.name:
                    case "Tanh":
                        a = torch.tanh(z)
                    case "LeakyReLU":
                        a = torch.where(z > 0, z, 0.2 * z)
                    case "ReLU":
                        a = z.clamp(min=0)
                    case _:
                        a = z / (1 + torch.exp(-z))
                a_all[:, t] = a * gate
                out[:, t] = (
                    stream[:, t] + layer.output.weight.detach()[:, :, 0] @ a_all[:, t] + layer.output.bias.detach()
                )  # type: ignore[union-attr]
            h = a_all if h is None else h + a_all
            stream = out
        assert h is not None
        taps = array.config.head_kernel_size
        padded = torch.cat([torch.zeros(h.shape[0], taps - 1, dtype=torch.float64), h], dim=1)
        h = sum(array.head.weight.detach()[:, :, k] @ padded[:, k : k + x.shape[-1]] for k in range(taps))  # type: ignore[assignment]
        if array.head.bias is not None:
            h = h + array.head.bias.detach()[:, None]
    assert h is not None
    torch.testing.assert_close(y[0], 0.5 * h, rtol=1e-12, atol=1e-12)


def test_too_short_for_the_receptive_field() -> None:
    with pytest.raises(SettingsError, match="4092 samples are too few for a receptive field of 4093"):
        build("a1-nano").valid(torch.zeros(1, 1, 4092))


def test_every_problem_of_a_configuration_is_told() -> None:
    array = LayerArrayConfig(1, 1, 1, 0, (3, -1), (1,), (Activation("Tanhh"),))
    with pytest.raises(SettingsError) as caught:
        WaveNet(WaveNetConfig((array,)))
    told = str(caught.value)
    assert "channels = 0" in told
    assert "kernel_sizes holds -1" in told
    assert "2 kernel sizes, 1 dilations and 1 activations" in told
    assert "'Tanhh' is not supported" in told


def test_absurd_sizes_take_no_memory() -> None:
    array = LayerArrayConfig(1, 1, 1, 10**9, (3,), (10**12,), (Activation("Tanh"),))
    with pytest.raises(SettingsError, match=r"weights: at most 20,000,000"):
        WaveNet(WaveNetConfig((array,)))
