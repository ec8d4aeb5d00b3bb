"""AudioRNN: gated recurrent units that say, sample by sample, what the next one may be.

After the network of AudioRNN (a dense layer, two GRUs and a softmax over 256 µ-law codes, the dense layer's output
handed past each GRU). With x the sample before the one predicted, c the controls and h the units of layer i:

    d = tanh(W x)                       x as one of ``levels`` codes, each with a row of W
    h₁ = GRU₁([d, c])
    hᵢ = GRUᵢ([hᵢ₋₁, d])                the skip: every layer hears the sample itself
    y = V [h_last, d] + b               what `wavewright.nets.distributions` reads

All that reaches the units from d is a function of one code: a sampler keeps it in tables. Beyond 256 levels W x is
w·level + v, and the first number of d is the level itself, so that a mean can be told as closely as a code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wavewright.nets.contract import State
from wavewright.nets.distributions import LogisticMixture, codes_of, distribution_for
from wavewright.nets.generator import Generator
from wavewright.nets.gru_scan import always, layer_over, scan
from wavewright.settings import checked, setting


@dataclass(frozen=True)
class AudioRNNConfig:
    """Settings of an AudioRNN. ``warm_up`` is what it calls its receptive field."""

    hidden_size: int = setting(256, "units of each recurrent layer", low=1, high=4096)
    num_layers: int = setting(2, "recurrent layers on top of one another", low=1, high=8)
    dense_size: int = setting(256, "numbers that stand for the sample before, in front of the units", low=2, high=4096)
    levels: int = setting(256, "codes that a sample may have", low=2, high=65536)
    components: int = setting(10, "logistics in the mixture, for more than 256 levels", low=1, high=100)
    controls: int = setting(0, "channels beside the sound: class, time since onset, envelope", low=0, high=1024)
    warm_up: int = setting(1024, "samples that the network hears before a figure counts", low=1, high=1_000_000)


class AudioRNN(Generator):
    """Dense, skips, GRUs over ``(batch, 1 + controls, time)``, giving ``(batch, distribution.size, time)``.

    Raises:
        SettingsError: settings out of range, all of them at once.

    >>> net = AudioRNN(AudioRNNConfig(hidden_size=8, dense_size=4))
    >>> y, state = net(torch.zeros(2, 1, 100))
    >>> y.shape, [part.shape for part in state]
    (torch.Size([2, 256, 100]), [torch.Size([2, 8]), torch.Size([2, 8])])
    """

    def __init__(self, config: AudioRNNConfig) -> None:
        super().__init__()
        self.config = checked(config)
        self.distribution = distribution_for(config.levels, config.components)
        self.controls = config.controls
        self.in_channels, self.out_channels = 1 + config.controls, self.distribution.size
        hidden, dense = config.hidden_size, config.dense_size
        self.dense: nn.Embedding | nn.Linear
        if isinstance(self.distribution, LogisticMixture):
            self.dense = nn.Linear(1, dense - 1)
        else:
            self.dense = nn.Embedding(config.levels, dense)
        inputs = [dense + config.controls] + [hidden + dense] * (config.num_layers - 1)
        self.layers = nn.ModuleList(nn.GRU(size, hidden, batch_first=True) for size in inputs)
        self.output = nn.Linear(hidden + dense, self.distribution.size)
        self._initialise()

    def each_layer(self) -> Iterator[nn.GRU]:
        """The recurrent layers, first to last."""
        for layer in self.layers:
            assert isinstance(layer, nn.GRU)
            yield layer

    @torch.no_grad()
    def _initialise(self) -> None:
        """Units that neither grow nor die, and a distribution that knows nothing yet."""
        for layer in self.each_layer():
            from_inputs, from_units, *biases = layer.parameters()
            for gate in from_inputs.chunk(3):
                nn.init.xavier_uniform_(gate)
            for gate in from_units.chunk(3):
                nn.init.orthogonal_(gate)
            for bias in biases:
                nn.init.zeros_(bias)
        nn.init.normal_(self.output.weight, std=0.01)
        nn.init.zeros_(self.output.bias)
        if isinstance(self.dense, nn.Embedding):
            # Steps between low and high, of several widths and at several heights: neighbouring codes begin alike.
            codes, size = self.dense.weight.shape
            steps = torch.randn(size).sign() * 2.0 ** torch.empty(size).uniform_(0.0, 4.0)
            self.dense.weight.copy_(
                steps * (torch.linspace(-1.0, 1.0, codes).unsqueeze(1) - torch.rand(size) * 2.0 + 1.0)
            )
        else:
            # Steps of all widths, near the middle where most samples are: quiet sounds move some of them too.
            slopes = 2.0 ** torch.empty(self.dense.out_features).uniform_(0.0, 10.0)
            self.dense.weight.copy_(slopes.unsqueeze(1))
            nn.init.normal_(self.dense.bias)
            # The best guess before any training: the sample before, somewhat uncertain at all scales.
            of_means = self.output.weight.chunk(3)[1]
            of_means.zero_()
            of_means[:, self.config.hidden_size] = 1.0
            log_scales = self.output.bias.chunk(3)[2]
            log_scales.copy_(torch.linspace(-8.0, -1.0, len(log_scales)))

    def hear(self, level: Tensor) -> Tensor:
        """d: ``level`` (batch, time) → (batch, time, dense_size)."""
        return _ByLevel(self.dense, level, self.config.levels).d()

    @property
    def receptive_field(self) -> int:
        """The warm-up in samples; a recurrent network itself remembers without limit."""
        return self.config.warm_up

    @property
    def multiply_adds(self) -> int:
        """Multiplications that one sample takes where all that follows from the sample before alone is in tables."""
        c = self.config
        layers = 3 * c.hidden_size * (2 * c.num_layers - 1) * c.hidden_size
        return layers + c.hidden_size * self.distribution.size

    def init_state(self, batch: int) -> State:
        """Zeros: the units (batch, hidden_size) of each layer."""
        weight = self.output.weight
        zeros = torch.zeros(batch, self.config.hidden_size, device=weight.device, dtype=weight.dtype)
        return (zeros,) * self.config.num_layers

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """``x`` (batch, 1 + controls, time) → (batch, distribution.size, time) and the state after it."""
        state = self.init_state(x.shape[0]) if state is None else state
        level, below = x[:, 0].t(), x[:, 1:].permute(2, 0, 1)  # (time, batch), (time, batch, controls)
        by_level = _ByLevel(self.dense, level, self.config.levels)
        after = []
        for index, (layer, before) in enumerate(zip(self.each_layer(), state, strict=True)):
            below = self._layer(index, layer, by_level, below, before)  # (time, batch, hidden)
            after.append(below[-1].clone())  # a view would keep the whole block alive
        weight, size = self.output.weight, self.config.hidden_size
        y = by_level.linear(weight[:, size:], self.output.bias) + below @ weight[:, :size].t()
        return y.permute(1, 2, 0), tuple(after)

    def _layer(self, index: int, layer: nn.GRU, by_level: _ByLevel, below: Tensor, before: Tensor) -> Tensor:
        """``below`` (time, batch, channels) → the layer's units (time, batch, hidden)."""
        if below.device.type != "cpu":
            heard = [by_level.d(), below] if index == 0 else [below, by_level.d()]
            return layer_over(layer, torch.cat(heard, dim=-1), before)
        weight, recurrent, _, recurrent_bias = layer.parameters()
        size = self.config.dense_size if index == 0 else self.config.hidden_size
        left, right = weight[:, :size], weight[:, size:]
        of_d, of_below = (left, right) if index == 0 else (right, left)
        gates = by_level.linear(of_d, always(layer))
        if below.shape[-1]:
            gates = gates + below @ of_below.t()
        return scan(gates, before, recurrent, recurrent_bias[2 * self.config.hidden_size :])


class _ByLevel:
    """d of a block, and what linear maps make of it: by way of a table where there are no more codes than that."""

    def __init__(self, dense: nn.Embedding | nn.Linear, level: Tensor, levels: int) -> None:
        self.codes = None
        if isinstance(dense, nn.Embedding):
            self.codes = codes_of(level, levels)  # (time, batch)
            self.rows = torch.tanh(dense.weight)  # (levels, dense)
        else:
            level = level.unsqueeze(-1)
            self.rows = torch.cat([level, torch.tanh(dense(level))], dim=-1)  # (time, batch, dense)

    def d(self) -> Tensor:
        """(time, batch, dense)."""
        return self.rows if self.codes is None else F.embedding(self.codes, self.rows)

    def linear(self, weight: Tensor, bias: Tensor) -> Tensor:
        """W d + b: ``weight`` (out, dense), ``bias`` (out,) → (time, batch, out)."""
        if self.codes is None:
            return F.linear(self.rows, weight, bias)
        with torch.autocast(self.rows.device.type, enabled=False):  # a small product, heard at every sample
            return F.embedding(self.codes, F.linear(self.rows, weight, bias))
