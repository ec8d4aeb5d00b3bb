"""A trained generator, opened from its run: what sampling, judging and the report begin with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from wavewright.data.controls import Controls
from wavewright.data.encoding import Encoding
from wavewright.data.frames import Cutting
from wavewright.errors import ModelFileError, RunError
from wavewright.jobs.frames.material import FrameMaterial, character_of, cutting_of
from wavewright.jobs.generate.settings import JOB, GenerateSettings
from wavewright.jobs.material import Material, controls_of, kept_material
from wavewright.jobs.trained import trained_network
from wavewright.metrics.faults import Reference
from wavewright.metrics.tails import tail_of
from wavewright.nets import registry
from wavewright.nets.frame_generator import FrameGenerator
from wavewright.nets.generator import Generator
from wavewright.settings import from_mapping
from wavewright.train import model_file
from wavewright.train.run import RunFolder

REFERENCE_SOUNDS = 64
"""How many of the sounds learned say what is ordinary."""


@dataclass(frozen=True)
class OpenRun:
    """A run of the job, whatever its network."""

    run: RunFolder
    settings: GenerateSettings
    controls: Controls

    @property
    def rate(self) -> int:
        """Sample rate in Hz."""
        return int(self.run.rate or 0)

    @property
    def name(self) -> str:
        """The run folder's name."""
        return self.run.path.resolve().name

    def median_seconds(self, label: str | None = None) -> float:
        """Half of the sounds learned are shorter; of the classes that have all parts of ``label``, if it is given."""
        known = self.run.fact("class_seconds", dict) if "class_seconds" in self.run.info["extra"] else {}
        lengths = [known[name] for name in self.controls.matching(label) if label is not None and name in known]
        return float(np.median(lengths)) if lengths else self.run.fact("median_seconds", float)

    @cached_property
    def reference(self) -> Reference:
        """What is ordinary in the sounds learned: what new ones are held against."""
        learned = self.material.learned
        some = learned[:: max(1, len(learned) // REFERENCE_SOUNDS)]
        return Reference.of([np.array(self.material.sound(sound)) for sound in some], self.rate)

    @cached_property
    def material(self) -> Material:
        """The sounds it was trained on, and those held out."""
        return kept_material(self.run, self.settings)


@dataclass(frozen=True)
class OpenGenerator(OpenRun):
    """A network that goes sample by sample ready to draw, and how its codes become sound."""

    network: Generator
    encoding: Encoding


@dataclass(frozen=True)
class OpenFrames(OpenRun):
    """A network that goes frame by frame ready to draw, and how its frames become sound."""

    network: FrameGenerator

    @property
    def facts(self) -> dict[str, Any]:
        """What belongs to the network and is no weight."""
        return self.run.fact("frames", dict[str, Any])

    @cached_property
    def fades(self) -> bool:
        """Whether no sound learned is louder again at its end: then new ones shall not be either."""
        learned = self.material.learned
        some = learned[:: max(1, len(learned) // REFERENCE_SOUNDS)]
        return not any(tail_of(np.array(self.material.sound(sound))).rises for sound in some)

    @cached_property
    def cutting(self) -> Cutting:
        """How sound is cut into frames."""
        return cutting_of(self.network, self.settings.frame, self.rate, self.facts)

    @cached_property
    def measured(self) -> FrameMaterial:
        """The sounds it was trained on and those held out, as the network hears them."""
        character, classes = character_of(self.network, self.facts), self.material.corpus.labels
        placed = character is not None and character.seconds is None
        return FrameMaterial(
            self.material, self.settings.frame, self.cutting, character, classes, self.settings.onset, placed
        )


def open_generator(path: Path) -> OpenGenerator | OpenFrames:
    """The generator in a run folder.

    Raises:
        RunError, ModelFileError: there is none, or it is damaged.
    """
    run = RunFolder.open(path)
    if run.job != JOB:
        raise RunError(f"run {path} belongs to the job {run.job}, not {JOB}; name a run of train generate")
    network = trained_network(run)
    settings = from_mapping(GenerateSettings, run.settings)
    controls = controls_of(settings, int(run.rate or 0), run.fact("classes", lambda names: [str(one) for one in names]))
    if isinstance(network, FrameGenerator):
        return OpenFrames(run, settings, controls, network)
    if not isinstance(network, Generator):
        raise ModelFileError(f"{run.model} holds a network that continues no sound; train again")
    return OpenGenerator(run, settings, controls, network, run.fact("encoding", _encoding))


def _encoding(told: Any) -> Encoding:
    return from_mapping(Encoding, dict(told))


def _described(opened: OpenGenerator | OpenFrames) -> dict[str, Any]:
    """How sound becomes codes or frames."""
    if isinstance(opened, OpenFrames):
        frame = opened.settings.frame
        return {"frames": frame.frames, "frame_size": frame.frame_size, "numbers": opened.cutting.numbers}
    return {"quantization": opened.encoding.quantization, "pre_emphasis": opened.encoding.pre_emphasis}


def _left_out(rows: Sequence[Mapping[str, Any]]) -> str | None:
    return f"{len(rows)} files; the first: {rows[0]['why']}" if rows else None


def describe(path: Path) -> dict[str, Any]:
    """What `wavewright info` tells of a run."""
    opened = open_generator(path)
    saved = model_file.load(opened.run.model)
    left_out = opened.run.fact("skipped", _left_out) if "skipped" in opened.run.info["extra"] else None
    kind, _ = registry.config_of(opened.network)
    return {
        "name": opened.name,
        "job": JOB,
        "network": kind,
        "weights": sum(parameter.numel() for parameter in opened.network.parameters()),
        "receptive_field": opened.network.receptive_field,
        "rate": opened.rate,
        **_described(opened),
        "classes": "; ".join(", ".join(values) for values in opened.controls.parts) or None,
        "step": saved.step,
        **saved.figures,
        "trained_on": opened.run.fact("sources", ", ".join),
        "left_out": left_out,
    }
