"""Networks that are not causal, played in chunks: no seam shows, whatever the chunks and the blocks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import firwin, oaconvolve
from torch import Tensor, nn

from wavewright.engine.chunked_player import ChunkedPlayer
from wavewright.engine.player import Player
from wavewright.errors import SettingsError
from wavewright.nets.contract import Network, State
from wavewright.nets.registry import build

KERNEL = 5


class SmallUNet(Network):
    """Twice half the rate and back by sub-pixels, with a skip connection at each rate; stereo in, mono out.

    The bottom hears ``2 · reach + 1`` of its own samples, four of the sound's each, by a convolution of that length.
    """

    causal = False
    multiple = 4

    def __init__(self, reach: int = 3) -> None:
        super().__init__()
        self.in_channels = 2
        self.reach = reach
        self.down1 = nn.Conv1d(2, 6, KERNEL, stride=2, padding=KERNEL // 2)
        self.down2 = nn.Conv1d(6, 8, KERNEL, stride=2, padding=KERNEL // 2)
        self.bottom = nn.Conv1d(8, 8, 2 * reach + 1, padding=reach)
        self.up2 = nn.Conv1d(8, 12, KERNEL, padding=KERNEL // 2)
        self.up1 = nn.Conv1d(12, 2, KERNEL, padding=KERNEL // 2)
        # at the bottom: down 2 + 2·2 samples, reach · 4, up 2 · 4; one rate higher, up 2 · 2; and the strides' phase
        side = 2 + 2 * 2 + 4 * reach + 4 * 2 + 2 * 2 + 3
        self.lookahead = side
        self._receptive_field = 2 * side + 1

    @property
    def receptive_field(self) -> int:
        return self._receptive_field

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        assert x.shape[-1] % self.multiple == 0
        high = torch.tanh(self.down1(x))  # (batch, 6, time / 2)
        low = torch.tanh(self.bottom(torch.tanh(self.down2(high))))  # (batch, 8, time / 4)
        up = sub_pixels(torch.tanh(self.up2(low)))  # (batch, 6, time / 2)
        return sub_pixels(self.up1(torch.cat([up, high], dim=1))) + x[:, :1], ()


def sub_pixels(x: Tensor) -> Tensor:
    """(batch, 2 · channels, time) → (batch, channels, 2 · time)."""
    return x.unflatten(1, (2, -1)).movedim(1, -1).flatten(-2)


def network(reach: int = 3) -> SmallUNet:
    torch.manual_seed(5)
    net = SmallUNet(reach).eval()
    with torch.no_grad():
        for weight in net.parameters():
            weight.mul_(1.5)
    return net


def noise(rows: int, samples: int, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal((rows, samples)) * 0.5).astype(np.float32)


def whole(net: SmallUNet, x: np.ndarray) -> np.ndarray:
    """All at once, filled up with zeros to what the strides divide; a channel is two rows of ``x``."""
    filled = torch.from_numpy(x).view(-1, 2, x.shape[1])
    with torch.no_grad():
        y, _ = net(F.pad(filled, (0, -x.shape[1] % net.multiple)))
    return y[:, 0, : x.shape[1]].numpy()


def in_blocks(player: ChunkedPlayer, x: np.ndarray, sizes: list[int]) -> np.ndarray:
    """The output with its latency taken out."""
    parts, ends = [], np.cumsum(sizes)
    for size, end in zip(sizes, ends, strict=True):
        parts.append(np.empty((x.shape[0] // 2, size), np.float32))
        player.play(x[:, end - size : end], parts[-1])
    parts.append(np.empty((x.shape[0] // 2, player.latency), np.float32))
    player.flush(parts[-1])
    return np.concatenate(parts, axis=1)[:, player.latency :]


def cuts(samples: int, size: int) -> list[int]:
    return [min(size, samples - start) for start in range(0, samples, size)]


def test_the_network_of_these_tests_depends_on_what_it_says() -> None:
    net, x = network(), noise(2, 400)
    y = whole(net, x)
    reached = set()
    for change in range(196, 204):
        other = x.copy()
        other[:, change] += 1
        moved = np.flatnonzero(np.abs(whole(net, other) - y).max(axis=0) > 0) - change
        reached |= {int(moved.min()), int(moved.max())}
    past, future = net.receptive_field - 1 - net.lookahead, net.lookahead
    assert -future <= min(reached) <= 4 - future
    assert past - 4 <= max(reached) <= past


@pytest.mark.parametrize("chunk", [4, 30, 100, 1000, None])
def test_equal_to_the_whole_at_every_block_size(chunk: int | None) -> None:
    net = network()
    player = ChunkedPlayer(net, 2, chunk)
    x = noise(4, 1403)
    expected = whole(net, x)
    for size in (1, 64, 333, 1403):
        np.testing.assert_allclose(
            in_blocks(player, x, cuts(1403, size)), expected, rtol=0, atol=1e-5, err_msg=f"block {size}"
        )


@settings(deadline=None, max_examples=40)
@given(sizes=st.lists(st.integers(0, 150), max_size=12), chunk=st.integers(1, 200))
def test_any_length_in_any_pieces(sizes: list[int], chunk: int) -> None:
    net, x = network(), noise(2, sum(sizes), seed=chunk)
    found = in_blocks(ChunkedPlayer(net, 1, chunk), x, sizes)
    expected = whole(net, x) if sum(sizes) else np.zeros((1, 0), np.float32)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_where_the_context_is_cut_short_seams_are_faded() -> None:
    """A network that could hear far, and hears little from afar: most of its context may go."""
    net = network(reach=300)
    with torch.no_grad():
        distant = net.bottom.weight.clone()
        net.bottom.weight.mul_(0.6 ** (torch.arange(601) - 300).abs())
    x = noise(2, 20_000)
    expected = whole(net, x)
    player = ChunkedPlayer(net, 1, chunk=2000, context=64)
    assert player.latency < net.lookahead + 2000
    np.testing.assert_allclose(in_blocks(player, x, cuts(20_000, 3000)), expected, rtol=0, atol=1e-4)
    with torch.no_grad():
        net.bottom.weight.copy_(distant)
    hard = ChunkedPlayer(net, 1, chunk=2000, context=64)
    found, expected = in_blocks(hard, x, cuts(20_000, 3000)), whole(net, x)
    assert np.abs(found - expected).max() > 1e-3  # this one does hear from afar
    steps = np.abs(np.diff(found - expected, axis=1))
    assert steps.max() < 4 * np.quantile(steps, 0.999)  # and yet no seam clicks


def test_the_latency_is_no_larger_than_it_must_be() -> None:
    net = network()
    player = ChunkedPlayer(net, 1, chunk=100)
    assert player.latency == 100 + -(-net.lookahead // 4) * 4 - 1
    x, out = noise(2, 1000), np.empty((1, 1000), np.float32)
    player.play(x, out)
    np.testing.assert_array_equal(out[:, : player.latency], 0)
    np.testing.assert_allclose(out[:, player.latency :], whole(net, x)[:, : 1000 - player.latency], rtol=0, atol=1e-5)


def test_a_second_sound_knows_nothing_of_the_first() -> None:
    net = network()
    player, x = ChunkedPlayer(net, 1, chunk=100), noise(2, 777)
    first = in_blocks(player, x, [777])
    out = np.empty((1, 500), np.float32)
    player.play(noise(2, 500, seed=1), out)
    player.reset()
    np.testing.assert_array_equal(in_blocks(player, x, [777]), first)
    np.testing.assert_array_equal(in_blocks(player, x, [777]), first)


def test_behind_the_door() -> None:
    net = network()
    player = Player(net, channels=2, inputs=2)
    x = noise(4, 40_001)
    x[0, [7, 30_000]] = np.nan, np.inf
    found = np.concatenate([player.process(x[:, :25_000]), player.process(x[:, 25_000:]), player.flush()], axis=1)
    assert player.non_finite == 2
    calm = np.where(np.isfinite(x), x, np.float32(0))
    np.testing.assert_allclose(found[:, player.latency :], whole(net, calm), rtol=0, atol=1e-5)


def test_outputs_that_are_no_numbers_are_silence() -> None:
    net = network()
    with torch.no_grad():
        net.up1.bias.fill_(3e38)
    player = Player(net, inputs=2)
    x = noise(2, 60_000)
    x[:, 30_000:30_010] = 3e38
    found = np.concatenate([player.process(x), player.flush()], axis=1)[:, player.latency :]
    assert player.overflows == 10
    np.testing.assert_array_equal(found[:, 30_000:30_010], 0)
    assert (found[:, 30_010:] > 2e38).all()
    assert (found[:, :30_000] > 2e38).all()


def test_memory_is_taken_once() -> None:
    player, x = ChunkedPlayer(network(), 1, chunk=400), noise(2, 1000)
    out = np.empty((1, 1000), np.float32)

    def memory() -> dict[str, tuple[int, int]]:
        held = {name: part for name, part in vars(player).items() if isinstance(part, np.ndarray)}
        return {name: (part.ctypes.data, part.size) for name, part in held.items()}

    before = memory()
    for _ in range(20):
        player.play(x, out)
    player.flush(np.empty((1, player.latency), np.float32))
    player.play(x, out)
    assert memory() == before
    assert sum(size for _, size in before.values()) < 4 * (player.latency + 400)


class SymmetricFilter(Network):
    """An impulse response around its middle, no strides."""

    causal = False

    def __init__(self, taps: np.ndarray, lookahead: int) -> None:
        super().__init__()
        self.lookahead = lookahead
        self.weight = nn.Parameter(torch.from_numpy(taps[::-1].astype(np.float32)))

    @property
    def receptive_field(self) -> int:
        return len(self.weight)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        return F.conv1d(x, self.weight[None, None], padding=len(self.weight) // 2), ()


@settings(deadline=None, max_examples=25)
@given(
    side=st.integers(1, 60),
    known=st.booleans(),
    chunk=st.integers(1, 300),
    samples=st.integers(1, 900),
    size=st.sampled_from([1, 64, 333, 900]),
)
def test_a_symmetric_filter_is_that_of_scipy(side: int, known: bool, chunk: int, samples: int, size: int) -> None:
    taps, x = firwin(2 * side + 1, 0.3), noise(1, samples, seed=side)
    player = ChunkedPlayer(SymmetricFilter(taps, side if known else 0), 1, chunk)
    assert player.latency == chunk - 1 + (side if known else 2 * side)  # no block size is in it
    out = np.empty((1, samples + player.latency), np.float32)
    for start in range(0, samples, size):
        end = min(samples, start + size)
        player.play(x[:, start:end], out[:, start:end])
    player.flush(out[:, samples:])
    expected = oaconvolve(x[0].astype(np.float64), taps)[side : side + samples]
    np.testing.assert_array_equal(out[0, : player.latency], 0)
    np.testing.assert_allclose(out[0, player.latency :], expected, rtol=0, atol=1e-5)


def test_an_overflow_is_counted_once_whatever_the_chunks() -> None:
    x = noise(1, 3000)
    x[0, 1000] = 3e38
    found = []
    for chunk in (50, 400, 3000):
        player, out = ChunkedPlayer(SymmetricFilter(np.full(101, 2.0), 50), 1, chunk), np.empty((1, 3000), np.float32)
        player.play(x, out)
        player.flush(np.empty((1, player.latency), np.float32))
        found.append(player.overflows)
    assert found == [101] * 3


def test_what_cannot_be_played_in_chunks_is_refused() -> None:
    with pytest.raises(SettingsError, match="is causal"):
        ChunkedPlayer(build("a1-nano"), 1)
    with pytest.raises(SettingsError, match="chunk = 0"):
        ChunkedPlayer(network(), 1, chunk=0)
    with pytest.raises(SettingsError, match="context = -3"):
        ChunkedPlayer(network(), 1, context=-3)
    with pytest.raises(SettingsError, match="lookahead = 3: must be below its receptive field, 3"):
        ChunkedPlayer(SymmetricFilter(np.ones(3), 3), 1)
