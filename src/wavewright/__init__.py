"""Wavewright learns raw audio from recordings: devices, sounds, missing bandwidth, gaps in series."""

__version__ = "0.1.0"
