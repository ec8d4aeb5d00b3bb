"""The compiled sampler: code for code what torch gives with the same random numbers, however the calls are cut."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from wavewright.engine.sampler import Choice, Sampler, Weights, bits
from wavewright.engine.sampler_kernels import run
from wavewright.errors import SettingsError
from wavewright.nets.audio_rnn import AudioRNN, AudioRNNConfig
from wavewright.nets.distributions import draw
from wavewright.nets.generator import Generator
from wavewright.nets.sample_rnn import SampleRNN, SampleRNNConfig
from wavewright.nets.sample_wavenet import SampleWaveNet, SampleWaveNetConfig

NETS: dict[str, tuple[type[Generator], object]] = {
    "rnn": (AudioRNN, AudioRNNConfig(hidden_size=48, dense_size=24)),
    "rnn, odd sizes, controls": (AudioRNN, AudioRNNConfig(37, 3, dense_size=19, levels=100, controls=3)),
    "rnn, one layer": (AudioRNN, AudioRNNConfig(16, 1, dense_size=16, levels=17)),
    "rnn, 16-bit": (AudioRNN, AudioRNNConfig(40, dense_size=21, levels=65536, components=7)),
    "rnn, 16-bit, controls": (AudioRNN, AudioRNNConfig(16, dense_size=16, levels=65536, controls=2)),
    "wavenet": (SampleWaveNet, SampleWaveNetConfig(channels=16, layers=10, cycle=5, head_size=20)),
    "wavenet, gated, controls": (
        SampleWaveNet,
        SampleWaveNetConfig(
            channels=11, layers=7, cycle=4, kernel_size=3, gated=True, hidden_size=19, controls=3, levels=100
        ),
    ),
    "wavenet, controls as they are": (
        SampleWaveNet,
        SampleWaveNetConfig(channels=8, layers=4, cycle=2, controls=3, condition_size=0),
    ),
    "wavenet, one tap": (SampleWaveNet, SampleWaveNetConfig(channels=35, layers=3, kernel_size=1, embedding_size=1)),
    "wavenet, 16-bit": (
        SampleWaveNet,
        SampleWaveNetConfig(channels=8, layers=8, cycle=4, head_size=9, levels=65536, controls=1, embedding_size=6),
    ),
    "sample-rnn": (SampleRNN, SampleRNNConfig((4, 16), 32, context=8)),
    "sample-rnn, two tiers, controls": (
        SampleRNN,
        SampleRNNConfig((5,), 21, num_layers=2, context=12, embedding_size=7, levels=102, controls=2),
    ),
    "sample-rnn, four tiers": (SampleRNN, SampleRNNConfig((2, 4, 8), 16, context=1, embedding_size=3)),
    "sample-rnn, 16-bit": (
        SampleRNN,
        SampleRNNConfig((4, 8), 20, context=6, embedding_size=9, levels=65536, controls=1),
    ),
}


def network(name: str, seed: int = 3) -> Generator:
    """A network that has something to say: fresh ones find all codes alike."""
    kind, config = NETS[name]
    torch.manual_seed(seed)
    net = kind(config).eval()
    assert isinstance(net, AudioRNN | SampleRNN | SampleWaveNet)
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
        weight, bias = net.output.weight, net.output.bias
        if net.distribution.draws == 1:
            weight.mul_(20)
        else:  # means of a calm walk, and narrow scales
            weight.mul_(0.9)
            assert bias is not None
            bias.chunk(3)[2].copy_(torch.linspace(-9.0, -4.0, len(bias) // 3))
    return net


def chances(net: Generator, streams: int, time: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).random((streams, time, net.distribution.draws))


def controls_for(net: Generator, streams: int, time: int) -> NDArray[np.float32]:
    """Controls that stay as they are for a while."""
    steps = np.random.default_rng(9).standard_normal((streams, net.controls, time // 16 + 1))
    return np.repeat(steps, 16, axis=2)[:, :, :time].astype(np.float32)


def levels_of(codes: torch.Tensor, levels: int) -> torch.Tensor:
    return ((2.0 * codes.double() - (levels - 1)) / (levels - 1)).float()


@torch.no_grad()
def by_torch(
    net: Generator,
    uniforms: NDArray[np.float64],
    choice: Choice,
    controls: NDArray[np.float32],
    prompt: NDArray[np.int32],
    led: NDArray[np.int32] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The same, by one forward pass a sample; nats of the prompt's codes and of those drawn.

    It goes on from its own codes, or, where it is ``led``, from those.
    """
    streams, heard = prompt.shape
    levels, state = net.distribution.levels, None
    code = torch.full((streams,), levels // 2)
    codes, nats = [], []
    for t in range(heard + uniforms.shape[1]):
        x = torch.cat([levels_of(code, levels).unsqueeze(1), torch.as_tensor(controls[:, :, t])], dim=1)
        said, state = net(x.unsqueeze(2), state)
        if t < heard:
            code = torch.as_tensor(prompt[:, t]).long()
        else:
            temperature = float(np.broadcast_to(choice.temperature, uniforms.shape[1])[t - heard])
            chance = torch.as_tensor(uniforms[:, t - heard])
            code = draw(net.distribution, said[:, :, 0], chance, temperature, choice.top_k, choice.top_p)
        codes.append(code)
        if t >= heard and led is not None:
            code = torch.as_tensor(led[:, t - heard]).long()
        nats.append(net.distribution.nats(said, code.unsqueeze(1))[:, 0])
    return torch.stack(codes, dim=1).numpy(), torch.stack(nats, dim=1).double().numpy()


def check_equal(net: Generator, codes: NDArray[np.int32], expected: NDArray[np.int64]) -> None:
    """Code for code. The mean of a mixture is a number, not one of so many: in single precision one and the same mean,
    summed in another order, may lie on the other side of the border between two of 65,536 codes."""
    if net.distribution.draws == 1:
        np.testing.assert_array_equal(codes, expected)
        return
    assert np.abs(codes - expected).max() <= 1
    assert (codes != expected).mean() < 0.02


@pytest.mark.parametrize("streams", [1, 2, 7])
@pytest.mark.parametrize("name", NETS)
def test_equal_to_torch_behind_a_prompt(name: str, streams: int) -> None:
    net, time, heard = network(name), 60, 40
    uniforms, controls = chances(net, streams, time), controls_for(net, streams, time + heard)
    sampler = Sampler(net, streams)
    prompt = np.random.default_rng(1).integers(0, net.distribution.levels, (streams, heard)).astype(np.int32)
    thought = sampler.listen(prompt, controls[:, :, :heard])
    codes, own = sampler.draw(uniforms, Choice(), controls[:, :, heard:])
    led = None if net.distribution.draws == 1 else codes
    expected, nats = by_torch(net, uniforms, Choice(), controls, prompt, led)
    check_equal(net, codes, expected[:, heard:])
    np.testing.assert_allclose(thought, nats[:, :heard].sum(axis=1), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(own, nats[:, heard:], rtol=1e-3, atol=1e-3)
    assert len(np.unique(codes)) > 5


CHOICES = {
    "cool": Choice(temperature=0.7),
    "top-k": Choice(top_k=12),
    "top-p": Choice(top_p=0.8),
    "all": Choice(temperature=np.linspace(0.5, 2.0, 80), top_k=30, top_p=0.9),
    "greedy": Choice(temperature=1e-6),
    "one code": Choice(top_k=1),
}


@pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES)
@pytest.mark.parametrize("name", ["rnn, one layer", "wavenet", "rnn, 16-bit"])
def test_equal_to_torch_however_codes_are_chosen(name: str, choice: Choice) -> None:
    net = network(name)
    uniforms, none = chances(net, 2, 80), np.zeros((2, 0, 80), np.float32)
    if net.distribution.draws == 2 and (choice.top_k or choice.top_p < 1):
        with pytest.raises(SettingsError, match="mixture"):
            Sampler(net, 2).draw(uniforms, choice)
        return
    codes, nats = Sampler(net, 2).draw(uniforms, choice)
    led = None if net.distribution.draws == 1 else codes
    expected, thought = by_torch(net, uniforms, choice, none, np.zeros((2, 0), np.int32), led)
    check_equal(net, codes, expected)
    np.testing.assert_allclose(nats, thought, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("weights", ["float32", "int8"])
@pytest.mark.parametrize("name", NETS)
def test_how_the_calls_are_cut_changes_nothing(name: str, weights: Weights) -> None:
    net = network(name)
    uniforms, controls = chances(net, 3, 200), controls_for(net, 3, 200)
    sampler = Sampler(net, 3, weights=weights)
    whole, nats = sampler.draw(uniforms, Choice(), controls)
    sampler.reset()
    parts, at = [], 0
    for length in (1, 0, 63, 64, 2, 70):
        part = slice(at, at + length)
        parts.append(sampler.draw(uniforms[:, part], Choice(), controls[:, :, part])[0])
        at += length
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)
    sampler.reset()
    np.testing.assert_allclose(sampler.listen(whole, controls), nats.sum(axis=1), rtol=1e-5)


@pytest.mark.parametrize("name", [name for name in NETS if "16-bit" not in name])
def test_bytes_say_nearly_the_same(name: str) -> None:
    net = network(name)
    uniforms, controls = chances(net, 4, 300), controls_for(net, 4, 300)
    codes, _ = Sampler(net, 4).draw(uniforms, Choice(), controls)
    exact, quick = (bits(net, codes, controls, weights=weights) for weights in ("float32", "int8"))
    assert quick != exact
    assert abs(quick - exact) < 0.02


def test_weights_are_those_of_the_moment() -> None:
    net = network("rnn, one layer")
    uniforms, sampler = chances(net, 1, 100), Sampler(net)
    before, _ = sampler.draw(uniforms)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.neg_()
    sampler.reset()
    np.testing.assert_array_equal(sampler.draw(uniforms)[0], before)
    assert (Sampler(net).draw(uniforms)[0] != before).any()


def test_streams_do_not_hear_each_other() -> None:
    net = network("sample-rnn")
    uniforms = chances(net, 5, 100)
    together, _ = Sampler(net, 5).draw(uniforms)
    alone = [Sampler(net).draw(uniforms[stream : stream + 1])[0] for stream in range(5)]
    np.testing.assert_array_equal(together, np.concatenate(alone))


@pytest.mark.parametrize("weights", ["float32", "int8"])
@pytest.mark.parametrize("name", NETS)
def test_numbers_without_end_harm_nothing(name: str, weights: Weights) -> None:
    """A network whose sums overflow gives codes all the same, and none that there is not."""
    net = network(name)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(1e15)
    codes, _ = Sampler(net, 2, weights=weights).draw(chances(net, 2, 50), Choice(), controls_for(net, 2, 50))
    assert codes.min() >= 0
    assert codes.max() < net.distribution.levels


def test_a_network_that_diverged_is_refused() -> None:
    net = network("wavenet")
    with torch.no_grad():
        next(net.parameters())[0] = torch.nan
    with pytest.raises(SettingsError, match="diverged"):
        Sampler(net)


def test_nothing_is_compiled_after_a_sampler_is_made() -> None:
    """Whatever the length of a call, and whether its arrays may be written."""
    net = network("rnn, odd sizes, controls")
    sampler = Sampler(net, 2)
    known = len(run.signatures)
    for time in (0, 1, 2, 70):
        uniforms, controls = chances(net, 2, time), controls_for(net, 2, time)
        uniforms.flags.writeable = controls.flags.writeable = False
        codes, _ = sampler.draw(uniforms, Choice(np.ones(time)), controls)
        sampler.draw(uniforms[:, ::-1], Choice(), controls[:, :, ::-1])
        codes.flags.writeable = False
        sampler.listen(codes, controls)
    assert len(run.signatures) == known


def test_a_draw_takes_no_memory_but_its_results() -> None:
    net = network("wavenet")
    sampler, uniforms = Sampler(net, 2), chances(net, 2, 5000)
    sampler.draw(uniforms)
    tracemalloc.start()
    codes, nats = sampler.draw(uniforms)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    temperatures = 8 * 5000
    assert peak < codes.nbytes + nats.nbytes + temperatures + 10_000


WRONG = {
    "no streams": lambda net: Sampler(net, 0),
    "weights": lambda net: Sampler(net, weights="int4"),  # type: ignore[arg-type]
    "uniforms of one stream too few": lambda net: Sampler(net, 2).draw(np.zeros((1, 5, 1))),
    "uniforms of 1": lambda net: Sampler(net).draw(np.ones((1, 5, 1))),
    "uniforms not a number": lambda net: Sampler(net).draw(np.full((1, 5, 1), np.nan)),
    "no controls": lambda net: Sampler(net).draw(np.zeros((1, 5, 1))),
    "controls of another length": lambda net: Sampler(net).draw(
        np.zeros((1, 5, 1)), Choice(), np.zeros((1, 3, 4), np.float32)
    ),
    "controls not finite": lambda net: Sampler(net).draw(
        np.zeros((1, 5, 1)), Choice(), np.full((1, 3, 5), np.inf, np.float32)
    ),
    "codes beyond the last": lambda net: Sampler(net).listen(np.array([[100]]), np.zeros((1, 3, 1), np.float32)),
    "codes as numbers": lambda net: Sampler(net).listen(np.zeros((1, 2)), np.zeros((1, 3, 2), np.float32)),
    "temperatures": lambda net: Sampler(net).draw(
        np.zeros((1, 5, 1)), Choice(np.ones(4)), np.zeros((1, 3, 5), np.float32)
    ),
    "temperature 0": lambda net: Choice(0.0),
    "a temperature not a number": lambda net: Choice(np.array([1.0, np.nan])),
    "top-k": lambda net: Choice(top_k=-1),
    "top-p": lambda net: Choice(top_p=0.0),
    "no codes to judge": lambda net: bits(net, np.zeros((1, 0), int), np.zeros((1, 3, 0), np.float32)),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_wrong_input_is_refused(wrong: Callable[[Generator], object]) -> None:
    with pytest.raises(SettingsError):
        wrong(network("rnn, odd sizes, controls"))
