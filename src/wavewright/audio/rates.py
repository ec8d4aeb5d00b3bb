"""Ratios of sample rates, as people write them."""

from __future__ import annotations

from fractions import Fraction

from wavewright.errors import SettingsError


def of_factor(text: str, rate: int) -> int:
    """The rate in Hz that lies ``text`` times below ``rate``; ``text`` is a number or a ratio of two.

    >>> of_factor("4", 16_000), of_factor("44.1/16", 44_100), of_factor("1.5", 48_000)
    (4000, 16000, 32000)

    Raises:
        SettingsError: ``text`` is neither, or not above 1.
    """
    try:
        above, _, below = text.partition("/")
        factor = Fraction(above) / Fraction(below or "1")
    except (ValueError, ZeroDivisionError) as error:
        raise SettingsError([f"setting factor = {text!r}: must be a number or a ratio: 4, 44.1/16"]) from error
    if factor <= 1:
        raise SettingsError([f"setting factor = {text!r}: must be above 1"])
    return round(rate / factor)
