"""The whole way on built-in sounds, so that nobody needs a recording to see what comes out at the end.

A training signal goes through a circuit (a tone stack and a diode clipper, solved sample by sample), arrives late and
with some noise as a real recording would, and the twin is trained on that pair alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from wavewright.audio import files
from wavewright.audio.circuit import ToneStackClipper
from wavewright.audio.music import riff
from wavewright.audio.recording import FloatArray, Recording
from wavewright.data.signal_settings import SignalSettings
from wavewright.data.training_signal import compose
from wavewright.formats.nam_metadata import NamMetadata
from wavewright.jobs.emulate import training as emulate
from wavewright.jobs.emulate import twin, twin_report
from wavewright.jobs.emulate.settings import EmulateSettings
from wavewright.train.progress import Reporter
from wavewright.train.run import refuse_place
from wavewright.train.settings import with_budget

RATE = 48_000
LATE = 137
"""Samples by which the demo's "recording" comes late, for the alignment to find."""
NOISE_DBFS = -90.0
SIGNAL_SECONDS = 60.0
UNHEARD_SECONDS = 8.0
UNHEARD_SEED = 1_000


@dataclass(frozen=True)
class Demo:
    """What the demo leaves behind, and how good it is."""

    folder: Path
    run: Path
    esr: float
    unheard_esr: float
    model: Path
    page: Path


def record(dry: FloatArray, rate: int, seed: int = 0) -> FloatArray:
    """What an interface would record of ``dry`` ``(time,)`` behind the circuit: late, noisy, with a tail."""
    through = ToneStackClipper()(dry, rate)
    noise = np.random.default_rng(seed).standard_normal(len(dry) + LATE + rate // 4)
    wet = 10 ** (NOISE_DBFS / 20) * noise.astype(np.float32)
    wet[LATE : LATE + len(dry)] += through
    return wet.astype(np.float32)


def emulate_demo(
    folder: Path, say: Callable[[str], None], reporter: Reporter, *, minutes: float = 2.0, force: bool = False
) -> Demo:
    """Build a pair, check it, train on it, play what the twin never heard, export, report.

    Raises:
        OutputError, RunError: ``folder`` holds something already (without ``force``) or cannot be written.
    """
    run = folder / "run"
    refuse_place(folder, force=force)
    folder.mkdir(parents=True, exist_ok=True)
    dry, wet = folder / "dry.wav", folder / "wet.wav"

    say(f"1/6  a training signal through the circuit (tone stack, diode clipper): {dry}, {wet}")
    signal = compose(SignalSettings(seconds=SIGNAL_SECONDS, rate=RATE))
    files.write(dry, signal, subtype="PCM_24", force=force)
    files.write(wet, Recording(record(signal.samples[0], RATE)[np.newaxis], RATE), subtype="PCM_24", force=force)

    say("2/6  do the two belong together?")
    for line in emulate.check(dry, wet).lines():
        say(f"     {line}")

    say(f"3/6  training for {minutes:g} minutes: {run}")
    plain = EmulateSettings()
    settings = replace(plain, train=with_budget(plain.train, minutes=minutes))
    outcome = emulate.train(dry, wet, run, settings, reporter, force=force)

    say("4/6  a riff that the network never heard, through the circuit and through the twin")
    unheard = riff(UNHEARD_SECONDS, RATE, seed=UNHEARD_SEED)
    device = ToneStackClipper()(unheard, RATE)
    named = {name: folder / f"unheard-{name}.wav" for name in ("dry", "device", "twin")}
    files.write(named["dry"], Recording(unheard[np.newaxis], RATE), force=force)
    files.write(named["device"], Recording(device[np.newaxis], RATE), force=force)
    opened = twin.open_twin(run)
    (played,) = twin.render(opened, [named["dry"]], named["twin"], force=force, tell=lambda line: say(f"     {line}"))
    judged = twin.evaluate(opened, named["dry"], named["device"])
    say(f"     ESR {judged.figures['esr']:.4f}, rendered at {played.times_real_time:.0f}x real time: {named['twin']}")

    model = folder / "circuit.nam"
    say(f"5/6  the same twin for every player of .nam files: {model}")
    twin.export_nam(opened, model, NamMetadata(name="Wavewright demo circuit", gear_type="pedal"), force=force)

    page = twin_report.write(run, title="Demo circuit", device=lambda x: ToneStackClipper()(x, RATE))
    say(f"6/6  the page, with players and plots: {page}")
    return Demo(folder, run, float(outcome.best or np.nan), judged.figures["esr"], model, page)
