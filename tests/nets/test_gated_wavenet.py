"""aNN_Audio's WaveNet against its equations read slowly, and the laws of its contract."""

from __future__ import annotations

import pytest
import torch

from wavewright.errors import SettingsError
from wavewright.nets.gated_wavenet import GatedWaveNet, GatedWaveNetConfig


def small() -> GatedWaveNet:
    torch.manual_seed(5)
    net = GatedWaveNet(GatedWaveNetConfig(channels=3, skip_channels=4, depth=3, blocks=2, slope_scale=2.0)).double()
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.endswith("slope"):
                parameter.copy_(torch.rand(()) + 0.3)
    return net


def test_dilations_double_to_8192() -> None:
    config = GatedWaveNetConfig()
    assert config.dilations == tuple(2**power for power in range(14))
    assert config.dilations[-1] == 8192
    assert GatedWaveNet(config).receptive_field == 2**14
    assert GatedWaveNet(GatedWaveNetConfig(blocks=2)).receptive_field == 2 * (2**14 - 1) + 1
    assert [part.shape[-1] for part in GatedWaveNet(config).init_state(1)] == list(config.dilations)


def test_block_invariance() -> None:
    net = small().float()
    x = torch.randn(2, 1, 700)
    with torch.no_grad():
        whole, _ = net(x)
        for size in (1, 64, 333):
            state, parts = None, []
            for start in range(0, 700, size):
                y, state = net(x[..., start : start + size], state)
                parts.append(y)
            torch.testing.assert_close(torch.cat(parts, dim=-1), whole, rtol=0, atol=1e-5)


def test_valid_is_the_tail_of_forward_and_trains_alike() -> None:
    net = small()
    x = torch.randn(2, 1, net.receptive_field + 30, dtype=torch.float64)
    y, _ = net(x)
    torch.testing.assert_close(net.valid(x), y[..., net.receptive_field - 1 :], rtol=1e-12, atol=1e-12)
    trained = [p for p in net.parameters() if p.requires_grad]
    expected = torch.autograd.grad(y[..., net.receptive_field - 1 :].square().sum(), trained)
    for mine, theirs in zip(torch.autograd.grad(net.valid(x).square().sum(), trained), expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-10)


def test_receptive_field_is_exact() -> None:
    net = small()
    x = torch.randn(1, 1, net.receptive_field + 5, dtype=torch.float64, requires_grad=True)
    (reach,) = torch.autograd.grad(net(x)[0][0, 0, -1], x)
    assert int(torch.nonzero(reach[0, 0]).min()) == x.shape[-1] - net.receptive_field


def test_equations_read_slowly() -> None:
    net = small()
    x = torch.randn(1, 1, 20, dtype=torch.float64)
    with torch.no_grad():
        found, _ = net(x)
        stream = net.entry.weight[:, :, 0] @ x[0] + net.entry.bias[:, None]  # type: ignore[index]
        total = torch.zeros(4, 20, dtype=torch.float64)
        for layer, dilation in zip(net.each_layer(), net.config.dilations, strict=True):
            after = stream.clone()
            for t in range(20):
                before = stream[:, t - dilation] if t >= dilation else torch.zeros(3, dtype=torch.float64)
                z = layer.conv.weight[:, :, 0] @ before + layer.conv.weight[:, :, 1] @ stream[:, t] + layer.conv.bias
                a = torch.tanh(2.0 * layer.filter_slope.slope * z[:3]) * torch.sigmoid(
                    2.0 * layer.gate_slope.slope * z[3:]
                )
                total[:, t] += layer.skip.weight[:, :, 0] @ a + layer.skip.bias
                after[:, t] += layer.residual.weight[:, :, 0] @ a + layer.residual.bias
            stream = after
        hidden = torch.tanh(2.0 * net.sum_slope.slope * total)
        hidden = net.middle.weight[:, :, 0] @ hidden + net.middle.bias[:, None]  # type: ignore[index]
        hidden = torch.tanh(2.0 * net.middle_slope.slope * hidden)
        y = net.last.weight[:, :, 0] @ hidden + net.last.bias[:, None]  # type: ignore[index]
    torch.testing.assert_close(found[0], y, rtol=1e-12, atol=1e-12)


def test_settings_out_of_range_are_told_together() -> None:
    with pytest.raises(SettingsError) as caught:
        GatedWaveNet(GatedWaveNetConfig(channels=0, depth=50))
    assert len(caught.value.problems) == 2
