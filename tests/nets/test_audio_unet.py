"""The networks of the two papers: their sizes, their levels, how far they see, and what they refuse."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st
from torch import nn

from wavewright.engine.chunked_player import ChunkedPlayer
from wavewright.errors import SettingsError
from wavewright.nets import registry
from wavewright.nets.audio_unet import AudioUNet, AudioUNetConfig, SideBySide
from wavewright.nets.contract import Network
from wavewright.nets.patch_dnn import PatchDNN, PatchDNNConfig
from wavewright.nets.tfilm import TFiLM


def awake(net: Network) -> Network:
    """The network with a last layer that is not nearly nothing."""
    last = net.output if isinstance(net, AudioUNet) else list(net.dense)[-1]  # type: ignore[arg-type]
    nn.init.normal_(last.weight, std=0.1)  # type: ignore[union-attr, arg-type]
    return net.eval()


def tensor_count(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


PAPERS = {
    # name and settings → weights as the papers' own code counts them; torch gives an LSTM two biases, Keras one
    "U-Net of 2017": ("audio-unet", {"filters": 128}, 70_977_154),
    "TFiLM U-Net of 2019": ("tfilm-unet", {"filters": 128, "shift": False}, 68_221_186 + 4 * 3328),
    "DNN": ("patch-dnn", {"patch": 8192, "hidden": 4096}, 67_122_517),
}


@pytest.mark.parametrize("name", PAPERS)
def test_the_papers_own_sizes(name: str) -> None:
    network, settings, weights = PAPERS[name]
    assert registry.weight_count(network, **settings) == weights


@pytest.mark.parametrize(
    ("network", "settings"),
    [("tfilm-unet", {"filters": 11}), ("audio-unet", {"filters": 11}), ("patch-dnn", {"hidden": 170})],
)
def test_half_a_million_weights_are_to_be_had(network: str, settings: dict[str, int]) -> None:
    assert 0.4e6 < tensor_count(registry.build(network, **settings)) < 0.6e6


@given(
    layers=st.integers(1, 6),
    filters=st.integers(2, 9),
    blocks=st.integers(0, 2),
    strided=st.booleans(),
    shift=st.booleans(),
    inputs=st.integers(1, 3),
)
@trials(deadline=None, max_examples=20)
def test_weights_are_counted_before_they_are_made(
    layers: int, filters: int, blocks: int, strided: bool, shift: bool, inputs: int
) -> None:
    config = AudioUNetConfig(
        layers=layers,
        filters=filters,
        block=blocks * 2 ** (layers + 1),
        strided=strided,
        shift=shift,
        inputs=inputs,
        outputs=min(2, inputs),
    )
    assert config.weight_count == tensor_count(AudioUNet(config))


def test_so_are_those_of_the_dense_one() -> None:
    config = PatchDNNConfig(patch=50, hidden=13, layers=5)
    assert config.weight_count == tensor_count(PatchDNN(config))


def test_levels_are_those_of_the_papers() -> None:
    new, old = AudioUNetConfig(filters=128, layers=6), AudioUNetConfig(filters=128, layers=6, strided=True)
    assert [new.width(level) for level in range(7)] == [128, 256, 512, 512, 512, 512, 512]
    assert [old.width(level) for level in range(7)] == [128, 384, 512, 512, 512, 512, 512]
    assert [new.kernel(level) for level in range(7)] == [65, 33, 17, 9, 9, 9, 9]


def test_every_modulation_spans_the_same_time_on_the_way_up_too() -> None:
    net = AudioUNet(AudioUNetConfig(layers=4, filters=2, block=256))
    seen: list[tuple[int, int]] = []
    for part in net.modules():
        if isinstance(part, TFiLM):
            part.register_forward_hook(lambda layer, given, out: seen.append((layer.block, given[0].shape[-1])))
    net(torch.zeros(1, 1, 8192))
    assert [block for block, _ in seen] == [128, 64, 32, 16, 8, 16, 32, 64, 128]
    assert {time // block for block, time in seen} == {8192 // 256}


@pytest.mark.parametrize("network", ["tfilm-unet", "audio-unet", "patch-dnn"])
def test_a_new_network_leaves_the_sound_nearly_as_it_is_and_learns_with_every_weight(network: str) -> None:
    torch.manual_seed(0)
    net = registry.build(network)
    x = torch.randn(2, 1, 4096) * 0.1
    y, _ = net(x, None)
    assert float((y - x).detach().square().mean() / x.square().mean()) < 0.01
    y.square().sum().backward()
    still = [name for name, weight in net.named_parameters() if weight.grad is None or not weight.grad.abs().max() > 0]
    assert still == []


def image_share(net: Network) -> float:
    """Of what ``net`` adds to noise below a sixteenth of the rate: how much is its image below half the rate."""
    X = np.fft.rfft(np.random.default_rng(0).standard_normal(16_384))
    X[1024:] = 0
    x = torch.from_numpy(np.fft.irfft(X).astype(np.float32))[None, None]
    with torch.no_grad():
        added = (net(x)[0] - x)[0, 0].numpy() * np.hanning(16_384)
    power = np.abs(np.fft.rfft(added)) ** 2
    return float(power[8192 - 1024 :].sum() / power.sum())


@pytest.mark.parametrize("network", ["tfilm-unet", "audio-unet"])
def test_a_new_network_adds_hardly_an_image_of_the_low_band(network: str) -> None:
    torch.manual_seed(0)
    net = registry.build(network)
    assert isinstance(net, AudioUNet)
    shared = image_share(net)
    for conv in (*net.up, net.output):
        nn.init.orthogonal_(conv.weight)  # type: ignore[arg-type]
    assert shared < 0.1 * image_share(net)


@pytest.mark.parametrize("strided", [True, False])
@pytest.mark.parametrize("block", [0, 64])
def test_chunks_are_the_whole_wherever_they_are_cut(strided: bool, block: int) -> None:
    torch.manual_seed(1)
    net = awake(AudioUNet(AudioUNetConfig(layers=3, filters=3, block=block, strided=strided, memory=2048)))
    x = torch.randn(1, 1, 9001) * 0.2
    with torch.no_grad():
        whole = net(x, None)[0][0].numpy()
    player = ChunkedPlayer(net, 1, chunk=1024)
    out = np.zeros((1, x.shape[-1] + player.latency), np.float32)
    edges = [0, 1, 900, 5000, 5001, 9001]
    for start, end in pairwise(edges):
        player.play(x[0, :, start:end].numpy(), out[:, start:end])
    player.flush(out[:, x.shape[-1] :])
    np.testing.assert_allclose(out[:, player.latency :], whole, atol=1e-5)


@pytest.mark.parametrize("strided", [True, False])
@pytest.mark.parametrize(("layers", "block"), [(1, 0), (3, 0), (2, 64)])
def test_no_output_depends_on_what_lies_beyond_the_reach(strided: bool, layers: int, block: int) -> None:
    torch.manual_seed(2)
    net = awake(AudioUNet(AudioUNetConfig(layers=layers, filters=3, block=block, strided=strided, memory=0)))
    x, at = torch.randn(1, 1, 8192) * 0.1, 4096 + 37
    later = x.clone()
    later[..., at:] += 1.0
    with torch.no_grad():
        moved = (net(x)[0] - net(later)[0])[0, 0].abs().nonzero()[:, 0]
    assert at - net.lookahead <= int(moved.min()) < at
    if not block:  # a modulation remembers without limit
        other = x.clone()
        other[..., at] += 1.0
        with torch.no_grad():
            moved = (net(x)[0] - net(other)[0])[0, 0].abs().nonzero()[:, 0]
        assert int(moved.max()) <= at + net.receptive_field - 1 - net.lookahead


@given(
    batch=st.integers(1, 3),
    channels=st.integers(1, 3),
    half=st.integers(1, 20),
    odd=st.booleans(),
    taps=st.sampled_from([1, 5, 9]),
    dilation=st.sampled_from([1, 2]),
    stride=st.sampled_from([1, 2]),
)
@trials(deadline=None, max_examples=40)
def test_a_convolution_laid_side_by_side_is_the_same(
    batch: int, channels: int, half: int, odd: bool, taps: int, dilation: int, stride: int
) -> None:
    if dilation == 2:
        stride = 1
    conv = SideBySide(channels, 4, taps, stride, padding=taps // 2 * dilation, dilation=dilation).double()
    x = torch.randn(batch, channels, 2 * half + odd, dtype=torch.float64)
    torch.testing.assert_close(conv(x), nn.Conv1d.forward(conv, x))


def test_dropout_is_for_training_alone() -> None:
    torch.manual_seed(0)
    net = awake(AudioUNet(AudioUNetConfig(layers=2, filters=4, block=0, dropout=0.5)))
    x = torch.randn(1, 1, 512)
    assert torch.equal(net(x)[0], net(x)[0])
    net.train()
    assert not torch.equal(net(x)[0], net(x)[0])


def test_the_dense_network_is_its_layers_one_by_one() -> None:
    torch.manual_seed(0)
    net = awake(PatchDNN(PatchDNNConfig(patch=32, hidden=12, layers=5)))
    w = {key: value.numpy() for key, value in net.state_dict().items()}
    assert [w[f"dense.{number}.weight"].shape[0] for number in range(5)] == [4, 12, 12, 12, 32]
    x = np.random.default_rng(0).standard_normal(70).astype(np.float32)
    wanted = x.copy()
    for start in (0, 32, 64):
        h = np.zeros(32, np.float32)
        h[: len(x[start : start + 32])] = x[start : start + 32]
        for number in range(5):
            y = w[f"dense.{number}.weight"] @ h + w[f"dense.{number}.bias"]
            if number < 4:
                y = np.where(y > 0, y, 0.2 * y)
            h = h + y if number in (2, 3) else y
        wanted[start : start + 32] += h[: len(wanted[start : start + 32])]
    with torch.no_grad():
        np.testing.assert_allclose(net(torch.from_numpy(x)[None, None])[0][0, 0], wanted, atol=1e-5)


def test_wrong_settings_are_refused_with_all_that_is_wrong() -> None:
    with pytest.raises(SettingsError) as found:
        AudioUNet(AudioUNetConfig(layers=4, block=24, kernel_size=64, filters=1, outputs=2))
    text = str(found.value)
    assert "block = 24: must be a multiple of 32" in text
    assert all(f"setting {name}" in text for name in ("kernel_size = 64", "filters = 1", "outputs = 2"))
    with pytest.raises(SettingsError, match=r"hidden = 2\b.*"):
        PatchDNN(PatchDNNConfig(hidden=2))


@pytest.mark.parametrize(
    ("network", "settings"),
    [("tfilm-unet", {"filters": 4096}), ("audio-unet", {"filters": 4096}), ("patch-dnn", {"hidden": 60_000})],
)
def test_what_would_take_all_memory_is_refused_before_it_is_taken(network: str, settings: dict[str, int]) -> None:
    with pytest.raises(SettingsError, match=r"weights; at most 300,000,000"):
        registry.build(network, **settings)
