"""Plays a network block by block, whatever the block sizes: the one door to all players.

Behind it is the fastest that knows the network: compiled kernels for WaveNets (`wavenet_player`), LSTMs and GRUs
(`recurrent_player`) and impulse responses (`convolution_player`), torch for all else that is causal; what is not goes
through torch in chunks (`chunked_player`). ONNX files go through onnxruntime (`onnx_player`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numba.core import event

from wavewright.audio.recording import FloatArray
from wavewright.errors import SettingsError
from wavewright.nets.onnx_network import OnnxNetwork
from wavewright.nets.plain import PlainNetwork, plain_of

if TYPE_CHECKING:
    from typing import TypeAlias

    from wavewright.nets.contract import Network

    AnyNetwork: TypeAlias = Network | PlainNetwork | OnnxNetwork
    """Whatever can be played: torch's, plain numbers, or a graph in an ONNX file."""

LONGEST = 65_536
"""Samples that go through an engine at once; longer blocks are cut, so that memory does not grow with them."""

SINGLE = np.dtype(np.float32)

COMPILING = "compiling the player's kernels for this processor (a few seconds, once)"


class Engine(Protocol):
    """What plays behind the door."""

    @property
    def non_finite(self) -> int:
        """Input samples so far that were NaN or infinite, and were played as zeros."""

    @property
    def overflows(self) -> int:
        """Output samples so far that were not finite and were given as zeros; the network then starts afresh."""

    def reset(self) -> None:
        """Forget all that was played: the network is as if it had listened to silence."""

    def play(self, block: FloatArray, out: FloatArray) -> None:
        """``block`` (channels · inputs, n), contiguous, writeable float32, into ``out`` (channels · outputs, n)."""


@runtime_checkable
class Ending(Protocol):
    """An engine that makes something of the end of a sound."""

    def flush(self, out: FloatArray) -> None:
        """The sound has ended: the last samples of the output into ``out``, as many as it lags."""


class Player:
    """A network playing ``channels`` channels side by side.

    The output lags the input by `latency` samples: give the player the whole sound, then ask for the rest by `flush`.

    ``inputs`` and ``outputs`` are the network's, told by who has more than one to give and to take: controls that move
    with the sound, say. Each channel has its own state. The first sample meets a network that has settled on silence.
    The network's weights are taken as they are now: make a new player after training on.

    ``tell`` gets one line if kernels must be compiled, which takes a few seconds and happens once on a machine; later
    they come from the disk. ``exact`` asks for activations that are right to the last places
    where the engine has quicker ones (`wavewright.engine.activations`).

    Raises:
        SettingsError: a network that has other numbers of inputs or outputs, or no channels.

    >>> from wavewright.nets.registry import build
    >>> player = Player(build("a1-nano"), channels=2)
    >>> player.process(np.zeros((2, 64), np.float32)).shape
    (2, 64)
    """

    def __init__(
        self,
        net: AnyNetwork,
        channels: int = 1,
        tell: Callable[[str], None] | None = None,
        *,
        exact: bool = False,
        inputs: int = 1,
        outputs: int = 1,
    ) -> None:
        problems = []
        if (net.in_channels, net.out_channels) != (inputs, outputs):
            problems.append(
                f"the network has {net.in_channels} inputs and {net.out_channels} outputs; the player was asked for "
                f"inputs = {inputs}, outputs = {outputs}"
            )
        if channels < 1:
            problems.append(f"channels = {channels}: must be at least 1")
        if problems:
            raise SettingsError(problems)
        self.channels = channels
        self._rows = channels * inputs, channels * outputs
        self._engine = _engine(net, channels, tell, exact)
        self._play = self._engine.play
        self.latency: int = getattr(self._engine, "latency", 0)
        """Samples by which the output lags the input."""

    @property
    def non_finite(self) -> int:
        """How many input samples were NaN or infinite, and were played as zeros."""
        return self._engine.non_finite

    @property
    def overflows(self) -> int:
        """How many output samples were not finite, were given as zeros, and made the network start afresh."""
        return self._engine.overflows

    def reset(self) -> None:
        """Forget all that was played: the network is as if it had listened to silence."""
        self._engine.reset()

    def process(self, block: FloatArray, out: FloatArray | None = None) -> FloatArray:
        """``block`` (channels · inputs, n) float32 → the output (channels · outputs, n), channel after channel.

        The output goes to ``out`` where that is given, contiguous float32 of that shape; no memory is taken then.

        Raises:
            SettingsError: the block is not of that shape, or ``out`` not of that kind.
        """
        if not (isinstance(block, np.ndarray) and block.dtype is SINGLE and block.flags.carray):
            block = np.require(block, SINGLE, ["C", "A", "W"])  # compiled code knows arrays of this kind alone
        shape = block.shape
        sources, results = self._rows
        if len(shape) != 2 or shape[0] != sources:
            raise SettingsError([f"a block of shape {shape}: must be (channels = {sources}, samples)"])
        if results != sources:
            shape = results, shape[1]
        if out is None:
            out = np.empty(shape, SINGLE)
        elif out.shape != shape or out.dtype is not SINGLE or not out.flags.carray:
            raise SettingsError([f"out of shape {out.shape}, {out.dtype}: must be contiguous float32 {shape}"])
        if shape[1] <= LONGEST:
            self._play(block, out)
            return out
        for start in range(0, block.shape[1], LONGEST):
            part = slice(start, start + LONGEST)
            piece = np.empty_like(out[:, part], order="C")
            self._play(np.ascontiguousarray(block[:, part]), piece)
            out[:, part] = piece
        return out

    def flush(self) -> FloatArray:
        """The sound has ended: the last `latency` samples of the output, (channels · outputs, latency); then `reset`.

        A causal network hears silence meanwhile.
        """
        sources, results = self._rows
        rest = np.empty((results, self.latency), SINGLE)
        if isinstance(self._engine, Ending):
            self._engine.flush(rest)
        else:
            self.process(np.zeros((sources, self.latency), SINGLE), rest)
        self.reset()
        return rest


def compiled(net: AnyNetwork) -> bool:
    """Whether kernels play ``net`` (with activations that need not be exact), and not torch.

    Then every channel has the same bits whether it is played alone or beside others.
    """
    return isinstance(net, PlainNetwork) or (not isinstance(net, OnnxNetwork) and plain_of(net) is not None)


def _engine(net: AnyNetwork, channels: int, tell: Callable[[str], None] | None, exact: bool) -> Engine:
    """The fastest engine that knows ``net``; ``tell`` gets a line when compiling begins."""
    if tell is None:
        return _made(net, channels, exact)
    with event.install_listener("numba:compile", _Teller(tell)):
        return _made(net, channels, exact)


class _Teller(event.Listener):  # type: ignore[misc]
    """Tells once that something is compiled."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell: Callable[[str], None] | None = tell

    def on_start(self, event: object) -> None:
        """Called by Numba before anything is compiled."""
        tell, self._tell = self._tell, None
        if tell is not None:
            tell(COMPILING)

    def on_end(self, event: object) -> None:
        """Called behind it; Numba's listeners must have it, and what is compiled is heard at once."""


def _made(net: AnyNetwork, channels: int, exact: bool) -> Engine:
    # each engine is imported where it is needed: torch alone takes longer to load than a song takes to play
    if isinstance(net, OnnxNetwork):
        from wavewright.engine.onnx_player import OnnxPlayer

        return OnnxPlayer(net, channels)
    plain = net if isinstance(net, PlainNetwork) else plain_of(net)
    if plain is not None and plain.kind in ("lstm", "gru") and plain.out_channels == 1 and not exact:
        from wavewright.engine.recurrent_player import RecurrentPlayer

        return RecurrentPlayer(plain, channels)
    if plain is not None and plain.kind == "linear":
        from wavewright.engine.convolution_player import ConvolutionPlayer

        return ConvolutionPlayer(plain, channels)
    if plain is not None and plain.kind in ("wavenet", "gated-wavenet"):
        from wavewright.engine import wavenet_player

        return wavenet_player.WaveNetPlayer(plain, channels, exact)
    torch_net = net.with_torch() if isinstance(net, PlainNetwork) else net
    if hasattr(torch_net, "networks"):
        from wavewright.engine.channels_player import ChannelsPlayer
        from wavewright.nets.channels import Channels

        if isinstance(torch_net, Channels):
            return ChannelsPlayer(torch_net, channels, lambda part, count: _made(part, count, exact))
    if getattr(getattr(torch_net, "config", None), "conditioning", None) == "concat":
        from wavewright.engine.knob_player import KnobPlayer
        from wavewright.nets.knob_wavenet import KnobWaveNet

        if isinstance(torch_net, KnobWaveNet):
            return KnobPlayer(torch_net, channels, exact)
    if torch_net.causal:
        from wavewright.engine.torch_player import TorchPlayer

        return TorchPlayer(torch_net, channels)
    from wavewright.engine.chunked_player import ChunkedPlayer

    return ChunkedPlayer(torch_net, channels)
