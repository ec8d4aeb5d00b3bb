"""Upsample on built-in sounds: short tunes for a horn and drums lose their upper band, and get it back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from wavewright.audio import files
from wavewright.audio.degradation import Degradation, lowered
from wavewright.audio.instruments import horn, kick_808, snare
from wavewright.audio.recording import FloatArray, Recording
from wavewright.jobs.upsample import report as upsample_report
from wavewright.jobs.upsample import training as upsample
from wavewright.jobs.upsample import upsampling
from wavewright.jobs.upsample.settings import UpsampleSettings
from wavewright.train.progress import Reporter
from wavewright.train.run import refuse_place
from wavewright.train.settings import with_budget

RATE, FACTOR = 16_000, 4
TUNES = 40
STEPS = 16
"""Eighths in a tune."""
SCALE = (0, 3, 5, 7, 10, 12, 15)
"""Semitones above the tune's lowest note."""
LONG = (1, 1, 2, 2, 3)
"""Eighths that a note may last."""
HISS = 3e-4
"""−70 dBFS under each tune, as under any recording: between notes and partials there is never nothing."""

AIM, DEGRADE = "perceptual", "chebyshev"
"""Of the job, where they are not its own: two minutes suffice for one way of losing the band, the page's own."""


@dataclass(frozen=True)
class UpsampleDemo:
    """What the demo leaves behind, and how near the restored band comes to the lost one."""

    folder: Path
    run: Path
    old: Path
    new: Path
    snr: float
    lsd10: float
    page: Path


def tune(number: int) -> FloatArray:
    """A tune ``(time,)`` at `RATE`: a horn in a key and a tempo of its own over drums; the same each time.

    Its highs are told by what is below: partials by partials, a snare's wires by its head.

    >>> tune(3).shape[0] > 2 * RATE, bool((tune(3) == tune(3)).all())
    (True, True)
    """
    dice = np.random.default_rng([0x7E5, number])
    step = round(RATE * float(dice.uniform(0.16, 0.24)))
    x = np.zeros(STEPS * step + RATE // 2, np.float32)
    lowest = 110.0 * 2 ** (int(dice.integers(12)) / 12)

    def put(sound: FloatArray, at: int) -> None:
        x[at : at + len(sound)] += sound[: len(x) - at]

    place = 0
    while place < STEPS:
        seed, eighths = int(dice.integers(1 << 30)), int(dice.choice(LONG))
        hz = lowest * 2 ** (SCALE[int(dice.integers(len(SCALE)))] / 12)
        level, brightness = float(dice.uniform(0.25, 0.5)), float(dice.uniform(0.3, 1.0))
        put(horn(hz, 0.95 * eighths * step / RATE, RATE, level, brightness=brightness, seed=seed), place * step)
        place += eighths
    for place in range(0, STEPS, 4):
        seed = int(dice.integers(1 << 30))
        drum = snare(0.2, RATE, 0.12, seed=seed) if place % 8 else kick_808(0.3, RATE, 0.4, ring_seconds=0.2, seed=seed)
        put(drum, place * step)
    hiss = HISS * dice.standard_normal(len(x))
    return np.asarray(x * (0.8 / np.abs(x).max()) + hiss, np.float32)


def upsample_demo(
    folder: Path, say: Callable[[str], None], reporter: Reporter, *, minutes: float = 2.0, force: bool = False
) -> UpsampleDemo:
    """Make the tunes, learn their upper band, restore one that has lost it, write the page.

    Raises:
        OutputError, RunError: ``folder`` holds something already (without ``force``) or cannot be written.
    """
    run, corpus, old, new = folder / "run", folder / "tunes", folder / "old.wav", folder / "restored.wav"
    plain = UpsampleSettings(factor=f"{FACTOR}", aim=AIM, degrade=DEGRADE)
    settings = replace(plain, train=with_budget(plain.train, minutes=minutes))
    refuse_place(folder, force=force)
    say(f"1/4  {TUNES} tunes for a horn and drums at {RATE} Hz: {corpus}")
    corpus.mkdir(parents=True, exist_ok=True)
    for number in range(TUNES):
        sound = Recording(tune(number)[np.newaxis], RATE)
        files.write(corpus / f"tune_{number:02d}.wav", sound, subtype="PCM_16", force=force)

    say(f"2/4  training for {minutes:g} minutes, from {RATE // FACTOR} Hz to {RATE} Hz: {run}")
    outcome = upsample.learn(upsample.begin([corpus], run, settings, reporter, force=force), settings, reporter)

    low = lowered(tune(TUNES), RATE, RATE // FACTOR, Degradation())  # one more tune, which nobody has heard
    files.write(old, Recording(low[np.newaxis], RATE // FACTOR), force=force)
    say(f"3/4  a tune that it never heard, at {RATE // FACTOR} Hz: {old}; its band put back: {new}")
    upsampling.render(upsampling.open_upsampler(run), [old], new, force=force)

    page = upsample_report.write(run, title="Tunes for a horn and drums")
    say(f"4/4  the page, with the band lost, put back and as it was: {page}")
    figures = outcome.figures
    return UpsampleDemo(folder, run, old, new, figures.get("snr", np.nan), figures.get("lsd10", np.nan), page)
