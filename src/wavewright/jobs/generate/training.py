"""Generate: a folder of sounds becomes new sound, one sample after the other.

Four parts, as in every job: its settings (`wavewright.jobs.generate.settings`), its data (`wavewright.jobs.material`),
its training step here, and its way of applying the result (`wavewright.jobs.generate.sampling`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from wavewright.audio import files
from wavewright.audio.recording import Recording
from wavewright.data.corpus import Sound
from wavewright.data.encoding import Decoder
from wavewright.data.excerpts import Chunk, Excerpt, Excerpts
from wavewright.data.forgetting import forget
from wavewright.engine import fused_wavenet
from wavewright.engine.generator_training import mean_nats
from wavewright.engine.sampler import Choice, Sampler
from wavewright.errors import SettingsError
from wavewright.jobs import runs
from wavewright.jobs.frames.material import fitted
from wavewright.jobs.frames.task import FrameTask
from wavewright.jobs.generate.settings import JOB, STORE, GenerateSettings
from wavewright.jobs.material import Material, files_of, kept_material, prepare, staged, tell_of
from wavewright.jobs.runs import Begun
from wavewright.nets import registry
from wavewright.nets.contract import Network, State
from wavewright.nets.distributions import Softmax
from wavewright.nets.generator import Generator
from wavewright.nets.names import FRAME_NAMES
from wavewright.nets.sample_wavenet import SampleWaveNet
from wavewright.settings import to_mapping
from wavewright.train.distributed import choose_device
from wavewright.train.loop import Outcome
from wavewright.train.loop import train as run_training
from wavewright.train.progress import Reporter
from wavewright.train.run import RunFolder, own_rank, own_world, refuse_place

VALIDATED_SECONDS = 30.0
"""How much sound training listens to at each validation, held out and learned; `wavewright evaluate` hears all."""

PREVIEW_SECONDS = 3.0

JUDGED_ROWS, JUDGED_BLOCK = 4, 16_384
"""Windows, and samples of each, that are judged at once."""

SIZES = {"audio-rnn": ("hidden_size", "num_layers"), "sample-rnn": ("hidden_size", "num_layers")}
"""What ``size`` and ``layers`` are called in the settings of each kind of network."""


def new_network(settings: GenerateSettings, material: Material) -> Generator:
    """The network of these settings for this corpus, its first weights drawn from their seed alone.

    Raises:
        SettingsError: the network has no such size or number of layers, or its training would not fit into memory.
    """
    kind, _ = registry.NETWORKS[settings.network]
    size, layers = SIZES.get(kind, ("channels", "layers"))
    network = runs.new_network(
        settings.network,
        settings.train.seed,
        levels=material.encoding.quantizer.levels,
        controls=material.controls.count,
        **{size: settings.size, layers: settings.layers},
    )
    assert isinstance(network, Generator)
    return network


# ── training step ─────────────────────────────────────────────────────────────────────────────────────────────────


class GenerateTask:
    """What the training loop asks of this job: codes to predict, their cost in bits, a preview.

    Convolutional networks learn from windows drawn at random. Recurrent ones go through the sounds in order, chunk
    after chunk, and carry their state from one step to the next (truncated back-propagation through time).
    """

    goal = "bits"

    def __init__(self, network: Generator, material: Material, settings: GenerateSettings) -> None:
        self.network: Network = network
        self.generator, self.material = network, material
        batch, window = batch_and_window(network, settings)
        self.recurrent = not isinstance(network, SampleWaveNet)
        tail = round(settings.tail * material.corpus.rate)
        context = window if self.recurrent else network.receptive_field - 1
        material.corpus.refuse_shorter(
            context - tail, f"{settings.network} hears {context} samples at a time, behind a tail of {tail}, and"
        )
        excerpts = material.excerpts(material.learned, settings.tail)
        if self.recurrent and settings.batch is None:  # a handful of short sounds fills fewer rows
            batch = max(1, min(batch, excerpts.most_rows(window) // own_world()))
        self.seed = seed = settings.train.seed
        self.share_forgotten = settings.forget
        self.streams = excerpts.streams(batch, window, seed=seed) if self.recurrent else None
        self.windows = (
            None if self.recurrent else excerpts.windows(batch, window, network.receptive_field - 1, seed=seed)
        )
        self.steps_per_epoch = max(1, excerpts.samples // (batch * window))
        self.state: State = network.init_state(batch) if self.recurrent else ()
        self.heard = {
            "": material.excerpts(_some(material.held_out, material.corpus.rate)),
            "train_": material.excerpts(_some(material.learned, material.corpus.rate)),
        }

    def move(self, folder: Path) -> None:
        """The store lies at ``folder`` from now on."""
        self.material = self.material.moved(folder)

    def batch(self, step: int, rank: int, world: int) -> tuple[Tensor, ...]:
        """``x`` (batch, 1 + controls, context + window), ``codes`` and whether they count, both (batch, window).

        For a recurrent network also which rows begin a sound anew, (batch,).
        """
        drawn: Chunk | Excerpt
        if self.streams is not None:
            drawn = self.streams.chunk(step, rank, world)
        else:
            assert self.windows is not None
            drawn = self.windows.batch(step, rank, world)
        if self.share_forgotten:
            corpus, quantizer = self.material.corpus, self.material.encoding.quantizer
            silence = float(quantizer.levels_of(np.array([quantizer.silence], quantizer.dtype))[0])
            hidden = forget(drawn.x, self.share_forgotten, silence, corpus.rate, [self.seed, step, rank])
            drawn = drawn._replace(x=hidden)
        return tuple(drawn)

    def loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Bits a sample."""
        x, codes, counts = batch[:3]
        if isinstance(self.generator, SampleWaveNet):
            return mean_nats(self.generator, x, codes, counts) / math.log(2)
        parameters, state = self.generator(x, self._state(batch[3]))
        self.state = tuple(part.detach() for part in state)
        nats = self.generator.distribution.nats(parameters, codes)
        return (nats * counts).sum() / counts.sum().clamp(min=1) / math.log(2)

    def _state(self, fresh: Tensor) -> State:
        """The state carried from the step before, new in rows that begin a sound, and where it is not finite."""
        start = self.generator.init_state(len(fresh))
        finite = all(bool(part.isfinite().all()) for part in self.state)
        if not finite:
            return start
        kept = []
        for old, new in zip(self.state, start, strict=True):
            anew = fresh.view(-1, *[1] * (new.ndim - 1))
            kept.append(torch.where(anew, new, old.to(new.device)))
        return tuple(kept)

    def carried(self) -> dict[str, Tensor]:
        """The state that the next step begins with."""
        return {str(number): part for number, part in enumerate(self.state)}

    def carry(self, kept: Mapping[str, Tensor]) -> None:
        """Begin the next step with that state."""
        # copies: a tensor read from a file lies at an odd address, and its products round differently there
        self.state = tuple(kept[str(number)].clone() for number in range(len(self.state)))

    def validate(self) -> dict[str, float]:
        """Bits a sample and the share of samples guessed right, of held-out sounds and of some that were learned."""
        figures = {}
        for name, excerpts in self.heard.items():
            score = judge(self.generator, excerpts)
            figures[f"{name}bits"] = score.bits
            if score.accuracy is not None:
                figures[f"{name}accuracy"] = score.accuracy
        return figures

    def preview(self, path: Path) -> None:
        """A few seconds drawn from silence, of the class and the loudness of a sound held out."""
        rate = self.material.corpus.rate
        frames = round(PREVIEW_SECONDS * rate)
        controls, sound = self.material.controls, self.material.held_out[0]
        envelope = controls.envelope_of(self.material.sound(sound)) if controls.envelope else None
        told = controls.signal(frames, label=sound.label, envelope=envelope, length=sound.length)
        dice = np.random.default_rng(0).random((1, frames, self.generator.distribution.draws))
        sampler = Sampler(self.generator, streams=1)
        codes, _ = sampler.draw(dice, Choice(), told[np.newaxis] if controls.count else None)
        files.write(path, Recording(Decoder(self.material.encoding, 1)(codes), rate), subtype="PCM_16", force=True)


def batch_and_window(network: Generator, settings: GenerateSettings) -> tuple[int, int]:
    """Sequences a step and samples of each: as asked, or what suits the network.

    Raises:
        SettingsError: a window that is not a whole number of the network's frames.
    """
    batch, window = (2, 16_384) if isinstance(network, SampleWaveNet) else (64, 128)
    batch, window = settings.batch or batch, settings.window or window
    if window % network.stride:
        raise SettingsError(
            [f"setting window = {window}: must be a multiple of the network's slowest frame, {network.stride} samples"]
        )
    return batch, window


def _some(sounds: Sequence[Sound], rate: int) -> tuple[Sound, ...]:
    """Sounds from all over the list, `VALIDATED_SECONDS` of them together."""
    total = sum(sound.length for sound in sounds)
    share = min(1.0, VALIDATED_SECONDS * rate / max(1, total))
    count = max(1, round(share * len(sounds)))
    return tuple(sounds[index] for index in np.linspace(0, len(sounds) - 1, count).round().astype(int))


@dataclass(frozen=True)
class Score:
    """How well a network predicts: bits a sample, and the share of samples whose likeliest code was right.

    ``accuracy`` is None for mixtures, which have no likeliest code to tell. ``samples``: how many were predicted.
    """

    bits: float
    accuracy: float | None
    samples: int


@torch.no_grad()
def judge(network: Generator, excerpts: Excerpts) -> Score:
    """Every sample of every sound, predicted from all before it."""
    nats, right, count = 0.0, 0, 0
    guesses = isinstance(network.distribution, Softmax)
    for parameters, codes, counts in predictions(network, excerpts):
        nats += float((network.distribution.nats(parameters, codes).double() * counts).sum())
        if guesses:
            right += int(((parameters.argmax(1) == codes) & counts).sum())
        count += int(counts.sum())
    return Score(nats / max(1, count) / math.log(2), right / max(1, count) if guesses else None, count)


def predictions(network: Generator, excerpts: Excerpts) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """What the network says of every sample of every sound, block by block: (batch, size, time), codes, which count."""
    device = next(network.parameters()).device
    if isinstance(network, SampleWaveNet):
        for x, codes, counts in excerpts.once(JUDGED_ROWS, JUDGED_BLOCK, network.receptive_field - 1):
            yield heard(network, x.to(device)), codes.to(device), counts.to(device)
        return
    state: State = ()
    for x, codes, counts, fresh in excerpts.whole(8 * JUDGED_ROWS, JUDGED_BLOCK // 16):
        if bool(fresh.any()):
            state = network.init_state(len(fresh))
        parameters, state = network(x.to(device), state)
        yield parameters, codes.to(device), counts.to(device)


def heard(network: SampleWaveNet, x: Tensor) -> Tensor:
    """The distributions that see all their past; on a CPU through kernels several times faster than torch's."""
    return network.valid(x, trunk=fused_wavenet.valid_forward)


# ── a run, from its beginning or from where it stopped ────────────────────────────────────────────────────────────


AnyTask = GenerateTask | FrameTask


def _contradictions(settings: GenerateSettings) -> list[str]:
    if settings.sliced and (settings.frame.on_beat or settings.frame.beats_per_minute is not None):
        return [
            "settings sliced, on_beat: slices from onset to onset have no beat; learn whole loops on their beat, or "
            "their hits without it"
        ]
    return []


def begin(
    sources: Sequence[Path],
    folder: Path,
    settings: GenerateSettings,
    reporter: Reporter,
    *,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Begun[AnyTask]:
    """Lay down the sounds in ``sources`` (files, folders, or a store) in a new run at ``folder``.

    Raises:
        WavewrightError: whatever is wrong with settings, sounds or folder.
    """
    runs.refuse_settings(settings, _contradictions(settings))
    refuse_place(folder, force=force)
    with staged(folder) as place:
        material = prepare(sources, place, settings, progress)
        tell_of(material, reporter)
        task = _task(material, settings)  # refuses what cannot be learned, before anything is kept
        extra = {
            "sources": [str(source.resolve()) for source in sources],
            "encoding": to_mapping(material.encoding),
            "classes": list(material.controls.classes),
            "held_out": [str(sound.path) for sound in material.held_out],
            "skipped": [{"path": str(one.path), "why": one.why} for one in material.corpus.skipped],
            "median_seconds": _median_seconds(material),
            "class_seconds": {name: _median_seconds(material, name) for name in material.controls.classes},
            **({"frames": task.measured.facts} if isinstance(task, FrameTask) else {}),
        }
        run = RunFolder.create(
            folder,
            job=JOB,
            settings=to_mapping(settings),
            network=registry.config_of(task.network),
            rate=material.corpus.rate,
            data=files_of(sources),
            extra=extra,
            force=force,
        )
        if own_rank() == 0 and place.exists():
            place.rename(run.path / STORE)
            task.move(run.path / STORE)
    return Begun(run, task)


def _task(material: Material, settings: GenerateSettings) -> AnyTask:
    """What is learned, by the network's family."""
    if settings.network in FRAME_NAMES:
        return FrameTask(fitted(material, settings), settings)
    return GenerateTask(new_network(settings, material), material, settings)


def _median_seconds(material: Material, label: str | None = None) -> float:
    """Half of the sounds learned are shorter; of one class, or of all where that has none."""
    lengths = [sound.length for sound in material.learned if label in (None, sound.label)]
    return float(np.median(lengths or [sound.length for sound in material.learned])) / material.corpus.rate


def learn(begun: Begun[AnyTask], settings: GenerateSettings, reporter: Reporter, *, resume: bool = False) -> Outcome:
    """Train, with kernels compiled before the clock starts."""
    if isinstance(begun.task.network, SampleWaveNet) and choose_device(settings.train.device).type == "cpu":
        fused_wavenet.prepare(reporter.say)
    return run_training(begun.task, settings.train, begun.run, resume=resume, reporter=reporter)


def resume(folder: Path, settings: GenerateSettings, reporter: Reporter) -> Outcome:
    """Go on with the run at ``folder``, to the weights of a run that was never stopped.

    Raises:
        RunError: there is no such run, or it is damaged.
        DataError: its sounds have changed since.
        SettingsError: settings that a resumed run may not change.
    """
    runs.refuse_settings(settings)
    run = runs.reopened(folder, JOB, settings)
    material = kept_material(run, settings)
    task = _task(material, settings)
    return learn(Begun(run, task), settings, reporter, resume=True)
