"""A network that writes the upper band of a spectrum, frame by frame, from the band below it.

In the time-frequency plane the lower band need not be made again: it is copied. Blocks over frames are those of Liu et
al., "A ConvNet for the 2020s" (2022), in one dimension, as in Siuzdak, "Vocos" (2023); magnitude and phase come from
heads of their own, as in Lu et al., "Towards High-Quality and Efficient Speech Bandwidth Extension with Parallel
Amplitude and Phase Prediction" (2024). With X the spectrum of the sound whose upper band is missing:

    s, t = mean loudness around each frame; the place in it of the highest peak of the lower band, its highs lifted
    R  = ± e^{2πi k t / n_fft}                                          turns that peak to the beginning, upwards
    h  = blocks(W · compressed(R X / s below the edge))                 (channels, frames)
    C  = s · exp(m(h)) · e^{i φ(h)} / R                                 above the edge
    Y  = X below the edge;  (1 + g(h)) X + C above it, X fading out at the sound's own half rate

N = s · exp(n(h)) · U, where asked for, is added to Y: what can be heard of the lost band and not known, an s or a
breath. U are the phases of the lower band, mirrored and shifted upwards as sampling at the low rate would alias them:
of noise they make noise, of a buzz a buzz, and nothing of their own. So C is what is likely, the mean of all that could
have been there, and N is as loud as what the mean leaves out.

The frames are short, a pitch period or two of a voice, and turned by R they begin with the pulse of the vocal folds
wherever it came: what lies above the band is then much the same for every pulse of a vowel, and phases can be learned
instead of guessed. g puts back what a decimation filter took from the top of the lower band. What is done to the sound
is done to the result, whether it comes louder, upside down, or later by whole hops. Not causal, and of a finite reach,
so that chunks give what the whole gives.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wavewright.errors import SettingsError
from wavewright.nets.contract import Network, State
from wavewright.settings import problems_of, setting

QUIET = 1e-4
"""Amplitude in a spectral bin that counts as silence: −80 dBFS."""

TINY = 1e-7
"""Below this a bin has no direction."""

COMPRESSION = 0.3
"""Power to which magnitudes are raised before the network hears them, as ears do."""


@dataclass(frozen=True)
class SpectralUpsamplerConfig:
    """Settings; ``low`` and ``high`` are shares of half the rate."""

    n_fft: int = setting(256, "samples of a frame", low=16, high=8192)
    hop: int = setting(64, "samples from frame to frame", low=4, high=4096)
    low: float = setting(0.2, "up to here the sound stays as it is, as a share of half the rate", above=0.0, high=1.0)
    high: float = setting(0.25, "up to here there is something of the sound to put back", above=0.0, high=1.0)
    channels: int = setting(144, "channels of the stream from block to block", low=4, high=2048)
    blocks: int = setting(8, "blocks", low=1, high=64)
    expansion: int = setting(3, "how much wider a block is inside", low=1, high=8)
    kernel: int = setting(7, "frames that a block sees", low=1, high=63)
    texture: bool = setting(False, "add what can be heard and not known, as noise of the right loudness")

    @property
    def bins(self) -> int:
        """Of a frame's spectrum."""
        return self.n_fft // 2 + 1

    @property
    def edge(self) -> int:
        """The first bin that is written anew."""
        return max(1, round(self.low * (self.n_fft // 2)))

    @property
    def heard(self) -> int:
        """How many bins the network hears."""
        return min(self.bins, max(self.edge, round(self.high * (self.n_fft // 2))) + 2)


def _checked(config: SpectralUpsamplerConfig) -> SpectralUpsamplerConfig:
    problems = problems_of(config)
    if config.n_fft % config.hop or config.n_fft < 4 * config.hop:
        problems.append(f"settings n_fft = {config.n_fft}, hop = {config.hop}: a frame must be four or more whole hops")
    if not config.low <= config.high:
        problems.append(f"settings low = {config.low}, high = {config.high}: low must not lie above high")
    if problems:
        raise SettingsError(problems)
    return config


class SpectralUpsampler(Network):
    """``(batch, 1, time)`` → the same shape, its upper band written.

    Raises:
        SettingsError: settings out of range, all of them at once.

    >>> net = SpectralUpsampler(SpectralUpsamplerConfig(channels=16, blocks=2))
    >>> net(torch.zeros(1, 1, 1000))[0].shape
    torch.Size([1, 1, 1000])
    """

    causal = False

    def __init__(self, config: SpectralUpsamplerConfig) -> None:
        super().__init__()
        self.config = c = _checked(config)
        self.multiple = c.hop
        written = c.bins - c.edge
        self.entry = nn.Conv1d(2 * c.heard + 3, c.channels, c.kernel, padding=c.kernel // 2)
        self.entry_norm = nn.LayerNorm(c.channels, eps=1e-6)
        self.stack = nn.ModuleList(Block(c.channels, c.expansion, c.kernel, 1 / c.blocks) for _ in range(c.blocks))
        self.exit_norm = nn.LayerNorm(c.channels, eps=1e-6)
        self.magnitude = nn.Linear(c.channels, written)
        self.phase = nn.Linear(c.channels, 2 * written)
        self.restore = nn.Linear(c.channels, 2 * (c.heard - c.edge))
        self.loudness = nn.Linear(c.channels, written) if c.texture else None
        with torch.no_grad():
            if self.loudness is not None:
                self.loudness.bias.fill_(-4.0)
                self.loudness.weight.mul_(0.5)
            self.magnitude.bias.fill_(-4.0)
            self.magnitude.weight.mul_(0.5)
            self.restore.weight.mul_(0.1)
            self.restore.bias.zero_()
        window = torch.hann_window(c.n_fft).sqrt()
        self.register_buffer("window", window, persistent=False)
        overlap = window.square().view(-1, c.hop).sum(0).repeat(c.n_fft // c.hop)
        self.register_buffer("overlap", overlap, persistent=False)
        turn = torch.polar(torch.ones(c.n_fft), 2 * torch.pi / c.n_fft * torch.arange(c.n_fft))
        self.register_buffer("turn", turn, persistent=False)
        source, mirrored = _images(c)
        self.register_buffer("source", source, persistent=False)
        self.register_buffer("mirrored", mirrored, persistent=False)
        self.window: Tensor
        self.overlap: Tensor
        self.turn: Tensor
        self.source: Tensor
        self.mirrored: Tensor

    @property
    def frames_around(self) -> int:
        """Frames on either side of its own that a frame depends on."""
        c = self.config
        return (c.blocks + 2) * (c.kernel // 2)

    @property
    def lookahead(self) -> int:  # type: ignore[override]
        """Samples after its own on which an output depends."""
        return (self.frames_around + 2 * self.config.n_fft // self.config.hop) * self.config.hop

    @property
    def receptive_field(self) -> int:
        """Samples of input behind one output sample, on both sides."""
        return 2 * self.lookahead + 1

    def init_state(self, batch: int) -> State:
        """Nothing is carried from block to block."""
        return ()

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """``x`` (batch, 1, time) → (batch, 1, time), and an empty state."""
        known, texture = self.spectra(self.analysis(x[:, 0]))
        whole = known if texture is None else known + texture
        return self.synthesis(whole, x.shape[-1]).unsqueeze(1), ()

    def known_and_whole(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What is known, and that with its texture, both as ``x`` (batch, 1, time); no gradient from one to the other.

        The first learns from the error of the waveform alone, or it would fill the band with phases of its own making,
        the same in every frame: a hum at the rate of the frames.
        """
        known, texture = self.spectra(self.analysis(x[:, 0]))
        whole = known.detach() if texture is None else known.detach() + texture
        return self.synthesis(known, x.shape[-1]).unsqueeze(1), self.synthesis(whole, x.shape[-1]).unsqueeze(1)

    def analysis(self, x: Tensor) -> Tensor:
        """``x`` (batch, time) → complex spectra (batch, frames, bins); one at every hop."""
        c = self.config
        before = c.n_fft - c.hop
        padded = F.pad(x, (before, before + -x.shape[-1] % c.hop))
        X: Tensor = torch.fft.rfft(padded.unfold(-1, c.n_fft, c.hop) * self.window, norm="ortho")
        return X

    def synthesis(self, Y: Tensor, time: int) -> Tensor:
        """Spectra (batch, frames, bins) → the sound (batch, time) whose frames they are."""
        c = self.config
        pieces = torch.fft.irfft(Y, n=c.n_fft, norm="ortho") * (self.window / self.overlap)  # (batch, frames, n_fft)
        hops = pieces.unflatten(-1, (-1, c.hop))  # (batch, frames, hops of a frame, hop)
        batch, frames, count, _ = hops.shape
        total = hops.new_zeros(batch, frames + count - 1, c.hop)
        for place in range(count):
            total[:, place : place + frames] += hops[:, :, place]
        return torch.narrow(total.flatten(1), 1, c.n_fft - c.hop, time)

    def spectra(self, X: Tensor) -> tuple[Tensor, Tensor | None]:
        """Spectra (batch, frames, bins) with the upper band missing → the same with it, Y, and its texture N."""
        c = self.config
        heard = X[..., : c.heard]
        power = (heard.real.square() + heard.imag.square()).mean(-1, keepdim=True).transpose(1, 2)
        around = 2 * (c.kernel // 2) + 1
        level = (F.avg_pool1d(power, around, 1, around // 2, count_include_pad=True).transpose(1, 2) + QUIET**2).sqrt()
        R, place = self._rotor(X)  # (batch, frames, bins), (batch, frames, 1)
        turned = heard / level * R[..., : c.heard]
        magnitude = (turned.real.square() + turned.imag.square() + 1e-6).sqrt()
        compressed = torch.view_as_real(turned) * (magnitude ** (COMPRESSION - 1)).unsqueeze(-1)
        angle = 2 * torch.pi / c.hop * place  # tells frames apart that are turned onto one and the same pulse
        where = torch.cat([angle.sin(), angle.cos(), 2 / c.n_fft * place - 1], dim=-1)
        features = torch.cat([compressed.flatten(-2), where], dim=-1).transpose(1, 2)  # (batch, 2 heard + 3, frames)
        h = self.entry_norm(self.entry(features).transpose(1, 2))
        for block in self.stack:
            h = block(h)
        h = self.exit_norm(h)  # (batch, frames, channels)
        new = self._new(h) * level * R[..., c.edge :].conj()
        new = new + F.pad(X[..., c.edge : c.heard] * _complex(self.restore(h)), (0, c.bins - c.heard))
        known = torch.cat([X[..., : c.edge], X[..., c.edge :] + new], dim=-1)
        if self.loudness is None:
            return known, None
        loudness = self.loudness(h).float().clamp(max=8.0).exp() * level
        return known, F.pad(loudness * self._carrier(X), (c.edge, 0))

    def _carrier(self, X: Tensor) -> Tensor:
        """U: the directions of the images of the kept band, complex (batch, frames, bins − edge).

        Bins less half their neighbours are those of a frame windowed once more: rumble then does not leak into bins in
        which there is little else, where it would come in the rhythm of the frames.
        """
        edge = self.config.edge
        around = F.pad(X[..., : edge - 1], (1, 0)) + X[..., 1 : edge + 1]
        image = (X[..., :edge] - around / 2)[..., self.source]
        image = torch.where(self.mirrored, image.conj(), image)
        return image / (image.abs() + TINY)

    def _rotor(self, X: Tensor) -> tuple[Tensor, Tensor]:
        """R, by which each frame's highest peak turns to its beginning and upwards, and that peak's place in samples.

        Highs are lifted by 6 dB an octave: the moment at which the vocal folds close then stands out. The kept band
        alone is asked: what a filter left above it moves nothing.
        """
        c = self.config
        lifted = X[..., : c.edge] * torch.arange(c.edge, device=X.device)
        frame = torch.fft.irfft(lifted, n=c.n_fft, norm="ortho") * self.window  # (batch, frames, n_fft)
        place = frame.abs().argmax(-1, keepdim=True)
        sign = 1 - 2 * (frame.gather(-1, place) < 0).to(frame.dtype)
        bins = torch.arange(c.bins, device=X.device)
        return self.turn[(place * bins) % c.n_fft] * sign, place.to(frame.dtype)

    def _new(self, h: Tensor) -> Tensor:
        """C / s above the edge, complex (batch, frames, bins − edge)."""
        direction = _complex(self.phase(h))
        magnitude: Tensor = self.magnitude(h).float().clamp(max=8.0).exp()
        return direction / (direction.abs() + 1e-4) * magnitude


class Block(nn.Module):
    """One ConvNeXt block over ``(batch, frames, channels)``: each channel over frames, then all channels."""

    def __init__(self, channels: int, expansion: int, kernel: int, scale: float) -> None:
        super().__init__()
        self.along = nn.Conv1d(channels, channels, kernel, padding=kernel // 2, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.wide = nn.Linear(channels, expansion * channels)
        self.narrow = nn.Linear(expansion * channels, channels)
        self.scale = nn.Parameter(torch.full((channels,), scale))

    def forward(self, h: Tensor) -> Tensor:
        """``h`` (batch, frames, channels), and what the block adds to it."""
        inside = self.norm(self.along(h.transpose(1, 2)).transpose(1, 2))
        added: Tensor = self.narrow(F.gelu(self.wide(inside)))
        return h + self.scale * added


def _images(config: SpectralUpsamplerConfig) -> tuple[Tensor, Tensor]:
    """For each bin above the edge the bin below it that it images, and whether as in a mirror.

    Bins move by multiples of frame over hop: phases then go on from frame to frame as those of a sound up there would.
    """
    step = config.n_fft // config.hop
    width = max(1, (config.edge - step) // step) * step  # of one image
    last = (2 * config.edge - 1) // step * step - config.edge  # edge and it sum up to a multiple of the step
    place = torch.arange(config.bins - config.edge)
    count, inside = place // width, place % width
    mirrored = count % 2 == 0
    return torch.where(mirrored, last - inside, config.edge - width + inside).clamp(0, config.edge - 1), mirrored


def _complex(pairs: Tensor) -> Tensor:
    """``(…, 2 n)`` real → ``(…, n)`` complex."""
    return torch.view_as_complex(pairs.float().reshape(*pairs.shape[:-1], -1, 2))
