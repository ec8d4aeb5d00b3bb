"""How good a generator is: what held-out sounds cost it, beside the floors; how its new sounds compare with them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from wavewright.data.controls import BETWEEN
from wavewright.data.corpus import Corpus, Labels, Sound
from wavewright.data.slicing import sliced
from wavewright.engine import sampler
from wavewright.errors import DataError
from wavewright.jobs.frames import judge as frame_judge
from wavewright.jobs.frames import sampling as frame_sampling
from wavewright.jobs.frames.judge import FramePrediction
from wavewright.jobs.generate import sampling
from wavewright.jobs.generate import training as generate
from wavewright.jobs.generate.generator import OpenFrames, OpenGenerator
from wavewright.jobs.generate.sample_request import request
from wavewright.jobs.generate.sampling import Drawn
from wavewright.jobs.generate.settings import SampleSettings, class_parts
from wavewright.jobs.material import Material
from wavewright.metrics.floors import TEXTBOOK, floors
from wavewright.metrics.judgement import MEANING, Judge, Judgement
from wavewright.metrics.memorisation import Nearest

INT8_SECONDS = 10.0
"""How much held-out sound the cost of int8 weights is measured on."""


class _Codes(Sequence[NDArray[Any]]):
    """The codes of sounds, each encoded when it is asked for: an hour of them is never held."""

    def __init__(self, material: Material, sounds: Sequence[Sound]) -> None:
        self._material, self._sounds = material, sounds

    def __len__(self) -> int:
        return len(self._sounds)

    @overload
    def __getitem__(self, index: int) -> NDArray[Any]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[NDArray[Any]]: ...
    def __getitem__(self, index: int | slice) -> NDArray[Any] | Sequence[NDArray[Any]]:
        if isinstance(index, slice):
            return _Codes(self._material, self._sounds[index])
        return self._material.encoding.encode(self._material.sound(self._sounds[index]))[0]


@dataclass(frozen=True)
class Beside:
    """What sounds cost those who have learned next to nothing, in bits a sample."""

    lpc: float
    """A linear predictor that adapts as quickly as serves it best."""
    textbook_lpc: float
    """The same as textbooks start it, and other people quote it."""
    unigram: float
    """How often each code occurs."""


def beside(learned: Material, judged: Material, sounds: Sequence[Sound]) -> Beside:
    """The floors of ``sounds`` of one material, fitted to what is learned of another: `wavewright.metrics.floors`."""
    quantizer = learned.encoding.quantizer
    training, held_out = _Codes(learned, learned.learned), _Codes(judged, sounds)
    best, textbook = (floors(training, held_out, quantizer, settings) for settings in (None, TEXTBOOK))
    return Beside(best.lpc, textbook.lpc, best.unigram)


@dataclass(frozen=True)
class Prediction:
    """What held-out sounds cost, in bits a sample."""

    score: generate.Score
    beside: Beside
    int8_bits: float | None
    """What int8 weights add, on the first held-out seconds; None where no compiled sampler serves the network."""
    sounds: int
    seconds: float


def predict(opened: OpenGenerator | OpenFrames, folder: Path | None = None) -> Prediction | FramePrediction:
    """Bits a sample on the run's own held-out sounds, or on all sounds in ``folder``, beside the floors.

    Raises:
        AudioFileError, DataError: ``folder`` holds nothing that can be judged.
    """
    with _judged(opened, folder) as (material, sounds):
        if isinstance(opened, OpenFrames):
            return frame_judge.predict(opened, material, sounds)
        score = generate.judge(opened.network, material.excerpts(sounds))
        return Prediction(
            score,
            beside(opened.material, material, sounds),
            int8_cost(opened, material, sounds),
            len(sounds),
            sum(sound.length for sound in sounds) / opened.rate,
        )


@contextmanager
def _judged(opened: OpenGenerator | OpenFrames, folder: Path | None) -> Iterator[tuple[Material, Sequence[Sound]]]:
    """The material and the sounds to judge: those held out, or others, laid down for the moment."""
    if folder is None:
        yield opened.material, opened.material.held_out
        return
    settings = opened.settings
    with tempfile.TemporaryDirectory() as place:
        labels = Labels(settings.classes, class_parts(settings.class_part))
        corpus = Corpus.create(Path(place) / "judged", [folder], rate=opened.rate, labels=labels)
        corpus = sliced(corpus) if settings.sliced else corpus
        known = opened.controls.parts
        told = [set(values) for values in zip(*(label.split(BETWEEN) for label in corpus.labels), strict=True)]
        unknown = {name for names, values in zip(told, known, strict=False) for name in names - set(values)}
        if known and unknown:
            raise DataError(
                f"sounds in {folder} have classes that the network does not know: {', '.join(sorted(unknown))}; "
                f"it knows {', '.join(name for values in known for name in values)}"
            )
        yield replace(opened.material, corpus=corpus), corpus.sounds


def int8_cost(opened: OpenGenerator, material: Material, sounds: Sequence[Sound]) -> float | None:
    """Bits a sample that int8 weights cost more than float32 ones, both in the compiled sampler."""
    budget, more, samples = INT8_SECONDS * opened.rate, 0.0, 0
    for sound in sounds:
        if samples >= budget:
            break
        codes, _ = material.encoding.encode(np.array(material.sound(sound)[: int(budget)]))
        controls = material.controls
        envelope = controls.envelope_of(material.sound(sound)) if controls.envelope else None
        told = controls.signal(len(codes), label=sound.label, envelope=envelope, length=sound.length)[np.newaxis]
        exact, short = (
            sampler.bits(opened.network, codes[np.newaxis], told if controls.count else None, weights=weights)
            for weights in ("float32", "int8")
        )
        more, samples = more + (short - exact) * len(codes), samples + len(codes)
    return more / samples


@dataclass(frozen=True)
class Outputs:
    """New sounds, and how they compare with the corpus."""

    drawn: tuple[Drawn, ...]
    judgement: Judgement
    settings: SampleSettings

    @property
    def nearest(self) -> tuple[Nearest, ...]:
        """Of each new sound, the training excerpt most like it."""
        return self.judgement.nearest

    @property
    def held_out_nearest(self) -> tuple[Nearest, ...]:
        """The same of held-out sounds: what is ordinary without copying."""
        return self.judgement.held_out_nearest

    @property
    def faults(self) -> dict[str, float]:
        """The share of the sounds that have each fault."""
        named = sorted({fault for drawn in self.drawn for fault in drawn.faults})
        return {name: sum(name in drawn.faults for drawn in self.drawn) / len(self.drawn) for name in named}


def listen(
    opened: OpenGenerator | OpenFrames,
    count: int = 16,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    seconds: float | None = None,
) -> Outputs:
    """Draw ``count`` sounds, none of them drawn again, and hold them against those learned and those held out.

    ``seconds`` is the length of each; where None, the median length of the sounds learned.
    """
    material = opened.material
    followed = material.held_out[0].path if opened.controls.envelope else None
    settings = SampleSettings(seconds=seconds, count=count, seed=seed, redraw=0, envelope=followed)
    length, drawn = _drawn(opened, settings, progress)
    learned, held_out = ([material.sound(sound) for sound in part] for part in (material.learned, material.held_out))
    made = [one.sound for one in drawn]
    judge = Judge(learned, held_out, opened.rate, length, count, seed=seed)
    return Outputs(tuple(drawn), judge.judge(made), settings)


def _drawn(
    opened: OpenGenerator | OpenFrames, settings: SampleSettings, progress: Callable[[int, int], None] | None
) -> tuple[int, list[Drawn]]:
    """New sounds, and how many samples they have: about, where the network says when a sound is over."""
    if isinstance(opened, OpenFrames):
        asked = frame_sampling.request(opened, settings)
        count = sampling.Count(progress, asked.samples * len(asked.labels))
        drawn = frame_sampling.best(opened, asked, count)
        return int(np.median([len(one.sound) for one in drawn])), drawn
    wanted = request(opened, settings)
    return wanted.frames, sampling.best(opened, wanted, sampling.Count(progress, wanted.frames * settings.count))


# ── figures with their meaning, for tables ────────────────────────────────────────────────────────────────────────


def figures_of_prediction(predicted: Prediction | FramePrediction) -> dict[str, tuple[float, str]]:
    """Name → value and what it says."""
    if isinstance(predicted, FramePrediction):
        return predicted.figures
    found = {
        "bits": (predicted.score.bits, "a sample, on average; lower is better"),
        "lpc_floor": (predicted.beside.lpc, "bits of a linear predictor that adapts along each sound"),
        "lpc_textbook": (predicted.beside.textbook_lpc, "the same, slower to adapt: as other people quote it"),
        "unigram": (predicted.beside.unigram, "bits of how often each code occurs"),
    }
    if predicted.score.accuracy is not None:
        found["accuracy"] = (predicted.score.accuracy, "share of samples whose likeliest code was right")
    if predicted.int8_bits is not None:
        found["int8_cost"] = (predicted.int8_bits, "bits more with int8 weights")
    return found


def figures_of_outputs(outputs: Outputs) -> dict[str, tuple[float, str]]:
    """Name → value and what it says; ``_real``, ``_gaussian`` and ``_grains`` stand beside it."""
    beside = {"real": "real sounds", "gaussian": "a Gaussian of the corpus", "grains": "shuffled grains of it"}
    found = {}
    for name, value in outputs.judgement.to_dict().items():
        of, _, whom = name.rpartition("_")
        found[name] = (value, f"the same of {beside[whom]}" if of and whom in beside else MEANING[name])
    return found | {f"share_{name}": (share, f"of the new sounds are {name}") for name, share in outputs.faults.items()}
