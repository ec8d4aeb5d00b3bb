"""Generate on built-in sounds: a small drum and string kit is learned, and a dozen new sounds come out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from wavewright.audio import files
from wavewright.audio.instruments import hat, kick_808, plucked_string, snare
from wavewright.audio.recording import FloatArray, Recording
from wavewright.jobs.generate import drawing
from wavewright.jobs.generate import report as generate_report
from wavewright.jobs.generate import training as generate
from wavewright.jobs.generate.generator import open_generator
from wavewright.jobs.generate.settings import GenerateSettings, SampleSettings
from wavewright.train.progress import Reporter
from wavewright.train.run import refuse_place
from wavewright.train.settings import with_budget

RATE = 16_000
EACH = 40
"""Sounds of each kind."""
NEW = 12


@dataclass(frozen=True)
class GenerateDemo:
    """What the demo leaves behind."""

    folder: Path
    run: Path
    bits: float
    sounds: tuple[Path, ...]
    page: Path


def kit(seed: int = 0) -> dict[str, list[FloatArray]]:
    """Kicks, snares, hats and plucked strings ``(time,)`` at `RATE`, no two alike, each dying away to silence."""
    dice = np.random.default_rng(seed)

    def between(low: float, high: float) -> float:
        return float(low * (high / low) ** dice.random())

    def one(kind: str, number: int) -> FloatArray:
        level = between(0.5, 0.9)
        if kind == "kick":
            return kick_808(0.6, RATE, level, hz=between(42, 62), ring_seconds=between(0.35, 0.6), seed=number)
        if kind == "snare":
            return snare(0.45, RATE, level, seed=number)
        if kind == "hat":
            return hat(0.3, RATE, 0.6 * level, ring_seconds=between(0.06, 0.25), seed=number)
        return plucked_string(between(82, 330), 0.7, RATE, level, ring_seconds=between(0.5, 0.9), seed=number)

    return {kind: [one(kind, number) for number in range(EACH)] for kind in ("kick", "snare", "hat", "string")}


def generate_demo(
    folder: Path, say: Callable[[str], None], reporter: Reporter, *, minutes: float = 2.0, force: bool = False
) -> GenerateDemo:
    """Make the kit, learn it, draw new sounds, write the page.

    Raises:
        OutputError, RunError: ``folder`` holds something already (without ``force``) or cannot be written.
    """
    run, corpus, new = folder / "run", folder / "sounds", folder / "new"
    refuse_place(folder, force=force)
    say(f"1/4  {EACH} kicks, snares, hats and plucked strings each: {corpus}")
    for kind, sounds in kit().items():
        (corpus / kind).mkdir(parents=True, exist_ok=True)
        for number, sound in enumerate(sounds):
            path = corpus / kind / f"{kind}_{number:02d}.wav"
            files.write(path, Recording(sound[np.newaxis], RATE), subtype="PCM_16", force=force)

    say(f"2/4  training for {minutes:g} minutes: {run}")
    plain = GenerateSettings(classes="folder", onset=True)
    settings = replace(plain, train=with_budget(plain.train, minutes=minutes))
    outcome = generate.learn(generate.begin([corpus], run, settings, reporter, force=force), settings, reporter)

    say(f"3/4  {NEW} new sounds: {new}")
    opened = open_generator(run)
    new.mkdir(exist_ok=True)
    done = drawing.sample(opened, SampleSettings(count=NEW), new, force=force, tell=lambda line: say(f"     {line}"))
    for written in done.written:
        say(f"     {written.path.name}: {written.drawn.label}, {written.drawn.bits:.2f} bits a sample")

    page = generate_report.write(run)
    say(f"4/4  the page, with players, spectrograms and the nearest sound that was learned: {page}")
    return GenerateDemo(
        folder, run, float(outcome.best or np.nan), tuple(written.path for written in done.written), page
    )
