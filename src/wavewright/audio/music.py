"""Built-in music to play through a device: a guitarist who tries everything, and a drum loop. Seeded, of any length."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from wavewright.audio.instruments import hat, kick_808, plucked_string, snare
from wavewright.audio.recording import FloatArray
from wavewright.audio.signals import length

TUNING = (40, 45, 50, 55, 59, 64)  # the open strings of a guitar, E2 to E4, in MIDI numbers
CHORDS = {  # the fret on each string; None is not played
    "Em": (0, 2, 2, 0, 0, 0),
    "G": (3, 2, 0, 0, 0, 3),
    "C": (None, 3, 2, 0, 1, 0),
    "D": (None, None, 0, 2, 3, 2),
    "Am": (None, 0, 2, 2, 1, 0),
    "Bm": (None, 2, 4, 4, 3, 2),
    "E5": (0, 2, 2, None, None, None),
    "G5": (3, 5, 5, None, None, None),
    "A5": (None, 0, 2, 2, None, None),
}
PENTATONIC = (0, 3, 5, 7, 10)  # E minor


@dataclass(frozen=True)
class Note:
    """One pluck: when and for how long (in beats), which pitch (MIDI), how loud (0 to 1), how."""

    beat: float
    beats: float
    pitch: int
    loudness: float
    softness: float = 0.3
    muted: bool = False


Bar = Callable[[np.random.Generator], Iterator[Note]]


def riff(
    seconds: float, rate: int, level: float = 0.7, *, beats_per_minute: float = 104.0, seed: int = 0
) -> FloatArray:
    """A clean electric guitar and bass: chords, arpeggios, palm mutes, single notes, a bass line, and rests.

    Each bar takes the next style from a shuffled bag, so that every one comes once in seven bars, and a loudness
    between −24 dB and 0 dB of the loudest. Shape ``(time,)``, peak ``level``.

    Example:
        >>> riff(2.0, 16_000).shape
        (32000,)

    Raises:
        ValueError: no time, or no rate.
    """
    rng = np.random.default_rng(seed)
    frames, beat_seconds = length(seconds, rate), 60 / beats_per_minute
    out = np.zeros(frames, np.float32)
    bag: list[Bar] = []
    for bar in range(int(np.ceil(seconds / (4 * beat_seconds)))):
        bag = bag or [STYLES[i] for i in rng.permutation(len(STYLES))]
        gain = 10 ** (rng.uniform(-24, 0) / 20)
        for note in bag.pop()(rng):
            start = round((4 * bar + note.beat) * beat_seconds * rate)
            sound = _played(note, beat_seconds, rate, int(rng.integers(2**31)))[: max(0, frames - start)]
            out[start : start + len(sound)] += np.float32(gain) * sound
    return _peaking(out, level)


def drum_loop(
    seconds: float, rate: int, level: float = 0.8, *, beats_per_minute: float = 96.0, seed: int = 0
) -> FloatArray:
    """Kick, snare and hats in sixteenths over bars that vary; shape ``(time,)``, peak ``level``.

    Raises:
        ValueError: no time, or no rate.
    """
    rng = np.random.default_rng(seed)
    frames, step_seconds = length(seconds, rate), 15 / beats_per_minute
    drums = (kick_808(0.9, rate, 1.0, seed=seed), snare(0.3, rate, 0.8, seed=seed), hat(0.12, rate, 0.35, seed=seed))
    out = np.zeros(frames, np.float32)
    for step in range(int(np.ceil(seconds / step_seconds))):
        start, place = round(step * step_seconds * rate), step % 16
        chances = (
            1.0 if place in (0, 10) else 0.12 * (place % 2 == 0),
            1.0 if place in (4, 12) else 0.08,
            0.95 if place % 2 == 0 else 0.35,
        )
        for drum, chance in zip(drums, chances, strict=True):
            if rng.random() < chance:
                accent = np.float32(rng.uniform(0.75, 1.0) if chance > 0.5 else rng.uniform(0.15, 0.5))
                sound = drum[: max(0, frames - start)]
                out[start : start + len(sound)] += accent * sound
    return _peaking(out, level)


def _strummed(rng: np.random.Generator) -> Iterator[Note]:
    """One chord, struck two to four times, the strings a few milliseconds apart; upstrokes from above."""
    pitches = _pitches(rng, ("Em", "G", "C", "D", "Am", "Bm"))
    strokes = int(rng.choice([2, 4]))
    softness = rng.uniform(0.1, 0.6)
    for stroke in range(strokes):
        ordered = pitches if stroke % 2 == 0 else pitches[::-1]
        spread = rng.uniform(0.015, 0.05)
        for i, pitch in enumerate(ordered):
            beat = stroke * 4 / strokes + i * spread
            yield Note(beat, 4 / strokes - i * spread, pitch, rng.uniform(0.5, 0.8), softness)


def _arpeggio(rng: np.random.Generator) -> Iterator[Note]:
    """The strings of one chord, one after the other in eighths, ringing into each other."""
    pitches = _pitches(rng, ("Em", "G", "C", "D", "Am"))
    order = [*pitches, *pitches[-2:0:-1]]
    for eighth in range(8):
        yield Note(eighth / 2, 4 - eighth / 2, order[eighth % len(order)], rng.uniform(0.4, 0.8), rng.uniform(0.2, 0.6))


def _palm_muted(rng: np.random.Generator) -> Iterator[Note]:
    """Low fifths in eighths with the palm on the bridge, and accents that are let ring."""
    pitches = _pitches(rng, ("E5", "G5", "A5"))
    for eighth in range(8):
        accent = rng.random() < 0.25
        for pitch in pitches if accent else pitches[:2]:
            yield Note(eighth / 2, 0.5, pitch, 0.9 if accent else 0.6, 0.1, muted=not accent)


def _line(rng: np.random.Generator) -> Iterator[Note]:
    """Single notes that wander up and down the minor pentatonic scale, from E2 to the highest frets."""
    place, beat = int(rng.integers(0, 16)), 0.0
    while beat < 4:
        beats = float(rng.choice([0.25, 0.5, 0.5, 1.0]))
        place = int(np.clip(place + rng.integers(-3, 4), 0, 19))
        pitch = TUNING[0] + 12 * (place // 5) + PENTATONIC[place % 5]
        yield Note(beat, min(beats, 4 - beat), pitch, rng.uniform(0.5, 1.0), rng.uniform(0.0, 0.4))
        beat += beats


def _bass(rng: np.random.Generator) -> Iterator[Note]:
    """A bass guitar played with the fingers, an octave below."""
    root = int(rng.choice([28, 31, 33, 36]))
    for eighth in (0, 3, 4, 6):
        pitch = root + int(rng.choice([0, 0, 7, 12]))
        yield Note(eighth / 2, 0.9, pitch, rng.uniform(0.6, 1.0), rng.uniform(0.6, 0.85))


def _held(rng: np.random.Generator) -> Iterator[Note]:
    """One or two high notes that ring for the whole bar."""
    root = int(rng.choice([64, 67, 71, 76]))
    for pitch in (root, root + int(rng.choice([5, 7, 12])))[: int(rng.integers(1, 3))]:
        yield Note(0.0, 4.0, pitch, 0.8, rng.uniform(0.0, 0.3))


def _rest(rng: np.random.Generator) -> Iterator[Note]:
    """One choked note, then silence: a device's own noise and the end of its ringing are heard here."""
    yield Note(0.0, 0.5, int(rng.choice([40, 52, 64])), rng.uniform(0.3, 1.0), 0.2)


STYLES: tuple[Bar, ...] = (_strummed, _arpeggio, _palm_muted, _line, _bass, _held, _rest)


def _pitches(rng: np.random.Generator, names: tuple[str, ...]) -> list[int]:
    frets = CHORDS[names[int(rng.integers(len(names)))]]
    return [open_string + fret for open_string, fret in zip(TUNING, frets, strict=True) if fret is not None]


def _played(note: Note, beat_seconds: float, rate: int, seed: int) -> FloatArray:
    hz = 440 * 2 ** ((note.pitch - 69) / 12)
    while hz > rate / 8:  # the string model's limit; an octave lower at telephone rates
        hz /= 2
    seconds = max(0.05, note.beats * beat_seconds)
    ring = 6.0 * (110 / hz) ** 0.5  # thin, short strings ring for less time
    sound = plucked_string(
        hz, seconds, rate, note.loudness, ring_seconds=ring, softness=note.softness, muted=note.muted, seed=seed
    )
    fade = min(len(sound), round(0.02 * rate))  # the finger that stops the string
    sound[len(sound) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    return sound


def _peaking(x: FloatArray, level: float) -> FloatArray:
    peak = float(np.abs(x).max())
    return x * np.float32(level / peak) if peak else x
