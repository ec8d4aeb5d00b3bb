"""Networks by name and by plain values; what is wrong is told before memory is taken."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.errors import ModelFileError, SettingsError
from wavewright.nets.generator import Generator
from wavewright.nets.names import FRAME_NAMES, GENERATOR_NAMES, IMPUTER_NAMES, NETWORK_NAMES, UPSAMPLER_NAMES
from wavewright.nets.registry import NETWORKS, build, config_of, from_config


def test_help_knows_exactly_the_networks_that_can_be_built() -> None:
    told = [NETWORK_NAMES, GENERATOR_NAMES, FRAME_NAMES, UPSAMPLER_NAMES, IMPUTER_NAMES]
    assert [name for names in told for name in names] == list(NETWORKS)
    assert [name for name in NETWORKS if isinstance(build(name), Generator)] == list(GENERATOR_NAMES)


def test_names_come_without_torch() -> None:
    code = "import sys, wavewright.nets.names, wavewright.nets; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", NETWORKS)
def test_plain_values_bring_a_network_back(name: str) -> None:
    net = build(name)
    kind, plain = config_of(net)
    again = from_config(kind, json.loads(json.dumps(plain)))
    again.load_state_dict(net.state_dict())
    x = torch.randn(1, net.in_channels, 50)
    with torch.no_grad():
        torch.testing.assert_close(again(x)[0], net(x)[0], rtol=0, atol=0)
    assert (again.receptive_field, again.prewarm, again.latency) == (net.receptive_field, net.prewarm, net.latency)
    assert config_of(again) == (kind, plain)


@pytest.mark.parametrize("name", NETWORK_NAMES)
def test_multiply_adds_are_the_weights_that_multiply(name: str) -> None:
    """Each weight multiplies once a sample, or once a stride of them; biases, slopes and first states do not."""
    net = build(name)
    weights = {key: value for key, value in net.state_dict().items() if "bias" not in key and "slope" not in key}
    counted = sum(value.numel() for key, value in weights.items() if key != "start")
    once: int = net.multiply_adds * net.multiple  # type: ignore[operator, assignment]
    assert once == counted


def test_overrides_replace_settings() -> None:
    assert build("lstm", hidden_size=7).config.hidden_size == 7  # type: ignore[union-attr]
    with pytest.raises(SettingsError, match="did you mean 'hidden_size'"):
        build("lstm", hiden_size=7)
    with pytest.raises(SettingsError, match="hidden_size = 0: must be at least 1"):
        build("gru", hidden_size=0)
    with pytest.raises(SettingsError, match="did you mean 'a1-standard'"):
        build("a1-standart")


@pytest.mark.parametrize(
    ("kind", "change", "told"),
    [
        ("wavenett", {}, "did you mean 'wavenet'"),
        ("lstm", {"hidden_size": "many"}, "hidden_size = 'many': must be int"),
        ("lstm", {"hidden_size": 10**9}, "at most 1024"),
        ("lstm", {"hidden": 3}, "unknown setting hidden"),
        ("gated-wavenet", {"depth": 60}, "depth = 60"),
        ("wavenet", {"arrays": 3}, "arrays must be a list"),
        ("wavenet", {"arrays": [3]}, r"arrays\[0\] must be a table"),
        ("wavenet", {"arrays": [{}]}, r"arrays\[0\].input_size is missing"),
        ("wavenet", {"head_scale": None}, "head_scale = None: must be a number"),
        ("wavenet", {"scale": 1}, "unknown setting 'scale'"),
    ],
)
def test_unusable_values_are_refused(kind: str, change: dict[str, Any], told: str) -> None:
    plain = config_of(build(kind if kind in ("lstm", "gated-wavenet") else "a1-nano"))[1]
    with pytest.raises(ModelFileError, match=told) as caught:
        from_config(kind, {**plain, **change})
    assert len(str(caught.value).splitlines()) <= 2


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4), st.lists(st.integers(), max_size=3)
)


@settings(deadline=None, max_examples=30)
@given(data=st.data(), name=st.sampled_from(["a1-nano", "gated-wavenet", "lstm", "linear"]), value=VALUES)
def test_any_value_gives_a_network_or_one_error(data: st.DataObject, name: str, value: Any) -> None:
    kind, plain = config_of(build(name))
    for _ in range(5):
        inner = plain = json.loads(json.dumps(plain))
        if kind == "wavenet" and data.draw(st.booleans()):
            inner = plain["arrays"][data.draw(st.integers(0, 1))]
        key = data.draw(st.sampled_from(sorted(inner)))
        kept, inner[key] = inner[key], value
        try:
            net = from_config(kind, plain)
        except ModelFileError:
            pass
        else:
            assert net.receptive_field >= 1
        inner[key] = kept
