"""Encoding against plain loops, as its own inverse, block by block, and at the edge of full scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.audio.companding import QUANTIZERS, quantizer
from wavewright.audio.recording import FloatArray
from wavewright.data import encoding as encodings
from wavewright.data.encoding import Decoder, Encoding, peak
from wavewright.errors import DataError, SettingsError
from wavewright.settings import from_mapping, to_mapping

ENCODINGS = st.builds(
    Encoding,
    st.sampled_from(QUANTIZERS),
    st.sampled_from([0.0, 0.5, 0.85, 0.97]),
    st.sampled_from([0.51, 0.9, 1.0, 3.0]),
)


@dataclass(frozen=True)
class Part:
    start: int
    length: int


def noise(*shape: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).uniform(-0.3, 0.3, shape).astype(np.float32)


def test_it_is_the_recursion_it_claims_to_be() -> None:
    x, encoding, q = noise(300), Encoding("mu-law", 0.85, 0.6), quantizer("mu-law")
    before, wanted = 0.0, []
    for value in x.tolist():
        wanted.append(int(q.encode(np.array(0.6 * (value - 0.85 * before), np.float32))))
        before = value
    codes, _ = encoding.encode(x)
    np.testing.assert_array_equal(codes, wanted)
    total, back = 0.0, []
    for code in wanted:
        total = float(q.decode(np.array(code))) / 0.6 + 0.85 * total
        back.append(total)
    np.testing.assert_allclose(encoding.decode(codes)[0], back, atol=2e-6)


@given(encoding=ENCODINGS, seed=st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_every_sequence_of_codes_comes_back(encoding: Encoding, seed: int) -> None:
    """Also where the sound that codes stand for lies far beyond full scale."""
    codes = np.random.default_rng(seed).integers(0, encoding.quantizer.levels, (2, 500))
    codes[1, 100:] = encoding.quantizer.silence
    x, _ = encoding.decode(codes)
    back, _ = encoding.encode(x)
    if encoding.quantization == "16-bit" and encoding.pre_emphasis > 0.9:
        assert np.abs(back.astype(int) - codes).max() <= 1  # a step is what float32 rounds off at 1 / (1 - 0.97)
    else:
        np.testing.assert_array_equal(back, codes)


@given(encoding=ENCODINGS, cuts=st.lists(st.integers(0, 300), max_size=5), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_blocks_equal_the_whole(encoding: Encoding, cuts: list[int], seed: int) -> None:
    x = noise(2, 300, seed=seed)
    state: Any = None
    pieces = []
    for block in np.split(x, sorted(cuts), axis=1):
        codes, state = encoding.encode(block, state)
        pieces.append(codes)
    whole, _ = encoding.encode(x)
    np.testing.assert_array_equal(np.concatenate(pieces, axis=1), whole)
    decoder = Decoder(encoding, 2)
    out = np.concatenate([decoder(block) for block in np.split(whole, sorted(cuts), axis=1)], axis=1)
    np.testing.assert_array_equal(out, np.clip(encoding.decode(whole)[0], -1, 1))
    decoder.reset()
    np.testing.assert_array_equal(decoder(whole), out)


@given(
    quantization=st.sampled_from(QUANTIZERS),
    coefficient=st.sampled_from([0.0, 0.85, 0.97]),
    loud=st.floats(0.0625, 4),
    normalise=st.booleans(),
    seed=st.integers(0, 99),
)
@settings(deadline=None, max_examples=40)
def test_a_fitted_gain_keeps_the_corpus_within_full_scale(
    quantization: str, coefficient: float, loud: float, normalise: bool, seed: int
) -> None:
    x = noise(1, 400, seed=seed) * np.float32(loud)
    sounds = [Part(0, 150), Part(150, 250)]
    highest = peak(x, sounds, coefficient)
    encoding = Encoding.fitted(highest, quantization, coefficient, normalise=normalise)
    parts = [encoding.emphasised(x[:, part.start : part.start + part.length])[0] for part in sounds]
    reached = max(float(np.abs(y).max()) for y in parts)
    assert reached <= 1
    assert np.isclose(reached, highest * encoding.gain, rtol=1e-6)
    assert all(encoding.beyond(x[:, part.start : part.start + part.length]) == 0 for part in sounds)
    assert encoding.gain <= 1 or normalise
    assert encoding.gain == 1 or reached > 0.99999


def test_the_peak_is_the_same_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    x = noise(1, 5000)
    whole = peak(x, [Part(7, 4990)], 0.9)
    monkeypatch.setattr(encodings, "BLOCK", 64)
    assert peak(x, [Part(7, 4990)], 0.9) == whole
    assert peak(x, [Part(7, 4990)]) == float(np.abs(x[0, 7:4997]).max())


def test_beyond_full_scale_is_counted_and_held_never_wrapped() -> None:
    encoding = Encoding("16-bit", 0.9, 0.5)
    x = np.array([0.0, 1.9, -2.5, 0.2], np.float32)
    assert encoding.beyond(x) == 2  # −2.5 − 0.9 · 1.9 and 0.2 + 0.9 · 2.5, halved
    assert encoding.encode(x)[0].tolist()[2:] == [0, 65_535]
    decoder = Decoder(Encoding(pre_emphasis=0.9), 2)
    out = decoder(np.array([[255] * 5, [128] * 5]))
    assert (out[0] == 1).all()
    assert (np.abs(out[1]) < 1e-3).all()
    assert decoder.beyond.tolist() == [4, 0]
    assert (decoder(np.array([[0] * 30, [128] * 30]))[0, -5:] == -1).all()


def test_a_decoder_goes_on_behind_other_sound() -> None:
    """A prompt's own samples, not their codes, are what the continuation follows."""
    encoding, x = Encoding("mu-law", 0.9), noise(400)
    codes, _ = encoding.encode(x)
    whole, _ = encoding.decode(codes)
    going_on = Decoder(encoding, after=x[199:200])(codes[200:])
    error = (x[199] - whole[199]) * 0.9 ** np.arange(1, 201)
    np.testing.assert_allclose(going_on, whole[200:] + error, atol=1e-6)
    one = Decoder(encoding)
    np.testing.assert_array_equal(one(codes[np.newaxis])[0], np.clip(whole, -1, 1))
    two = Decoder(encoding, 2, after=x[[199, 0]])
    np.testing.assert_array_equal(two(np.stack([codes[200:], codes[1:201]]))[0], going_on)


def test_settings_come_back_and_nonsense_is_refused() -> None:
    encoding = Encoding("linear", 0.85, 0.7)
    assert from_mapping(Encoding, to_mapping(encoding)) == encoding
    with pytest.raises(SettingsError) as caught:
        Encoding("mulaw", 1.0, 0.0)
    assert len(caught.value.problems) == 3
    with pytest.raises(DataError, match="peak of nan"):
        Encoding.fitted(float("nan"))
    with pytest.raises(DataError, match=r"peak of 0.0: .* above 0 to be normalised"):
        Encoding.fitted(0.0, normalise=True)
