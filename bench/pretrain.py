"""Makes of a run of `wavewright train upsample` a model that comes with the package, and measures it for its card.

    python bench/pretrain.py NAME RUN [--audio ../shared/audio] [--seconds 60] [--threads 1]

NAME is one of `wavewright.jobs.upsample.pretrained.NAMES`. The weights are written in half precision; what is measured
is what was written. Measured are the sounds that the run held out and speech/valid, which no run was given, at most
`--seconds` of each speaker, each degraded in several ways; beside them what needs no network.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch is loaded

import torch

from wavewright import atomic
from wavewright.audio import files
from wavewright.audio.degradation import KINDS, Degradation
from wavewright.audio.resample import resample
from wavewright.jobs.upsample import pretrained
from wavewright.jobs.upsample.judge import Figures, ways_of
from wavewright.jobs.upsample.upsampling import Upsampler, open_upsampler
from wavewright.train import model_file
from wavewright.train.run import RunFolder

WAYS = ("model", "spline", "resampler", "ideal low-pass")

CARD = """# {name}

{purpose}.

    wavewright render {name} call.wav -o clear.wav

- **From, to**: what a recording keeps at {low_rate} Hz (up to {low_half} Hz) to {rate} Hz. What the file holds already
  stays its own; the network writes above it alone.
- **Network**: `{network}`, {weights:,} weights in half precision, {megabytes:.1f} MB.
- **Learned from**: {hours:.2f} hours of read speech by {speakers},
  all of it CC0 (datasets voice-NAME of the project Rhasspy). A recording of a lower rate teaches as far up as it goes.
- **Licence**: that of this package; the recordings are CC0.

The command, where `speech/train` and `voices` are those recordings:

    {command}

It took {minutes:.0f} minutes on one core of a processor, with arithmetic in {precision}; its best weights
are those after {steps:,} steps.

## Measured

By `python bench/pretrain.py {name} RUN --seconds {seconds:g}`, on what the training never heard: SNR in dB
(higher is better) and LSD10 (lower is better), the mean over files. Degraded with the zero-phase Chebyshev filter of
`scipy.signal.decimate`:

{table}

Degraded in other ways, all speakers together, the model beside the resampler:

{ways}

## Limits

- Read speech by {count} voices, close to the microphone. Other voices, rooms and microphones were imitated in training
  (speed, tone, reverberation, hiss), not recorded; how it does on them was not measured here.
- Not music: it has heard none.
- What it writes is likely, not true: consonants that the recording does not hold apart it does not know either. Do not
  use it to find out what somebody said.
- LSD rewards a full spectrum; beside the recording itself the upper band sounds smoother and a little noisier.
"""


def main() -> None:
    """Write the model, measure it, write its card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=pretrained.NAMES)
    parser.add_argument("run", type=Path)
    parser.add_argument("--audio", type=Path, default=Path("../shared/audio"))
    parser.add_argument("--seconds", type=float, default=60.0, help="of each speaker")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--command", help="what made the run, for the card; put together from its settings where absent"
    )
    told = parser.parse_args()
    torch.set_num_threads(told.threads)
    run = RunFolder.open(told.run)
    folder = pretrained.FOLDER / told.name
    write(run, folder)
    opened = open_upsampler(folder)
    speakers = heard(run, told.audio, told.seconds)
    text = card(told.name, told.command or command_of(run), run, opened, speakers, told.seconds)
    atomic.write_text(folder / pretrained.CARD, text)
    print((folder / pretrained.CARD).read_text(encoding="utf-8"))


def write(run: RunFolder, folder: Path) -> None:
    """Weights in half precision, and of run.json what is needed to use them."""
    folder.mkdir(parents=True, exist_ok=True)
    saved = model_file.load(run.model)
    weights = {name: value.half() if value.is_floating_point() else value for name, value in saved.weights.items()}
    model_file.save(folder / "model.safetensors", weights, run.info, saved.step, saved.figures)
    facts = {**run.info, "data": [], "extra": {"low_rate": run.info["extra"]["low_rate"]}}
    atomic.write_text(folder / "run.json", json.dumps(facts, indent=2) + "\n")


def heard(run: RunFolder, audio: Path, seconds: float) -> dict[str, list[Path]]:
    """Of each speaker the files that training never heard, up to so many seconds; without a full band none."""
    held_out = [Path(name) for name in run.info["extra"]["held_out"]]
    by_speaker: dict[str, list[Path]] = {"kathleen": sorted((audio / "speech" / "valid").glob("*.flac"))}
    for path in held_out:
        by_speaker.setdefault("kathleen" if path.parent.name == "train" else path.parent.name, []).append(path)
    chosen: dict[str, list[Path]] = {}
    for speaker, paths in by_speaker.items():
        room = seconds
        for path in paths:
            info = files.info(path)
            if info.rate >= int(run.rate or 0) and room > 0:
                chosen.setdefault(speaker, []).append(path)
                room -= info.seconds
    return chosen


def measured(opened: Upsampler, paths: Sequence[Path], kind: str) -> dict[str, Figures]:
    """The mean figures of each way over files."""
    each = []
    for path in paths:
        full = resample(files.read(path), opened.rate).samples.mean(axis=0)
        each.append(ways_of(opened, np.ascontiguousarray(full), Degradation(kind))[0])
    return {
        way: Figures(
            float(np.mean([one[way].snr for one in each])),
            float(np.nanmean([one[way].snr_patches for one in each])),
            float(np.mean([one[way].lsd for one in each])),
        )
        for way in WAYS
    }


def card(
    name: str, command: str, run: RunFolder, opened: Upsampler, speakers: dict[str, list[Path]], seconds: float
) -> str:
    """The text of the card."""
    saved = model_file.load(run.model)
    rows = ["| speaker | files | " + " | ".join(WAYS) + " |", "|---" * (2 + len(WAYS)) + "|"]
    for speaker, paths in speakers.items():
        figures = measured(opened, paths, "chebyshev")
        cells = [f"{figures[way].snr:.2f} / {figures[way].lsd10:.2f}" for way in WAYS]
        rows.append(f"| {speaker} | {len(paths)} | " + " | ".join(cells) + " |")
    some = [path for paths in speakers.values() for path in paths[:4]]
    ways = ["| degraded by | model | resampler |", "|---|---|---|"]
    for kind in KINDS:
        figures = measured(opened, some, kind)
        cells = [f"{figures[way].snr:.2f} / {figures[way].lsd10:.2f}" for way in ("model", "resampler")]
        ways.append(f"| {kind} | {cells[0]} | {cells[1]} |")
    settings = run.settings["train"]
    trained = json.loads(run.log.read_text(encoding="utf-8").splitlines()[-1])["seconds"]
    learned = {Path(one["path"]).parent.name for one in run.info["data"]}
    names = sorted("kathleen" if one == "train" else one for one in learned)
    size = (pretrained.FOLDER / name / "model.safetensors").stat().st_size / 1e6
    return CARD.format(
        name=name,
        purpose=pretrained.NAMES[name][0].upper() + pretrained.NAMES[name][1:],
        low_rate=opened.low_rate,
        low_half=opened.low_rate // 2,
        rate=opened.rate,
        network=saved.kind,
        weights=sum(value.numel() for value in saved.weights.values()),
        megabytes=size,
        hours=sum(files.info(Path(one["path"])).seconds for one in run.info["data"]) / 3600,
        speakers=", ".join(names),
        command=command,
        minutes=trained / 60,
        seconds=seconds,
        steps=saved.step,
        precision=settings["precision"],
        table="\n".join(rows),
        ways="\n".join(ways),
        count=len(names),
    )


def command_of(run: RunFolder) -> str:
    """The command line of the run, as its settings tell it."""
    told, train = run.settings, run.settings["train"]
    sources = ["/".join(Path(source).parts[-2:]) for source in run.info["extra"]["sources"]]
    sources = [source if source.startswith(("speech", "voices")) else Path(source).name for source in sources]
    words = ["wavewright train upsample", *sources, f"-o {run.path.name}", f"--rate {run.rate}"]
    words += [f"--factor {told['factor']}", f"--aim {told['aim']}", f"--vary {told['vary']:g}"]
    words += [f"--held-out {told['held_out']:g}", f"--size {told['size']}"]
    words += ["--allow-upsampled"] if told["allow_upsampled"] else []
    words += [f"--start-from {Path(told['start_from']).name}"] if told.get("start_from") else []
    words += [f"--minutes {train['minutes']:g}", f"--learning-rate {train['learning_rate']:g}"]
    words += [f"--precision {train['precision']}", f"--threads {train['threads']}"]
    return " ".join(words)


if __name__ == "__main__":
    main()
