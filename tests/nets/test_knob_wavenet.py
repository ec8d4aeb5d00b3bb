"""WaveNets with knobs: at a fixed position they are plain WaveNets; a knob that moves is followed sample by sample."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.engine import fused_wavenet
from wavewright.errors import ModelFileError, SettingsError
from wavewright.nets import registry
from wavewright.nets.knob_wavenet import KnobWaveNet, KnobWaveNetConfig, taper
from wavewright.nets.wavenet_config import Activation, LayerArrayConfig, WaveNetConfig

POSITION = st.floats(0.0, 1.0)


def small(gated: bool = False) -> WaveNetConfig:
    def array(inputs: int, width: int, head: int, bias: bool) -> LayerArrayConfig:
        activations = (Activation("Tanh"), Activation("LeakyReLU", 0.1), Activation("SiLU"))
        return LayerArrayConfig(inputs, 1, head, width, (3, 2, 3), (1, 4, 9), activations, 1, bias, gated)

    return WaveNetConfig((array(1, 4, 3, False), array(4, 3, 1, True)), 0.3)


def network(conditioning: str, knobs: int = 2, units: int = 0, gated: bool = False, seed: int = 1) -> KnobWaveNet:
    """A network whose knobs do a lot."""
    torch.manual_seed(seed)
    net = KnobWaveNet(KnobWaveNetConfig(small(gated), knobs, conditioning, units))
    with torch.no_grad():
        net.bend.normal_()
        for parameter in net.shapings.parameters():
            parameter.normal_()
    return net


def heard(net: KnobWaveNet, frames: int, positions: tuple[float, ...], batch: int = 1) -> torch.Tensor:
    knobs = torch.tensor(positions)[None, :, None].expand(batch, -1, frames)
    return torch.cat([torch.randn(batch, 1, frames), knobs], dim=1)


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("units", [0, 3])
@pytest.mark.parametrize("conditioning", ["concat", "film"])
@settings(max_examples=8, deadline=None)
@given(one=POSITION, other=POSITION)
def test_at_a_fixed_position_it_is_a_wavenet_without_knobs(
    conditioning: str, units: int, gated: bool, one: float, other: float
) -> None:
    net = network(conditioning, units=units, gated=gated)
    x = heard(net, 120, (one, other))
    with torch.no_grad():
        y, _ = net(x)
        folded, _ = net.at([one, other])(x[:, :1])
    torch.testing.assert_close(y, folded, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("conditioning", ["concat", "film"])
def test_kernels_give_outputs_and_gradients_of_torch(conditioning: str) -> None:
    """A batch of several positions, some of them equal, in no order."""
    net = network(conditioning, units=2).double()
    frames = net.receptive_field + 70
    rows = [heard(net, frames, p) for p in ((0.1, 1.0), (0.0, 0.5), (0.1, 1.0), (0.9, 0.2))]
    x, wanted = torch.cat(rows).double(), torch.randn(4, 1, 71).double()
    gradients = []
    for forward in (net.valid, lambda x: fused_wavenet.valid_forward(net, x)):
        net.zero_grad()
        y = forward(x)
        (y - wanted).square().sum().backward()
        found = {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}
        gradients.append((y.detach(), found))
    torch.testing.assert_close(gradients[0][0], gradients[1][0])
    assert gradients[0][1].keys() == gradients[1][1].keys()
    for name, gradient in gradients[0][1].items():
        torch.testing.assert_close(gradients[1][1][name], gradient, msg=name)


def test_knobs_that_move_go_through_torch() -> None:
    net = network("film")
    x = heard(net, net.receptive_field + 20, (0.3, 0.4))
    x[:, 1] = torch.linspace(0, 1, x.shape[-1])
    torch.testing.assert_close(fused_wavenet.valid_forward(net, x), net.valid(x))


@pytest.mark.parametrize("conditioning", ["concat", "film"])
@settings(max_examples=15, deadline=None)
@given(cut=st.integers(1, 199), seed=st.integers(0, 100))
def test_moving_knobs_in_blocks(conditioning: str, cut: int, seed: int) -> None:
    net = network(conditioning)
    torch.manual_seed(seed)
    x = torch.cat([torch.randn(1, 1, 200), torch.rand(1, 2, 200)], dim=1)
    with torch.no_grad():
        whole, _ = net(x)
        first, state = net(x[..., :cut])
        second, _ = net(x[..., cut:], state)
        late = net.valid(x)
    torch.testing.assert_close(torch.cat([first, second], dim=-1), whole, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(late, whole[..., net.receptive_field - 1 :], atol=1e-5, rtol=1e-5)


def test_a_knob_acts_at_its_own_sample_and_not_before() -> None:
    net = network("film")
    x = heard(net, 100, (0.2, 0.2))
    moved = x.clone()
    moved[:, 1, 60:] = 0.9
    with torch.no_grad():
        one, other = net(x)[0], net(moved)[0]
    assert torch.equal(one[..., :60], other[..., :60])
    assert (one[..., 60] != other[..., 60]).all()


@settings(deadline=None)
@given(position=POSITION, bend=st.floats(-5, 5))
def test_a_taper_keeps_the_ends_and_never_turns_back(position: float, bend: float) -> None:
    """Against a potentiometer as a divider with resistances at both ends: its gain, brought to 0 … 1."""
    p, b = torch.tensor([0.0, position, 1.0], dtype=torch.float64)[:, None], torch.tensor([bend], dtype=torch.float64)
    u = taper(p, b)[:, 0].numpy()
    a = np.exp(bend)

    def divider(p: float) -> float:
        return p / (p + a * (1 - p) + 1e-300) if a else 1.0

    assert u[0] == 0
    assert u[2] == 1
    assert 0 <= u[1] <= 1
    np.testing.assert_allclose(u[1], divider(position), atol=1e-12)


def test_the_taper_is_a_feedback_resistors_law() -> None:
    """A gain 1 / (r + R(1 − p)), as of a pot that shorts itself out: brought to 0 … 1 it is a taper, a = 1 + R/r."""
    r, total = 2.0, 100.0
    p = torch.linspace(0, 1, 11, dtype=torch.float64)
    gain = 1 / (r + total * (1 - p))
    wanted = (gain - gain[0]) / (gain[-1] - gain[0])
    bend = torch.log(torch.tensor([1 + total / r], dtype=torch.float64))
    torch.testing.assert_close(taper(p[:, None], bend)[:, 0], wanted)


def test_a_run_folders_words_bring_it_back() -> None:
    net = network("film", units=3)
    kind, config = registry.config_of(net)
    again = registry.from_config(kind, config)
    assert isinstance(again, KnobWaveNet)
    again.load_state_dict(net.state_dict())
    x = heard(net, 90, (0.7, 0.1))
    with torch.no_grad():
        assert torch.equal(net(x)[0], again(x)[0])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"knobs": 0}, "knobs"),
        ({"conditioning": "flim"}, "film"),
        ({"units": -1}, "units"),
        ({"wavenet": 3}, "wavenet"),
        ({"colour": 1}, "colour"),
    ],
)
def test_settings_that_cannot_be_are_refused(change: dict[str, object], told: str) -> None:
    kind, config = registry.config_of(network("film"))
    with pytest.raises(ModelFileError, match=told):
        registry.from_config(kind, {**config, **change})


def test_as_many_positions_as_knobs() -> None:
    with pytest.raises(SettingsError, match="2 knobs"):
        network("film").at([0.5])
