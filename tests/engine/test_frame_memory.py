"""Drawing frame by frame: the network hears what it heard in training, remembers what it is told to, stays finite."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from wavewright.data.frame_controls import Beat, FrameControls
from wavewright.data.frame_gain import Gain
from wavewright.data.frame_kinds import FRAME_KINDS, frame_kind
from wavewright.data.frame_scaling import Scaling
from wavewright.data.frames import Cutting, Frames, count_of, cut
from wavewright.engine.frame_sampler import Dice, FrameSampler, Memory
from wavewright.nets.frame_distributions import GaussianMixture, drawn
from wavewright.nets.frame_generator import FrameGenerator
from wavewright.nets.frame_tokens import ResidualCodes
from wavewright.nets.registry import build

RATE, HOP = 8_000, 32
NETWORKS = ("frame-lstm", "frame-mixture", "frame-tokens")


def noise(samples: int, seed: int = 0) -> np.ndarray:
    sound = np.random.default_rng(seed).standard_normal(samples) * 0.3 * np.exp(-np.arange(samples) / 800)
    return sound.astype(np.float32)


def cutting_for(name: str, components: int, heard: int) -> Cutting:
    kind = frame_kind(name, HOP, RATE, bands=20, coefficients=8)
    frames = np.concatenate([kind.analyse(noise(3000, seed)) for seed in range(3)])
    gain = Gain(True, 0.2, 0.5) if kind.linear else Gain(False)
    return Cutting(kind, gain, Scaling.of(frames, components), heard)


def network_for(name: str, cutting: Cutting, controls: int = 0) -> FrameGenerator:
    torch.manual_seed(0)
    network = build(
        name,
        features=cutting.kind.size,
        numbers=cutting.numbers,
        components=len(cutting.scaling.axes),
        bands=cutting.scaling.levels.shape[1],
        heard=cutting.heard,
        controls=controls,
        hidden_size=8,
        mixtures=2 if name == "frame-mixture" else 0,
        codebooks=2 if name == "frame-tokens" else 0,
        tokens=5 if name == "frame-tokens" else 0,
    )
    assert isinstance(network, FrameGenerator)
    if isinstance(network.distribution, ResidualCodes):
        nn.init.normal_(network.distribution.books)
    return network


def told_nothing(first: int, count: int, sounds: int = 1) -> np.ndarray:
    return np.zeros((sounds, count, 0), np.float32)


class Overhearing:
    """Stands before a network's step and keeps what it hears, ``(sounds, channels)``."""

    def __init__(self, sampler: FrameSampler) -> None:
        self.step, self.heard = sampler._step_of, list[np.ndarray]()
        self.start = self.step.start
        sampler._step_of = self  # type: ignore[assignment]

    def __call__(self, x: np.ndarray, state: object) -> tuple[np.ndarray, object]:
        self.heard.append(x.copy())
        return self.step(x, state)  # type: ignore[arg-type]


def dice_for(network: FrameGenerator, cutting: Cutting, sounds: int, at: int) -> Dice:
    """Of one frame."""
    random = np.random.default_rng([7, at])
    return Dice(
        random.random((sounds, 1, network.distribution.draws + 1)).astype(np.float32),
        random.standard_normal((sounds, 1, network.distribution.numbers)).astype(np.float32),
        random.standard_normal((sounds, 1, cutting.kind.size)).astype(np.float32),
    )


@pytest.mark.parametrize("name", FRAME_KINDS)
@pytest.mark.parametrize(("components", "heard"), [(0, 1), (3, 3)])
def test_listening_hears_what_training_heard(name: str, components: int, heard: int) -> None:
    """Frames, levels and controls, number for number, from the first frame of a sound on."""
    cutting = cutting_for(name, components, heard)
    sound = noise(1500, seed=5)
    controls = FrameControls(np.array([0.5, -1.0], np.float32), beat=Beat(0.3, 0.1))
    frames = Frames([sound], cutting, [controls])
    count = count_of(cutting.kind, len(sound))
    sampler = FrameSampler(
        network_for("frame-lstm", cutting, controls.count),
        cutting,
        1,
        lambda first, count: controls.signal(first, count).T[np.newaxis],
    )
    spy = Overhearing(sampler)
    sampler.listen(cut(cutting.kind, sound, 0, count)[np.newaxis])
    expected, _ = frames.read(0, 0, count)
    heard_there = np.concatenate(spy.heard)
    np.testing.assert_allclose(heard_there, expected, rtol=1e-4, atol=2e-4)


def speaking(policy: str, reach: int, at: int) -> list[int]:
    """Which frames, in order, the state that speaks at frame ``at`` has heard, by the words of the module."""
    if policy == "growing":
        return list(range(at))
    if policy == "fixed":
        return list(range(min(at, reach)))
    if policy == "sliding":
        return list(range(max(0, (at // reach - 1) * reach), at))
    heard: list[int] = []  # trimmed
    for frame in range(at):
        if len(heard) >= 2 * reach:
            heard = heard[len(heard) - reach + 1 :]
        heard.append(frame)
    return heard[len(heard) - reach + 1 :] if len(heard) >= 2 * reach else heard


@pytest.mark.parametrize("policy", ["growing", "fixed", "sliding", "trimmed"])
@pytest.mark.parametrize("reach", [1, 2, 5])
def test_each_memory_is_what_it_says(policy: str, reach: int) -> None:
    """Held against a network that hears exactly those frames anew, every time."""
    cutting = cutting_for("mdct", 0, 1)
    network = network_for("frame-lstm", cutting)
    sampler = FrameSampler(network, cutting, 1, told_nothing, Memory(policy, reach))
    spy = Overhearing(sampler)
    frames = cut(cutting.kind, noise(1500), 0, 24)[np.newaxis]
    inputs = []
    with torch.no_grad():
        for at in range(24):
            spy.heard.clear()
            said = sampler._step()
            inputs.append(torch.from_numpy(spy.heard[-1]).unsqueeze(-1))
            past = [inputs[frame] for frame in speaking(policy, reach, at)]
            expected, _ = network(torch.cat([*past, inputs[at]], dim=-1))
            np.testing.assert_allclose(said, expected[..., -1].numpy(), rtol=0, atol=1e-5)
            sampler._after(frames[:, at : at + 1])
    assert len(sampler._inputs) <= reach  # what is kept does not grow with the sound


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_sounds_side_by_side_are_the_same_as_alone(name: str, temperature: float) -> None:
    cutting = cutting_for("mdct", 3, 2)
    network = network_for(name, cutting)
    together = FrameSampler(network, cutting, 3, lambda first, count: told_nothing(first, count, 3))
    alone = [FrameSampler(network, cutting, 1, told_nothing) for _ in range(3)]
    for at in range(12):
        dice = dice_for(network, cutting, 3, at)
        drawn_together, over = together.draw(dice, np.array([temperature]))
        for row, sampler in enumerate(alone):
            part = slice(row, row + 1)
            own = Dice(dice.uniform[part], dice.normal[part], dice.noise[part])  # type: ignore[index]
            frame, over_alone = sampler.draw(own, np.array([temperature]))
            np.testing.assert_allclose(frame[0], drawn_together[row], rtol=1e-4, atol=1e-5)
            assert over_alone[0] == over[row]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("kind", ["mdct", "log-mel"])
def test_a_network_gone_astray_stays_finite(name: str, kind: str) -> None:
    cutting = cutting_for(kind, 3, 2)
    network = network_for(name, cutting)
    with torch.no_grad():
        network.dense_out.weight.mul_(1e4)
        network.dense_out.bias.fill_(1e4)
    sampler = FrameSampler(network, cutting, 2, lambda first, count: told_nothing(first, count, 2))
    for at in range(200):
        frame, _ = sampler.draw(dice_for(network, cutting, 2, at), np.ones(1))
        assert np.isfinite(frame).all()


def test_what_is_drawn_goes_on_like_what_is_listened_to() -> None:
    """Drawing at temperature 0 and then hearing those very frames leaves the same state."""
    cutting = cutting_for("mdct", 0, 2)
    network = network_for("frame-lstm", cutting)
    drawing, listening = (FrameSampler(network, cutting, 1, told_nothing) for _ in range(2))
    frames = [drawing.draw(dice_for(network, cutting, 1, at), np.zeros(1))[0] for at in range(10)]
    listening.listen(np.concatenate(frames, axis=1))
    for one, other in zip(drawing._state, listening._state, strict=True):
        torch.testing.assert_close(one, other)


# ── distributions ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_mixture_is_torchs_own() -> None:
    torch.manual_seed(1)
    mixture = GaussianMixture(numbers=3, mixtures=4)
    parameters, frames = torch.randn(5, mixture.size, 7), torch.randn(5, 3, 7)
    logits, means, logs = mixture.parts(parameters)
    components = torch.distributions.Independent(
        torch.distributions.Normal(means.permute(0, 3, 1, 2), logs.exp().permute(0, 3, 1, 2)), 1
    )
    weights = torch.distributions.Categorical(logits=logits.permute(0, 2, 1))
    expected = -torch.distributions.MixtureSameFamily(weights, components).log_prob(frames.permute(0, 2, 1)) / 3
    torch.testing.assert_close(mixture.cost(parameters, frames), expected)


@pytest.mark.parametrize("size", [-1e6, 1e6])
def test_the_mixture_costs_finite_nats_whatever_the_network_says(size: float) -> None:
    mixture = GaussianMixture(numbers=3, mixtures=2)
    parameters = torch.full((1, mixture.size, 1), size, requires_grad=True)
    cost = mixture.cost(parameters, torch.zeros(1, 3, 1))
    cost.sum().backward()
    assert bool(cost.isfinite().all())
    assert parameters.grad is not None
    assert bool(parameters.grad.isfinite().all())


def test_codes_of_all_frames_together_are_certain() -> None:
    """The probabilities of every pair of codes add up to one, and draws come as often as they say."""
    torch.manual_seed(2)
    codes = ResidualCodes(numbers=2, codebooks=2, tokens=3)
    # far apart, so that each pair of codes is the nearest to its own sum
    codes.books.copy_(torch.tensor([[[0.0, 0], [10, 0], [0, 10]], [[0, 0], [1, 0], [0, 1]]]))
    nn.init.normal_(codes.links)
    parameters = torch.randn(1, codes.size, 1)
    pairs = list(itertools.product(range(3), range(3)))
    frames = torch.stack([codes.books[0, a] + codes.books[1, b] for a, b in pairs])
    assert codes.codes_of(frames).tolist() == [list(pair) for pair in pairs]
    with torch.no_grad():
        likely = torch.exp(-2 * codes.cost(parameters.expand(9, -1, -1), frames[..., None]))[:, 0]
        assert float(likely.sum()) == pytest.approx(1.0, abs=1e-5)
        count = 20_000
        said = codes.draw(parameters[..., 0].expand(count, -1), torch.rand(count, 2), torch.zeros(count, 2), 1.0)
    often = (said[:, None] == frames[None]).all(-1).float().mean(0)
    spread = 5 * math.sqrt(0.25 / count)
    assert float((often - likely).abs().max()) < spread


def test_the_likeliest_is_drawn_at_temperature_nought_and_the_edges_are_inside() -> None:
    logits = torch.tensor([[0.0, 3.0, 1.0]]).repeat(3, 1)
    assert drawn(logits, torch.tensor([0.0, 0.5, 0.99999994])).tolist() == [0, 1, 2]
    mixture = GaussianMixture(numbers=2, mixtures=3)
    parameters = torch.zeros(1, mixture.size)
    parameters[0, 1] = 5.0
    parameters[0, 3:9] = torch.arange(6.0)
    frame = mixture.draw(parameters, torch.zeros(1, 1), torch.ones(1, 2), 0.0)
    assert frame.tolist() == [[2.0, 3.0]]
