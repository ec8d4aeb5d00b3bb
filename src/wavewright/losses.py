"""What training makes small: differentiable distances between a network's output and its target.

Every loss takes ``(batch, channels, time)`` twice, output first, measures **each item of the batch by itself** and
then takes the mean over the items. A norm over the whole batch would let one loud item hide the error of a quiet one.

The error-to-signal ratio and its pre-emphasis follow Damskägg et al., *Deep Learning for Tube Amplifier Emulation*
(2019); the DC term Wright et al., *Real-Time Guitar Amplifier Emulation with Deep Learning* (2020); the
multi-resolution STFT Yamamoto et al., *Parallel WaveGAN* (2020).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from wavewright.loss_settings import LossSettings
from wavewright.settings import checked

SOUND_FLOOR = 1e-6
"""Mean square (−60 dBFS) below which a target counts as silence.

The relative losses divide by the target's energy. In a pause that energy is nothing but converter noise, so an
inaudible error would outweigh every note of the batch. Below the floor the error is weighed as if the target were at
the floor; above it the figure is the exact ratio.
"""

POWER_FLOOR = 1e-8
"""Smallest power of a spectral bin: below it the logarithm would listen to rounding noise."""

FFT_SIZES = (512, 1024, 2048)


def mse(output: Tensor, target: Tensor) -> Tensor:
    """Mean squared error.

    Shape: output, target ``(batch, channels, time)`` → scalar.

    >>> mse(torch.zeros(2, 1, 4), torch.full((2, 1, 4), 0.5)).item()
    0.25
    """
    _same(output, target)
    return F.mse_loss(output, target)


def esr(output: Tensor, target: Tensor, pre_emphasis: float | None = None, floor: float = SOUND_FLOOR) -> Tensor:
    """Error-to-signal ratio Σ(x − x̂)² / Σx² of each item, then the mean over the items.

    Shape: output, target ``(batch, channels, time)`` → scalar.

    Args:
        output: x̂, what the network gave.
        target: x, what it should have given.
        pre_emphasis: coefficient of `pre_emphasise`, or None for the signals as they are.
        floor: mean square that a silent target is counted as; see `SOUND_FLOOR`.

    >>> x = torch.ones(1, 1, 100)
    >>> round(esr(0.9 * x, x).item(), 6)  # a scaled copy: (1 − 0.9)²
    0.01
    """
    _same(output, target)
    if pre_emphasis is not None:
        output, target = pre_emphasise(output, pre_emphasis), pre_emphasise(target, pre_emphasis)
    error = (target - output).square().mean(dim=(1, 2))
    return (error / target.square().mean(dim=(1, 2)).clamp(min=floor)).mean()


def dc(output: Tensor, target: Tensor, floor: float = SOUND_FLOOR) -> Tensor:
    """Squared error of each channel's mean over the target's mean square: an offset that ESR hardly sees.

    Shape: output, target ``(batch, channels, time)`` → scalar.

    >>> x = torch.tensor([[[1.0, -1.0]]])
    >>> round(dc(x + 0.1, x).item(), 6)
    0.01
    """
    _same(output, target)
    offset = (target - output).mean(dim=2).square().mean(dim=1)
    return (offset / target.square().mean(dim=(1, 2)).clamp(min=floor)).mean()


def pre_emphasise(x: Tensor, coefficient: float) -> Tensor:
    """First difference ``x[n] − coefficient · x[n − 1]``, which weighs treble as the ear does.

    Shape: ``(…, time)`` → ``(…, time − 1)``: what came before the first sample is unknown, so it has no difference.
    """
    return x[..., 1:] - coefficient * x[..., :-1]


def fair_target(output: Tensor, target: Tensor, rail: float | None = None, known: Tensor | None = None) -> Tensor:
    """``target``, but ``output`` itself where the recording tells no error: there any loss has no value and no slope.

    A converter that was driven too hard cut the wave off at its ``rail``. What lay beyond it nobody knows, so an output
    beyond it is right; one below is as far off as it is from the rail.

    Shape: output, target ``(batch, channels, time)`` → as they are.

    Args:
        output: what the network gave.
        target: what was recorded.
        rail: magnitude from which on a sample counts as cut off; None where nothing was.
        known: ``(batch, 1, time)``, True where the recording shows the device at all; None for everywhere.

    >>> target = torch.tensor([[[0.5, 1.0, 1.0, -1.0]]])
    >>> fair_target(torch.tensor([[[0.6, 1.3, 0.9, -1.1]]]), target, rail=1.0)
    tensor([[[ 0.5000,  1.3000,  1.0000, -1.1000]]])
    """
    _same(output, target)
    if rail is not None:
        beyond = (target.abs() >= rail) & (output * target.sign() >= target.abs())
        target = torch.where(beyond, output.detach(), target)
    if known is not None:
        target = torch.where(known, target, output.detach())
    return target


class MultiResolutionSTFT:
    """Spectral convergence plus the L1 distance of log magnitudes, averaged over several FFT sizes.

    Per resolution and item, with magnitudes M (target) and M̂ (output) of a Hann window and a hop of a quarter of it,
    centred frames, zeros beyond the ends: ``‖M − M̂‖ / ‖M‖ + mean |ln M − ln M̂|``.

    A hop of a quarter is the longest at which squared Hann windows still add up to a constant, so that every sample
    weighs the same; the tenth that many implementations take costs 2.6 times as much for no other figure.

    Shape: output, target ``(batch, channels, time)`` → scalar.

    >>> x = torch.randn(2, 1, 4096)
    >>> MultiResolutionSTFT()(x, x).item()
    0.0
    """

    def __init__(self, fft_sizes: Sequence[int] = FFT_SIZES, floor: float = SOUND_FLOOR) -> None:
        self.fft_sizes = tuple(fft_sizes)
        self.floor = floor
        self._windows: dict[tuple[int, torch.device, torch.dtype], Tensor] = {}

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        _same(output, target)
        total = torch.zeros((), dtype=output.dtype, device=output.device)
        for size in self.fft_sizes:
            total = total + self._distance(output, target, size)
        return total / len(self.fft_sizes)

    def _distance(self, output: Tensor, target: Tensor, size: int) -> Tensor:
        window = self._window(size, target)
        wanted = _power(target, window)  # (batch, channels × bins × frames)
        given = _power(output, window)
        floor = self.floor * float(window.square().sum()) * wanted.shape[1]
        norm = wanted.sum(dim=1).clamp(min=floor).sqrt()
        miss = _norm(wanted.sqrt() - given.sqrt())
        log_distance = 0.5 * (wanted.log() - given.log()).abs().mean(dim=1)
        return (miss / norm + log_distance).mean()

    def _window(self, size: int, like: Tensor) -> Tensor:
        key = (size, like.device, like.dtype)
        if key not in self._windows:
            self._windows[key] = torch.hann_window(size, dtype=like.dtype, device=like.device)
        return self._windows[key]


_MULTI_RESOLUTION = MultiResolutionSTFT()


def multi_resolution_stft(output: Tensor, target: Tensor) -> Tensor:
    """`MultiResolutionSTFT` at FFT sizes 512, 1024 and 2048.

    Shape: output, target ``(batch, channels, time)`` → scalar.
    """
    return _MULTI_RESOLUTION(output, target)


def levelled_esr(output: Tensor, target: Tensor) -> Tensor:
    """2 Σ(x − x̂)² / (Σx² + E), with E the mean energy of the batch's items; the mean over the items.

    Between ESR, to which a breath is worth as much as a vowel, and plain squared error, to which it is worth nothing.

    Shape: output, target ``(batch, channels, time)`` → scalar.

    >>> x = torch.tensor([1.0, 0.0]).view(2, 1, 1).expand(2, 1, 100)
    >>> round(levelled_esr(x + 0.1, x).item(), 6)  # 2 · 0.01 / 1.5 and 2 · 0.01 / 0.5
    0.026667
    """
    _same(output, target)
    energy = target.square().sum(dim=(1, 2))
    error = (output - target).square().sum(dim=(1, 2))
    quiet = SOUND_FLOOR * target[0].numel()
    return (2 * error / (energy + energy.mean() + quiet)).mean()


def log_spectral_distance(output: Tensor, target: Tensor, n_fft: int = 2048, hop: int = 512) -> Tensor:
    """LSD10, as `wavewright.metrics.spectral.lsd10` measures it: the root over bins, the mean over frames and items.

    Shape: output, target ``(batch, channels, time)``, at least ``n_fft`` long → scalar.

    >>> x = torch.randn(1, 1, 8192)
    >>> round(log_spectral_distance(x / 10, x).item(), 3)  # 20 dB in every bin
    2.0
    """
    _same(output, target)
    window = torch.hann_window(n_fft, dtype=target.dtype, device=target.device)

    def power(x: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(x.unfold(-1, n_fft, hop) * window)  # (batch, channels, frames, bins)
        return torch.view_as_real(spectrum).square().sum(-1).clamp(min=POWER_FLOOR)

    apart = power(output).log10() - power(target).log10()
    return (apart.square().mean(-1) + 1e-8).sqrt().mean()


class Loss:
    """The weighted sum of the terms that `LossSettings` asks for; terms of weight 0 are not computed.

    Runs in float32 whatever the network computed in: under mixed precision the squares of small errors would vanish.

    Shape: output, target ``(batch, channels, time)`` → scalar.

    Raises:
        SettingsError: a weight below 0, or a pre-emphasis outside 0…1.

    >>> loss = Loss(LossSettings(mse=1.0, stft=0.0))
    >>> loss(torch.zeros(1, 1, 8), torch.full((1, 1, 8), 0.5)).item()
    0.25
    """

    def __init__(self, settings: LossSettings | None = None) -> None:
        self.settings = checked(settings or LossSettings())
        self._spectral = MultiResolutionSTFT()

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        return combine(self.terms(output, target), self.settings)

    def terms(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Each term by name, unweighted, for the log."""
        _same(output, target)
        wanted = self.settings
        if output.dtype in (torch.float16, torch.bfloat16):
            output, target = output.float(), target.float()
        found: dict[str, Tensor] = {}
        if wanted.mse:
            found["mse"] = mse(output, target)
        if wanted.dc:
            found["dc"] = dc(output, target)
        if wanted.pre_emphasis is not None:
            output, target = pre_emphasise(output, wanted.pre_emphasis), pre_emphasise(target, wanted.pre_emphasis)
        if wanted.esr:
            found["esr"] = esr(output, target)
        if wanted.stft:
            found["stft"] = self._spectral(output, target)
        return found


def combine(terms: Mapping[str, Tensor], settings: LossSettings) -> Tensor:
    """The weighted sum of unweighted ``terms``."""
    weighted = [getattr(settings, name) * value for name, value in terms.items()]
    return torch.stack(weighted).sum() if weighted else torch.zeros(())


class _Power(torch.autograd.Function):
    """Floored power spectrum of centred, Hann-windowed frames, ``(batch, channels, time)`` → ``(batch, -1)``.

    The derivative is written out because the general one of a real FFT goes through a complex FFT of twice the size;
    as a real inverse FFT the whole loss takes two thirds of the time.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, window: Tensor) -> Tensor:
        """``x`` (batch, channels, time) and ``window`` (size,) → powers of all channels, frames and bins in a row."""
        size, hop = window.numel(), window.numel() // 4
        frames = F.pad(x, (size // 2, size // 2)).unfold(-1, size, hop)  # (batch, channels, frames, size), a view
        spectrum = torch.fft.rfft(frames * window)  # (batch, channels, frames, bins)
        power = torch.view_as_real(spectrum).square().sum(dim=-1)
        ctx.save_for_backward(spectrum, power, window)
        ctx.time = x.shape[-1]
        return power.clamp(min=POWER_FLOOR).reshape(x.shape[0], -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """From the loss by the powers (batch, -1) to that by ``x`` (batch, channels, time)."""
        spectrum, power, window = ctx.saved_tensors
        size, hop = window.numel(), window.numel() // 4
        # dP/dX = 2X where the floor does not hold. The inverse FFT counts every inner bin twice, so the 2 stays only
        # at its two ends.
        slope = gradient.reshape(power.shape) * (power >= POWER_FLOOR)
        slope[..., 0] *= 2
        slope[..., -1] *= 2
        frames = torch.fft.irfft(spectrum * slope, n=size, norm="forward") * window
        quarters = frames.unflatten(-1, (4, hop))  # overlap-add by whole hops
        batch, channels, count = quarters.shape[:3]
        padded = quarters.new_zeros(batch, channels, count + 3, hop)
        for quarter in range(4):
            padded[:, :, quarter : quarter + count] += quarters[:, :, :, quarter]
        return padded.flatten(-2)[..., size // 2 : size // 2 + ctx.time], None


def _power(x: Tensor, window: Tensor) -> Tensor:
    return cast(Tensor, _Power.apply(x, window))  # type: ignore[no-untyped-call]


def _norm(x: Tensor) -> Tensor:
    # The root has no slope at zero; an item without error must still give a gradient, and that gradient is zero.
    squares = x.square().sum(dim=1)
    return torch.where(squares > 0, squares, 1.0).sqrt() * (squares > 0)


def _same(output: Tensor, target: Tensor) -> None:
    if output.shape != target.shape or output.dim() != 3:
        raise ValueError(
            f"output {tuple(output.shape)} and target {tuple(target.shape)} must both be (batch, channels, time), "
            "of one length"
        )
