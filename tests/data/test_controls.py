"""Controls: constant over blocks, the same whatever the cuts, envelopes against a plain loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.data import controls as module
from wavewright.data.controls import CONTROL_BLOCK, POSITIONS, Controls, since_onset
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


WORDS = ("one/ann", "one/bob", "six/ann", "six/cid", "two/ann", "two/bob")


@given(start=st.integers(-300, 1500), frames=st.integers(1, 200), length=st.integers(1, 1200))
@settings(deadline=None, max_examples=60)
def test_the_position_goes_evenly_from_start_to_end(start: int, frames: int, length: int) -> None:
    controls = Controls(8000, WORDS, onset=True, envelope=True, position=True)
    signal = controls.signal(frames, start, label="six/bob", envelope=ENVELOPE, length=length)
    names = controls.names
    assert len(names) == len(signal) == 3 + 3 + 1 + POSITIONS + 1 + 1
    assert names[:3] == ("class one", "class six", "class two")
    assert names[3:8] == ("class ann", "class bob", "class cid", "onset", "position 0")
    assert signal[:6].tolist() == [[value] * frames for value in (0, 1, 0, 0, 1, 0)]
    there, told = signal[7 : 7 + POSITIONS], signal[7 + POSITIONS]
    block = np.maximum((start + np.arange(frames)) // 64, 0)
    np.testing.assert_allclose(there.sum(axis=0), 1, atol=1e-5)
    through = np.arange(POSITIONS) @ there / (POSITIONS - 1)
    np.testing.assert_allclose(through, np.minimum(block * 64 / length, 1), atol=1e-5)
    assert ((there > 0).sum(axis=0) <= 2).all()
    np.testing.assert_allclose(told, since_onset(np.array(length / 8000)))
    assert from_mapping(Controls, to_mapping(controls)) == controls


def test_a_position_needs_a_length() -> None:
    with pytest.raises(ValueError, match="length=None"):
        Controls(8000, position=True).signal(10)


@given(labels=st.sets(st.tuples(st.sampled_from("abcd"), st.sampled_from("xyz")), min_size=1))
def test_classes_asked_for_by_some_of_their_parts(labels: set[tuple[str, str]]) -> None:
    controls = Controls(8000, tuple(sorted("/".join(label) for label in labels)))
    assert sorted(controls.matching()) == list(controls.classes)
    for name in "abcdxyz":
        assert set(controls.matching(name)) == {"/".join(label) for label in labels if name in label}
    for first, second in labels:
        assert controls.matching(f"{first}/{second}") == (f"{first}/{second}",)
        told = [controls.names[n] for n in controls.channels(f"{first}/{second}")]
        assert told == [f"class {first}", f"class {second}"]


def test_a_class_of_too_few_or_unknown_parts_is_refused() -> None:
    controls = Controls(8000, WORDS)
    for wrong in ("six", "six/dan", "ann/six", "six/ann/ann"):
        with pytest.raises(DataError, match=f"class '{wrong}' is unknown"):
            controls.channels(wrong)


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
