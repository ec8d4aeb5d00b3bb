"""Frames: there and back again, in any blocks, and from any place in a sound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.audio.music import drum_loop
from wavewright.data.frame_kinds import FRAME_KINDS, frame_kind, lossless
from wavewright.data.frames import count_of, cut
from wavewright.errors import SettingsError
from wavewright.jobs.frames import settings as frame_settings

RATE = 8000
LOSSLESS = ("mdct", "raw", "fft")


@settings(deadline=None, max_examples=40)
@given(
    name=st.sampled_from(LOSSLESS), half=st.integers(2, 40), lap=st.sampled_from([0.0, 0.25, 1.0]),
    time=st.integers(1, 500),
)  # fmt: skip
def test_three_kinds_lose_nothing(name: str, half: int, lap: float, time: int) -> None:
    x = np.random.default_rng(time).uniform(-1, 1, time).astype(np.float32)
    kind = frame_kind(name, 2 * half, RATE, lap=lap)
    frames = kind.analyse(x)
    assert frames.shape == (count_of(kind, time), kind.size)
    assert np.abs(lossless(kind, x) - x).max() < 5e-6


@settings(deadline=None, max_examples=25)
@given(name=st.sampled_from(FRAME_KINDS), lap=st.sampled_from([0.0, 0.5]), blocks=st.lists(st.integers(1, 9)))
def test_blocks_make_no_difference(name: str, lap: float, blocks: list[int]) -> None:
    kind = frame_kind(name, 32, RATE, lap=lap, bands=20, coefficients=10)
    frames = kind.analyse(drum_loop(0.2, RATE))
    whole = kind.synthesiser().push(frames, last=True)
    one, parts, at = kind.synthesiser(), [], 0
    for size in blocks:
        parts.append(one.push(frames[at : at + size]))
        at += size
    parts.append(one.push(frames[at:], last=True))
    assert np.array_equal(np.concatenate(parts), whole)


@settings(deadline=None, max_examples=40)
@given(name=st.sampled_from(FRAME_KINDS), first=st.integers(-3, 60), count=st.integers(1, 20))
def test_frames_are_the_same_wherever_cutting_begins(name: str, first: int, count: int) -> None:
    kind = frame_kind(name, 32, RATE, lap=0.25, bands=20, coefficients=10)
    x = drum_loop(0.2, RATE)
    whole = np.pad(x, (3 * 32, 100 * 32))
    expected = kind.analyse(whole)[first + 3 : first + 3 + count]
    assert np.abs(cut(kind, x, first, count) - expected).max() < 1e-5


def test_the_spectrum_keeps_energy_and_has_as_many_numbers_as_samples() -> None:
    x = np.random.default_rng(0).standard_normal(640).astype(np.float32)
    frames = frame_kind("fft", 64, RATE).analyse(x)
    assert frames.shape == (10, 64)
    assert np.allclose(np.square(frames).sum(1), np.square(x.reshape(10, 64)).sum(1), rtol=1e-4)
    expected = np.fft.rfft(x.reshape(10, 64), axis=1, norm="ortho")
    assert np.abs(frames[:, 5] - np.sqrt(2) * expected[:, 5].real).max() < 1e-5
    assert np.abs(frames[:, 33 + 4] - np.sqrt(2) * expected[:, 5].imag).max() < 1e-5


@pytest.mark.parametrize("name", ["log-mel", "mfcc"])
def test_what_has_no_phases_still_sounds_alike(name: str) -> None:
    x = drum_loop(1.0, RATE)
    kind = frame_kind(name, 64, RATE, bands=40, coefficients=30)
    frames = kind.analyse(x)
    back = kind.analyse(lossless(kind, x))
    loud = frames[:, :1] > np.quantile(frames[:, :1], 0.5)
    noise = kind.analyse(np.random.default_rng(0).standard_normal(len(x)).astype(np.float32) * x.std())
    near, far = (np.abs(other[: len(frames)] - frames)[loud[:, 0]].mean() for other in (back, noise))
    assert near < 0.35 * far


def test_a_mel_frame_of_a_tone_reads_its_level() -> None:
    x = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE).astype(np.float32)
    frames = frame_kind("log-mel", 64, RATE, bands=40).analyse(x)
    assert np.abs(np.exp(frames[20:100].max(axis=1)) - 0.5).max() < 0.2


def test_wrong_frames_are_refused_together() -> None:
    with pytest.raises(SettingsError, match=r"(?s)frame_size.*coefficients"):
        frame_kind("mfcc", 33, RATE, bands=20, coefficients=30)
    with pytest.raises(SettingsError, match="frames = 'wavelet'"):
        frame_kind("wavelet", 32, RATE)


def test_help_knows_the_same_kinds() -> None:
    assert sorted(frame_settings.FRAME_KINDS) == sorted(FRAME_KINDS)
