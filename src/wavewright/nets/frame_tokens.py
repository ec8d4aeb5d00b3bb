"""The frame LSTM with codes for a mouth: what a frame is roughly, then what is left, by residual k-means.

A softmax over codes cannot blur: what is drawn is always a frame like those there were, and silence is a code like any
other. Each codebook's logits also hear the codes drawn before them in the same frame, through tables that are added up.

It hears codes, too: what is left of a frame beyond them, it never says itself. A network that had learned from whole
frames would hear something strange as soon as it hears what it said.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wavewright.nets.contract import State
from wavewright.nets.frame_config import FrameLSTMConfig
from wavewright.nets.frame_distributions import FrameDistribution, drawn
from wavewright.nets.frame_lstm import FrameLSTM


class ResidualCodes(nn.Module):
    """A distribution over frames that are sums of one vector from each codebook: `FrameDistribution`.

    >>> codes = ResidualCodes(numbers=4, codebooks=2, tokens=8)
    >>> codes.size
    16
    >>> codes.cost(torch.zeros(3, 16, 5), torch.zeros(3, 4, 5)).shape
    torch.Size([3, 5])
    """

    books: Tensor
    weights: Tensor

    def __init__(self, numbers: int, codebooks: int, tokens: int) -> None:
        super().__init__()
        self.numbers, self.codebooks, self.tokens = numbers, codebooks, tokens
        self.register_buffer("books", torch.zeros(codebooks, tokens, numbers))
        # how much each number of a frame counts when the nearest vector is looked for
        self.register_buffer("weights", torch.ones(numbers))
        # what code c of book i adds to the logits of book j > i
        self.links = nn.Parameter(torch.zeros(codebooks, codebooks, tokens, tokens))

    @property
    def size(self) -> int:
        """A logit for each code of each book."""
        return self.codebooks * self.tokens

    @property
    def draws(self) -> int:
        """One for each book."""
        return self.codebooks

    def codes_of(self, frames: Tensor) -> Tensor:
        """The codes ``(n, codebooks)`` of frames ``(n, numbers)``: the nearest vector, then the nearest to the rest."""
        left, found = frames * self.weights, []
        for book in self.books * self.weights:
            nearest = (book.square().sum(1) - 2 * left @ book.T).argmin(1)
            found.append(nearest)
            left = left - book[nearest]
        return torch.stack(found, 1)

    def frames_of(self, codes: Tensor) -> Tensor:
        """The frames ``(n, numbers)`` of codes ``(n, codebooks)``."""
        return torch.stack([book[codes[:, at]] for at, book in enumerate(self.books)]).sum(0)

    def cost(self, parameters: Tensor, frames: Tensor) -> Tensor:
        """Nats a codebook."""
        batch, _, time = frames.shape
        codes = self.codes_of(frames.transpose(1, 2).reshape(-1, self.numbers))  # (batch · time, codebooks)
        logits = parameters.transpose(1, 2).reshape(-1, self.codebooks, self.tokens)
        total = torch.zeros(len(codes), device=frames.device)
        for at in range(self.codebooks):
            total = total + F.cross_entropy(self._told(logits, codes, at), codes[:, at], reduction="none")
        return total.reshape(batch, time) / self.codebooks

    def lesson(self, parameters: Tensor, frames: Tensor) -> Tensor:
        """The same."""
        return self.cost(parameters, frames)

    def _told(self, logits: Tensor, codes: Tensor, at: int) -> Tensor:
        """The logits of book ``at``, with what the codes before it add."""
        told = logits[:, at]
        for before in range(at):
            told = told + self.links[before, at][codes[:, before]]
        return told

    def draw(self, parameters: Tensor, uniform: Tensor, normal: Tensor, temperature: float) -> Tensor:
        """Code after code; the likeliest ones at temperature 0."""
        logits = parameters.reshape(len(parameters), self.codebooks, self.tokens)
        codes = torch.zeros(len(parameters), self.codebooks, dtype=torch.long, device=parameters.device)
        frame = torch.zeros(len(parameters), self.numbers, device=parameters.device)
        for at in range(self.codebooks):
            told = self._told(logits, codes, at)
            codes[:, at] = told.argmax(1) if temperature <= 0 else drawn(told / temperature, uniform[:, at])
            frame = frame + self.books[at][codes[:, at]]
        return frame


class FrameTokens(FrameLSTM):
    """`FrameLSTM` that hears and says codes.

    >>> net = FrameTokens(FrameLSTMConfig(features=16, numbers=4, heard=1, hidden_size=8, codebooks=2, tokens=5))
    >>> net(torch.zeros(2, 5, 10))[0].shape
    torch.Size([2, 11, 10])
    """

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """As `FrameLSTM`, every frame heard as its codes tell it."""
        numbers, told = self.config.numbers, self.config.heard * self.config.numbers
        if not bool(self.dense_in.weight[:, :told].any()):
            return super().forward(x, state)  # deafened: what is shown to it as zeros has to stay so
        codes = self.distribution
        assert isinstance(codes, ResidualCodes)
        frames = x[:, :told].transpose(1, 2).reshape(-1, numbers)  # (batch · frames · heard, numbers)
        heard = codes.frames_of(codes.codes_of(frames)).reshape(len(x), -1, told).transpose(1, 2)
        return super().forward(torch.cat([heard, x[:, told:]], dim=1), state)

    def _distribution(self, config: FrameLSTMConfig) -> FrameDistribution:
        return ResidualCodes(config.numbers, max(1, config.codebooks), max(2, config.tokens))
