"""The round trip is found through noise, distortion and turned polarity; where nothing comes back that is said."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.engine.round_trip import CLICKS, Clicks
from wavewright.errors import SoundCardError


def cable(clicks: Clicks, block: int, late: int, gain: float, noise: float, slips: int = 0) -> None:
    """Calls back as a card would whose output comes back ``late`` samples later; ``slips`` more after half of it."""
    rng = np.random.default_rng(0)
    total = int(clicks.seconds * clicks.rate) + 2 * block
    line = np.zeros(total + late + slips + block, np.float32)
    at = 0
    while not clicks.done:
        heard = np.zeros((block, 2), np.float32)
        heard[:, 1] = gain * line[at : at + block] + noise * rng.standard_normal(block)
        played = np.full((block, 2), np.nan, np.float32)
        clicks.turn(heard, played, False)
        np.testing.assert_array_equal(played[:, 0], played[:, 1])
        there = at + late + (slips if at > total // 2 else 0)
        line[there : there + block] = played[:, 0]
        at += block


@settings(deadline=None, max_examples=12)
@given(
    late=st.integers(64, 9000),
    block=st.sampled_from([64, 100, 512]),
    gain=st.sampled_from([1.0, -0.1, 0.01]),
    rate=st.sampled_from([44_100, 48_000, 96_000]),
)
def test_the_round_trip_is_found_to_the_sample(late: int, block: int, gain: float, rate: int) -> None:
    clicks = Clicks(rate, channel=1)
    late = max(late, block)
    cable(clicks, block, late, gain, noise=0.001)
    found = clicks.found()
    assert found.samples == late
    assert found.milliseconds == pytest.approx(1000 * late / rate)
    assert (found.spread, found.clicks) == (0, CLICKS)


def test_sound_lost_on_the_way_shows_as_spread() -> None:
    clicks = Clicks(48_000, channel=1)
    cable(clicks, 64, 200, 0.5, noise=0.0, slips=64)
    assert clicks.found().spread == 64


@pytest.mark.parametrize(("noise", "words"), [(0.0, "nothing was heard"), (0.05, "peaks at -1")])
def test_no_cable_is_said(noise: float, words: str) -> None:
    clicks = Clicks(48_000, channel=1)
    cable(clicks, 256, 256, 0.0, noise)
    with pytest.raises(SoundCardError, match=f"0 of 8 clicks came back on input 2 .*{words}"):
        clicks.found()


def test_broken_samples_do_not_hide_the_clicks() -> None:
    clicks = Clicks(48_000, channel=1)
    cable(clicks, 64, 300, 0.5, noise=0.001)
    clicks._heard[[17, 48_000]] = np.nan, np.inf
    assert clicks.found().samples == 300
