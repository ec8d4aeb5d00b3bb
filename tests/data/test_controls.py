"""Controls: constant over blocks, the same whatever the cuts, envelopes against a plain loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.data import controls as module
from wavewright.data.controls import CONTROL_BLOCK, Controls, since_onset
from wavewright.errors import DataError
from wavewright.nets import generator
from wavewright.settings import from_mapping, to_mapping

ALL = Controls(16_000, ("hat", "kick", "snare"), onset=True, envelope=True)
ENVELOPE = np.linspace(0.2, 1, 7, dtype=np.float32)


def test_networks_and_data_agree_on_the_block() -> None:
    assert generator.CONTROL_BLOCK == CONTROL_BLOCK


@given(start=st.integers(-300, 700), frames=st.integers(0, 300))
@settings(deadline=None, max_examples=60)
def test_any_stretch_is_what_the_definition_says(start: int, frames: int) -> None:
    signal = ALL.signal(frames, start, label="kick", envelope=ENVELOPE)
    assert signal.shape == (5, frames)
    assert signal.dtype == np.float32
    for place in range(frames):
        block = max(start + place, 0) // 64
        onset = min(math.log(1 + block * 64 / 16_000 / 0.01) / math.log(1 + 10 / 0.01), 1)
        level = float(ENVELOPE[block]) if block < 7 else 0.0
        np.testing.assert_allclose(signal[:, place], [0, 1, 0, onset, level], atol=1e-6)


def test_onset_rises_from_0_to_1_and_stays() -> None:
    values = since_onset(np.array([0.0, 0.01, 0.1, 1.0, 10.0, 1000.0]))
    assert (np.diff(values[:5]) > 0.05).all()
    assert (values[0], values[4], values[5]) == (0, 1, 1)


def test_only_what_is_asked_for() -> None:
    assert Controls(8000).signal(100).shape == (0, 100)
    assert Controls(8000).count == 0
    assert ALL.count == len(ALL.names) == 5
    assert Controls(8000, onset=True, envelope=True).names == ("onset", "envelope")
    assert from_mapping(Controls, to_mapping(ALL)) == ALL
    with pytest.raises(DataError, match="class 'kik' is unknown to this network: did you mean 'kick'"):
        ALL.signal(10, label="kik", envelope=ENVELOPE)
    with pytest.raises(DataError, match="a class is missing: this network knows hat, kick, snare"):
        ALL.signal(10, envelope=ENVELOPE)
    with pytest.raises(DataError, match="an envelope is missing"):
        ALL.signal(10, label="hat")


@pytest.mark.parametrize("frames", [0, 1, 64, 1000, 6400])
@pytest.mark.parametrize("rate", [8000, 16_000, 44_100])
def test_the_envelope_is_the_rms_about_each_block(frames: int, rate: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x = (
        np.random.default_rng(1).normal(0, 1, frames).astype(np.float32)
        * np.geomspace(1, 1e-6, max(frames, 1))[:frames]
    )
    found = Controls(rate, envelope=True).envelope_of(x.astype(np.float32))
    blocks = [float(np.sum(np.square(x[first : first + 64], dtype=np.float64))) / 64 for first in range(0, frames, 64)]
    reach = {8000: 2, 16_000: 4, 44_100: 12}[rate]
    wanted = []
    for block in range(len(blocks)):
        near = blocks[max(0, block - reach) : block + reach + 1]
        wanted.append(min(1.0, max(0.0, 1 + 10 * math.log10(max(sum(near) / len(near), 1e-12)) / 60)))
    np.testing.assert_allclose(found, np.array(wanted), atol=2e-5)
    monkeypatch.setattr(module, "READ", 128)
    np.testing.assert_array_equal(Controls(rate, envelope=True).envelope_of(x.astype(np.float32)), found)


def test_the_envelope_does_not_follow_the_wave_of_a_kick() -> None:
    """50 Hz at 16 kHz: one cycle is five blocks; a level that rose and fell with it would tell its phase."""
    tone = 0.5 * np.sin(np.arange(16_000) * 2 * np.pi * 50 / 16_000).astype(np.float32)
    envelope = Controls(16_000, envelope=True).envelope_of(tone)[5:-5]
    assert np.ptp(envelope) * 60 < 1.0  # dB
