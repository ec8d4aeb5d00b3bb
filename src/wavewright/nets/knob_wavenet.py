"""A WaveNet with knobs: by concatenation, or by feature-wise linear modulation (FiLM).

With x the stream, c the dry signal and u the knobs, what goes into the activation of layer l is

    z = (1 + A_l u) · (conv(x) + mixer(c)) + B_l u

After Perez et al., "FiLM: Visual Reasoning with a General Conditioning Layer" (2018). A_l = 0 is concatenation: u as
further inputs of the mixer, as van den Oord et al. (2016, section 2.5) condition a WaveNet on a class.

**The taper.** What a circuit does depends on resistances, and those seldom follow a knob's angle evenly. A
potentiometer in a voltage divider or in a feedback path makes a gain of the form (αp + β) / (γp + δ) of its position p.
Brought to 0 … 1 at both ends, every such curve is

    u = p / (p + a (1 − p)),  a > 0

with a = 1 for an even one. Each knob learns its own a, so that three positions tell how those between them lie.

**At a fixed position** all this folds into the weights: (1 + A u) W, (1 + A u) m, (1 + A u) b + B u. So a twin plays,
and is trained, at the speed of a WaveNet without knobs, and it can be written as a .nam file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from wavewright.errors import SettingsError
from wavewright.nets.contract import Network, State
from wavewright.nets.history import Histories
from wavewright.nets.knob_wavenet_config import KnobWaveNetConfig
from wavewright.nets.wavenet import Layer, WaveNet, valid_length

__all__ = ["KnobWaveNet", "KnobWaveNetConfig", "taper"]

FIRST_SCALE, FIRST_SHIFT = 0.3, 0.5
"""Standard deviations of the first A and B: from almost nothing a knob is learned far more slowly than the sound."""


def taper(p: Tensor, bend: Tensor) -> Tensor:
    """u = p / (p + a (1 − p)) with a = exp(``bend``), between 0 and 1 as ``p`` (…, knobs) is.

    >>> taper(torch.tensor([0.0, 0.5, 1.0]).unsqueeze(-1), torch.zeros(1)).flatten()
    tensor([0.0000, 0.5000, 1.0000])
    """
    return p / (p + torch.exp(bend) * (1 - p))


class Shaping(nn.Module):
    """What the knobs do to one layer: a shift of each channel and, for FiLM, a factor."""

    def __init__(self, features: int, channels: int, film: bool) -> None:
        super().__init__()
        self.shift = nn.Linear(features, channels, bias=False)
        nn.init.normal_(self.shift.weight, std=FIRST_SHIFT)
        self.scale = nn.Linear(features, channels, bias=False) if film else None
        if self.scale is not None:
            nn.init.normal_(self.scale.weight, std=FIRST_SCALE)

    def forward(self, z: Tensor, u: Tensor) -> Tensor:
        """``z`` (batch, channels, time), ``u`` (batch, time or 1, features) → ``z`` as the knobs have it."""
        if self.scale is not None:
            z = z * (1 + self.scale(u)).transpose(1, 2)
        return torch.as_tensor(z + self.shift(u).transpose(1, 2))


class KnobWaveNet(Network):
    """A WaveNet over ``(batch, channels + knobs, time)``: the sound, then each knob's position from 0 to 1.

    Raises:
        SettingsError: a configuration that describes no network, with all that is wrong in it.

    >>> from wavewright.nets.wavenet_config import PRESETS
    >>> net = KnobWaveNet(KnobWaveNetConfig(PRESETS["a1-nano"], knobs=2, conditioning="film"))
    >>> net(torch.zeros(1, 3, 64))[0].shape, net.at([0.3, 1.0]).in_channels
    (torch.Size([1, 1, 64]), 1)
    """

    def __init__(self, config: KnobWaveNetConfig) -> None:
        super().__init__()
        problems = config.problems()
        if problems:
            raise SettingsError(problems)
        self.config = config
        self.wavenet = WaveNet(config.wavenet)
        self.controls = config.knobs
        self.in_channels = self.wavenet.in_channels + config.knobs
        self.out_channels = self.wavenet.out_channels
        self.bend = nn.Parameter(torch.zeros(config.knobs))
        self.between = nn.Linear(config.knobs, config.units) if config.units else None
        self.shapings = nn.ModuleList(
            Shaping(config.features, array.mid, config.conditioning == "film")
            for array in config.wavenet.arrays
            for _ in array.dilations
        )

    @property
    def receptive_field(self) -> int:
        """Samples of input that one output sample sees."""
        return self.wavenet.receptive_field

    @property
    def multiply_adds(self) -> int:
        """Multiplications that one output sample takes while the knobs stand still."""
        return self.wavenet.multiply_adds

    def init_state(self, batch: int) -> State:
        """Zeros before the first sample, as the WaveNet has them."""
        return self.wavenet.init_state(batch)

    def features(self, positions: Tensor) -> Tensor:
        """What the layers hear of knobs at ``positions`` (…, knobs), each 0 to 1: (…, features)."""
        u = taper(positions, self.bend)
        return u if self.between is None else torch.tanh(self.between(u))

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """``x`` (batch, channels + knobs, time) → the sound, as long, and the state after it."""
        histories = Histories(self.init_state(x.shape[0]) if state is None else state)
        sound, u = self._parted(x)
        time, shapings = x.shape[-1], iter(self.shapings)
        stream, h = sound, None
        for array in self.wavenet.each_array():
            stream = array.rechannel(stream)
            for layer in array.each_layer():
                past = histories.before(stream, layer.history)
                stream, h = self._layer(layer, next(shapings), past, sound, u, h, time)
            h = array.head(histories.before(torch.as_tensor(h), array.config.head_kernel_size - 1))
        return self.wavenet.head_scale * torch.as_tensor(h), histories.state()

    def valid(self, x: Tensor) -> Tensor:
        """``x`` (batch, channels + knobs, time) → the samples that see a whole receptive field."""
        arrays = list(self.wavenet.each_array())
        wanted = valid_length(self, x) + sum(array.config.head_kernel_size - 1 for array in arrays)
        sound, u = self._parted(x)
        shapings = iter(self.shapings)
        stream, h = sound, None
        for array in arrays:
            stream = array.rechannel(stream)
            for layer in array.each_layer():
                stream, h = self._layer(layer, next(shapings), stream, sound, u, h, wanted)
            h = array.head(torch.as_tensor(h))
            wanted = h.shape[-1]
        return torch.as_tensor(self.wavenet.head_scale * torch.as_tensor(h))

    def _parted(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The sound (batch, channels, time), and what the layers hear of the knobs (batch, time, features)."""
        sound, knobs = x[:, : -self.controls], x[:, -self.controls :]
        return sound, self.features(knobs.transpose(1, 2))

    def _layer(
        self, layer: Layer, shaping: nn.Module, x: Tensor, c: Tensor, u: Tensor, h: Tensor | None, wanted: int
    ) -> tuple[Tensor, Tensor]:
        z = layer.before(x, c)  # (batch, mid, time)
        return layer.behind(x, shaping(z, u[:, u.shape[1] - z.shape[-1] :]), h, wanted)

    def _layer_names(self) -> list[str]:
        return [
            f"arrays.{index}.layers.{layer}"
            for index, array in enumerate(self.config.wavenet.arrays)
            for layer in range(len(array.dilations))
        ]

    def weights_at(self, positions: Tensor) -> dict[str, Tensor]:
        """The weights, by name, of the WaveNet that this is at fixed ``positions`` (knobs,); differentiable."""
        weights = dict(self.wavenet.named_parameters()) | dict(self.wavenet.named_buffers())
        u = self.features(positions)  # (features)
        for name, shaping in zip(self._layer_names(), self.shapings, strict=True):
            assert isinstance(shaping, Shaping)
            if shaping.scale is not None:
                factor = 1 + shaping.scale(u)  # (mid)
                for part in ("conv.weight", "mixer.weight"):
                    weights[f"{name}.{part}"] = weights[f"{name}.{part}"] * factor[:, None, None]
                weights[f"{name}.conv.bias"] = weights[f"{name}.conv.bias"] * factor
            weights[f"{name}.conv.bias"] = weights[f"{name}.conv.bias"] + shaping.shift(u)
        return weights

    @torch.no_grad()
    def features_of(self, positions: NDArray[np.float32]) -> NDArray[np.float32]:
        """`features` of an array (…, knobs), as an array."""
        return np.asarray(self.features(torch.from_numpy(positions).to(self.bend)).to("cpu", torch.float32).numpy())

    @torch.no_grad()
    def heard_as_inputs(self) -> WaveNet:
        """The WaveNet that hears the features as further inputs, of one by concatenation: all that moves is in them.

        Raises:
            SettingsError: the knobs scale, too (FiLM).
        """
        if self.config.conditioning != "concat":
            raise SettingsError([f"conditioning = {self.config.conditioning}: knobs that scale are no further inputs"])
        features, config = self.config.features, self.config.wavenet
        arrays = [replace(array, condition_size=array.condition_size + features) for array in config.arrays]
        arrays[0] = replace(arrays[0], input_size=arrays[0].input_size + features)
        wide = WaveNet(replace(config, arrays=tuple(arrays), controls=features))
        weights = self.wavenet.state_dict()
        entry = weights["arrays.0.rechannel.weight"]  # (channels, inputs, 1): the stream hears no knobs
        weights["arrays.0.rechannel.weight"] = F.pad(entry, (0, 0, 0, features))
        for name, shaping in zip(self._layer_names(), self.shapings, strict=True):
            assert isinstance(shaping, Shaping)
            mixer = weights[f"{name}.mixer.weight"]  # (mid, inputs, 1)
            weights[f"{name}.mixer.weight"] = torch.cat([mixer, shaping.shift.weight[:, :, None]], dim=1)
        wide.load_state_dict(weights)
        return wide.eval()

    @torch.no_grad()
    def at(self, positions: Sequence[float]) -> WaveNet:
        """The WaveNet without knobs that this is while each knob stands at its position, 0 to 1.

        Raises:
            SettingsError: not as many positions as knobs.
        """
        if len(positions) != self.controls:
            raise SettingsError([f"{len(positions)} positions: this network has {self.controls} knobs"])
        weight = self.bend
        still = WaveNet(self.config.wavenet).to(weight.device, weight.dtype)
        still.load_state_dict(self.weights_at(torch.tensor(positions, device=weight.device, dtype=weight.dtype)))
        return still.eval()
