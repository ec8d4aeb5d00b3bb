"""Windows over sounds end to end: every sample once an epoch, behind what really lies before it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.audio.companding import quantizer
from wavewright.data.controls import Controls
from wavewright.data.corpus import Sound
from wavewright.data.encoding import Encoding
from wavewright.data.excerpts import Excerpts
from wavewright.data.packing import Packed

LENGTHS = [100, 1, 333, 64, 7, 200]
STARTS = np.cumsum([10, *LENGTHS])[:-1].tolist()
SOUNDS = [
    Sound(Path(f"{number}.wav"), "odd" if number % 2 else "even", start, length)
    for number, (start, length) in enumerate(zip(STARTS, LENGTHS, strict=True))
]
RAMP = quantizer("16-bit").decode(np.arange(1, 1001))[np.newaxis]  # the code of each sample says where it was read
TOLD = Encoding("16-bit")
SILENCE = TOLD.quantizer.silence
CONTROLS = Controls(8000, ("even", "odd"))
HEARD = Excerpts(RAMP, SOUNDS, TOLD, CONTROLS)

packings = st.builds(
    lambda batch, length, context, gap, seed: Packed(HEARD, batch, length, context, gap, seed),
    st.integers(1, 4),
    st.integers(1, 150),
    st.integers(0, 130),
    st.integers(0, 90),
    st.integers(0, 5),
)


@given(packings)
@settings(deadline=None, max_examples=25)
def test_an_epoch_has_every_sample_once(packed: Packed) -> None:
    found: Counter[int] = Counter()
    for number in range(packed.count):
        _, codes, counts = packed._window(3, number)
        found.update(codes[counts].tolist())
    assert found == Counter(place + 1 for sound in SOUNDS for place in range(sound.start, sound.start + sound.length))


@given(packings, st.integers(0, 20))
@settings(deadline=None, max_examples=40)
def test_what_is_heard_is_the_sample_before_and_the_class_of_its_sound(packed: Packed, step: int) -> None:
    x, codes, counts = packed.batch(step)
    assert x.shape == (packed.batch_size, 3, packed.context + packed.length)
    assert codes.shape == counts.shape == (packed.batch_size, packed.length)
    heard = torch.round((x[:, 0] + 1) * (65535 / 2)).long()[:, packed.context :]
    for row, at in counts.nonzero().tolist():
        code = int(codes[row, at])
        sound = next(sound for sound in SOUNDS if sound.start < code <= sound.start + sound.length)
        begins = code == sound.start + 1
        assert heard[row, at] == (SILENCE if begins else code - 1)
        assert x[row, 1:, packed.context + at].tolist() == [sound.label == "even", sound.label == "odd"]


@given(packings, st.integers(0, 20))
@settings(deadline=None, max_examples=40)
def test_in_front_of_a_sound_lies_its_silence_and_before_that_another_sound(packed: Packed, step: int) -> None:
    x, codes, counts = packed.batch(step)
    heard = torch.round((x[:, 0] + 1) * (65535 / 2)).long()
    firsts = {sound.start + 1 for sound in SOUNDS}
    ends = {sound.start + sound.length for sound in SOUNDS}
    for row, at in counts.nonzero().tolist():
        if int(codes[row, at]) in firsts:
            # the last sample of a sound is predicted, but the next sound begins before it would be heard
            before = heard[row, : packed.context + at + 1].flip(0)
            assert (before[: packed.gap + 1] == SILENCE).all()
            if len(before) > packed.gap + 2:
                beyond = int(before[packed.gap + 1])
                assert beyond == SILENCE or beyond + 1 in ends


def test_a_batch_follows_from_seed_and_step_and_processes_share_it() -> None:
    one, same = Packed(HEARD, 4, 50, 20, 8, seed=1), Packed(HEARD, 4, 50, 20, 8, seed=1)
    shared = Packed(HEARD, 2, 50, 20, 8, seed=1)
    for step in (0, 3, 40):
        whole = one.batch(step)
        assert all(torch.equal(a, b) for a, b in zip(whole, same.batch(step), strict=True))
        halves = [shared.batch(step, rank, world=2) for rank in (0, 1)]
        for part, pieces in zip(whole, zip(*halves, strict=True), strict=True):
            assert torch.equal(part, torch.cat(pieces))
    assert not torch.equal(one.batch(0).codes, Packed(HEARD, 4, 50, 20, 8, seed=2).batch(0).codes)
    assert not torch.equal(one._window(0, 0).codes, one._window(1, 0).codes)


def test_hardly_anything_is_computed_in_vain() -> None:
    """At most the silence in front of the sounds, and less than two windows at the ends of an epoch."""
    packed, alone = Packed(HEARD, 1, 64, 20, gap=4), HEARD.windows(1, 64, 20)
    assert packed.count * 64 < sum(LENGTHS) + 4 * len(LENGTHS) + 2 * 64
    assert packed.share > 1.15 * alone.share


def test_sizes_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="gap=-1"):
        Packed(HEARD, 1, 10, 0, gap=-1)
