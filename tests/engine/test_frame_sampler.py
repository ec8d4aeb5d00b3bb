"""The frame sampler against a slow loop that forgets nothing it should know and knows nothing it should forget."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from wavewright.data.frame_gain import Gain
from wavewright.data.frame_kinds import frame_kind
from wavewright.data.frame_scaling import Scaling
from wavewright.data.frames import Cutting
from wavewright.engine.frame_sampler import AHEAD, Dice, FrameSampler, Memory
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
    random = np.random.default_rng([7, at])
    return Dice(
        random.random((SOUNDS, 2), np.float32),
        random.standard_normal((SOUNDS, FEATURES), np.float32),
        random.standard_normal((SOUNDS, FEATURES), np.float32),
    )


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
            described, torch.from_numpy(rolled.uniform[:, 1:]), torch.from_numpy(rolled.normal), 0.7
        ).numpy()
        frame = cutting.scaling.frames(numbers, rolled.noise) * gains[:, None].astype(np.float32)
        frames.append(frame)
        gains = cutting.gain.after(gains, np.sqrt(np.square(frame, dtype=np.float64).mean(1)))
    return np.stack(frames, axis=1)


@pytest.mark.parametrize("policy", ["growing", "fixed", "sliding", "trimmed"])
def test_each_memory_knows_what_it_should(network: FrameMixture, cutting: Cutting, policy: str) -> None:
    memory = Memory(policy, reach=5)
    sampler = FrameSampler(network, cutting, SOUNDS, told, memory)
    found = np.stack([sampler.draw(dice(at), 0.7)[0] for at in range(24)], axis=1)
    assert np.abs(found - by_hand(network, cutting, memory, 24)).max() < 1e-3 * np.abs(found).max()


def test_what_is_said_ahead_by_a_network_that_hears_nothing_is_what_it_says_frame_by_frame(cutting: Cutting) -> None:
    torch.manual_seed(1)
    config = FrameLSTMConfig(features=FEATURES, numbers=FEATURES, heard=HEARD, controls=2, hidden_size=12, mixtures=1)
    deaf = FrameMixture(config).eval()
    deaf.deafen()
    still = replace(cutting, gain=Gain(False))
    sampler = FrameSampler(deaf, still, SOUNDS, told)
    count = AHEAD + 10
    found = np.stack([sampler.draw(dice(at), 0.7)[0] for at in range(count)], axis=1)
    assert np.abs(found - by_hand(deaf, still, Memory(), count)).max() < 1e-4 * np.abs(found).max()
    sampler.begin_between([FrameSampler(deaf, still, SOUNDS, told)])
    first = FrameSampler(deaf, still, SOUNDS, told).draw(dice(0), 0.7)[0]
    assert np.abs(sampler.draw(dice(0), 0.7)[0] - first).max() < 1e-5  # nothing said ahead is left over


def test_what_was_heard_counts_as_drawn(network: FrameMixture, cutting: Cutting) -> None:
    one, other = (FrameSampler(network, cutting, SOUNDS, told) for _ in range(2))
    frames = np.stack([one.draw(dice(at), 1.0)[0] for at in range(6)], axis=1)
    other.listen(frames)
    assert np.array_equal(one.draw(dice(6), 1.0)[0], other.draw(dice(6), 1.0)[0])


def test_between_two_minds_lies_their_mean(network: FrameMixture, cutting: Cutting) -> None:
    minds = [FrameSampler(network, cutting, SOUNDS, told) for _ in range(2)]
    for seed, mind in enumerate(minds):
        mind.listen(np.random.default_rng(seed).standard_normal((SOUNDS, 4, FEATURES)).astype(np.float32))
    alike, between = (FrameSampler(network, cutting, SOUNDS, told) for _ in range(2))
    alike.begin_between([minds[0], minds[0]])
    between.begin_between(minds)
    first, mixed, second = (one.draw(dice(0), 0.0)[0] for one in (alike, between, minds[1]))
    again = minds[0].draw(dice(0), 0.0)[0]
    assert np.allclose(first, again, atol=1e-5)
    assert not np.allclose(mixed, first, atol=1e-3)
    assert not np.allclose(mixed, second, atol=1e-3)


def test_without_denormalising_only_what_is_heard_changes(network: FrameMixture, cutting: Cutting) -> None:
    """The network goes on from the same frames: the switch is one of the ear."""
    plain, bare = (FrameSampler(network, cutting, SOUNDS, told) for _ in range(2))
    for at in range(4):
        one, _ = plain.draw(dice(at), 0.5)
        other, _ = bare.draw(dice(at), 0.5, denormalise=False)

        assert not np.allclose(one, other)

    assert np.array_equal(plain._before, bare._before)
