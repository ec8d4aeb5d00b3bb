"""A WaveNet that says, sample by sample, what the next one may be.

After van den Oord et al., "WaveNet: A Generative Model for Raw Audio" (2016). The dilated layers are those of
`wavewright.nets.wavenet`: without gates, the output of a layer's activation added to the sum as it is, and the newest
sample mixed into every layer, as the .nam format has it. That stack has training kernels of its own, several times
faster than torch's convolutions, which on a CPU is worth more than gates. With x the sample before the one predicted, c
the controls:

    e = [embedding of x, C tanh(B c + b) + a]   x as one of ``levels`` codes, each with a row of its own
    h = head of the layers over e               ``head_size`` numbers
    y = V relu(h) + v                           or V relu(M relu(h) + m) + v, where ``hidden_size`` asks for it

What is told is made into ``condition_size`` numbers first: so a class and a moment together may mean a sound of speech,
which no sum of the two could. y is what `wavewright.nets.distributions` reads. Beyond 256 levels e has the level itself
and tanh(w·level + v).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wavewright.errors import SettingsError
from wavewright.nets.contract import State
from wavewright.nets.distributions import LogisticMixture, codes_of, distribution_for
from wavewright.nets.generator import Generator
from wavewright.nets.wavenet import Activation, LayerArrayConfig, WaveNet, WaveNetConfig
from wavewright.settings import problems_of, setting

MU = 255.0
"""Of the expansion that the embedding begins with: µ-law levels as amplitudes."""


@dataclass(frozen=True)
class SampleWaveNetConfig:
    """Settings of a sample-by-sample WaveNet. Dilations double from 1 and start again after ``cycle`` layers."""

    channels: int = setting(16, "channels of the stream from layer to layer", low=1, high=1024)
    layers: int = setting(20, "dilated layers", low=1, high=200)
    cycle: int = setting(10, "layers after which the dilations start again at 1", low=1, high=16)
    kernel_size: int = setting(2, "taps of each layer", low=1, high=16)
    head_size: int = setting(32, "numbers between the layers' sum and the output", low=1, high=4096)
    hidden_size: int = setting(0, "units of one more layer in front of the output; 0 for none", low=0, high=4096)
    embedding_size: int = setting(4, "numbers that stand for the sample before", low=1, high=256)
    gated: bool = setting(False, "a sigmoid gate in each layer, as in the paper: slower to train on a CPU")
    levels: int = setting(256, "codes that a sample may have", low=2, high=65536)
    components: int = setting(10, "logistics in the mixture, for more than 256 levels", low=1, high=100)
    controls: int = setting(0, "channels beside the sound: class, time since onset, envelope", low=0, high=1024)
    condition_units: int = setting(64, "units between the controls and what is made of them", low=1, high=4096)
    condition_size: int = setting(
        16, "numbers made of the controls; 0: all layers hear them as they are", low=0, high=1024
    )

    @property
    def dilations(self) -> tuple[int, ...]:
        """Samples between the taps, layer by layer."""
        return tuple(2 ** (index % self.cycle) for index in range(self.layers))

    @property
    def trunk(self) -> WaveNetConfig:
        """The dilated layers as a WaveNet of their own, from the embedding and the controls to the head."""
        inputs = self.embedding_size + (min(self.controls, 1) * self.condition_size or self.controls)
        array = LayerArrayConfig(
            input_size=inputs,
            condition_size=inputs,
            head_size=self.head_size,
            channels=self.channels,
            kernel_sizes=(self.kernel_size,) * self.layers,
            dilations=self.dilations,
            activations=(Activation("Tanh"),) * self.layers,
            head_bias=True,
            gated=self.gated,
        )
        return WaveNetConfig((array,), head_scale=1.0)


def _checked(config: SampleWaveNetConfig) -> SampleWaveNetConfig:
    problems = problems_of(config) or config.trunk.problems()
    if problems:
        raise SettingsError(problems)
    return config


class SampleWaveNet(Generator):
    """Dilated layers and a head, ``(batch, 1 + controls, time)`` → ``(batch, distribution.size, time)``.

    Before the first sample the network has heard silence for ever.

    Raises:
        SettingsError: settings out of range, all of them at once.

    >>> net = SampleWaveNet(SampleWaveNetConfig(channels=4, layers=6, cycle=3))
    >>> y, state = net(torch.zeros(2, 1, 100))
    >>> y.shape, net.receptive_field
    (torch.Size([2, 256, 100]), 15)
    """

    def __init__(self, config: SampleWaveNetConfig) -> None:
        super().__init__()
        self.config = _checked(config)
        self.distribution = distribution_for(config.levels, config.components)
        self.controls = config.controls
        self.in_channels, self.out_channels = 1 + config.controls, self.distribution.size
        self.embedding: nn.Embedding | nn.Linear
        if isinstance(self.distribution, LogisticMixture):
            self.embedding = nn.Linear(1, config.embedding_size - 1)
        else:
            self.embedding = nn.Embedding(config.levels, config.embedding_size)
        told = bool(config.controls and config.condition_size)
        self.units = nn.Conv1d(config.controls, config.condition_units, 1) if told else None
        self.condition = nn.Conv1d(config.condition_units, config.condition_size, 1) if told else None
        self.trunk = WaveNet(config.trunk)
        self.hidden = nn.Conv1d(config.head_size, config.hidden_size, 1) if config.hidden_size else None
        self.output = nn.Conv1d(config.hidden_size or config.head_size, self.distribution.size, 1)
        self._initialise()

    @torch.no_grad()
    def _initialise(self) -> None:
        """Ears that hear the level as it is, and a distribution that knows little yet."""
        self.output.weight.mul_(0.5)
        if self.units is not None:  # few controls are not 0: each of them is to count
            nn.init.normal_(self.units.weight, std=0.7)
        if isinstance(self.embedding, nn.Linear):
            # Steps of all widths, near the middle where most samples are: quiet sounds move some of them too.
            slopes = 2.0 ** torch.empty(self.embedding.out_features).uniform_(0.0, 10.0)
            self.embedding.weight.copy_(slopes.unsqueeze(1))
            nn.init.normal_(self.embedding.bias)
            assert self.output.bias is not None
            _, means, log_scales = self.output.bias.chunk(3)
            means.zero_()
            log_scales.copy_(torch.linspace(-8.0, -1.0, len(log_scales)))
            return
        level = torch.linspace(-1.0, 1.0, self.config.levels)
        expanded = level.sign() * torch.expm1(level.abs() * torch.log1p(torch.tensor(MU))) / MU
        self.embedding.weight.mul_(0.3)
        for column, values in zip(self.embedding.weight.unbind(1), (level, expanded), strict=False):
            column.copy_(values)

    def hear(self, x: Tensor) -> Tensor:
        """e: ``x`` (batch, 1 + controls, time) → (batch, embedding_size + condition_size, time)."""
        level = x[:, 0]
        if isinstance(self.embedding, nn.Linear):
            steps = torch.tanh(self.embedding(level.unsqueeze(-1)))
            heard = torch.cat([level.unsqueeze(-1), steps], dim=-1)
        else:
            heard = self.embedding(codes_of(level, self.config.levels))  # (batch, time, embedding_size)
        return torch.cat([heard.transpose(1, 2), self.told(x[:, 1:])], dim=1)

    def told(self, controls: Tensor) -> Tensor:
        """``controls`` (batch, controls, time) → what the layers hear of them, (batch, condition_size, time)."""
        if self.units is None or self.condition is None:
            return controls
        # They are held for a block at a time: each run of equal ones is worked out once.
        rows = controls.transpose(1, 2).flatten(0, 1)  # (batch · time, controls)
        changed = F.pad((rows[1:] != rows[:-1]).any(dim=1), (1, 0), value=True)
        made = self.condition(torch.tanh(self.units(rows[changed].T))).T  # (runs, condition_size)
        held = made.index_select(0, changed.cumsum(0) - 1).unflatten(0, (controls.shape[0], -1))
        return held.transpose(1, 2)  # type: ignore[no-any-return]

    def before_rectifier(self, h: Tensor) -> Tensor:
        """``h`` (batch, head_size, time) → what the output takes once its negative numbers are set to nought."""
        return h if self.hidden is None else self.hidden(F.relu(h))

    @property
    def receptive_field(self) -> int:
        """Samples of input behind one output sample, the present one included."""
        return self.trunk.receptive_field

    @property
    def multiply_adds(self) -> int:
        """Multiplications that one sample takes, the embedding looked up."""
        c = self.config
        last = (c.hidden_size or c.head_size) * self.distribution.size
        told = 0 if self.condition is None else c.condition_units * (c.controls + c.condition_size)
        return self.trunk.multiply_adds - c.head_size + c.head_size * c.hidden_size + last + told

    def init_state(self, batch: int) -> State:
        """The state after endless silence, all controls zero: a history for every layer."""
        weight = self.output.weight
        return self.state_of_silence(torch.zeros(batch, self.controls, device=weight.device, dtype=weight.dtype))

    @torch.no_grad()
    def state_of_silence(self, controls: Tensor) -> State:
        """The state after endless silence under ``controls`` (batch, controls), which never changed.

        Nothing changes over time then, so each layer needs to be computed once only.
        """
        level = 2 * (self.config.levels // 2) / (self.config.levels - 1) - 1
        e = self.hear(F.pad(controls, (1, 0), value=level).unsqueeze(-1))  # (batch, embedding_size + condition_size, 1)
        histories = []
        (array,) = self.trunk.each_array()
        stream = array.rechannel(e)
        for layer in array.each_layer():
            if layer.history:
                histories.append(stream.expand(-1, -1, layer.history).contiguous())
            stream, _ = layer(stream.expand(-1, -1, layer.history + 1), e, None, 1)
        return tuple(histories)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """``x`` (batch, 1 + controls, time) → (batch, distribution.size, time) and the state after it."""
        h, state = self.trunk(self.hear(x), self.init_state(x.shape[0]) if state is None else state)
        return self._distribution_of(h), state

    def valid(self, x: Tensor, trunk: Callable[[WaveNet, Tensor], Tensor] = WaveNet.valid) -> Tensor:
        """``x`` (batch, 1 + controls, time) → the ``time - receptive_field + 1`` distributions that see all their past.

        ``trunk`` computes the layers; training gives its own kernels here.
        """
        return self._distribution_of(trunk(self.trunk, self.hear(x)))

    def _distribution_of(self, h: Tensor) -> Tensor:
        return self.output(F.relu(self.before_rectifier(h)))  # type: ignore[no-any-return]
