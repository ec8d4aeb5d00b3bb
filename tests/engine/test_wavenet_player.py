"""The compiled player of WaveNets: equal to torch, whatever the blocks; nothing broken stays; channels do not mix."""

from __future__ import annotations

import copy
import dataclasses
import gc
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core import event
from numba.core.runtime import _nrt_python, rtsys

from wavewright.engine import player as player_module
from wavewright.engine import wavenet_player
from wavewright.engine.player import Player, compiled
from wavewright.engine.stream_plan import CHUNK, SPAN
from wavewright.engine.torch_player import TorchPlayer
from wavewright.engine.wavenet_player import WaveNetPlayer
from wavewright.formats import nam
from wavewright.nets.gated_wavenet import GatedWaveNet, GatedWaveNetConfig
from wavewright.nets.plain import PlainNetwork
from wavewright.nets.wavenet import WaveNet
from wavewright.nets.wavenet_config import ACTIVATIONS, PRESETS, Activation, LayerArrayConfig, WaveNetConfig

REFERENCES = {"obsidian_a1": None, "wavenet_a1_standard": None, "A2.slim0": 0, "A2.slim1": -1}


def network(config: WaveNetConfig | GatedWaveNetConfig, seed: int = 3) -> WaveNet | GatedWaveNet:
    """A network that is loud: the errors of a quiet one would not show."""
    torch.manual_seed(seed)
    if isinstance(config, WaveNetConfig):
        return WaveNet(dataclasses.replace(config, head_scale=1.0))
    net = GatedWaveNet(config)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            parameter.mul_(float(torch.rand(()) + 1) if "slope" in name else 1.5)
    return net


def playing(net: WaveNet | GatedWaveNet, channels: int = 1, exact: bool = False) -> Player:
    return Player(net, channels, exact=exact, inputs=net.in_channels, outputs=net.out_channels)


def noise(channels: int, samples: int, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal((channels, samples)) * 0.3).astype(np.float32)


def by_torch(net: WaveNet | GatedWaveNet, x: np.ndarray) -> np.ndarray:
    """What torch gives in double precision: the errors seen are the kernels' own."""
    channels = x.shape[0] // net.in_channels
    out = np.empty((channels * net.out_channels, x.shape[1]), np.float32)
    TorchPlayer(copy.deepcopy(net).double(), channels).play(x, out)
    return out


def in_blocks(player: Player, x: np.ndarray, sizes: list[int]) -> np.ndarray:
    ends = np.cumsum(sizes)
    return np.concatenate(
        [player.process(x[:, end - size : end]) for size, end in zip(sizes, ends, strict=True)], axis=1
    )


def array(channels: int, activation: Activation, **changes: object) -> LayerArrayConfig:
    config = LayerArrayConfig(1, 1, 1, channels, (3, 2, 4), (1, 3, 40), (activation,) * 3, head_bias=True)
    return dataclasses.replace(config, **changes)


ODD = {
    "relu, 5 channels": WaveNetConfig((array(5, Activation("ReLU")),)),
    "13 channels": WaveNetConfig((array(13, Activation("Tanh")),)),
    "slope above 1": WaveNetConfig((array(4, Activation("LeakyReLU", 1.5)),)),
    "slope below 0": WaveNetConfig((array(4, Activation("LeakyReLU", -0.5)),)),
    "bottleneck": WaveNetConfig((array(7, Activation("Tanh"), bottleneck=3),)),
    "one tap": WaveNetConfig((array(2, Activation("Tanh"), kernel_sizes=(1, 1, 1)),)),
    "long heads": WaveNetConfig(
        (
            array(6, Activation("Tanh"), head_size=4, head_kernel_size=5),
            array(4, Activation("LeakyReLU"), input_size=6, head_kernel_size=3),
        )
    ),
    "head longer than a chunk": WaveNetConfig((array(2, Activation("Tanh"), head_kernel_size=CHUNK + 70),)),
    "gated": WaveNetConfig((array(5, Activation("Tanh"), gated=True),)),
    "gated, two arrays, bottleneck": WaveNetConfig(
        (
            array(6, Activation("LeakyReLU", 0.1), gated=True, bottleneck=3, head_size=4),
            array(8, Activation("SiLU"), gated=True, input_size=6, bottleneck=4),
        )
    ),
    "a control": WaveNetConfig((array(4, Activation("Tanh"), input_size=2, condition_size=2),)),
    "four controls, gated, three heads": WaveNetConfig(
        (
            array(6, Activation("Tanh"), input_size=5, condition_size=5, head_size=3, gated=True),
            array(3, Activation("Tanh"), input_size=6, condition_size=5, head_size=3, head_kernel_size=4),
        )
    ),
    "a trunk of 40 heads": WaveNetConfig((array(20, Activation("Tanh"), head_size=40),)),
    "past longer than the span": WaveNetConfig((array(2, Activation("Tanh"), dilations=(1, SPAN + 77, 500)),)),
    **{f"{name}, gated": WaveNetConfig((array(3, Activation(name), gated=True),)) for name in ACTIVATIONS[3:]},
    **{name: WaveNetConfig((array(3, Activation(name)),)) for name in ACTIVATIONS[3:]},
    "aNN_Audio's": GatedWaveNetConfig(),
    "aNN_Audio's, small": GatedWaveNetConfig(channels=3, skip_channels=5, depth=4, blocks=2, kernel_size=3),
    "aNN_Audio's, one tap": GatedWaveNetConfig(channels=2, skip_channels=1, depth=1, kernel_size=1),
}


@pytest.mark.parametrize("config", [*PRESETS.values(), *ODD.values()], ids=[*PRESETS, *ODD])
def test_equal_to_torch_at_every_block_size(config: WaveNetConfig | GatedWaveNetConfig) -> None:
    net = network(config)
    assert compiled(net)
    player = playing(net)
    x = noise(net.in_channels, 3000)
    expected = by_torch(net, x)
    assert np.abs(expected).std() > 1e-3
    for size, samples in ((1, 300), (64, 3000), (333, 3000), (3000, 3000)):
        player.reset()
        sizes = [min(size, samples - start) for start in range(0, samples, size)]
        np.testing.assert_allclose(
            in_blocks(player, x[:, :samples], sizes), expected[:, :samples], rtol=0, atol=1e-5, err_msg=str(size)
        )


FORMS = {
    "a1-nano": PRESETS["a1-nano"],
    "a2-lite": PRESETS["a2-lite"],
    "gated": ODD["gated, two arrays, bottleneck"],
    "conditioned": ODD["four controls, gated, three heads"],
    "aNN_Audio's": ODD["aNN_Audio's, small"],
}
every_form = pytest.mark.parametrize("config", FORMS.values(), ids=FORMS)


@settings(deadline=None, max_examples=40)
@given(sizes=st.lists(st.integers(0, 2 * CHUNK + 5), min_size=1, max_size=20), name=st.sampled_from(list(FORMS)))
def test_how_the_sound_is_cut_changes_no_bit(sizes: list[int], name: str) -> None:
    net = network(FORMS[name])
    x = noise(2 * net.in_channels, sum(sizes), seed=len(sizes))
    whole = playing(net, channels=2).process(x)
    np.testing.assert_array_equal(in_blocks(playing(net, channels=2), x, sizes), whole)


@pytest.mark.parametrize("config", [PRESETS["a1-feather"], *FORMS.values()], ids=["a1-feather", *FORMS])
def test_channels_do_not_hear_each_other(config: WaveNetConfig | GatedWaveNetConfig) -> None:
    net = network(config)
    x = noise(3 * net.in_channels, 2500)
    together = playing(net, channels=3).process(x)
    alone = np.concatenate([playing(net).process(part) for part in np.split(x, 3)])
    np.testing.assert_array_equal(together, alone)


@every_form
def test_reset_forgets_all(config: WaveNetConfig | GatedWaveNetConfig) -> None:
    net = network(config)
    player, x = playing(net), noise(net.in_channels, 1500)
    first = player.process(x)
    player.process(noise(net.in_channels, 777, seed=1))
    player.reset()
    np.testing.assert_array_equal(player.process(x), first)


@every_form
def test_silence_is_settled_from_the_first_sample(config: WaveNetConfig | GatedWaveNetConfig) -> None:
    net = network(config)
    y = playing(net).process(np.zeros((net.in_channels, 2 * SPAN + 3), np.float32))
    np.testing.assert_array_equal(y, np.repeat(y[:, :1], y.shape[1], axis=1))


@every_form
def test_broken_samples_play_as_zeros(config: WaveNetConfig | GatedWaveNetConfig) -> None:
    net = network(config)
    player, x = playing(net, channels=2), noise(2 * net.in_channels, 1000)
    x[-1, [10, 11, 500]] = np.nan, np.inf, -np.inf
    found = player.process(x)
    assert player.non_finite == 3
    player.reset()
    np.testing.assert_array_equal(found, player.process(np.where(np.isfinite(x), x, np.float32(0))))


@every_form
@pytest.mark.parametrize("level", [3e38, 1e30, 1e10])
def test_after_a_blow_all_is_as_before(config: WaveNetConfig | GatedWaveNetConfig, level: float) -> None:
    """Whatever came in, in sound or control: a receptive field later, the output is what it would have been."""
    net = network(config)
    player, x = playing(net, channels=2), noise(2 * net.in_channels, net.receptive_field + 500)
    x[net.in_channels - 1, 3:100] = level
    assert np.isfinite(player.process(x)).all()
    calm = x.copy()
    calm[net.in_channels - 1, 3:100] = 0
    after = noise(2 * net.in_channels, 400, seed=1)
    expected = by_torch(net, np.concatenate([calm, after], axis=1))[:, x.shape[1] :]
    np.testing.assert_allclose(player.process(after), expected, rtol=0, atol=1e-5)


OVERFLOWING = {
    "a2-lite": PRESETS["a2-lite"],
    "gated and conditioned": WaveNetConfig(
        (array(4, Activation("LeakyReLU", 0.5), gated=True, input_size=2, condition_size=2, head_size=3),)
    ),
}


@pytest.mark.parametrize("config", OVERFLOWING.values(), ids=OVERFLOWING)
def test_an_overflow_in_one_channel_leaves_the_other_alone(config: WaveNetConfig) -> None:
    net = network(config)
    with torch.no_grad():
        for weight in net.parameters():
            weight.mul_(5)
    x = noise(2 * net.in_channels, 600)
    alone = playing(net).process(x[net.in_channels :])
    x[0, 100] = 3e38
    player = playing(net, channels=2)
    found = player.process(x)
    assert player.overflows > 0
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[net.out_channels :], alone)
    after = noise(2 * net.in_channels, net.receptive_field + 300, seed=1)
    settled = playing(net, channels=2).process(after)
    np.testing.assert_array_equal(player.process(after)[:, net.receptive_field :], settled[:, net.receptive_field :])


def test_denormal_numbers_do_no_harm() -> None:
    """A network without biases fades into numbers below 1e-38; torch keeps them, the player counts them as zeros."""
    net = network(PRESETS["a2-lite"])
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if name.endswith("bias"):
                weight.zero_()
    x = noise(1, 500) * np.float32(1e-39)
    np.testing.assert_allclose(Player(net).process(x), np.zeros_like(x), rtol=0, atol=1e-30)
    assert np.float32(1e-39) * np.float32(0.5) > 0  # the mode of the processor is put back


@every_form
def test_processing_takes_no_memory(config: WaveNetConfig | GatedWaveNetConfig) -> None:
    """Thousands of calls leave no object behind, and none takes more than the few that a call in Python is made of."""
    net = network(config)
    player, x = playing(net, channels=2), noise(2 * net.in_channels, 64)
    out = np.empty((2 * net.out_channels, 64), np.float32)
    for _ in range(100):
        player.process(x, out)
    gc.collect()
    gc.disable()
    try:
        before = sys.getallocatedblocks()
        for _ in range(2000):
            player.process(x, out)
        assert sys.getallocatedblocks() - before < 20
    finally:
        gc.enable()
    tracemalloc.start()
    try:
        player.process(x, out)
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        for _ in range(100):
            player.process(x, out)
        assert tracemalloc.get_traced_memory()[1] - before < 2048
    finally:
        tracemalloc.stop()


def test_the_kernels_take_no_memory_of_their_own() -> None:
    """Numba counts what compiled code takes: nothing but a handle for each array that is passed, given back at once."""
    player, x = Player(network(PRESETS["a1-nano"])), noise(1, 5000)
    out = np.empty_like(x)
    player.process(x, out)
    _nrt_python.memsys_enable_stats()
    before = rtsys.get_allocation_stats()
    for length in (1, 64, 5000):
        player.process(x[:, :length].copy(), out[:, :length].copy())
    after = rtsys.get_allocation_stats()
    assert after.alloc - before.alloc == after.free - before.free <= 3 * 3


@pytest.mark.parametrize("layout", ["strided", "read-only", "double", "column-major"])
def test_any_kind_of_array_is_played(layout: str) -> None:
    net, x = network(PRESETS["a1-nano"]), noise(2, 300)
    expected = Player(net, channels=2).process(x)
    given = {
        "strided": np.repeat(x, 2, axis=1)[:, ::2],
        "read-only": x.copy(),
        "double": x.astype(np.float64),
        "column-major": np.asfortranarray(x),
    }[layout]
    given.flags.writeable = layout != "read-only"
    np.testing.assert_array_equal(Player(net, channels=2).process(given), expected)


@pytest.mark.parametrize(("exact", "absolute", "relative"), [(False, 5e-7, 1e-6), (True, 1e-7, 2e-7)])
def test_tanh_keeps_its_bound(exact: bool, absolute: float, relative: float) -> None:
    """Through a network that is nothing else: the bounds of `activations`."""
    config = WaveNetConfig(
        (array(1, Activation("Tanh"), kernel_sizes=(1,), dilations=(1,), activations=(Activation(),)),)
    )
    net = network(config)
    with torch.no_grad():
        for weight in net.parameters():
            weight.zero_()
        layer = next(next(net.each_array()).each_layer())
        layer.mixer.weight.fill_(1)
        next(net.each_array()).head.weight.fill_(1)
    x = np.concatenate([np.linspace(-12, 12, 200_001), np.geomspace(1e-30, 1, 1000)]).astype(np.float32)[None]
    true, found = np.tanh(x.astype(np.float64)), playing(net, exact=exact).process(x)
    np.testing.assert_allclose(found, true, rtol=0, atol=absolute)
    near = (np.abs(x) < 1) & (x != 0)
    np.testing.assert_allclose(found[near], true[near], rtol=relative, atol=0)


@every_form
def test_the_exact_form_is_torchs_too(config: WaveNetConfig | GatedWaveNetConfig) -> None:
    net = network(config)
    x = noise(net.in_channels, 2000)
    expected = by_torch(net, x)
    quick, exact = (playing(net, exact=exact).process(x) for exact in (False, True))
    np.testing.assert_allclose(exact, expected, rtol=0, atol=1e-5)
    if config is not PRESETS["a2-lite"]:  # which has rectifiers alone
        assert np.abs(exact - quick).max() > 0


@pytest.mark.parametrize("name", REFERENCES)
def test_real_files_sound_as_in_the_reference_player(shared: Path, name: str) -> None:
    model = nam.load(shared / "nam" / f"{name.split('.')[0]}.nam")
    which = REFERENCES[name]
    net = model.net if which is None else model.submodels[which].model.net
    assert isinstance(net, WaveNet)
    assert compiled(net)
    x, _ = soundfile.read(shared / "nam" / "input.wav", dtype="float32")
    expected, _ = soundfile.read(shared / "nam" / f"{name}.reference.wav")
    error = Player(net).process(x[None])[0].astype(np.float64) - expected
    assert np.sum(error**2) / np.sum(expected**2) < 1e-8


def test_what_the_kernels_do_not_know_is_played_by_torch() -> None:
    nano = PRESETS["a1-nano"]
    assert compiled(network(nano))
    assert not compiled(network(nano).double())
    net, x = network(nano), noise(1, 200)
    np.testing.assert_allclose(Player(net.double()).process(x), Player(net.float()).process(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("compiles", [0, 1, 3])
def test_compiling_is_told_once_and_only_when_it_happens(monkeypatch: pytest.MonkeyPatch, compiles: int) -> None:
    class Compiling(WaveNetPlayer):
        def __init__(self, net: PlainNetwork, channels: int, exact: bool) -> None:
            for _ in range(compiles):
                with event.trigger_event("numba:compile"):
                    pass
            super().__init__(net, channels, exact)

    lines: list[str] = []
    Player(network(PRESETS["a1-nano"]))  # what must be compiled is compiled now
    monkeypatch.setattr(wavenet_player, "WaveNetPlayer", Compiling)
    Player(network(PRESETS["a1-nano"]), tell=lines.append)
    assert lines == [player_module.COMPILING] * min(compiles, 1)
