"""Frame by frame on built-in sounds: 250 kicks, or a drum loop, are learned, and new ones come out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from wavewright.audio import files
from wavewright.audio.instruments import kick_808
from wavewright.audio.music import drum_loop
from wavewright.audio.recording import Recording
from wavewright.jobs.generate import drawing
from wavewright.jobs.generate import report as generate_report
from wavewright.jobs.generate import training as generate
from wavewright.jobs.generate.generator import open_generator
from wavewright.jobs.generate.settings import GenerateSettings, SampleSettings, settings_for
from wavewright.train.progress import Reporter
from wavewright.train.run import refuse_place
from wavewright.train.settings import with_budget

RATE = 16_000
KICKS = 250
NEW_KICKS, NEW_BREAKS = 16, 4
BREAK_SECONDS, BREAK_TEMPO, BREAKS = 10.0, 96.0, 8


@dataclass(frozen=True)
class FrameDemo:
    """What the demo leaves behind; ``cost`` in nats a number of a frame, on held-out sounds."""

    folder: Path
    run: Path
    cost: float
    sounds: tuple[Path, ...]
    page: Path


def write_kicks(folder: Path, count: int = KICKS, seed: int = 0) -> Path:
    """808-like kicks of varied tune, decay and loudness, each cut where it has faded by 60 dB; gives the folder.

    Another ``seed`` makes other kicks of the same kind, their clicks too.
    """
    dice = np.random.default_rng(seed)

    def between(low: float, high: float) -> float:
        return float(low * (high / low) ** dice.random())

    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        ring, hz, level = between(0.25, 0.9), between(40, 70), between(0.5, 0.9)
        sound = kick_808(ring, RATE, level, hz=hz, ring_seconds=ring, seed=number + KICKS * seed)
        recording = Recording(sound[np.newaxis], RATE)
        files.write(folder / f"kick_{number:03d}.wav", recording, subtype="PCM_16", force=True)
    return folder


def write_breaks(folder: Path) -> Path:
    """The built-in drum loop, played `BREAKS` times with other fills; gives the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(BREAKS):
        loop = drum_loop(BREAK_SECONDS, RATE, beats_per_minute=BREAK_TEMPO, seed=number)
        files.write(folder / f"break_{number}.wav", Recording(loop[np.newaxis], RATE), subtype="PCM_16", force=True)
    return folder


def kicks_settings() -> GenerateSettings:
    """One-shots: each has a character, an age and an end."""
    return settings_for("frame-mixture")


def break_settings() -> GenerateSettings:
    """Loops: no end, no character, no age; the place in the bar instead."""
    plain = settings_for("frame-mixture", loops=True)
    return replace(plain, onset=False, frame=replace(plain.frame, beats_per_minute=BREAK_TEMPO))


def kicks_demo(
    folder: Path, say: Callable[[str], None], reporter: Reporter, *, minutes: float = 2.0, force: bool = False
) -> FrameDemo:
    """Make the kicks, learn them, draw sixteen new ones, write the page.

    Raises:
        OutputError, RunError: ``folder`` holds something already (without ``force``) or cannot be written.
    """
    refuse_place(folder, force=force)
    say(f"1/4  {KICKS} kicks of varied tune and decay: {folder / 'sounds'}")
    write_kicks(folder / "sounds")
    return _shown(
        folder,
        kicks_settings(),
        SampleSettings(count=NEW_KICKS),
        say,
        reporter,
        minutes,
        force,
    )


def break_demo(
    folder: Path, say: Callable[[str], None], reporter: Reporter, *, minutes: float = 2.0, force: bool = False
) -> FrameDemo:
    """Make the drum loop, learn it with its beat, draw new breaks of four bars, write the page.

    Raises:
        OutputError, RunError: as `kicks_demo`.
    """
    refuse_place(folder, force=force)
    say(f"1/4  a drum loop, {BREAKS} times with other fills: {folder / 'sounds'}")
    write_breaks(folder / "sounds")
    asked = SampleSettings(count=NEW_BREAKS, seconds=16 * 60 / BREAK_TEMPO)
    return _shown(folder, break_settings(), asked, say, reporter, minutes, force)


def _shown(
    folder: Path,
    plain: GenerateSettings,
    asked: SampleSettings,
    say: Callable[[str], None],
    reporter: Reporter,
    minutes: float,
    force: bool,
) -> FrameDemo:
    """The rest of the way, from the sounds to the page."""
    run, new = folder / "run", folder / "new"
    say(f"2/4  training for {minutes:g} minutes: {run}")
    settings = replace(plain, train=with_budget(plain.train, minutes=minutes))
    begun = generate.begin([folder / "sounds"], run, settings, reporter, force=force)
    outcome = generate.learn(begun, settings, reporter)

    say(f"3/4  {asked.count} new sounds: {new}")
    new.mkdir(exist_ok=True)
    done = drawing.sample(open_generator(run), asked, new, force=force, tell=lambda line: say(f"     {line}"))
    for written in done.written:
        say(f"     {written.path.name}: {written.seconds:.2f} s")

    page = generate_report.write(run)
    say(f"4/4  the page, with players, spectrograms and the nearest sound that was learned: {page}")
    cost = float(outcome.best) if outcome.best is not None else float("nan")
    return FrameDemo(folder, run, cost, tuple(written.path for written in done.written), page)
