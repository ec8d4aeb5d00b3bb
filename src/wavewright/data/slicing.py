"""A corpus of loops cut from onset to onset: their hits, as one-shots."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from wavewright.audio.onsets import slices
from wavewright.data.corpus import Corpus, Sound
from wavewright.errors import DataError

QUIETEST = 1e-4
"""Peak of a slice, below which it is silence before the first onset and left out."""


def sliced(corpus: Corpus) -> Corpus:
    """The same store, each sound in slices from one onset to the next, named by their number behind the file's name.

    Slices that are the same to the sample, as in loops put together from copies, count as copies of one file.

    Raises:
        DataError: in none of the sounds does anything begin twice.
    """
    found = [one for sound in corpus.sounds for one in _slices(corpus, sound)]
    if len(found) <= len(corpus.sounds):
        raise DataError(
            f"nothing begins twice in any of the {len(corpus.sounds)} sounds, so there is nothing to slice; "
            "learn them as they are"
        )
    return replace(corpus, sounds=tuple(found))


def _slices(corpus: Corpus, sound: Sound) -> list[Sound]:
    audio = corpus.track[0, sound.start : sound.start + sound.length]
    found: list[Sound] = []
    for low, high in slices(audio, corpus.rate):
        part = np.ascontiguousarray(audio[low:high])
        if float(np.abs(part).max(initial=0.0)) < QUIETEST:
            continue
        name = f"{sound.path.stem}#{len(found) + 1:03}{sound.path.suffix}"
        digest = hashlib.sha256(part.tobytes()).hexdigest()
        found.append(Sound(sound.path.with_name(name), sound.label, sound.start + low, high - low, digest))
    return found
