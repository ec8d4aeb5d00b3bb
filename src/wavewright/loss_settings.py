"""What the loss weighs. No torch here: ``--help`` reads this."""

from __future__ import annotations

from dataclasses import dataclass

from wavewright.settings import setting


@dataclass(frozen=True)
class LossSettings:
    """How much each term weighs. The defaults are those of the reference trainer's A1 models.

    ``pre_emphasis`` acts on the signals of the ESR and STFT terms; MSE and DC see them as they are.
    """

    mse: float = setting(1.0, "weight of the mean squared error", low=0.0)
    esr: float = setting(0.0, "weight of the error-to-signal ratio", low=0.0)
    dc: float = setting(0.0, "weight of the error of the mean", low=0.0)
    stft: float = setting(2e-4, "weight of the multi-resolution STFT distance", low=0.0)
    pre_emphasis: float | None = setting(
        0.85, "first-order pre-emphasis before the ESR and STFT terms", low=0.0, high=1.0
    )
