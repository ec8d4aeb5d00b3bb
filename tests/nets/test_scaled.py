"""A network made louder gives the same, louder; and nothing else has changed."""

from __future__ import annotations

import pytest
import torch

from wavewright.errors import SettingsError
from wavewright.formats import nam_loudness
from wavewright.formats.normalized import normalized
from wavewright.nets.registry import build
from wavewright.nets.scaled import scaled


@pytest.mark.parametrize("name", ["a1-nano", "a2-lite", "lstm", "gru", "gated-wavenet", "linear"])
@torch.no_grad()
def test_the_output_is_so_many_times_as_large(name: str) -> None:
    torch.manual_seed(0)
    overrides = {"skip": True} if name == "gru" else {}
    net = build(name, **overrides).eval()
    x = torch.randn(1, 1, 500)
    before = net(x)[0].clone()
    louder = scaled(net, 0.3)(x)[0]
    torch.testing.assert_close(louder, 0.3 * before, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(net(x)[0], before, atol=0, rtol=0)


def test_a_loudness_is_met() -> None:
    torch.manual_seed(1)
    net = build("lstm").eval()
    changed, gain_db = normalized(net, -18.0)
    found = nam_loudness.measure(changed).loudness
    assert found == pytest.approx(-18.0, abs=1e-3)
    assert nam_loudness.measure(net).loudness == pytest.approx(-18.0 - gain_db, abs=1e-3)


def test_what_has_no_loudness_is_refused() -> None:
    net = build("linear")
    with pytest.raises(SettingsError, match="must be from -80 to 0"):
        normalized(net, 6.0)
    with torch.no_grad():
        net.impulse_response.zero_()
    with pytest.raises(SettingsError, match="silent"):
        normalized(net, -18.0)
    with pytest.raises(SettingsError, match="inputs"):
        normalized(build("lstm", input_size=2), -18.0)
