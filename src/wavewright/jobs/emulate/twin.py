"""A twin at work: opened from a run or a model file, rendered, judged, shown, exported."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from wavewright.audio import files
from wavewright.audio.recording import FloatArray
from wavewright.data.check import CLIPPED_SHARE
from wavewright.data.outages import Stretch, usable
from wavewright.data.quality import FULL_SCALE
from wavewright.engine import render as rendering
from wavewright.engine.player import Player
from wavewright.errors import DataError, ModelFileError, PairError, SettingsError
from wavewright.formats import nam
from wavewright.formats.model_file import ModelFile
from wavewright.formats.nam_metadata import NamMetadata
from wavewright.jobs.emulate import playing, takes
from wavewright.jobs.emulate.knobs import controls_for, knobs_of
from wavewright.jobs.emulate.pairs import Knob
from wavewright.jobs.emulate.playing import render
from wavewright.jobs.trained import trained_network
from wavewright.metrics import spectral
from wavewright.metrics.waveform import ErrorSums
from wavewright.nets import registry, standing
from wavewright.nets.channels import Channels
from wavewright.nets.contract import Network
from wavewright.nets.onnx_network import OnnxNetwork
from wavewright.nets.plain import PlainNetwork
from wavewright.nets.slimmable import Slimmable
from wavewright.nets.slimmable_config import UP_TO
from wavewright.train import model_file
from wavewright.train.run import RunFolder

__all__ = [
    "Judgement",
    "Twin",
    "best_delay",
    "describe",
    "evaluate",
    "export_nam",
    "held_out",
    "judge",
    "open_twin",
    "overlap",
    "play",
    "render",
]

ALIGN_SECONDS = 0.5
"""How far, either way, the wet of an evaluation pair is looked for."""


@dataclass(frozen=True)
class Twin:
    """A network ready to play: where it came from, its rate in Hz (None where a model file does not say).

    Of a twin in several sizes, opened whole, ``network`` is the largest; ``sizes`` has all, smallest first, each with
    the setting of a player's size control up to which it serves.
    """

    source: Path
    network: Network | OnnxNetwork
    rate: int | None
    name: str
    run: RunFolder | None = None
    model: ModelFile | None = None
    sizes: tuple[tuple[float, Network], ...] = ()
    size: str | None = None
    """Which of the sizes of a run this is, where one was named."""
    gain_db: float = 0.0
    """By how much its output was made louder than the device's."""

    @property
    def knobs(self) -> tuple[Knob, ...]:
        """The knobs that can still be turned, in the network's order."""
        if not self.network.controls:
            return ()
        if self.model is not None:
            return playing.knobs_of_file(self.model)
        return knobs_of(self.run) if self.run is not None else ()

    def at(self, values: Mapping[str, float]) -> Twin:
        """The twin with each knob at a value for good: a network without knobs, which plays and exports as any other.

        Raises:
            SettingsError: knobs that it has not, values out of range, a knob without a value, or a network whose knobs
                cannot be taken out.
        """
        words = [f"{name}={value!r}" for name, value in values.items()]
        return self.turned(words)

    def turned(self, words: Sequence[str]) -> Twin:
        """`at` what ``NAME=VALUE`` words say; the twin itself where it has no knobs and no words are given."""
        controls = controls_for(self.knobs, words)
        if not self.knobs:
            return self
        if isinstance(self.network, OnnxNetwork):
            raise SettingsError(
                [f"{self.source} is an ONNX file, whose knobs cannot be taken out: render it, or name its run"]
            )
        still = standing.at(self.network, controls.first)
        assert not isinstance(still, PlainNetwork)
        return replace(self, network=still, sizes=())


def open_twin(path: Path, size: str | None = None) -> Twin:
    """The twin in a run folder or a model file. ``size`` picks from a container: ``lite`` or ``full``.

    Raises:
        RunError, ModelFileError: there is none, or it is damaged.
    """
    if path.is_dir():
        run = playing.open_run(path)
        return _of_run(run, size)
    model = playing.open_model(path)
    chosen = playing.of_size(model, path, size).network
    network = chosen.with_torch() if isinstance(chosen, PlainNetwork) else chosen
    twin = Twin(path, network, model.rate, model.metadata.name or path.stem, model=model)
    if size is not None:
        return twin
    parts = [(part.up_to, part.network) for part in model.models]
    return replace(
        twin, sizes=tuple((up_to, part.with_torch()) for up_to, part in parts if isinstance(part, PlainNetwork))
    )


def _of_run(run: RunFolder, size: str | None) -> Twin:
    network = playing.alone(trained_network(run))
    twin = Twin(run.path, network, run.rate, run.path.resolve().name, run=run)
    if not isinstance(network, Slimmable):
        playing.refuse_size(run.path, size)
        return twin
    if size is not None:
        return replace(twin, network=network.sizes[size], size=size)
    sizes = tuple((UP_TO[name], part) for name, part in network.sizes.items())
    return replace(twin, network=network.full, sizes=sizes)


def describe(path: Path) -> dict[str, Any]:
    """What `wavewright info` tells of a run or a model file."""
    twin = open_twin(path)
    network = twin.network
    if isinstance(network, OnnxNetwork):
        kind, weights = "graph", network.weights
    else:
        kind, weights = registry.config_of(network)[0], sum(parameter.numel() for parameter in network.parameters())
    facts: dict[str, Any] = {
        "name": twin.name,
        "network": kind,
        "weights": weights,
        "receptive_field": twin.network.receptive_field,
        "latency": twin.network.latency,
        "rate": twin.rate,
    }
    if network.out_channels > 1:
        facts["channels"] = network.out_channels
    if twin.knobs:
        facts["knobs"] = ", ".join(map(str, twin.knobs))
    if twin.sizes:
        facts["models"] = len(twin.sizes)
    if twin.run is not None:
        saved = model_file.load(twin.run.model)
        facts |= {"job": saved.job, "step": saved.step, **saved.figures}
        facts["trained_on"] = ", ".join(file["path"] for file in twin.run.info["data"])
    if twin.model is not None:
        meta = twin.model.metadata
        facts |= {
            "format": twin.model.format,
            "models": len(twin.sizes) or 1,
        }
        facts |= {name: getattr(meta, name) for name in ("loudness", "gain", "modeled_by", "gear_make", "gear_model")}
    return facts


# ── play ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def play(network: Network | OnnxNetwork, dry: FloatArray) -> FloatArray:
    """The twin's output ``(channels, time)`` for ``dry`` of the same shape, in memory."""
    together = network.out_channels
    if dry.shape[0] % together:
        raise DataError(f"the twin plays {together} channels together, and the sound has {dry.shape[0]}; give as many")
    player = Player(network, dry.shape[0] // together, inputs=together, outputs=together)
    blocks = range(0, dry.shape[1], rendering.BLOCK)
    out = [player.process(dry[:, start : start + rendering.BLOCK]) for start in blocks]
    return np.concatenate([*out, player.flush()], axis=1)[:, player.latency :]


# ── judge ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Judgement:
    """The figures of a twin beside the device. ``delay``: samples by which the wet file lagged, taken out first.

    ``each``: those of every pair by its label, where there are several. ``note``: what was left out, in words.
    """

    seconds: float
    delay: int
    figures: dict[str, float]
    each: dict[str, dict[str, float]] = field(default_factory=dict)
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values; figures that are not defined (silence) are None."""
        more: dict[str, Any] = {"note": self.note} if self.note else {}
        if self.each:
            more["each"] = {label: _finite(figures) for label, figures in self.each.items()}
        return {"seconds": self.seconds, "delay": self.delay, **_finite(self.figures), **more}


def _finite(figures: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}


@dataclass(frozen=True)
class HeldOut:
    """The part of a pair that training never saw, and where its knobs stood.

    ``dry`` (channels, context + time + what the network looks ahead), ``wet`` (channels, time). ``clipped``, and the
    stretches of the wet that are ``counting`` (None for all of it): see `wavewright.data.outages`.
    """

    label: str
    values: Mapping[str, float]
    dry: FloatArray
    wet: FloatArray
    context: int
    clipped: bool = False
    counting: list[Stretch] | None = None


def held_out_parts(twin: Twin) -> list[HeldOut]:
    """What training never saw, of each pair of the twin's run.

    Raises:
        DataError: a model file, which holds no recordings.
    """
    if twin.run is None or isinstance(twin.network, OnnxNetwork):
        raise DataError(f"{twin.source} is a model file and holds no recordings; name a dry and a wet recording")
    material = takes.material_of(twin.run)
    context, after = twin.network.context
    found = []
    for take, (start, stop) in zip(material.takes, takes.held_out_of(twin.run), strict=True):
        dry, wet = material.dry[:, start - context : stop + after], material.wet[:, start:stop]
        counting = None if take.usable is None else [(a - start, b - start) for a, b in take.counting(start, stop)]
        found.append(HeldOut(take.label, take.values, np.array(dry), np.array(wet), context, take.clipped, counting))
    return found


def held_out(twin: Twin) -> tuple[FloatArray, FloatArray, int]:
    """Dry with its warm-up in front, wet alone, and the length of the warm-up: what training never saw of the first
    pair.

    Where the network looks ahead, dry goes on behind the wet for as long as it does.
    """
    first = held_out_parts(twin)[0]
    return first.dry, first.wet, first.context


def played(twin: Twin, part: HeldOut) -> FloatArray:
    """The twin's version of a held-out part (channels, time), its knobs where they stood."""
    network = twin.at(part.values).network if twin.knobs else twin.network
    return play(network, part.dry)[:, part.context : part.context + part.wet.shape[1]]


def as_recorded(output: FloatArray, wet: FloatArray, clipped: bool) -> FloatArray:
    """``output`` through the converter that ``wet`` was recorded with: cut off where that one was."""
    return np.clip(output, -1.0, 1.0) if clipped else output


def evaluate(twin: Twin, dry: Path | None = None, wet: Path | None = None, delay: int | None = None) -> Judgement:
    """The figures on another pair of recordings, or on the run's own held-out part.

    The wet file is moved to where it agrees best with the twin, unless ``delay`` (samples) says where it lies.

    Raises:
        AudioFileError, PairError, DataError: the recordings cannot be used.
    """
    if dry is None or wet is None:
        return _evaluate_held_out(twin)
    if twin.knobs:
        raise SettingsError(
            [f"this twin has knobs ({', '.join(map(str, twin.knobs))}): say where they stood by --knob"]
        )
    went_in, came_out = files.read(dry), files.read(wet)
    for path, recording in ((dry, went_in), (wet, came_out)):
        if twin.rate is not None and recording.rate != twin.rate:
            raise PairError(
                f"{path} is at {recording.rate} Hz, the twin at {twin.rate} Hz; give recordings at its rate"
            )
    samples = went_in.samples
    if went_in.channels == 1 and isinstance(twin.network, Channels):  # the one goes to all
        samples = np.repeat(samples, twin.network.out_channels, axis=0)
    if samples.shape[0] != came_out.channels:
        raise PairError(f"{dry} has {went_in.channels} channels, {wet} has {came_out.channels}; give the same of both")
    output = play(twin.network, samples)
    found = best_delay(output, came_out.samples, went_in.rate) if delay is None else delay
    output, target = overlap(output, came_out.samples, found)
    if not target.shape[1]:
        raise PairError(f"a delay of {found} samples leaves nothing of {wet}; give another --delay")
    clipped = float((np.abs(target) >= FULL_SCALE).mean()) > CLIPPED_SHARE
    counting = usable(target, went_in.rate) if clipped else None
    return judge(as_recorded(output, target, clipped), target, went_in.rate, found, counting, clipped)


def _evaluate_held_out(twin: Twin) -> Judgement:
    """The figures on all held-out parts together, and of each where there are several."""
    parts, rate = held_out_parts(twin), int(twin.rate or 0)
    if not twin.knobs and any(part.values for part in parts):
        raise SettingsError(["the knobs of this twin are fixed; evaluate its run without --knob, or name a pair"])
    outputs = [as_recorded(played(twin, part), part.wet, part.clipped) for part in parts]
    found = {
        part.label: judge(output, part.wet, rate, 0, part.counting, part.clipped)
        for part, output in zip(parts, outputs, strict=True)
    }
    if len(parts) == 1:
        only, part = found[parts[0].label], parts[0]
        channels = range(part.wet.shape[0] if part.wet.shape[0] > 1 else 0)
        each = {
            f"channel {channel + 1}": judge(
                outputs[0][channel : channel + 1],
                part.wet[channel : channel + 1],
                rate,
                0,
                part.counting,
                part.clipped,
            ).figures
            for channel in channels
        }
        return replace(only, each=each)
    pieces = [
        (output[:, begin:end], part.wet[:, begin:end])
        for part, output in zip(parts, outputs, strict=True)
        for begin, end in ([(0, part.wet.shape[1])] if part.counting is None else part.counting)
    ]
    output, target = (np.concatenate([piece[side] for piece in pieces], axis=1) for side in (0, 1))
    together = judge(output, target, rate, 0)
    note = next((one.note for one in found.values() if one.note), "")
    return replace(together, each={label: one.figures for label, one in found.items()}, note=note)


def judge(
    output: FloatArray,
    target: FloatArray,
    rate: int,
    delay: int,
    counting: Sequence[Stretch] | None = None,
    clipped: bool = False,
) -> Judgement:
    """Every figure of one aligned pair ``(channels, time)``, over the stretches that are ``counting`` (None: all)."""
    note, whole = "", ErrorSums()
    if clipped:
        note = "the recording was cut off at full scale, and so was the twin's output"
    if counting is not None:
        whole.add(output, target)
        share = sum(end - begin for begin, end in counting) / max(1, target.shape[1])
        if not counting:
            raise PairError(
                "the wet recording stands at full scale, or recovers from it, all along: nothing can be judged"
            )
        output, target = (np.concatenate([side[:, b:e] for b, e in counting], axis=1) for side in (output, target))
        note += f"; {share:.0%} count: the rest stands still at full scale, or recovers from it"
    sums = ErrorSums()
    sums.add(output, target)
    table = sums.table
    figures = {
        "esr": sums.esr,
        "snr": sums.snr,
        "si_sdr": sums.si_sdr,
        "mse": table.mse,
        "rmse": table.rmse,
        "error_std": table.error_std,
        "reference_std": table.reference_std,
        "lsd": spectral.lsd(output, target),
        "mr_stft": spectral.mr_stft(output, target),
    }
    if counting is not None:
        figures["esr_whole"] = whole.esr
    return Judgement(target.shape[1] / rate, delay, figures, note=note)


def best_delay(output: FloatArray, wet: FloatArray, rate: int) -> int:
    """Samples by which ``wet`` lags the twin's output: the peak of their correlation within `ALIGN_SECONDS`.

    A pair that lies as it should is left alone: a move must halve the error, or a twin that learned little would be
    flattered by the best of many guesses.
    """
    length = min(output.shape[1], wet.shape[1])
    output, wet = output[:, :length], wet[:, :length]
    reach = int(min(round(ALIGN_SECONDS * rate), length - 1))
    size = 1 << (2 * length - 1).bit_length()
    spectra = np.fft.rfft(wet, size) * np.conj(np.fft.rfft(output, size))
    correlation = np.roll(np.fft.irfft(spectra.sum(axis=0), size), reach)[: 2 * reach + 1]
    # the error's energy at a delay is what both have, less twice what they share
    energy = float(np.square(wet, dtype=np.float64).sum() + np.square(output, dtype=np.float64).sum())
    peak = int(correlation.argmax())
    if energy - 2 * correlation[peak] > 0.5 * (energy - 2 * correlation[reach]):
        return 0
    return peak - reach


def overlap(output: FloatArray, wet: FloatArray, delay: int) -> tuple[FloatArray, FloatArray]:
    """The stretches of both that belong together when ``wet`` lags by ``delay`` samples."""
    output, wet = output[:, max(0, -delay) :], wet[:, max(0, delay) :]
    length = min(output.shape[1], wet.shape[1])
    return output[:, :length], wet[:, :length]


# ── export ────────────────────────────────────────────────────────────────────────────────────────────────────────


def export_nam(twin: Twin, output: Path, metadata: NamMetadata | None = None, *, force: bool = False) -> None:
    """Write the twin as a .nam file with its loudness, gain and training facts; of several sizes as a container.

    Raises:
        ModelFileError: the format has no place for this network.
        OutputError: the file exists already (without ``force``), or cannot be written.
    """
    if isinstance(twin.network, OnnxNetwork):
        raise ModelFileError(f"{twin.source} is an ONNX file, which cannot become another; export its run")
    facts = facts_of(twin, metadata)
    if twin.sizes:
        nam.save_container(output, twin.sizes, twin.rate, facts, force=force)
    else:
        nam.save(output, twin.network, twin.rate, facts, force=force)


def facts_of(twin: Twin, metadata: NamMetadata | None = None) -> NamMetadata:
    """``metadata``, and where that says nothing what the twin's run or file says: its name, its training, its maker.

    Loudness and gain are not taken over: whoever writes a file measures them.
    """
    facts = metadata or NamMetadata()
    if twin.model is not None:
        known = twin.model.metadata
        names = ("name", "modeled_by", "gear_type", "gear_make", "gear_model", "tone_type", "training")
        levels = ("input_level_dbu", "output_level_dbu")
        taken = {name: getattr(known, name) for name in (*names, *levels) if getattr(facts, name) is None}
        if taken.get("output_level_dbu") is not None:
            taken["output_level_dbu"] -= twin.gain_db
        facts = replace(facts, **taken)
    if facts.name is None:
        facts = replace(facts, name=twin.name)
    if twin.run is not None:
        saved = model_file.load(twin.run.model)
        training = {
            "settings": twin.run.settings,
            "data": {"latency": twin.run.fact("delay", int), "checks": twin.run.fact("check", dict)},
            "validation_esr": saved.figures.get(f"esr {twin.size}", saved.figures.get("esr")),
        }
        told = {f"{side}_level_dbu": _level(twin.run, f"{side}_dbu") for side in ("input", "output")}
        if told["output_level_dbu"] is not None:
            told["output_level_dbu"] -= twin.gain_db
        missing: dict[str, Any] = {name: level for name, level in told.items() if getattr(facts, name) is None}
        facts = replace(facts, training=training, **missing)
    return facts


def _level(run: RunFolder, name: str) -> float | None:
    """A level of full scale in dBu, as it was told when the run was made."""
    told = run.info["extra"].get(name, run.settings.get(name))
    return float(told) if isinstance(told, (int, float)) else None
