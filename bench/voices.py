"""Vowels and words, cut out of recordings of speech by level and voicing alone: corpora for `frames.py`.

- **vowels**: one take, as if somebody sang vowels at one pitch. Loud, voiced stretches that hardly change are found,
  sorted into `VOWELS` kinds by their spectra (k-means), brought to one pitch and one length, and laid on end: each kind
  once, then again, the clearest of each first.
- **words**: stretches from silence to silence, each a file.

The same recordings give the same files, always.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wavewright.audio import files
from wavewright.audio.recording import FloatArray, Recording
from wavewright.audio.resample import resample
from wavewright.audio.stretch import stretch, transpose
from wavewright.data.residual_kmeans import encoded, residual_codebooks
from wavewright.metrics.logmel import hop_of, log_mel

VOWELS, ROUNDS = 5, 12
"""Kinds of vowels, and how often each is sung."""
STEADY, NOTE, FADE = 0.12, 0.4, 0.02
"""Seconds of speech that a note is made of, of a note, and over which it fades into the next."""
LOWEST, HIGHEST = 90.0, 330.0
"""Hz that a voice may have."""
WORDS = 200
SHORTEST_WORD, LONGEST_WORD = 0.25, 1.0
"""Seconds."""

_LOUD_DB, _QUIET_DB = -10.0, -24.0  # about the loudest tenth of a recording
_GAP = 0.06  # seconds of quiet that part two words
_VOICED = 0.8  # correlation from one period to the next
_NEAR = 0.18  # octaves from the usual pitch that a vowel may lie
_LEVEL = 0.1  # RMS of a note


@dataclass(frozen=True)
class Vowel:
    """A stretch ``(time,)``, its pitch in Hz, its levels in mel bands ``(bands,)``, and how much they waver, in dB."""

    sound: FloatArray
    pitch: float
    levels: FloatArray
    wavering: float


def write_vowels(speech: Path, out: Path, rate: int) -> Path:
    """A take of vowels, `ROUNDS` times each kind, from the recordings in ``speech``; one that is there is left."""
    if out.is_file():
        return out
    found = [one for sound in _sounds(speech, rate) for one in vowels_in(sound, rate)]
    pitch = float(np.median([one.pitch for one in found]))
    found = [one for one in found if abs(np.log2(one.pitch / pitch)) < _NEAR]
    levels = np.stack([one.levels for one in found])
    centres = residual_codebooks(levels, codebooks=1, tokens=VOWELS)
    kinds = encoded(centres, levels)[:, 0]
    apart = np.linalg.norm(levels - centres[0][kinds], axis=1) / np.sqrt(levels.shape[1])
    clearest = np.argsort(apart + [one.wavering for one in found], kind="stable")
    notes = [[_note(found[at], pitch, rate) for at in clearest if kinds[at] == kind][:ROUNDS] for kind in range(VOWELS)]
    take = _joined([note for one_round in zip(*notes, strict=True) for note in one_round], round(FADE * rate))
    out.parent.mkdir(parents=True, exist_ok=True)
    files.write(out, Recording(take[np.newaxis], rate), subtype="PCM_16", force=True)
    return out


def write_words(speech: Path, folder: Path, rate: int) -> Path:
    """`WORDS` stretches from silence to silence, from all over the recordings in ``speech``; those there are left."""
    folder.mkdir(parents=True, exist_ok=True)
    if len(list(folder.iterdir())) == WORDS:
        return folder
    found = [word for sound in _sounds(speech, rate) for word in words_in(sound, rate)]
    for number, at in enumerate(np.linspace(0, len(found) - 1, WORDS).round().astype(int)):
        files.write(folder / f"word_{number:03}.wav", Recording(found[at][np.newaxis], rate), "PCM_16", force=True)
    return folder


def vowels_in(sound: FloatArray, rate: int) -> Iterator[Vowel]:
    """Of each loud and voiced stretch of a sound ``(time,)`` the part that changes least."""
    hop = hop_of(rate)
    pitches = _pitches(sound, rate)  # (frames,)
    levels = log_mel(sound, rate, floor_db=-80.0).T[: len(pitches)]  # (frames, bands)
    levels = levels - levels.mean(axis=1, keepdims=True)
    loud = _loudness(sound, rate)[: len(pitches)] > _LOUD_DB
    leaps = np.abs(np.diff(np.log2(np.nan_to_num(pitches, nan=1.0)), prepend=0.0)) > 0.1
    size = round(STEADY * rate / hop)
    for low, high in _runs(loud & np.isfinite(pitches) & ~leaps):
        places = range(low, high - size + 1)
        if places:
            wavering = [float(levels[at : at + size].std(axis=0).mean()) for at in places]
            at = places[int(np.argmin(wavering))]
            part = slice(at, at + size)
            heard = sound[at * hop : (at + size) * hop]
            yield Vowel(heard, float(np.median(pitches[part])), levels[part].mean(axis=0), min(wavering))


def words_in(sound: FloatArray, rate: int) -> Iterator[FloatArray]:
    """What lies between silences, where it is neither very short nor very long."""
    hop = hop_of(rate)
    quiet = _loudness(sound, rate) < _QUIET_DB
    silent = np.zeros_like(quiet)
    for low, high in _runs(quiet):
        silent[low:high] = (high - low) * hop >= _GAP * rate
    for low, high in _runs(~silent):
        word = sound[max(0, low - 1) * hop : (high + 1) * hop]
        if low > 0 and high < len(quiet) and SHORTEST_WORD <= word.size / rate <= LONGEST_WORD:
            yield word * _faded(word.size, hop)


def _sounds(speech: Path, rate: int) -> Iterator[FloatArray]:
    for path in sorted(speech.glob("*.flac")):
        yield np.ascontiguousarray(resample(files.read(path), rate).samples.mean(axis=0))


def _loudness(sound: FloatArray, rate: int) -> NDArray[np.float64]:
    """dB of each ten milliseconds about the loudest tenth of them."""
    parts = sound[: sound.size // hop_of(rate) * hop_of(rate)].reshape(-1, hop_of(rate)).astype(np.float64)
    levels = 10 * np.log10(np.square(parts).mean(axis=1) + 1e-12)
    return np.asarray(levels - np.quantile(levels, 0.9))


def _pitches(sound: FloatArray, rate: int) -> NDArray[np.float64]:
    """Hz every ten milliseconds, by autocorrelation over 40; NaN where nothing repeats."""
    size, hop = round(0.04 * rate), hop_of(rate)
    count = max(0, (sound.size - size) // hop + 1)
    frames = np.stack([sound[at * hop : at * hop + size] for at in range(count)]).astype(np.float64)
    power = np.abs(np.fft.rfft(frames - frames.mean(axis=1, keepdims=True), 2 * size, axis=1)) ** 2
    product = np.fft.irfft(power, axis=1)[:, :size] / np.arange(size, 0, -1)  # (frames, lags)
    shortest, longest = int(rate / HIGHEST), int(rate / LOWEST)
    lags = product[:, shortest:longest].argmax(axis=1) + shortest
    share = product[np.arange(count), lags] / np.maximum(product[:, 0], 1e-12)
    return np.where(share > _VOICED, rate / lags, np.nan)


def _note(vowel: Vowel, pitch: float, rate: int) -> FloatArray:
    """A vowel at ``pitch``, `NOTE` seconds long."""
    tuned = transpose(vowel.sound, rate, 12 * float(np.log2(pitch / vowel.pitch)))
    note = stretch(tuned, rate, NOTE * rate / tuned.size)
    return np.asarray(note * (_LEVEL / np.sqrt(np.mean(np.square(note)))), np.float32)


def _joined(notes: list[FloatArray], fade: int) -> FloatArray:
    """On end, each fading into the next over ``fade`` samples."""
    whole = np.zeros(sum(note.size - fade for note in notes) + fade, np.float32)
    at = 0
    for note in notes:
        whole[at : at + note.size] += note * _faded(note.size, fade)
        at += note.size - fade
    return whole


def _faded(size: int, fade: int) -> FloatArray:
    edge = (np.arange(fade) + 0.5) / fade
    return np.asarray(np.concatenate([edge, np.ones(size - 2 * fade), edge[::-1]]), np.float32)


def _runs(there: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and behind the last of all that are true on end."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], there.astype(int), [0]])))
    return [(int(low), int(high)) for low, high in edges.reshape(-1, 2)]
