"""The training step of a network that goes frame by frame: what the next frame costs, and whether the sound is over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from wavewright.audio import files
from wavewright.audio.recording import Recording
from wavewright.data.corpus import Sound
from wavewright.data.frame_gain import REACH_DB
from wavewright.data.frames import FrameChunk, Frames
from wavewright.jobs.frames.material import FrameMaterial, new_network, refuse_one_frame
from wavewright.jobs.frames.sounding import drawn_sounds
from wavewright.jobs.generate.settings import GenerateSettings
from wavewright.nets.contract import Network, State
from wavewright.nets.frame_generator import FrameGenerator
from wavewright.train.run import own_world

VALIDATED_FRAMES = 4000
JUDGED_ROWS, JUDGED_BLOCK = 16, 256
GOALS = {"frame-lstm": "mse", "frame-mixture": "nats", "frame-tokens": "nats"}
"""What validation minimises, and what it is called."""


class FrameTask:
    """What the training loop asks of a frame network: sounds in order, chunk after chunk, the state carried along."""

    def __init__(self, measured: FrameMaterial, settings: GenerateSettings) -> None:
        self.measured, self.settings = measured, settings
        self.generator: FrameGenerator = new_network(measured, settings)
        self.network: Network = self.generator
        self.goal = GOALS[settings.network]
        frames = measured.cut(measured.versions.all)
        refuse_one_frame(frames)
        window = settings.window or 64
        batch = settings.batch or max(1, min(16, frames.most_rows(window) // own_world()))
        self.streams = frames.streams(batch, window, seed=settings.train.seed)
        self.steps_per_epoch = self.streams.steps_per_epoch(own_world())
        self.state: State = self.generator.init_state(batch)
        self.hop = measured.cutting.kind.hop
        self.heard = {
            "": measured.frames(_some(measured.material.held_out, self.hop)),
            "train_": measured.frames(_some(measured.material.learned, self.hop)),
        }

    def move(self, folder: Path) -> None:
        """The store lies at ``folder`` from now on."""
        self.measured = replace(self.measured, material=self.measured.material.moved(folder))

    def batch(self, step: int, rank: int, world: int) -> tuple[Tensor, ...]:
        """A `FrameChunk`."""
        return tuple(self.streams.batch(step, rank, world))

    def loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """What a number of a frame costs, and the ending's nats."""
        chunk = FrameChunk(*batch)
        state = continued(self.state, self.generator.init_state(len(chunk.x)), chunk.fresh)
        x = chunk.x
        if not self.settings.frame.feedback:
            told = self.generator.config.heard * self.generator.config.numbers
            x = torch.cat([torch.zeros_like(x[:, :told]), x[:, told:]], dim=1)
        elif self.settings.frame.own_frames > 0:
            x = self._own(x, state)
        if self.settings.frame.feedback and self.settings.frame.input_noise > 0:
            x = self._noisy(x)
        y, after = self.generator(x, state)
        self.state = tuple(part.detach() for part in after)
        cost, ending = costs(self.generator, y, chunk, taught=True)
        return cost + ending if self.settings.frame.ending and not self.measured.placed else cost

    def _noisy(self, x: Tensor) -> Tensor:
        """Noise on the frames heard, more in some rows than in others: a drawn frame is never quite right."""
        told = self.generator.config.heard * self.generator.config.numbers
        much = self.settings.frame.input_noise * torch.rand(len(x), 1, 1, device=x.device)
        return torch.cat([x[:, :told] + much * torch.randn_like(x[:, :told]), x[:, told:]], dim=1)

    @torch.no_grad()
    def _own(self, x: Tensor, state: State) -> Tensor:
        """Some of the frames heard replaced by what the network says there itself (Bengio et al., "Scheduled sampling",
        2015; in one parallel pass, as Mihaylova and Martins 2019)."""
        network, numbers = self.generator, self.generator.config.numbers
        y, _ = network(x, state)
        described, _ = network.told(y)
        batch, _, time = described.shape
        flat = described.transpose(1, 2).reshape(batch * time, -1)
        uniform = torch.rand(batch * time, network.distribution.draws, device=x.device)
        said = network.distribution.draw(flat, uniform, torch.randn(batch * time, numbers, device=x.device), 1.0)
        said = said.reshape(batch, time, numbers).transpose(1, 2)
        heard, gains = x.clone(), x[:, network.config.heard * numbers]
        for back in range(1, network.config.heard + 1):
            if back >= time:
                break
            # a frame told against its own level is heard against the level of the frame to come
            louder = 10 ** ((gains[:, :-back] - gains[:, back:]) * (REACH_DB / 20))
            theirs = self._rescaled(said[..., :-back], louder)
            chosen = torch.rand(batch, 1, time - back, device=x.device) < self.settings.frame.own_frames
            place = slice((back - 1) * numbers, back * numbers)
            heard[:, place, back:] = torch.where(chosen, theirs, heard[:, place, back:])
        return heard

    def _rescaled(self, numbers: Tensor, louder: Tensor) -> Tensor:
        """Numbers ``(batch, numbers, time)`` of frames that are ``louder`` ``(batch, time)`` times."""
        if not self.measured.cutting.gain.adaptive:
            return numbers
        network = self.generator
        shift = network.mean / network.deviation  # numbers are (frame − mean) / deviation along the axes
        if len(network.axes):
            shift = network.axes @ shift / network.widths
        count = len(shift)
        scaled = (numbers[:, :count] + shift[:, None]) * louder[:, None] - shift[:, None]
        if count == numbers.shape[1]:
            return scaled
        levels = numbers[:, count:] + torch.log(louder)[:, None] / network.levels[1][:, None]
        return torch.cat([scaled, levels], dim=1)

    def carried(self) -> dict[str, Tensor]:
        """The state that the next step begins with."""
        return {str(number): part.contiguous() for number, part in enumerate(self.state)}

    def carry(self, kept: Mapping[str, Tensor]) -> None:
        """Begin the next step with that state."""
        self.state = tuple(kept[str(number)].clone() for number in range(len(self.state)))

    def validate(self) -> dict[str, float]:
        """What frames cost and how well endings are told, of held-out sounds and of some that were learned."""
        figures: dict[str, float] = {}
        for name, frames in self.heard.items():
            cost, ending = judge(self.generator, frames)
            figures |= {f"{name}{self.goal}": cost, f"{name}ending": ending}
        return figures

    def preview(self, path: Path) -> None:
        """A new sound."""
        material = self.measured.material
        seconds = min(3.0, max(sound.length for sound in material.learned) / self.measured.rate)
        drawing = self.measured.drawing(self.generator)
        sound = drawn_sounds(drawing, round(seconds * self.measured.rate), [(0, 0)])[0].sound
        files.write(path, Recording(sound[np.newaxis], self.measured.rate), subtype="PCM_16", force=True)


def costs(network: FrameGenerator, y: Tensor, chunk: FrameChunk, *, taught: bool = False) -> tuple[Tensor, Tensor]:
    """Mean cost of the frames that count (what is ``taught`` of them), and mean nats of the endings asked for."""
    described, ending = network.told(y)
    each = (network.distribution.lesson if taught else network.distribution.cost)(described, chunk.frames)
    cost = (each * chunk.counts).sum() / chunk.counts.sum().clamp(min=1)
    nats = F.binary_cross_entropy_with_logits(ending, chunk.over, reduction="none")
    return cost, (nats * chunk.asked).sum() / chunk.asked.sum().clamp(min=1)


@torch.no_grad()
def judge(network: FrameGenerator, frames: Frames) -> tuple[float, float]:
    """What every frame of every sound costs, predicted from all before it, and its ending's nats."""
    device = next(network.parameters()).device
    totals = np.zeros(4)
    state: State = ()
    for chunk in frames.whole(JUDGED_ROWS, JUDGED_BLOCK):
        chunk = FrameChunk(*(part.to(device) for part in chunk))
        if bool(chunk.fresh.any()):
            state = network.init_state(len(chunk.x))
        y, state = network(chunk.x, state)
        cost, ending = costs(network, y, chunk)
        counts, asked = int(chunk.counts.sum()), int(chunk.asked.sum())
        totals += np.array([float(cost) * counts, counts, float(ending) * asked, asked])
    return float(totals[0] / max(1.0, totals[1])), float(totals[2] / max(1.0, totals[3]))


def continued(state: State, start: State, fresh: Tensor) -> State:
    """The state carried from the step before; ``start`` in rows that begin a sound, and where it is not finite."""
    if not all(bool(part.isfinite().all()) for part in state):
        return start
    rows = [fresh.view(-1, *[1] * (new.ndim - 1)) for new in start]
    return tuple(torch.where(row, new, old.to(new.device)) for row, old, new in zip(rows, state, start, strict=True))


def _some(sounds: Sequence[Sound], hop: int) -> list[Sound]:
    """Sounds from all over the list, `VALIDATED_FRAMES` of them together."""
    total = sum(sound.length for sound in sounds) / hop
    count = max(1, round(min(1.0, VALIDATED_FRAMES / max(1.0, total)) * len(sounds)))
    return [sounds[at] for at in np.linspace(0, len(sounds) - 1, count).round().astype(int)]
