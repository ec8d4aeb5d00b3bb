"""The regressor over windows against numpy matrices; what it must and must not depend on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.engine.player import Player
from wavewright.errors import ModelFileError, SettingsError
from wavewright.nets.registry import config_of, from_config
from wavewright.nets.window_regressor import WindowConfig, WindowRegressor

ACT: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "none": lambda h: h,
    "relu": lambda h: np.maximum(h, 0),
    "tanh": np.tanh,
}


def network(**values: object) -> WindowRegressor:
    """A new one begins silent; this one has something to say."""
    torch.manual_seed(3)
    net = WindowRegressor(WindowConfig(**values)).eval()  # type: ignore[arg-type]
    last = net.matrices[-1].weight
    torch.nn.init.normal_(last, std=last.shape[1] ** -0.5)  # type: ignore[arg-type]
    return net


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((1, samples)).astype(np.float32)


def whole(net: WindowRegressor, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        y: np.ndarray = net(torch.from_numpy(x)[None])[0][0].numpy()
    return y


@pytest.mark.parametrize("activation", ["none", "relu", "tanh"])
@pytest.mark.parametrize(("width", "layers"), [(0, 1), (5, 1), (7, 2)])
def test_windows_go_through_the_matrices_one_by_one(activation: str, width: int, layers: int) -> None:
    net = network(window=12, width=width, layers=layers, activation=activation)
    values = [part.detach().numpy() for part in net.parameters()]
    matrices = list(zip(values[::2], values[1::2], strict=True))
    act = ACT[activation]
    x = noise(30)
    expected = []
    for start in (0, 12, 24):
        h = np.zeros(12)
        piece = x[0, start : start + 12]
        h[: len(piece)] = piece
        for at, (weight, bias) in enumerate(matrices):
            h = weight @ h + bias
            h = h if at == len(matrices) - 1 else act(h)
        expected.append(h)
    np.testing.assert_allclose(whole(net, x)[0], np.concatenate(expected)[:30], atol=1e-5)
    assert sum(part.numel() for part in net.parameters()) == net.config.weight_count


@settings(deadline=None, max_examples=20)
@given(blocks=st.lists(st.integers(1, 300), min_size=1, max_size=12), window=st.integers(2, 60))
def test_played_in_blocks_it_is_what_it_is_whole(blocks: list[int], window: int) -> None:
    net = network(window=window, width=6, activation="tanh")
    x = noise(sum(blocks))
    player = Player(net)
    ends = np.cumsum(blocks)
    parts = [player.process(x[:, end - size : end]) for size, end in zip(blocks, ends, strict=True)]
    played = np.concatenate([*parts, player.flush()], axis=1)[:, player.latency :]
    np.testing.assert_allclose(played, whole(net, x), atol=1e-5)


def test_it_looks_as_far_ahead_as_it_says_and_no_further() -> None:
    net, x = network(window=10, width=4), noise(40)
    plain = whole(net, x)
    for at in range(40):
        changed = x.copy()
        changed[0, at] += 1
        differs = np.flatnonzero(np.abs(whole(net, changed) - plain)[0] > 1e-7)
        assert differs.min() >= at - net.lookahead
        assert differs.max() <= at + net.receptive_field - 1 - net.lookahead
    changed = x.copy()
    changed[0, 9] += 1
    assert abs(whole(net, changed)[0, 0] - plain[0, 0]) > 1e-5  # the look ahead is there, not only allowed


def test_one_layer_without_activation_is_a_matrix_of_its_rank() -> None:
    net = network(window=40, width=6)
    eye = np.eye(40, dtype=np.float32)
    offset = whole(net, np.zeros((1, 40), np.float32))[0]
    matrix = np.stack([whole(net, row[None])[0] - offset for row in eye])
    assert np.linalg.matrix_rank(matrix, tol=1e-4) == 6


def test_sizes_out_of_all_proportion_are_refused_before_memory_is_taken() -> None:
    with pytest.raises(SettingsError, match=r"10,100,150,500 weights; at most 1,073,741,824"):
        WindowRegressor(WindowConfig(window=100_000, width=50_500))
    kind, plain = config_of(network(window=4, width=2))
    with pytest.raises(ModelFileError, match=r"weights; at most"):
        from_config(kind, {**plain, "window": 1_000_000, "width": 0})
