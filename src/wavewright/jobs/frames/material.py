"""What a network that goes frame by frame learns from: how the corpus is cut into frames, scaled, told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from wavewright.audio.recording import FloatArray
from wavewright.data.character import BANDS, Character
from wavewright.data.character import FRAMES as MOMENTS
from wavewright.data.corpus import Sound
from wavewright.data.frame_chance import MOST_KEPT, MOST_SOUNDS, Chance
from wavewright.data.frame_controls import Beat, FrameControls
from wavewright.data.frame_gain import Gain
from wavewright.data.frame_kinds import FrameKind, frame_kind
from wavewright.data.frame_scaling import NOISE_BANDS, Scaling
from wavewright.data.frames import Cutting, Frames, count_of, cut
from wavewright.data.new_characters import Learned
from wavewright.data.residual_kmeans import residual_codebooks
from wavewright.engine.frame_sampler import one_thread
from wavewright.errors import DataError
from wavewright.jobs.frames.drawing import FrameDrawing
from wavewright.jobs.frames.settings import FrameSettings
from wavewright.jobs.frames.versions import Version, Versions
from wavewright.jobs.generate.settings import GenerateSettings
from wavewright.jobs.material import Material
from wavewright.nets import registry
from wavewright.nets.frame_distributions import GaussianMixture
from wavewright.nets.frame_generator import FrameGenerator
from wavewright.nets.frame_mixture import FrameMixture
from wavewright.nets.frame_tokens import ResidualCodes

MOST_FITTED = 60_000
"""Frames from all over the corpus that means, deviations, axes and codebooks are taken from."""

BLOCK = 512
"""Frames on end that are looked at where a corpus has more than that."""

SCALES = ("mean", "deviation", "axes", "widths", "levels", "lost")
"""What a network keeps of a `Scaling`, by name."""

LONGER = 1.25
"""Times a prompt that a sound which begins with it lasts at least."""

TOGETHER = 16
"""Sounds side by side of which is told what a network misses."""

MOST_CHARACTERS = 20_000
"""Sounds, or beats of loops, whose character is kept."""


@dataclass(frozen=True)
class FrameMaterial:
    """A corpus ready for learning frame by frame."""

    material: Material
    settings: FrameSettings
    cutting: Cutting
    character: Character | None
    classes: tuple[str, ...]
    aged: bool
    """Whether a sound's age is told."""
    placed: bool
    """Whether its length is told, and how far through itself it is."""

    @property
    def rate(self) -> int:
        """Hz."""
        return self.material.corpus.rate

    @cached_property
    def versions(self) -> Versions:
        """The sounds learned and their versions."""
        return Versions(self.material, self.settings, self.cutting.kind.hop)

    @cached_property
    def beat(self) -> Beat | None:
        """Where in the bar new sounds begin and how fast they go, where that is told: as the first one learned.

        Raises:
            DataError: it is shorter than a beat, or nothing in it tells a tempo.
        """
        return self.versions.beat_of(self.material.learned[0])

    def controls_of(self, version: Version, characters: FloatArray | None = None) -> FrameControls:
        """What the network is told of a sound, whose ``characters`` ``(pieces, numbers)`` may be known."""
        found = np.zeros(0, np.float32)
        if self.character is not None:
            each = characters
            if each is None:
                each = np.stack([self.character.numbers_of(one, self.rate) for one in self.versions.pieces(version)])
            found = each[0] if version.beat is None else each
        age = self.cutting.kind.hop / self.rate if self.aged else None
        length = len(version.sound) / self.cutting.kind.hop if self.placed else None
        return FrameControls.of(version.source.label, self.classes, found, age, version.beat, length)

    def frames(self, sounds: Sequence[Sound], material: Material | None = None) -> Frames:
        """Some of the sounds, or some of another ``material``, cut into frames; in silence up to the longest where no
        ending is learned.

        Raises:
            DataError: a loop whose beat cannot be told.
        """
        heard = material or self.material
        return self.cut([Version(heard.sound(one), one, self.versions.beat_of(one, heard)) for one in sounds])

    def cut(self, versions: Sequence[Version], controls: Sequence[FrameControls] | None = None) -> Frames:
        """The same of versions, of which the network is told ``controls``, where these are known."""
        padded = 0
        if not self.settings.ending:
            padded = count_of(self.cutting.kind, max(sound.length for sound in self.material.learned))
        return Frames(
            [one.sound for one in versions],
            self.cutting,
            controls or [self.controls_of(one) for one in versions],
            padded,
        )

    @cached_property
    def known(self) -> list[Version]:
        """The versions whose characters are kept."""
        every = self.versions.all
        rows = sum(len(self.versions.places(one)) for one in every)
        return _evenly(every, max(1, len(every) * MOST_CHARACTERS // max(rows, MOST_CHARACTERS)))

    def learned(self, characters: FloatArray) -> Learned:
        """Whose the ``characters`` ``(rows, numbers)`` are that a network keeps."""
        homes = {source: number for number, source in enumerate(self.material.learned)}
        rows = [
            (homes[one.source], number, place)
            for number, one in enumerate(self.known)
            for place in self.versions.places(one)
        ]
        found = np.array(rows[: len(characters)] or np.zeros((0, 3)), np.int64)
        labels = tuple(source.label for source in self.material.learned)
        return Learned(characters, found[:, 0], found[:, 1], found[:, 2], labels)

    def character_begun(self, sound: FloatArray, network: FrameGenerator) -> FloatArray | None:
        """The character ``(numbers,)`` of a sound that begins with this one ``(time,)``; None where none is told.

        Where lengths are told it is as long as the learned sound most like it, and longer than the beginning.
        """
        if (
            self.character is None or self.beat is not None
        ):  # of loops it is beats that have one, and new ones are drawn
            return None
        numbers = self.character.numbers_of(sound, self.rate)
        if self.placed:
            learned = np.asarray(network.characters.numpy(), np.float32)
            nearest = learned[np.square(learned[:, :-1] - numbers[:-1]).sum(axis=1).argmin()]
            numbers[-1] = max(float(nearest[-1]), float(numbers[-1]) + np.log2(LONGER))
        return numbers

    def drawing(self, network: FrameGenerator, **asked: Any) -> FrameDrawing:
        """What drawing from ``network`` needs; the beat is that of the first sound."""
        age = self.cutting.kind.hop / self.rate if self.aged else None
        return FrameDrawing(
            network,
            self.cutting,
            self.rate,
            self.classes,
            self.learned(np.asarray(network.characters.numpy(), np.float32)),
            age,
            self.beat,
            ends=self.settings.ending,
            character=self.character if self.placed else None,
            chance=self.chance(network),
            **asked,
        )

    @torch.no_grad()
    def chance(self, network: FrameGenerator) -> Chance | None:
        """What ``network`` missed of the sounds learned, for new ones to be missed alike; None where it hears what was
        drawn."""
        distribution = network.distribution
        if self.settings.feedback or not isinstance(distribution, GaussianMixture):
            return None
        device = next(network.parameters()).device
        versions = _evenly(self.versions.all, MOST_SOUNDS)
        kin = len(versions) / len({version.source for version in versions})
        kept = self._kept_characters(np.asarray(network.characters.cpu().numpy(), np.float32))
        frames = self.cut(versions, [self.controls_of(one, kept.get(id(one))) for one in versions])
        most = MOST_KEPT // (len(frames.counts) * self.cutting.numbers)
        counts, missed = np.minimum(frames.counts, most), [np.zeros(0, np.float32)] * len(versions)
        order = np.argsort(counts, kind="stable")
        for some in np.split(order, range(TOGETHER, len(order), TOGETHER)):  # side by side, of about one length
            chunk = frames.cut(some, np.zeros_like(some), int(counts[some].max()), np.ones(len(some), np.bool_))
            with one_thread():
                described, _ = network.told(network(chunk.x.to(device))[0])
            apart = distribution.missed(described, chunk.frames.to(device)).transpose(1, 2).cpu().numpy()
            for row, number in enumerate(some.tolist()):
                missed[number] = apart[row, : counts[number]]
        if self.beat is not None:
            return Chance.of_beats(missed, list(frames.controls), kin)
        return Chance.of(missed, [controls.told(0, 1)[:, 0] for controls in frames.controls], kin)

    def _kept_characters(self, characters: FloatArray) -> dict[int, FloatArray]:
        """Of the ``characters`` ``(rows, numbers)`` that a network keeps those of each version, by its id."""
        found, first = {}, 0
        for one in self.known:
            rows = len(self.versions.places(one))
            if first + rows <= len(characters):
                found[id(one)] = characters[first : first + rows]
            first += rows
        return found

    @property
    def facts(self) -> dict[str, Any]:
        """What is no weight and yet belongs to the network: for run.json."""
        gain = self.cutting.gain
        return {
            "gain_start": gain.start,
            "gain_keep": gain.keep,
            "character_seconds": None if self.character is None else self.character.seconds,
        }


def kind_of(settings: FrameSettings, rate: int) -> FrameKind:
    """The kind of frames that these settings ask for.

    Raises:
        SettingsError: numbers that do not go together.
    """
    return frame_kind(
        settings.frames,
        settings.frame_size,
        rate,
        lap=settings.lap,
        bands=settings.bands,
        coefficients=settings.coefficients,
    )


def fitted(material: Material, told: GenerateSettings) -> FrameMaterial:
    """The corpus measured: what is learned of it says how frames are scaled.

    Raises:
        DataError: frames so long that no sound has two of them, or loops whose beat cannot be told.
        SettingsError: settings that do not go together.
    """
    settings, rate = told.frame, material.corpus.rate
    kind = kind_of(settings, rate)
    material.corpus.refuse_shorter(2 * kind.hop + 1, f"a frame network with frames of {kind.hop} samples")
    versions = Versions(material, settings, kind.hop)
    sounds = [one.sound for one in versions.all]
    gain = _gain(sounds, kind, settings, rate)
    # what components of levels leave is no noise: it is how a spectrum's peaks and hollows differ from the usual ones
    bands = NOISE_BANDS if kind.linear else 0
    frames = _some_frames(sounds, kind, gain)
    scaling = Scaling.of(frames, settings.components, bands, kind.weights, logarithmic=kind.logarithmic)
    placed = told.position and not versions.on_beat
    pieces = [piece for one in versions.all for piece in versions.pieces(one)] if settings.character or placed else []
    numbers = min(settings.character, len(pieces) // 2)
    character = None
    if numbers or placed:
        character = Character.of(_evenly(pieces, MOST_CHARACTERS), rate, numbers, lengths=placed)
    cutting = Cutting(kind, gain, scaling, settings.heard)
    return FrameMaterial(material, settings, cutting, character, material.corpus.labels, told.onset, placed)


def new_network(measured: FrameMaterial, told: GenerateSettings) -> FrameGenerator:
    """The network of these settings for this corpus, its first weights drawn from their seed alone; what was measured
    lies in it."""
    torch.manual_seed(told.train.seed)
    settings, cutting, character = told.frame, measured.cutting, measured.character
    pieces = [piece for one in measured.known for piece in measured.versions.pieces(one)]
    kept = pieces[:MOST_CHARACTERS] if character is not None else []
    numbers = 0 if character is None else len(character.axes)
    sizes = {"hidden_size": told.size, "num_layers": told.layers}
    network = registry.build(
        told.network,
        features=cutting.kind.size,
        numbers=cutting.numbers,
        components=len(cutting.scaling.axes),
        bands=cutting.scaling.levels.shape[1],
        heard=settings.heard,
        controls=measured.controls_of(measured.versions.all[0]).count,
        mixtures=settings.mixtures if told.network == "frame-mixture" else 0,
        codebooks=settings.codebooks if told.network == "frame-tokens" else 0,
        tokens=settings.tokens if told.network == "frame-tokens" else 0,
        sounds=len(kept),
        character=numbers,
        profile=BANDS * MOMENTS if character is not None else 0,
        **{name: value for name, value in sizes.items() if value is not None},
    )
    assert isinstance(network, FrameGenerator)
    scaling = cutting.scaling
    measures = {name: getattr(scaling, name) for name in SCALES}
    if character is not None:
        found = np.stack([character.numbers_of(sound, measured.rate) for sound in kept])
        measures |= {"characters": found, "character_mean": character.mean, "character_axes": character.axes}
    for name, value in measures.items():
        getattr(network, name).copy_(torch.from_numpy(np.ascontiguousarray(value)))
    if not settings.feedback:
        network.deafen()
    elif isinstance(network, FrameMixture):
        network.begin_straight(*_pairs(measured.frames(_evenly(measured.material.learned, 256))))
    if isinstance(network.distribution, ResidualCodes):
        sounds = [one.sound for one in measured.versions.all]
        frames = _some_frames(sounds, cutting.kind, cutting.gain)
        weights = scaling.shares  # codes are for what is large in a sound
        numbers_of = scaling.numbers(frames) * weights
        books = residual_codebooks(numbers_of, settings.codebooks, settings.tokens, seed=told.train.seed) / weights
        network.distribution.books.copy_(torch.from_numpy(books))
        network.distribution.weights.copy_(torch.from_numpy(weights))
    return network


def cutting_of(network: FrameGenerator, settings: FrameSettings, rate: int, facts: Mapping[str, Any]) -> Cutting:
    """How a trained network's sound is cut."""
    gain = Gain(settings.level and kind_of(settings, rate).linear, facts["gain_start"], facts["gain_keep"])
    scaling = Scaling(*(getattr(network, name).numpy() for name in SCALES))
    return Cutting(kind_of(settings, rate), gain, scaling, network.config.heard)


def character_of(network: FrameGenerator, facts: Mapping[str, Any]) -> Character | None:
    """How a trained network's sounds are characterised."""
    if not network.config.character:
        return None
    return Character(network.character_mean.numpy(), network.character_axes.numpy(), facts["character_seconds"])


def _gain(sounds: Sequence[FloatArray], kind: FrameKind, settings: FrameSettings, rate: int) -> Gain:
    """Where levels count, they start at what is usual for the loudest frame of a sound."""
    if not settings.level or not kind.linear:
        return Gain(False)
    loudest = []
    for sound in _evenly(sounds, 256):
        frames = cut(kind, sound, 0, min(BLOCK, count_of(kind, len(sound))))
        loudest.append(float(np.sqrt(np.square(frames, dtype=np.float64).mean(axis=1)).max()))
    return Gain.smooth(max(float(np.mean(loudest)), 1e-3), kind.hop, rate)


def _some_frames(sounds: Sequence[FloatArray], kind: FrameKind, gain: Gain) -> FloatArray:
    """Frames ``(count, features)`` from all over the corpus, told against their gains."""
    blocks = [
        (number, first) for number, sound in enumerate(sounds) for first in range(0, count_of(kind, len(sound)), BLOCK)
    ]
    total = sum(count_of(kind, len(sound)) for sound in sounds)
    found = []
    for number, first in _evenly(blocks, max(1, round(len(blocks) * min(1.0, MOST_FITTED / total)))):
        sound = sounds[number]
        frames = cut(kind, sound, first, min(BLOCK, count_of(kind, len(sound)) - first))
        found.append(frames / gain.of(frames)[:, None])
    return np.concatenate(found)


def _pairs(frames: Frames) -> tuple[torch.Tensor, torch.Tensor]:
    """What is heard ``(n, heard · numbers)`` and what follows ``(n, numbers)``, from all over some sounds."""
    told = frames.cutting.heard * frames.cutting.numbers
    heard, wanted = [], []
    share = max(1, round(MOST_FITTED / max(1, len(frames.sounds))))
    for number, count in enumerate(frames.counts.tolist()):
        x, numbers = frames.read(number, 0, min(count, share))
        heard.append(x[:, :told])
        wanted.append(numbers)
    return torch.from_numpy(np.concatenate(heard)), torch.from_numpy(np.concatenate(wanted))


def _evenly(items: Sequence[Any], most: int) -> list[Any]:
    """``most`` of the items at most, from all over the list."""
    if len(items) <= most:
        return list(items)
    return [items[at] for at in np.linspace(0, len(items) - 1, most).round().astype(int)]


def refuse_one_frame(frames: Frames) -> None:
    """Raise `DataError` where all sounds are a single frame: nothing follows anything there."""
    if int(frames.counts.max()) < 2:
        raise DataError(
            f"frames of {frames.cutting.kind.hop} samples leave one frame of every sound; choose a smaller frame_size"
        )
