"""Networks that write an upper band: what they keep, how far they see, and that chunks are the whole."""

from __future__ import annotations

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
from wavewright.nets.audio_unet import interleave
from wavewright.nets.contract import Network
from wavewright.nets.crossover import Crossover
from wavewright.nets.spectral_upsampler import SpectralUpsampler, SpectralUpsamplerConfig

SMALL = {
    "spectral-upsampler": {"n_fft": 64, "hop": 16, "channels": 8, "blocks": 2},
    "tfilm-unet": {"layers": 2, "filters": 4, "block": 64, "memory": 4096},
    "audio-unet": {"layers": 2, "filters": 4},
    "patch-dnn": {"patch": 128, "hidden": 8},
    "series-linear": {"taps": 9},
    "series-gru": {"hidden": 6, "memory": 400},
}


def small(name: str, seed: int = 0) -> Network:
    """A small network whose output is not nearly nothing."""
    torch.manual_seed(seed)
    net = registry.build(name, **SMALL[name])
    for part in net.modules():
        if isinstance(part, (nn.Conv1d, nn.Linear)) and float(part.weight.detach().std()) < 5e-3:
            nn.init.normal_(part.weight, std=0.1)
    if isinstance(net, SpectralUpsampler):
        nn.init.zeros_(net.magnitude.bias)
    return net.eval()


@pytest.mark.parametrize("name", SMALL)
def test_chunks_are_the_whole(name: str) -> None:
    net = small(name)
    x = torch.randn(1, net.in_channels, 20_011) * 0.2
    with torch.no_grad():
        whole = net(x, None)[0][0].numpy()
    player = ChunkedPlayer(net, 1, chunk=4096)
    out = np.zeros((net.out_channels, x.shape[-1] + player.latency), np.float32)
    for start in range(0, x.shape[-1], 777):
        part = slice(start, min(start + 777, x.shape[-1]))
        player.play(x[0, :, part].numpy(), out[:, part])
    player.flush(out[:, x.shape[-1] :])
    np.testing.assert_allclose(out[:, player.latency :], whole, atol=1e-5)


@pytest.mark.parametrize("name", ["spectral-upsampler", "audio-unet", "patch-dnn", "series-linear"])
def test_no_output_depends_on_what_lies_beyond_the_reach(name: str) -> None:
    net, at = small(name), 8192
    x = torch.randn(1, net.in_channels, 2 * at) * 0.1
    other = x.clone()
    other[..., at] += 1.0
    with torch.no_grad():
        moved = (net(x)[0] - net(other)[0]).abs()[0].amax(0).nonzero()[:, 0]
    assert at - net.lookahead <= int(moved.min())
    assert int(moved.max()) <= at + net.receptive_field - 1 - net.lookahead


def test_interleaving_puts_the_second_half_between() -> None:
    x = torch.randn(2, 6, 5)
    y = interleave(x)
    assert torch.equal(y[..., ::2], x[:, :3])
    assert torch.equal(y[..., 1::2], x[:, 3:])


@given(time=st.integers(1, 400), seed=st.integers(0, 20))
@trials(deadline=None, max_examples=20)
def test_analysis_and_synthesis_are_inverses(time: int, seed: int) -> None:
    net = small("spectral-upsampler")
    assert isinstance(net, SpectralUpsampler)
    x = torch.randn(2, time, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(net.synthesis(net.analysis(x), time), x, atol=1e-5, rtol=0)


def test_twice_as_loud_in_twice_as_loud_out() -> None:
    net = small("spectral-upsampler")
    x = torch.randn(1, 1, 3000) * 0.2
    with torch.no_grad():
        torch.testing.assert_close(net(2 * x)[0], 2 * net(x)[0], atol=1e-4, rtol=1e-3)


def test_the_lower_band_of_the_spectrum_is_copied() -> None:
    net = small("spectral-upsampler")
    assert isinstance(net, SpectralUpsampler)
    X = net.analysis(torch.randn(1, 2000))
    with torch.no_grad():
        Y, texture = net.spectra(X)
    assert texture is None
    assert torch.equal(Y[..., : net.config.edge], X[..., : net.config.edge])
    assert not torch.allclose(Y[..., net.config.edge :], X[..., net.config.edge :])


def textured(**changed: object) -> SpectralUpsampler:
    torch.manual_seed(1)
    config = {"n_fft": 64, "hop": 16, "channels": 8, "blocks": 2, "texture": True, **changed}
    net = registry.build("spectral-upsampler", **config)
    assert isinstance(net, SpectralUpsampler)
    assert net.loudness is not None
    nn.init.zeros_(net.magnitude.bias)
    nn.init.zeros_(net.loudness.bias)
    return net.eval()


def test_texture_in_chunks_is_the_whole_and_as_loud_as_the_sound() -> None:
    net, x = textured(), torch.randn(1, 1, 6000) * 0.2
    with torch.no_grad():
        whole, twice = net(x)[0], net(2 * x)[0]
        later = net(torch.nn.functional.pad(x, (160, 0)))[0]  # ten hops
    torch.testing.assert_close(twice, 2 * whole, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(later[..., 400:5900], whole[..., 240:5740], atol=1e-5, rtol=1e-4)
    player = ChunkedPlayer(net, 1, chunk=1024)
    out = np.zeros((1, x.shape[-1] + player.latency), np.float32)
    player.play(x[0].numpy(), out[:, : x.shape[-1]])
    player.flush(out[:, x.shape[-1] :])
    np.testing.assert_allclose(out[:, player.latency :], whole[0].numpy(), atol=1e-5)


@pytest.mark.parametrize(("n_fft", "hop", "low"), [(256, 64, 0.2), (768, 192, 0.2667), (64, 8, 0.4)])
def test_texture_is_the_image_of_the_band_below_frame_after_frame(n_fft: int, hop: int, low: float) -> None:
    net = textured(n_fft=n_fft, hop=hop, low=low, high=low)
    c = net.config
    tone = c.edge // 2 + 0.3  # in bins, and not on one
    x = torch.cos(2 * torch.pi * tone / n_fft * torch.arange(20 * n_fft)).unsqueeze(0)
    U = net._carrier(net.analysis(x))[0, 20:-20]  # complex (frames, written)
    turn = U[1:] / U[:-1]
    for bin_, source, mirrored in zip(range(c.edge, c.bins), net.source.tolist(), net.mirrored.tolist(), strict=True):
        assert 0 <= source < c.edge
        if abs(source - tone) > 1.2:  # outside the main lobe the tone's own mirror image is as loud
            continue
        image = bin_ + (source - tone if mirrored else tone - source)  # where this image has the tone, in bins
        wanted = torch.polar(torch.ones(()), torch.tensor(2 * torch.pi * image * hop / n_fft))
        assert torch.allclose(turn[:, bin_ - c.edge], wanted, atol=0.05)


def test_what_is_known_learns_nothing_from_the_texture() -> None:
    net = textured()
    known, whole = net.known_and_whole(torch.randn(2, 1, 1000) * 0.2)
    assert not torch.allclose(known, whole)
    whole.square().sum().backward()  # type: ignore[no-untyped-call]
    assert net.magnitude.weight.grad is None
    assert net.loudness is not None
    assert net.loudness.weight.grad is not None


def test_frames_that_are_no_whole_hops_are_refused() -> None:
    with pytest.raises(SettingsError, match="n_fft = 100, hop = 30"):
        SpectralUpsampler(SpectralUpsamplerConfig(n_fft=100, hop=30))


@pytest.mark.parametrize("name", ["spectral-upsampler", "tfilm-unet", "patch-dnn"])
def test_behind_a_crossover_the_lower_band_is_the_sounds_own(name: str) -> None:
    x = torch.randn(1, 1, 16_384) * 0.2
    with torch.no_grad():
        y, _ = Crossover(small(name), 0.2, 0.05)(x)
    change = torch.fft.rfft((y - x)[0, 0] * torch.hann_window(x.shape[-1]))
    of_x = torch.fft.rfft(x[0, 0] * torch.hann_window(x.shape[-1]))
    below = slice(0, round(0.195 * len(change)))
    ratio = change[below].abs().square().sum() / of_x[below].abs().square().sum()
    assert 10 * np.log10(float(ratio)) < -60
    above = slice(round(0.26 * len(change)), None)
    assert float(change[above].abs().square().sum()) > 1e-3 * float(of_x[above].abs().square().sum())


def test_a_crossover_within_the_spectrum_alone() -> None:
    with pytest.raises(SettingsError, match="within 0 to 1"):
        Crossover(small("patch-dnn"), 0.97, 0.05)
    with pytest.raises(SettingsError, match="causal"):
        Crossover(registry.build("a1-nano"), 0.2, 0.05)
