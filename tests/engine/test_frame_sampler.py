"""The frame sampler against a slow loop that forgets nothing it should know and knows nothing it should forget."""

from __future__ import annotations

from dataclasses import astuple, replace

import numpy as np
import pytest
import torch

from wavewright.data.frame_gain import Gain
from wavewright.data.frame_kinds import frame_kind
from wavewright.data.frame_scaling import Scaling
from wavewright.data.frames import Cutting
from wavewright.engine.frame_sampler import Dice, FrameSampler, Memory
from wavewright.nets.frame_config import FrameLSTMConfig
from wavewright.nets.frame_mixture import FrameMixture

FEATURES, HEARD, SOUNDS = 16, 2, 3


@pytest.fixture(scope="module")
def cutting() -> Cutting:
    frames = np.random.default_rng(0).standard_normal((500, FEATURES)).astype(np.float32)
    return Cutting(frame_kind("mdct", FEATURES, 8000), Gain(True, 0.5, 0.6), Scaling.of(frames), HEARD)


@pytest.fixture(scope="module")
def network() -> FrameMixture:
    torch.manual_seed(0)
    config = FrameLSTMConfig(
        features=FEATURES, numbers=FEATURES, heard=HEARD, controls=2, hidden_size=12, num_layers=2, mixtures=2
    )
    return FrameMixture(config).eval()


def told(first: int, count: int) -> np.ndarray:
    number = np.arange(first, first + count)[None, :, None]
    return (np.sin(number / 3 + np.arange(SOUNDS)[:, None, None]) * np.ones(2)).astype(np.float32)


def dice(at: int) -> Dice:
    """Of one frame."""
    random = np.random.default_rng([7, at])
    return Dice(
        random.random((SOUNDS, 1, 2), np.float32),
        random.standard_normal((SOUNDS, 1, FEATURES), np.float32),
        random.standard_normal((SOUNDS, 1, FEATURES), np.float32),
    )


def drawn(sampler: FrameSampler, at: int, temperature: float, **more: bool) -> np.ndarray:
    """Frame ``at`` ``(SOUNDS, FEATURES)``."""
    return sampler.draw(dice(at), np.array([temperature]), **more)[0][:, 0]


def first_heard(policy: str, reach: int, at: int) -> tuple[int, int]:
    """Of which frames' inputs the network's state knows when it says frame ``at``: from, to (this one included)."""
    if policy == "growing":
        return 0, at + 1
    if policy == "fixed":
        return 0, min(at, reach)
    if policy == "sliding":
        return max(0, (at // reach - 1) * reach), at + 1
    begin = 0
    for now in range(at + 1):  # trimmed: forgets when it has heard 2 · reach, and hears the last ``reach`` again
        if now - begin >= 2 * reach:
            begin = now - reach + 1
    return begin, at + 1


def by_hand(network: FrameMixture, cutting: Cutting, memory: Memory, count: int) -> np.ndarray:
    """Everything worked out anew for every frame."""
    frames: list[np.ndarray] = []
    inputs: list[np.ndarray] = []
    gains = np.full(SOUNDS, 0.5 if cutting.gain.adaptive else 1.0)
    for at in range(count):
        zero = np.zeros((SOUNDS, FEATURES), np.float32)
        before = [frames[at - back] if at >= back else zero for back in range(1, HEARD + 1)]
        scaled = [cutting.scaling.numbers(frame / gains[:, None].astype(np.float32)) for frame in before]
        level = cutting.gain.told(gains.astype(np.float32))[:, None]
        inputs.append(np.concatenate([*scaled, level, told(at, 1)[:, 0]], axis=1))
        low, high = first_heard(memory.policy, memory.reach, at)
        known = inputs[low:high] if memory.policy != "fixed" else [*inputs[low:high], inputs[at]]
        with torch.no_grad():
            y, _ = network(torch.from_numpy(np.stack(known, axis=-1)).float())
        described, _ = network.told(y[..., -1])
        rolled = dice(at)
        numbers = network.distribution.draw(
            described, torch.from_numpy(rolled.uniform[:, 0, 1:]), torch.from_numpy(rolled.normal[:, 0]), 0.7
        ).numpy()
        frame = cutting.scaling.frames(numbers, rolled.noise[:, 0]) * gains[:, None].astype(np.float32)
        frames.append(frame)
        gains = cutting.gain.after(gains, np.sqrt(np.square(frame, dtype=np.float64).mean(1)))
    return np.stack(frames, axis=1)


@pytest.mark.parametrize("policy", ["growing", "fixed", "sliding", "trimmed"])
def test_each_memory_knows_what_it_should(network: FrameMixture, cutting: Cutting, policy: str) -> None:
    memory = Memory(policy, reach=5)
    sampler = FrameSampler(network, cutting, SOUNDS, told, memory)
    found = np.stack([drawn(sampler, at, 0.7) for at in range(24)], axis=1)
    assert np.abs(found - by_hand(network, cutting, memory, 24)).max() < 1e-3 * np.abs(found).max()


@pytest.fixture(scope="module")
def deaf() -> FrameMixture:
    torch.manual_seed(1)
    config = FrameLSTMConfig(features=FEATURES, numbers=FEATURES, heard=HEARD, controls=2, hidden_size=12, mixtures=1)
    network = FrameMixture(config).eval()
    network.deafen()
    return network


def all_dice(count: int) -> Dice:
    parts = [dice(at) for at in range(count)]
    uniform, normal, noise = (np.concatenate(part, axis=1) for part in zip(*map(astuple, parts), strict=True))
    return Dice(uniform, normal, noise)


@pytest.mark.parametrize("blocks", [[74], [1] * 74, [64, 10], [3, 50, 21]])
def test_a_network_that_hears_nothing_draws_the_same_together_as_frame_by_frame(
    deaf: FrameMixture, cutting: Cutting, blocks: list[int]
) -> None:
    still = replace(cutting, gain=Gain(False))
    sampler, count = FrameSampler(deaf, still, SOUNDS, told), sum(blocks)
    assert sampler.together
    rolled, temperatures, found, at = all_dice(count), np.full(count, 0.7), [], 0
    for block in blocks:
        part = slice(at, at + block)
        some = Dice(rolled.uniform[:, part], rolled.normal[:, part], rolled.noise[:, part])  # type: ignore[index]
        found.append(sampler.draw(some, temperatures[part])[0])
        at += block
    made = np.concatenate(found, axis=1)
    assert np.abs(made - by_hand(deaf, still, Memory(), count)).max() < 1e-4 * np.abs(made).max()
    assert np.array_equal(sampler._before, made[:, ::-1][:, :HEARD].transpose(1, 0, 2))


def test_frames_drawn_together_have_each_their_own_temperature(deaf: FrameMixture, cutting: Cutting) -> None:
    still, temperatures = replace(cutting, gain=Gain(False)), np.array([0.0, 0.0, 1.0, 0.3, 0.3, 0.0])
    together, alone = (FrameSampler(deaf, still, SOUNDS, told) for _ in range(2))
    found, _ = together.draw(all_dice(6), temperatures)
    for at, temperature in enumerate(temperatures):
        assert np.allclose(found[:, at], drawn(alone, at, float(temperature)), atol=1e-5)


def test_networks_that_hear_draw_one_frame_at_a_time(
    network: FrameMixture, cutting: Cutting, deaf: FrameMixture
) -> None:
    for hearing in (
        FrameSampler(network, cutting, SOUNDS, told),
        FrameSampler(deaf, cutting, SOUNDS, told),  # told against a level that hangs on what was drawn
        FrameSampler(deaf, replace(cutting, gain=Gain(False)), SOUNDS, told, Memory("sliding")),
    ):
        assert not hearing.together
        with pytest.raises(ValueError, match="6 frames at once"):
            hearing.draw(all_dice(6), np.ones(6))


def test_what_was_heard_counts_as_drawn(network: FrameMixture, cutting: Cutting) -> None:
    one, other = (FrameSampler(network, cutting, SOUNDS, told) for _ in range(2))
    frames = np.stack([drawn(one, at, 1.0) for at in range(6)], axis=1)
    other.listen(frames)
    assert np.array_equal(drawn(one, 6, 1.0), drawn(other, 6, 1.0))


def test_between_two_minds_lies_their_mean(network: FrameMixture, cutting: Cutting) -> None:
    minds = [FrameSampler(network, cutting, SOUNDS, told) for _ in range(2)]
    for seed, mind in enumerate(minds):
        mind.listen(np.random.default_rng(seed).standard_normal((SOUNDS, 4, FEATURES)).astype(np.float32))
    alike, between = (FrameSampler(network, cutting, SOUNDS, told) for _ in range(2))
    alike.begin_between([minds[0], minds[0]])
    between.begin_between(minds)
    first, mixed, second = (drawn(one, 0, 0.0) for one in (alike, between, minds[1]))
    again = drawn(minds[0], 0, 0.0)
    assert np.allclose(first, again, atol=1e-5)
    assert not np.allclose(mixed, first, atol=1e-3)
    assert not np.allclose(mixed, second, atol=1e-3)


def test_without_denormalising_only_what_is_heard_changes(network: FrameMixture, cutting: Cutting) -> None:
    """The network goes on from the same frames: the switch is one of the ear."""
    plain, bare = (FrameSampler(network, cutting, SOUNDS, told) for _ in range(2))
    for at in range(4):
        assert not np.allclose(drawn(plain, at, 0.5), drawn(bare, at, 0.5, denormalise=False))
    assert np.array_equal(plain._before, bare._before)
