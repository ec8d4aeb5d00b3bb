"""What the outputs of a generator say about the next sample: one number a code, or a mixture of logistics.

A code k of ``levels`` stands for the level 2k/(levels − 1) − 1. Up to 256 codes each has a number of its own (van den
Oord et al., "WaveNet: A Generative Model for Raw Audio", 2016, section 2.2). Beyond, a mixture of logistics is cut into
bins as wide as the distance of two levels (Salimans et al., "PixelCNN++", 2017, section 2.1; van den Oord et al.,
"Parallel WaveNet", 2017, section 2.2), the outermost bins open to infinity. With δ half a bin, a = (x − μ)/s, h = δ/s:

    p(x) = σ(a + h) − σ(a − h) = σ(a + h) · σ(h − a) · (1 − e^(−2h))

The product on the right has no difference of nearly equal numbers, so single precision does at 65,536 levels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from wavewright.errors import SettingsError

MOST_SOFTMAX_LEVELS = 256
"""Codes up to which each has a number of its own."""


class Distribution(Protocol):
    """A family of distributions over the codes 0 … ``levels`` − 1, and the numbers that choose one of it."""

    @property
    def levels(self) -> int:
        """How many codes there are."""

    @property
    def size(self) -> int:
        """Numbers that describe one distribution: the channels of a generator's output."""

    @property
    def draws(self) -> int:
        """Uniform random numbers that one draw takes."""

    def nats(self, parameters: Tensor, codes: Tensor) -> Tensor:
        """−ln p of ``codes`` ``(batch, time)`` under ``parameters`` ``(batch, size, time)``, ``(batch, time)``."""


@dataclass(frozen=True)
class Softmax:
    """One logit a code.

    >>> Softmax(256).nats(torch.zeros(1, 256, 1), torch.tensor([[7]])).exp().round().tolist()
    [[256.0]]
    """

    levels: int = 256

    @property
    def size(self) -> int:
        """As many numbers as codes."""
        return self.levels

    @property
    def draws(self) -> int:
        """One uniform number a draw."""
        return 1

    def nats(self, parameters: Tensor, codes: Tensor) -> Tensor:
        """``parameters`` (batch, levels, time), ``codes`` (batch, time) → −ln p, (batch, time)."""
        # Networks hand over a transposed view: codes last is how its memory lies.
        logits = parameters.transpose(1, 2).reshape(-1, self.levels)
        return F.cross_entropy(logits, codes.reshape(-1).long(), reduction="none").view(codes.shape)


@dataclass(frozen=True)
class LogisticMixture:
    """``components`` logistics: their weights as logits, then their means, then the logarithms of their scales.

    Means and scales are in levels, which reach from −1 to 1. Scales stay above a fiftieth of half a bin, where one code
    takes all but 10⁻²¹, and below e⁷.
    """

    components: int = 10
    levels: int = 65536

    @property
    def size(self) -> int:
        """Three numbers a component."""
        return 3 * self.components

    @property
    def draws(self) -> int:
        """Two uniform numbers a draw: one for the component, one for the value."""
        return 2

    @property
    def log_scales(self) -> tuple[float, float]:
        """The smallest and the largest logarithm of a scale; what lies outside is clamped."""
        return -math.log(self.levels - 1) - 4.0, 7.0

    def split(self, parameters: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``parameters`` (batch, size, …) → logits, means and clamped log scales, (batch, components, …) each."""
        logits, means, log_scales = parameters.chunk(3, dim=1)
        return logits, means, log_scales.clamp(*self.log_scales)

    def nats(self, parameters: Tensor, codes: Tensor) -> Tensor:
        """``parameters`` (batch, size, time), ``codes`` (batch, time) → −ln p, (batch, time)."""
        logits, means, log_scales = self.split(parameters)  # (batch, components, time) each
        codes = codes.long().unsqueeze(1)  # (batch, 1, time)
        levels = codes.double() * (2.0 / (self.levels - 1)) - 1.0
        # A single-precision level may be off by part of the narrowest scale; the difference may be rounded.
        distance = (levels - means.double()).to(parameters.dtype)
        narrow = torch.exp(-log_scales)
        a, h = distance * narrow, narrow / (self.levels - 1)
        below, above = F.logsigmoid(a + h), F.logsigmoid(h - a)  # not above the bin, not below it
        inside = below + above + torch.log(-torch.expm1(-2.0 * h))
        log_p = torch.where(codes == 0, below, torch.where(codes == self.levels - 1, above, inside))
        return -torch.logsumexp(F.log_softmax(logits, dim=1) + log_p, dim=1)


def distribution_for(levels: int, components: int = 10) -> Softmax | LogisticMixture:
    """The family that suits ``levels`` codes: a softmax up to 256, beyond them a mixture of ``components`` logistics.

    >>> distribution_for(256).size, distribution_for(65536).size
    (256, 30)
    """
    return Softmax(levels) if levels <= MOST_SOFTMAX_LEVELS else LogisticMixture(components, levels)


def codes_of(level: Tensor, levels: int) -> Tensor:
    """The codes (int64) nearest to ``level`` in [−1, 1], any shape; what lies beyond goes to the end codes.

    >>> codes_of(torch.tensor([-1.0, 0.2, 3.0]), levels=256).tolist()
    [0, 153, 255]
    """
    return torch.round((level + 1.0) * (0.5 * (levels - 1))).nan_to_num(0.0).clamp(0, levels - 1).long()


def draw(
    distribution: Distribution,
    parameters: Tensor,
    uniforms: Tensor,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
) -> Tensor:
    """One code for each row of ``parameters`` ``(batch, size)``, by ``uniforms`` ``(batch, draws)`` in [0, 1).

    The rule that every sampler follows, in float64, so that equal numbers give equal codes.

    Softmax: logits over ``temperature``; the ``top_k`` largest are kept (0: all; of equals the lower code); of those
    the smallest head, most likely first, whose share reaches ``top_p`` (1: all; Holtzman et al., 2020); then the
    first kept code, in the order of codes, at which the cumulative sum exceeds u · total.

    Mixture: the component in the same way from u₀ and softmax(logits / temperature); then
    mean + temperature · scale · ln(u₁ / (1 − u₁)), clipped to [−1, 1], to the nearest code.

    Returns:
        Codes, int64, ``(batch,)``.

    Raises:
        SettingsError: a temperature not above 0, ``top_k`` below 0, ``top_p`` outside (0, 1], or one of the latter two
            for a mixture.
    """
    _check_choice(distribution, temperature, top_k, top_p)
    uniforms = uniforms.double()
    if isinstance(distribution, LogisticMixture):
        logits, means, log_scales = distribution.split(parameters.double())
        chosen = _inverse_cdf(_weights(logits, temperature), uniforms[:, 0]).unsqueeze(1)
        mean, scale = means.gather(1, chosen)[:, 0], log_scales.gather(1, chosen)[:, 0].exp()
        value = mean + temperature * scale * torch.logit(uniforms[:, 1])
        position = (value.clamp(-1.0, 1.0) + 1.0) * (0.5 * (distribution.levels - 1))
        return torch.floor(position + 0.5).long()
    logits = parameters.double()  # (batch, levels)
    weights, order = _weights(logits, temperature), logits.argsort(dim=1, descending=True, stable=True)
    falling = weights.gather(1, order)
    if 0 < top_k < distribution.levels:
        falling[:, top_k:] = 0.0
    if top_p < 1.0:
        total = falling.cumsum(1)
        falling[total - falling >= top_p * total[:, -1:]] = 0.0  # the head before it has reached the share already
    return _inverse_cdf(torch.zeros_like(weights).scatter(1, order, falling), uniforms[:, 0])


def _weights(logits: Tensor, temperature: float) -> Tensor:
    """Unnormalised probabilities, the largest 1."""
    return torch.exp((logits - logits.amax(1, keepdim=True)) / temperature)


def _inverse_cdf(weights: Tensor, uniforms: Tensor) -> Tensor:
    """The first index at which the sum of ``weights`` (batch, n) exceeds ``uniforms`` (batch,) of the whole."""
    total = weights.cumsum(1)
    # u · total stays below total in float64 for every u below 1, so there is such an index.
    return torch.searchsorted(total, (uniforms * total[:, -1]).unsqueeze(1), right=True)[:, 0]


def _check_choice(distribution: Distribution, temperature: float, top_k: int, top_p: float) -> None:
    problems = []
    if not (temperature > 0.0 and math.isfinite(temperature)):
        problems.append(f"temperature = {temperature}: must be a finite number above 0; small ones take the likeliest")
    if top_k < 0:
        problems.append(f"top_k = {top_k}: must be 0 (all codes) or how many of the likeliest to keep")
    if not 0.0 < top_p <= 1.0:
        problems.append(f"top_p = {top_p}: must be above 0 and at most 1 (all codes)")
    if isinstance(distribution, LogisticMixture) and (top_k != 0 or top_p != 1.0):
        problems.append(
            f"top_k = {top_k}, top_p = {top_p}: a mixture of logistics has no codes to leave out; "
            "leave both at 0 and 1, and lower the temperature"
        )
    if problems:
        raise SettingsError(problems)
