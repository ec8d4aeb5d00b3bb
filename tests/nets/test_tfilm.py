"""TFiLM against a plain loop over blocks, and its laws."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from wavewright.errors import SettingsError
from wavewright.nets.tfilm import TFiLM


@given(time=st.integers(1, 60), block=st.integers(1, 12), shift=st.booleans(), seed=st.integers(0, 99))
@trials(deadline=None, max_examples=25)
def test_each_block_is_scaled_and_shifted_by_what_came_before_and_itself(
    time: int, block: int, shift: bool, seed: int
) -> None:
    torch.manual_seed(seed)
    layer = TFiLM(3, block, shift=shift).double()
    torch.nn.init.normal_(layer.modulation.weight)
    x = torch.randn(2, 3, time, dtype=torch.float64)
    wanted, state = torch.empty_like(x), None
    for start in range(0, time, block):
        part = x[..., start : start + block]
        told, state = layer.rnn(part.amax(-1)[:, None], state)
        values = layer.modulation(told[:, 0])[..., None]
        wanted[..., start : start + block] = part * values[:, :3] + (values[:, 3:] if shift else 0)
    torch.testing.assert_close(layer(x), wanted)


def test_a_new_layer_changes_little() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 8, 256)
    with torch.no_grad():
        assert float((TFiLM(8, 32)(x) - x).abs().max() / x.abs().max()) < 0.1


def test_later_blocks_do_not_reach_back() -> None:
    torch.manual_seed(0)
    layer, x = TFiLM(4, 16), torch.randn(1, 4, 96)
    other = x.clone()
    other[..., 64:] += 1
    with torch.no_grad():
        torch.testing.assert_close(layer(x)[..., :64], layer(other)[..., :64], rtol=0, atol=0)


def test_sizes_below_one_are_refused_together() -> None:
    with pytest.raises(SettingsError, match=r"channels = 0.*\n.*block = -1"):
        TFiLM(0, -1, 4)
