"""The fused training step against torch: values, gradients, and the laws of a buffer that is used again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from wavewright.engine import fused_wavenet
from wavewright.engine.fused_wavenet import prepare, supports, valid_forward
from wavewright.errors import SettingsError
from wavewright.nets.gated_wavenet import GatedWaveNet
from wavewright.nets.gated_wavenet_config import GatedWaveNetConfig
from wavewright.nets.wavenet import WaveNet
from wavewright.nets.wavenet_config import ACTIVATIONS, PRESETS, Activation, LayerArrayConfig, WaveNetConfig


def layer_array(
    inputs: int, channels: int, head: int, kernels: tuple[int, ...], dilations: tuple[int, ...], **more: object
) -> LayerArrayConfig:
    activations = more.pop("activations", (Activation("Tanh"),) * len(kernels))
    return LayerArrayConfig(
        inputs, int(more.pop("condition", 1)), head, channels, kernels, dilations, activations, **more
    )


def build(
    config: WaveNetConfig | GatedWaveNetConfig, dtype: torch.dtype = torch.float64, seed: int = 0
) -> WaveNet | GatedWaveNet:
    torch.manual_seed(seed)
    if isinstance(config, GatedWaveNetConfig):
        gated = GatedWaveNet(config)
        with torch.no_grad():
            for name, parameter in gated.named_parameters():
                parameter.mul_(float(torch.rand(()) + 1) if "slope" in name else 1.5)
        return gated.to(dtype)
    net = WaveNet(config).to(dtype)
    net.head_scale.fill_(0.7)  # large enough that errors are seen
    return net


def gradients(net: WaveNet | GatedWaveNet, y: Tensor, by: Tensor, *inputs: Tensor) -> list[Tensor]:
    trained = [parameter for parameter in net.parameters() if parameter.requires_grad]
    return list(torch.autograd.grad(y, [*inputs, *trained], by))


TWO_ARRAYS = WaveNetConfig(
    (
        layer_array(1, 3, 2, (3, 2), (1, 2)),
        layer_array(3, 2, 1, (2, 3), (2, 1), head_bias=True),
    )
)
LEAKY = WaveNetConfig(
    (
        layer_array(
            1, 3, 1, (4, 3), (1, 2), activations=(Activation("LeakyReLU", 0.1), Activation("ReLU")),
            head_kernel_size=3, head_bias=True,
        ),
    )
)  # fmt: skip
WIDE_INPUT = WaveNetConfig((layer_array(2, 5, 3, (3, 1), (2, 1), condition=2, head_kernel_size=2),))


GATED = WaveNetConfig(
    (
        layer_array(2, 3, 4, (3, 2), (1, 2), condition=2, gated=True, bottleneck=2,
                    activations=(Activation("Tanh"), Activation("SiLU"))),
        layer_array(3, 4, 3, (2,), (3,), condition=2, gated=True, head_kernel_size=2, head_bias=True),
    )
)  # fmt: skip
BENT = WaveNetConfig(
    (
        layer_array(
            1, 3, 2, (2,) * 6, (1, 2, 3, 1, 1, 1), bottleneck=2,
            activations=(
                Activation("LeakyReLU", -0.3), Activation("SiLU"), Activation("Hardswish"), Activation("Sigmoid"),
                Activation("Softsign"), Activation("Hardtanh"),
            ),
        ),
    )
)  # fmt: skip
ANN_AUDIO = GatedWaveNetConfig(channels=3, skip_channels=2, depth=3, blocks=2, kernel_size=3)
CHECKED = {
    "aNN_Audio's": ANN_AUDIO,
    "two arrays": TWO_ARRAYS,
    "leaky": LEAKY,
    "wide input": WIDE_INPUT,
    "gated": GATED,
    "bent": BENT,
}


@pytest.mark.parametrize("config", CHECKED.values(), ids=CHECKED)
def test_gradcheck(config: WaveNetConfig | GatedWaveNetConfig) -> None:
    net = build(config)
    x = torch.randn(2, net.in_channels, net.receptive_field + 3, dtype=torch.float64, requires_grad=True)
    weights = [parameter for parameter in net.parameters() if parameter.requires_grad]
    assert torch.autograd.gradcheck(lambda x, *_: valid_forward(net, x), (x, *weights))


def trunk(gated: bool) -> WaveNetConfig:
    """Of a network that continues sound: embedding and controls in, many heads out."""
    dilations = tuple(2**power for power in range(8))
    return WaveNetConfig(
        (layer_array(6, 24, 32, (2,) * 8, dilations, condition=6, gated=gated, head_bias=True),), head_scale=1.0
    )


SIZES = {**PRESETS, "aNN_Audio's": GatedWaveNetConfig(depth=12), "trunk": trunk(False), "gated trunk": trunk(True)}


@pytest.mark.parametrize("config", SIZES.values(), ids=SIZES)
def test_every_size_gives_torchs_values_and_gradients(config: WaveNetConfig | GatedWaveNetConfig) -> None:
    # The oracle computes in double precision: what is compared is the fused kernels' own rounding.
    exact, net = build(config), build(config, torch.float32)
    x = torch.randn(2, net.in_channels, net.receptive_field + 1499) * 0.5
    want = exact.valid(x.double())
    by = torch.randn_like(want)
    assert supports(net)
    got = valid_forward(net, x)
    assert got.shape == want.shape
    assert (got - want).abs().max() < 2e-6 * want.abs().max()
    for mine, theirs in zip(gradients(net, got, by.float()), gradients(exact, want, by), strict=True):
        # A slope's gradient is a sum of many that cancel: torch in single precision is 4e-5 off, too.
        assert (mine - theirs).norm() <= (1e-4 if theirs.ndim == 0 else 1e-5) * theirs.norm()


@st.composite
def configs(draw: st.DrawFn) -> WaveNetConfig:
    """One or two arrays of any form: widths, gates, controls, activations, kernels and dilations that cross blocks."""
    arrays = []
    condition, channels = draw(st.integers(1, 3)), draw(st.integers(1, 17))
    inputs, count, width = condition, draw(st.integers(1, 2)), None
    for index in range(count):
        layers = draw(st.integers(1, 3))
        head, last = draw(st.integers(1, 17)), index == count - 1
        arrays.append(
            layer_array(
                inputs, channels, head,
                tuple(draw(st.integers(1, 4)) for _ in range(layers)),
                tuple(draw(st.sampled_from([1, 3, 64, 191, 400])) for _ in range(layers)),
                activations=tuple(
                    Activation(draw(st.sampled_from(ACTIVATIONS)), draw(st.sampled_from([0.2, -0.4, 0.0])))
                    for _ in range(layers)
                ),
                condition=condition,
                gated=draw(st.booleans()),
                bottleneck=draw(st.integers(0, 5)) if width is None else width,
                head_kernel_size=draw(st.integers(1, 5)) if last else 1,
                head_bias=draw(st.booleans()),
            )
        )  # fmt: skip
        inputs, channels, width = channels, draw(st.integers(1, 17)), head
    return WaveNetConfig(tuple(arrays))


@settings(deadline=None, max_examples=50)
@given(configs(), st.integers(1, 2000), st.integers(1, 2))
def test_any_stack_gives_torchs_gradients(config: WaveNetConfig, outputs: int, batch: int) -> None:
    net = build(config)
    assert supports(net)
    x = torch.randn(batch, net.in_channels, net.receptive_field - 1 + outputs, dtype=torch.float64, requires_grad=True)
    want, got = net.valid(x), valid_forward(net, x)
    by = torch.randn_like(want)
    torch.testing.assert_close(got, want, rtol=1e-11, atol=1e-11)
    for mine, theirs in zip(gradients(net, got, by, x), gradients(net, want, by, x), strict=True):
        assert (mine - theirs).norm() <= 1e-11 * (1 + theirs.norm())


@settings(deadline=None, max_examples=15)
@given(
    st.builds(
        GatedWaveNetConfig,
        channels=st.integers(1, 17),
        skip_channels=st.integers(1, 17),
        depth=st.integers(1, 9),
        blocks=st.integers(1, 2),
        kernel_size=st.integers(1, 4),
    ),
    st.integers(1, 2000),
)
def test_any_gated_stack_gives_torchs_gradients(config: GatedWaveNetConfig, outputs: int) -> None:
    net = build(config)
    assert supports(net)
    x = torch.randn(2, 1, net.receptive_field - 1 + outputs, dtype=torch.float64, requires_grad=True)
    want, got = net.valid(x), valid_forward(net, x)
    by = torch.randn_like(want)
    torch.testing.assert_close(got, want, rtol=1e-11, atol=1e-11)
    for mine, theirs in zip(gradients(net, got, by, x), gradients(net, want, by, x), strict=True):
        assert (mine - theirs).norm() <= 1e-11 * (1 + theirs.norm())


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
def test_the_same_bits_whatever_the_number_of_threads() -> None:
    net = build(PRESETS["a1-nano"], torch.float32)
    x = torch.randn(5, 1, net.receptive_field + 700)
    results = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        y = valid_forward(net, x)
        results.append([y, *gradients(net, y, torch.ones_like(y))])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_long_windows_are_cut_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused_wavenet, "LONGEST", 300)
    net = build(TWO_ARRAYS)
    x = torch.randn(2, 1, net.receptive_field - 1 + 1000, dtype=torch.float64, requires_grad=True)
    want, got = net.valid(x), valid_forward(net, x)
    by = torch.randn_like(want)
    torch.testing.assert_close(got, want, rtol=1e-11, atol=1e-11)
    for mine, theirs in zip(gradients(net, got, by, x), gradients(net, want, by, x), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-10)


def test_without_gradients_the_output_is_the_same() -> None:
    net = build(TWO_ARRAYS)
    x = torch.randn(3, 1, 900, dtype=torch.float64)
    with torch.no_grad():
        silent = valid_forward(net, x)
    assert not silent.requires_grad
    assert torch.equal(silent, valid_forward(net, x))


def test_the_step_is_part_of_torchs_graph() -> None:
    # a loss on both sides of the net, twice backward through one forward pass, frozen weights
    net = build(TWO_ARRAYS)
    net.arrays[0].rechannel.weight.requires_grad_(False)
    gain = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
    x = torch.randn(1, 1, 400, dtype=torch.float64)
    loss = valid_forward(net, torch.sin(gain * x)).square().mean()
    first = torch.autograd.grad(loss, gain, retain_graph=True)
    assert torch.equal(*first, *torch.autograd.grad(loss, gain))
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(loss, gain)
    oracle = net.valid(torch.sin(gain * x)).square().mean()
    torch.testing.assert_close(first[0], torch.autograd.grad(oracle, gain)[0], rtol=1e-10, atol=0)


def test_what_a_used_buffer_holds_does_not_matter() -> None:
    net = build(TWO_ARRAYS)
    x = torch.randn(2, 1, 1000, dtype=torch.float64)

    def step(x: Tensor) -> list[Tensor]:
        y = valid_forward(net, x)
        return [y, *gradients(net, y, torch.ones_like(y))]

    before = [value.detach() for value in step(x)]
    assert step(torch.full_like(x, torch.nan))[0].isnan().all()
    for buffers in fused_wavenet._POOL._free.values():
        for buffer in buffers:
            buffer[:] = 0xFF  # not a number, in every element
    assert all(torch.equal(a, b) for a, b in zip(before, step(x), strict=True))


def test_a_training_loop_takes_no_new_memory() -> None:
    net = build(TWO_ARRAYS)
    x = torch.randn(4, 1, 1111, dtype=torch.float64)
    seen = []
    for _ in range(4):
        valid_forward(net, x).sum().backward()
        free = fused_wavenet._POOL._free.values()
        seen.append(sorted(buffer.ctypes.data for buffers in free for buffer in buffers))
    assert seen[1] == seen[2] == seen[3]
    assert len(fused_wavenet._POOL._free) <= fused_wavenet.KEPT_SIZES


def test_what_has_no_kernels_goes_through_torch() -> None:
    head = layer_array(1, 2, 3, (2, 2), (1, 2), head_kernel_size=2)
    net = build(WaveNetConfig((head, layer_array(2, 3, 1, (2, 2), (1, 2)))))
    x = torch.randn(1, 1, 50, dtype=torch.float64)
    assert not supports(net)
    assert torch.equal(valid_forward(net, x), net.valid(x))
    assert not supports(torch.nn.Linear(1, 1))
    assert not supports(build(TWO_ARRAYS, torch.bfloat16))


def test_a_window_without_output_is_refused() -> None:
    net = build(TWO_ARRAYS)
    with pytest.raises(SettingsError, match="receptive field"):
        valid_forward(net, torch.zeros(1, 1, net.receptive_field - 1, dtype=torch.float64))


def test_preparing_says_nothing_when_the_kernels_are_there() -> None:
    prepare(lambda line: None)
    said: list[str] = []
    prepare(said.append)
    assert said == []


def test_the_tanh_of_the_kernels_is_within_its_bound() -> None:
    # a stack whose output is tanh of its input: weights 1, biases 0
    config = WaveNetConfig((layer_array(1, 1, 1, (1,), (1,)),), head_scale=1.0)
    for dtype, bound in ((torch.float32, 3.5e-7), (torch.float64, 4e-16)):
        net = build(config, dtype)
        net.head_scale.fill_(1.0)
        with torch.no_grad():
            for name, parameter in net.named_parameters():
                parameter.fill_(0.0 if "bias" in name or "mixer" in name else 1.0)
            grid = np.concatenate([np.linspace(-12, 12, 200_001), np.geomspace(1e-12, 1, 20_000), [-90.0, 1e30]])
            x = torch.tensor(grid, dtype=dtype)[None, None]
            got = valid_forward(net, x).double()
        want = torch.tanh(x.double())
        assert (got - want).abs().max() <= bound
        if dtype == torch.float32:  # quiet sounds keep their precision
            assert ((got - want).abs() / want.abs().clamp_min(1e-30)).max() <= bound
