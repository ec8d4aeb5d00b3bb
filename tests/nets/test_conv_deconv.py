"""The filter bank there and back against plain loops; what it must and must not depend on; its parts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.engine.player import Player
from wavewright.errors import ModelFileError, SettingsError
from wavewright.nets.conv_deconv import ConvDeconv, ConvDeconvConfig
from wavewright.nets.registry import config_of, from_config

ACT: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "none": lambda h: h,
    "relu": lambda h: np.maximum(h, 0),
    "leaky-relu": lambda h: np.where(h > 0, h, 0.1 * h),
    "tanh": np.tanh,
}


def network(**values: object) -> ConvDeconv:
    torch.manual_seed(5)
    net = ConvDeconv(ConvDeconvConfig(**{"stride": 1, **values})).eval()  # type: ignore[arg-type]
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    return net


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((1, samples)).astype(np.float32)


def whole(net: ConvDeconv, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        y: np.ndarray = net(torch.from_numpy(x)[None])[0][0].numpy()
    return y


def by_loops(net: ConvDeconv, x: np.ndarray) -> np.ndarray:
    """Frame by frame: look, change, lay down; zeros all around the sound."""
    config, time = net.config, x.shape[1]
    act = ACT[config.activation]
    y = np.full(time, net.bias.item())
    for size, bank in zip(config.filter_sizes, net.banks, strict=True):
        values = {name: part.detach().numpy() for name, part in bank.named_parameters()}
        encoder = values["encoder"][:, 0]
        decoder = values.get("decoder", values["encoder"])[:, 0]
        for start in range(-size + config.stride, time, config.stride):
            frame = np.array([x[0, t] if 0 <= t < time else 0.0 for t in range(start, start + size)])
            h = act(encoder @ frame + values["bias"])
            if config.middle == "channel":
                h = act(values["middle.weight"][:, 0] * h + values["middle.bias"][:, 0])
            elif config.middle == "dense":
                h = act(values["middle.weight"][:, :, 0] @ h + values["middle.bias"])
            for tap, value in enumerate(h @ decoder):
                if 0 <= start + tap < time:
                    y[start + tap] += value
    return y


CONFIGS = [
    {"width": 3, "filter_sizes": (8,)},
    {"width": 3, "filter_sizes": (8,), "shared": True, "middle": "none"},
    {"width": 4, "filter_sizes": (8,), "stride": 4, "middle": "dense", "activation": "tanh"},
    {"width": 2, "filter_sizes": (2, 6, 12), "stride": 2, "activation": "leaky-relu"},
    {"width": 2, "filter_sizes": (5,), "stride": 5, "activation": "none", "shared": True},
]


@pytest.mark.parametrize("values", CONFIGS)
def test_frames_are_found_changed_and_laid_down(values: dict[str, object]) -> None:
    net = network(**values)
    for time in (1, 29, 40):
        x = noise(time)
        np.testing.assert_allclose(whole(net, x)[0], by_loops(net, x), atol=2e-5)
    assert sum(part.numel() for part in net.parameters()) == net.config.weight_count


@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_played_in_blocks_it_is_what_it_is_whole(data: st.DataObject) -> None:
    net = network(**data.draw(st.sampled_from(CONFIGS)))
    sizes = data.draw(st.lists(st.integers(1, 400), min_size=1, max_size=10))
    x = noise(sum(sizes))
    player = Player(net)
    ends = np.cumsum(sizes)
    parts = [player.process(x[:, end - size : end]) for size, end in zip(sizes, ends, strict=True)]
    played = np.concatenate([*parts, player.flush()], axis=1)[:, player.latency :]
    np.testing.assert_allclose(played, whole(net, x), atol=1e-5)


@pytest.mark.parametrize("values", CONFIGS)
def test_it_looks_as_far_as_it_says_and_no_further(values: dict[str, object]) -> None:
    net, x = network(**values), noise(80)
    plain = whole(net, x)
    ahead = behind = 0
    for at in range(80):
        changed = x.copy()
        changed[0, at] += 3
        differs = np.flatnonzero(np.abs(whole(net, changed) - plain)[0] > 1e-6)
        if differs.size:
            ahead, behind = max(ahead, at - int(differs.min())), max(behind, int(differs.max()) - at)
    assert ahead <= net.lookahead
    assert behind <= net.receptive_field - 1 - net.lookahead
    assert ahead >= net.longest - net.config.stride - 1  # no wider claim than need be


@pytest.mark.parametrize("values", [*CONFIGS, {"width": 3, "filter_sizes": (1, 4, 9), "causal": True}])
def test_training_hears_what_playing_gives(values: dict[str, object]) -> None:
    net = network(**values)
    past, future = net.context
    x = noise(past + 6 * net.multiple + future)
    with torch.no_grad():
        valid = net.valid(torch.from_numpy(x)[None])[0].numpy()
    whole_sound = np.concatenate([noise(20 * net.multiple, 8), x, noise(20 * net.multiple, 9)], axis=1)
    expected = whole(net, whole_sound)[:, 20 * net.multiple + past :][:, : 6 * net.multiple]
    np.testing.assert_allclose(valid, expected, atol=2e-5)


@settings(deadline=None, max_examples=8)
@given(
    filters=st.lists(st.integers(1, 20), min_size=1, max_size=3),
    sizes=st.lists(st.integers(1, 50), min_size=1, max_size=4),
    middle=st.sampled_from(["none", "channel", "dense"]),
)
def test_a_causal_one_is_the_same_in_any_blocks_and_never_looks_ahead(
    filters: list[int], sizes: list[int], middle: str
) -> None:
    net = network(width=3, filter_sizes=tuple(filters), middle=middle, causal=True)
    x = torch.from_numpy(noise(sum(sizes)))[None]
    state, parts = None, []
    with torch.no_grad():
        expected = net(x)[0]
        for part in torch.split(x, sizes, dim=-1):
            y, state = net(part, state)
            parts.append(y)
        half = x.shape[-1] // 2
        changed = torch.cat([x[..., :half], torch.zeros_like(x[..., half:])], dim=-1)
        torch.testing.assert_close(net(changed)[0][..., :half], expected[..., :half])
    torch.testing.assert_close(torch.cat(parts, dim=-1), expected, atol=1e-5, rtol=0)


def test_its_parts_hold_every_weight_once() -> None:
    net = network(width=2, filter_sizes=(4, 8), stride=2)
    names = [name for name, _ in net.named_parameters()]
    owners = [
        [part for part, begins in net.parts.items() if any(name == b or name.startswith(f"{b}.") for b in begins)]
        for name in names
    ]
    assert all(len(owner) == 1 for owner in owners)
    assert {name for name, owner in zip(names, owners, strict=True) if owner == ["middle"]} == {
        "bias", "banks.0.middle.weight", "banks.0.middle.bias", "banks.1.middle.weight", "banks.1.middle.bias",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"filter_sizes": ()}, r"filter_sizes = \(\): must be one to 16 whole numbers"),
        ({"filter_sizes": (8, 0)}, "from 1 to 65,536"),
        ({"filter_sizes": (8, 12), "stride": 8}, "stride = 8: must divide the filter_sizes 8, 12"),
        ({"filter_sizes": (8,), "stride": 2, "causal": True}, "stride = 2: a causal network"),
        ({"width": 4000, "filter_sizes": (65_536,)}, "weights; at most 20,000,000"),
        ({"middle": "dens"}, "did you mean 'dense'"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(values: dict[str, object], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        ConvDeconv(ConvDeconvConfig(**values))  # type: ignore[arg-type]


def test_plain_values_that_are_no_filters_are_one_error() -> None:
    kind, plain = config_of(network(width=2))
    wrong_ones: list[object] = ["many", [1.5], [None], 3, [[8]], {}]
    for wrong in wrong_ones:
        with pytest.raises(ModelFileError, match="filter_sizes"):
            from_config(kind, {**plain, "filter_sizes": wrong})
