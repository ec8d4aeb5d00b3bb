"""What a training signal is made of. Light on purpose: ``--help`` reads this."""

from __future__ import annotations

from dataclasses import dataclass

from wavewright.settings import setting


@dataclass(frozen=True)
class SignalSettings:
    """What `compose` makes. Levels are peaks in dBFS; every part but the slices has a length of its own, the slices
    fill the rest of ``seconds``."""

    seconds: float = setting(180.0, "length of the whole signal", low=5, high=7200)
    rate: int = setting(48_000, "sample rate in Hz", low=8000, high=384_000)
    seed: int = setting(0, "same seed and same files, same signal", low=0)
    slice_shortest: float = setting(0.5, "seconds, the shortest slice", low=0.1, high=60)
    slice_longest: float = setting(5.0, "seconds, the longest slice", low=0.1, high=60)
    quietest_db: float = setting(-30.0, "peak of the quietest slice, dBFS", low=-90, high=-1)
    loudest_db: float = setting(-1.0, "peak of the loudest slice, dBFS", low=-90, high=-1)
    crossfade: float = setting(0.02, "seconds in which one slice turns into the next", low=0.001, high=1)
    silent_below_db: float = setting(
        -60.0, "parts of files whose peak is below this are left out, dBFS", low=-140, high=-20
    )
    sweep_seconds: float = setting(10.0, "seconds of a sine sweeping from 20 Hz to 20 kHz", low=0, high=120)
    sweep_level_db: float = setting(-6.0, "peak of the sweep, dBFS", low=-90, high=-1)
    noise_seconds: float = setting(5.0, "seconds of white noise that swells from -60 to -3 dBFS", low=0, high=120)
    silence_seconds: float = setting(2.0, "seconds of silence, for the device's own noise", low=0, high=60)
    clicks: int = setting(2, "sync clicks at each end", low=1, high=16)
    click_gap: float = setting(0.5, "seconds of silence before and after every click", low=0.25, high=5)
    click_level_db: float = setting(-1.0, "peak of the clicks, dBFS", low=-40, high=-1)

    def click_positions(self) -> tuple[list[int], list[int]]:
        """First samples of the clicks at the start and of those at the end."""
        gap, frames = round(self.click_gap * self.rate), round(self.seconds * self.rate)
        start = [gap * (i + 1) for i in range(self.clicks)]
        return start, [frames - gap * (self.clicks - i) for i in range(self.clicks)]

    def problems(self) -> list[str]:
        """What is wrong between the settings, each being right by itself."""
        found = []
        if self.slice_longest < self.slice_shortest:
            found.append(
                f"slice_longest = {self.slice_longest}: must be at least slice_shortest = {self.slice_shortest}"
            )
        if self.loudest_db < self.quietest_db:
            found.append(f"loudest_db = {self.loudest_db}: must be at least quietest_db = {self.quietest_db}")
        if 2 * self.crossfade > self.slice_shortest:
            found.append(
                f"crossfade = {self.crossfade}: must be at most half of slice_shortest = {self.slice_shortest}"
            )
        fixed = 2 * self._sync_seconds() + self.sweep_seconds + self.noise_seconds + self.silence_seconds
        if self.seconds < fixed + self.slice_longest:
            needed = fixed + self.slice_longest
            found.append(f"seconds = {self.seconds}: must be at least {needed:g}, or shorten sweep, noise and silence")
        return found

    def _sync_seconds(self) -> float:
        return (self.clicks + 1) * self.click_gap
