"""The settings of LSTMs and GRUs. No torch here."""

from __future__ import annotations

from dataclasses import dataclass

from wavewright.settings import setting


@dataclass(frozen=True)
class RecurrentConfig:
    """Settings of an LSTM or a GRU.

    ``warm_up`` is what the network calls its receptive field: training lets it listen so long before the loss looks.
    Wright and others (2020, see `wavewright.nets.recurrent`) use 1,000 samples: 20 ms, beyond which a distortion
    circuit remembers little.
    """

    hidden_size: int = setting(24, "units of each layer", low=1, high=1024)
    num_layers: int = setting(1, "layers on top of one another", low=1, high=8)
    skip: bool = setting(False, "add the input to the output")
    skip_gain: float = setting(1.0, "what that input is multiplied by", low=-1e6, high=1e6)
    learned_start: bool = setting(False, "learn the first state instead of starting from zeros")
    warm_up: int = setting(1024, "samples that the network hears before the loss looks", low=1, high=1_000_000)
    prewarm: int = setting(24_000, "samples of silence that a player feeds first", low=0, high=1_000_000)
    input_size: int = setting(1, "channels of the input: the sound, then controls", low=1, high=64)
    output_size: int = setting(1, "channels of the output", low=1, high=64)
    controls: int = setting(0, "how many of them, the last ones, are knobs", low=0, high=63)
