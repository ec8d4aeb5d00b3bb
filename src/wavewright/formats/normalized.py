"""A twin brought to a loudness, as players measure it, before it is written to a file."""

from __future__ import annotations

from wavewright.errors import SettingsError
from wavewright.formats import nam_loudness
from wavewright.nets.contract import Network
from wavewright.nets.scaled import scaled


def normalized(net: Network, loudness: float) -> tuple[Network, float]:
    """A copy of ``net`` with this loudness in dBFS (see `wavewright.formats.nam_loudness`), and its gain in dB.

    Raises:
        SettingsError: a loudness that no network should have, a silent network, or one that cannot be scaled.
    """
    if not -80.0 <= loudness <= 0.0:
        raise SettingsError([f"loudness = {loudness:g} dBFS: must be from -80 to 0; players expect about -18"])
    if net.in_channels != 1 or net.out_channels != 1:
        raise SettingsError([
            f"the loudness of a network with {net.in_channels} inputs and {net.out_channels} outputs is not defined; "
            "fix its knobs by --knob, or leave --normalize away"
        ])  # fmt: skip
    measured = nam_loudness.measure(net).loudness
    if measured is None:
        raise SettingsError(["the network is silent, or its output is not finite: it has no loudness to normalize"])
    gain_db = loudness - measured
    return scaled(net, 10 ** (gain_db / 20)), gain_db
