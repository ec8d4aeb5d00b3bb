"""SampleRNN: recurrent layers that listen in frames, slow above and fast below, and a small network for each sample.

After Mehri et al., "SampleRNN: An Unconditional End-to-End Neural Audio Generation Model" (2017), section 2. Tier k has
frames of fₖ samples, f₁ < f₂ < …, each a multiple of the one before. At the start of a frame it hears the fₖ samples in
front of it and what the tier above says, and says something different to each of the frames below, which are as short
as a sample under the lowest tier:

    iₖ = W (the fₖ samples before) + c            c from the tier above; for the highest, from the controls
    hₖ = GRU(iₖ)                                  once a frame
    c for frame j of the tier below = Uⱼ hₖ

    z = relu(Σⱼ Tⱼ e(xₜ₋ⱼ) + c + C·controls)      once a sample, over the ``context`` samples before; e an embedding
    y = V relu(M z)                               what `wavewright.nets.distributions` reads

The context is the paper's f₁ there, a setting of its own here: a sampler keeps Tⱼ e as tables, so that a longer one
costs it next to nothing. Weights are not normalised.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from wavewright.errors import SettingsError
from wavewright.nets.contract import State
from wavewright.nets.distributions import LogisticMixture, codes_of, distribution_for
from wavewright.nets.generator import Generator
from wavewright.nets.gru_scan import layer_over
from wavewright.settings import problems_of, setting

LONGEST_FRAME = 4096
MOST_TIERS = 4


@dataclass(frozen=True)
class SampleRNNConfig:
    """Settings of a SampleRNN. One frame size makes it two-tier, two make it three-tier."""

    frame_sizes: tuple[int, ...] = setting((4, 16), "samples of a frame in each recurrent tier, the fastest first")
    hidden_size: int = setting(192, "units of every layer", low=1, high=4096)
    num_layers: int = setting(1, "recurrent layers in each tier", low=1, high=8)
    context: int = setting(16, "samples before, that the network for each sample hears", low=1, high=4096)
    embedding_size: int = setting(64, "numbers that stand for one of them", low=2, high=4096)
    levels: int = setting(256, "codes that a sample may have", low=2, high=65536)
    components: int = setting(10, "logistics in the mixture, for more than 256 levels", low=1, high=100)
    controls: int = setting(0, "channels beside the sound: class, time since onset, envelope", low=0, high=1024)
    warm_up: int = setting(1024, "samples that the network hears before a figure counts", low=1, high=1_000_000)


def _problems(config: SampleRNNConfig) -> list[str]:
    sizes, problems = config.frame_sizes, problems_of(config)
    if isinstance(sizes, tuple):
        whole = all(isinstance(size, int) and not isinstance(size, bool) for size in sizes)
        if not whole or not 1 <= len(sizes) <= MOST_TIERS or any(not 2 <= size <= LONGEST_FRAME for size in sizes):
            problems.append(
                f"setting frame_sizes = {sizes!r}: must be one to {MOST_TIERS} whole numbers from 2 to {LONGEST_FRAME}"
            )
        elif any(slow % fast or slow == fast for fast, slow in pairwise(sizes)):
            problems.append(f"setting frame_sizes = {sizes!r}: each must be a multiple of the one before, as 4, 16")
    return problems


class Tier(nn.Module):
    """One recurrent tier: frames of ``frame`` samples, each of them ``ratio`` frames of the tier below."""

    def __init__(self, frame: int, below: int, hidden: int, layers: int, controls: int) -> None:
        super().__init__()
        self.frame, self.ratio = frame, frame // below
        self.samples = nn.Linear(frame, hidden)
        self.controls = nn.Linear(controls, hidden, bias=False) if controls else None
        self.layers = nn.ModuleList(nn.GRU(hidden, hidden, batch_first=True) for _ in range(layers))
        self.up = nn.Linear(hidden, self.ratio * hidden)

    def each_layer(self) -> Iterator[nn.GRU]:
        """The recurrent layers, first to last."""
        for layer in self.layers:
            assert isinstance(layer, nn.GRU)
            yield layer

    def forward(
        self, sound: Tensor, controls: Tensor | None, above: Tensor | None, state: State, position: int, time: int
    ) -> tuple[Tensor, State]:
        """What the frames of the tier below hear in this block, one after the other.

        ``sound`` (batch, past + time) ends with the block, ``controls`` (batch, channels, time), ``above`` (batch,
        frames, hidden) for those frames that begin in the block, ``state`` the layers' units (batch, hidden) each,
        ``position`` the block's first sample, counted from the start of a frame of the highest tier.

        Returns:
            (batch, frames below that begin in the block, hidden), and the state after it.
        """
        first = -position % self.frame  # where in the block the first frame begins
        underway = 1 if position % self.frame else 0
        hidden = state[-1].unsqueeze(1)[:, :underway]  # of the frame that began before the block, if there is one
        if first < time:
            # A frame hears the ``frame`` inputs up to its own first, which is the sample before it.
            start = sound.shape[1] - time + first - (self.frame - 1)
            x = self.samples(sound[:, start:].unfold(1, self.frame, self.frame))  # (batch, frames, hidden)
            x = x if above is None else x + above
            if self.controls is not None and controls is not None:
                x = x + self.controls(controls[..., first :: self.frame].transpose(1, 2))
            x, after = x.transpose(0, 1), []
            for layer, before in zip(self.each_layer(), state, strict=True):
                x = layer_over(layer, x, before)  # (frames, batch, hidden)
                after.append(x[-1].clone())  # a view would keep the whole block alive
            x = x.transpose(0, 1)
            hidden, state = torch.cat([hidden, x], dim=1) if underway else x, tuple(after)
        below = self.up(hidden).unflatten(2, (self.ratio, -1)).flatten(1, 2)  # (batch, frames · ratio, hidden)
        size = self.frame // self.ratio
        over = -(-(position % self.frame) // size) if underway else 0  # frames below that began before the block
        count = -(-(position + time) // size) - -(-position // size)
        return below[:, over : over + count], state


class SampleRNN(Generator):
    """Frame tiers and a network for each sample, ``(batch, 1 + controls, time) → (batch, distribution.size, time)``.

    Blocks may be of any size; whole frames of the highest tier (`stride`) are quickest.

    Raises:
        SettingsError: settings out of range, all of them at once.

    >>> net = SampleRNN(SampleRNNConfig(frame_sizes=(2, 8), hidden_size=4))
    >>> y, state = net(torch.zeros(3, 1, 20))
    >>> y.shape, net.stride, int(state[1][0])
    (torch.Size([3, 256, 20]), 8, 4)
    """

    def __init__(self, config: SampleRNNConfig) -> None:
        super().__init__()
        problems = _problems(config)
        if problems:
            raise SettingsError(problems)
        self.config = config
        self.distribution = distribution_for(config.levels, config.components)
        self.controls = config.controls
        self.in_channels, self.out_channels = 1 + config.controls, self.distribution.size
        hidden, sizes = config.hidden_size, config.frame_sizes
        self.tiers = nn.ModuleList(
            Tier(size, below, hidden, config.num_layers, config.controls if size == sizes[-1] else 0)
            for below, size in zip((1, *sizes), sizes, strict=False)
        )
        self.embedding: nn.Embedding | nn.Linear
        if isinstance(self.distribution, LogisticMixture):
            self.embedding = nn.Linear(1, config.embedding_size - 1)
        else:
            self.embedding = nn.Embedding(config.levels, config.embedding_size)
        self.mix = nn.Conv1d(config.embedding_size, hidden, config.context, bias=False)
        """T: the tap of the newest sample last."""
        self.sample_controls = nn.Linear(config.controls, hidden, bias=False) if config.controls else None
        self.middle = nn.Linear(hidden, hidden)
        self.output = nn.Linear(hidden, self.distribution.size)
        self._initialise()

    def each_tier(self) -> Iterator[Tier]:
        """The recurrent tiers, the fastest first."""
        for tier in self.tiers:
            assert isinstance(tier, Tier)
            yield tier

    @torch.no_grad()
    def _initialise(self) -> None:
        """Units that neither grow nor die, and a distribution that knows nothing yet."""
        for tier in self.each_tier():
            for layer in tier.each_layer():
                from_inputs, from_units, *biases = layer.parameters()
                for gate in from_inputs.chunk(3):
                    nn.init.xavier_uniform_(gate)
                for gate in from_units.chunk(3):
                    nn.init.orthogonal_(gate)
                for bias in biases:
                    nn.init.zeros_(bias)
        nn.init.kaiming_uniform_(self.middle.weight, nonlinearity="relu")
        nn.init.normal_(self.output.weight, std=0.01)
        nn.init.zeros_(self.output.bias)
        if isinstance(self.embedding, nn.Linear):
            # Steps of all widths, near the middle where most samples are: quiet sounds move some of them too.
            slopes = 2.0 ** torch.empty(self.embedding.out_features).uniform_(0.0, 10.0)
            self.embedding.weight.copy_(slopes.unsqueeze(1))
            nn.init.normal_(self.embedding.bias)
            _, _, log_scales = self.output.bias.chunk(3)
            log_scales.copy_(torch.linspace(-8.0, -1.0, len(log_scales)))

    def hear(self, level: Tensor) -> Tensor:
        """e: ``level`` (batch, time) → (batch, time, embedding_size)."""
        if isinstance(self.embedding, nn.Linear):
            level = level.unsqueeze(-1)
            return torch.cat([level, torch.tanh(self.embedding(level))], dim=-1)
        return torch.as_tensor(self.embedding(codes_of(level, self.config.levels)))

    @property
    def stride(self) -> int:
        """Samples of a frame of the highest tier."""
        return self.config.frame_sizes[-1]

    @property
    def receptive_field(self) -> int:
        """The warm-up in samples; a recurrent network itself remembers without limit."""
        return self.config.warm_up

    @property
    def past(self) -> int:
        """Samples before a block that the state keeps: what the longest frame or the context reaches back."""
        return max(self.stride, self.config.context) - 1

    @property
    def multiply_adds(self) -> float:
        """Multiplications that one sample takes on average, the embeddings in tables, each tier once a frame."""
        hidden = self.config.hidden_size
        tiers = sum(
            hidden * (tier.frame + 6 * hidden * self.config.num_layers + tier.ratio * hidden) / tier.frame
            for tier in self.each_tier()
        )
        return tiers + hidden * (hidden + self.distribution.size)

    def init_state(self, batch: int) -> State:
        """Silence before the first sample, which begins a frame.

        The levels of the last `past` samples (batch, past); the place in the highest tier's frame (batch, 1), the same
        in every row; the units (batch, hidden_size) of each recurrent layer, the fastest tier's first.
        """
        weight = self.output.weight
        sizes = [self.past, 1] + [self.config.hidden_size] * (self.config.num_layers * len(self.config.frame_sizes))
        return tuple(torch.zeros(batch, size, device=weight.device, dtype=weight.dtype) for size in sizes)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """``x`` (batch, 1 + controls, time) → (batch, distribution.size, time) and the state after it.

        Raises:
            ValueError: the rows of ``state`` stand at different places of a frame.
        """
        levels, place, *units = self.init_state(x.shape[0]) if state is None else state
        position, time, layers = int(place[0, 0]), x.shape[-1], self.config.num_layers
        if bool((place != position).any()):
            raise ValueError("the rows of a state stand at different places of a frame; begin them together")
        sound = torch.cat([levels, x[:, 0]], dim=1)  # (batch, past + time)
        controls = x[:, 1:] if self.controls else None
        c: Tensor | None = None
        after: list[Tensor] = []
        for index, tier in reversed(list(enumerate(self.each_tier()))):
            own = tuple(units[index * layers : (index + 1) * layers])
            c, own = tier(sound, controls, c, own, position, time)  # at last (batch, time, hidden)
            after[:0] = own
        z = self._mixed(sound[:, self.past - (self.config.context - 1) :]) + torch.as_tensor(c)
        if self.sample_controls is not None:
            z = z + self.sample_controls(x[:, 1:].transpose(1, 2))
        y = self.output(F.relu(self.middle(F.relu(z))))  # (batch, time, size)
        place = torch.full_like(place, (position + time) % self.stride)
        return y.transpose(1, 2), (sound[:, sound.shape[1] - self.past :].clone(), place, *after)

    def _mixed(self, sound: Tensor) -> Tensor:
        """Σⱼ Tⱼ e: ``sound`` (batch, context − 1 + time) → (batch, time, hidden)."""
        if not isinstance(self.embedding, nn.Embedding) or sound.device.type != "cpu":
            return torch.as_tensor(self.mix(self.hear(sound).transpose(1, 2))).transpose(1, 2)
        with torch.autocast("cpu", enabled=False):  # a small product, heard at every sample
            tables = torch.einsum("ke,hej->jkh", self.embedding.weight, self.mix.weight)  # (context, levels, hidden)
        return _Summed.apply(codes_of(sound, self.config.levels), tables)  # type: ignore[no-any-return, no-untyped-call]


class _Summed(torch.autograd.Function):
    """Rows of a table for each of the last samples, summed: a convolution of embeddings without its products."""

    @staticmethod
    def forward(ctx: Any, codes: Tensor, tables: Tensor) -> Tensor:
        """``codes`` (batch, context − 1 + time), ``tables`` (context, levels, hidden) → (batch, time, hidden)."""
        context, levels, hidden = tables.shape
        ctx.save_for_backward(codes)
        ctx.shape = tables.shape
        rows = codes.unfold(1, context, 1) + levels * torch.arange(context)  # (batch, time, context)
        summed = F.embedding_bag(rows.reshape(-1, context), tables.reshape(-1, hidden), mode="sum")
        return summed.view(codes.shape[0], -1, hidden)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, wanted: Tensor) -> tuple[None, Tensor]:
        """From the loss by the sums (batch, time, hidden) to that by the tables (context, levels, hidden)."""
        (codes,), time = ctx.saved_tensors, wanted.shape[1]
        rows = wanted.reshape(-1, wanted.shape[2])
        by_tables = rows.new_zeros(ctx.shape)
        for place, table in enumerate(by_tables):
            table.index_add_(0, codes[:, place : place + time].reshape(-1), rows)
        return None, by_tables
