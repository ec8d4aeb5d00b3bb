"""How the numbers are computed: threads, precision, and random numbers that depend on the step alone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch

from wavewright.train.settings import TrainSettings


def prepare_arithmetic(settings: TrainSettings, device: torch.device) -> Callable[[], AbstractContextManager[object]]:
    """Set torch's threads and float32 mode; give the context in which to compute the loss.

    bfloat16 keeps float32's range, so that no gradient scaling is needed; weights and their updates stay float32.
    """
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high" if settings.tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = settings.tf32
        torch.backends.cudnn.benchmark = True  # windows keep their shape, so the search for the fastest kernel pays
    if settings.precision == "float32":
        return nullcontext
    return lambda: torch.autocast(device.type, dtype=torch.bfloat16)


def reseed(seed: int, step: int, rank: int, device: torch.device) -> None:
    """Seed torch's generator from (seed, step, rank): dropout and noise then need no saved state to resume exactly.

    (About a microsecond; `torch.manual_seed` would look after every kind of device, at a hundred times the cost.)
    """
    mixed = _mix(_mix(_mix(seed) ^ step) ^ rank)
    torch.default_generator.manual_seed(mixed)
    if device.type == "cuda":
        torch.cuda.default_generators[torch.cuda.current_device()].manual_seed(mixed)


def _mix(value: int) -> int:
    """A 64-bit number scattered over all its bits (the finaliser of splitmix64, Steele et al. 2014)."""
    value = (value + 0x9E3779B97F4A7C15) % 2**64
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB % 2**64
    return value ^ (value >> 31)
