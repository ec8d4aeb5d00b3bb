"""The live stream without a sound card: the twin's own output, bit by bit; figures that count; nothing is raised."""

from __future__ import annotations

import gc
import math
import os
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.engine import live
from wavewright.engine.live import LivePlayer, undisturbed
from wavewright.engine.player import Player
from wavewright.engine.rehearsal import Rehearsal
from wavewright.errors import SoundCardError
from wavewright.formats import nam
from wavewright.nets.registry import build

RATE = 48_000


def noise(samples: int, inputs: int = 1, seed: int = 0) -> np.ndarray:
    """(samples, inputs), as a card hands it over."""
    return (np.random.default_rng(seed).standard_normal((samples, inputs)) * 0.2).astype(np.float32)


def nano() -> Player:
    torch.manual_seed(3)
    return Player(build("a1-nano"))


def through(program: LivePlayer, heard: np.ndarray, sizes: list[int], outputs: int = 2) -> np.ndarray:
    """What a card would play that asks for blocks of these sizes."""
    played = np.full((len(heard), outputs), np.nan, np.float32)
    at = 0
    for size in sizes:
        program.turn(heard[at : at + size], played[at : at + size], False)
        at += size
    return played


class Wire:
    """A player that plays what it hears; it may be slow, or fail."""

    overflows = 0

    def __init__(self, seconds: float = 0.0, fails_at: int = -1) -> None:
        self.seconds, self.fails_at, self.calls, self.resets = seconds, fails_at, 0, 0

    def reset(self) -> None:
        self.resets += 1

    def process(self, block: np.ndarray, out: np.ndarray) -> np.ndarray:
        self.calls += 1
        if self.resets and self.calls > self.fails_at >= 0:
            raise ZeroDivisionError("the player broke")
        time.sleep(self.seconds if self.resets else 0)
        out[:] = block
        return out


def test_a_second_of_a1_standard_equals_the_offline_render(shared: Path) -> None:
    """48 kHz, 64 samples, a real capture: every bit of what is heard is what `render` would write."""
    net = nam.load(shared / "nam" / "wavenet_a1_standard.nam").net
    heard, _ = soundfile.read(shared / "nam" / "input.wav", dtype="float32", always_2d=True)
    heard = heard[: len(heard) // 64 * 64]
    program = LivePlayer(Player(net), RATE, 64)
    played = through(program, heard, [64] * (len(heard) // 64))
    offline = Player(net).process(np.ascontiguousarray(heard.T))
    assert np.abs(offline).max() < 1
    np.testing.assert_array_equal(played, np.repeat(offline.T, 2, axis=1))
    assert program.figures.blocks == len(heard) // 64
    assert program.figures.output_peak == pytest.approx(20 * math.log10(np.abs(offline).max()), abs=1e-4)


@settings(deadline=None, max_examples=20)
@given(sizes=st.lists(st.integers(0, 200), min_size=1, max_size=12))
def test_a_card_may_ask_for_any_sizes(sizes: list[int]) -> None:
    heard = noise(sum(sizes))
    program = LivePlayer(nano(), RATE, 64)
    played = through(program, heard, sizes)
    np.testing.assert_array_equal(played[:, :1].T, nano().process(heard.T))
    assert program.figures.seconds == len(heard) / RATE


@pytest.mark.parametrize(("channel", "outputs"), [(0, 1), (2, 2), (1, 5)])
def test_the_wanted_input_goes_to_every_output_with_its_gains(channel: int, outputs: int) -> None:
    heard = noise(640, inputs=3)
    program = LivePlayer(Wire(), RATE, 64, channel=channel, input_gain=6.0, output_gain=-10.0)
    played = through(program, heard, [64] * 10, outputs)
    expected = heard[:, channel] * 10 ** ((6.0 - 10.0) / 20)
    for output in played.T:
        np.testing.assert_allclose(output, expected, rtol=1e-6)
    peak = 20 * np.log10(np.abs(heard[:, channel]).max())
    assert program.figures.input_peak == pytest.approx(peak + 6.0, abs=1e-4)
    assert program.figures.output_peak == pytest.approx(peak - 4.0, abs=1e-4)


def test_meters_forget_what_was_shown_and_figures_do_not() -> None:
    program = LivePlayer(Wire(), RATE, 64)
    assert program.peaks() == (-math.inf, -math.inf)
    assert program.figures.to_dict()["input_peak"] is None
    loud, soft = np.full((64, 1), 0.5, np.float32), np.full((64, 1), -0.25, np.float32)
    through(program, loud, [64])
    assert program.peaks() == pytest.approx((-6.0206, -6.0206), abs=1e-4)
    through(program, soft, [64])
    assert program.peaks() == pytest.approx((-12.0412, -12.0412), abs=1e-4)
    assert program.figures.input_peak == pytest.approx(-6.0206, abs=1e-4)


def test_what_lies_beyond_full_scale_is_cut_off_and_counted() -> None:
    heard = np.array([0.3, 1.0, -1.0, 0.999, -0.5, 0.0], np.float32)[:, np.newaxis]
    program = LivePlayer(Wire(), RATE, 6, output_gain=20 * math.log10(3))
    played = through(program, heard, [6], 1)
    np.testing.assert_allclose(played[:, 0], [0.9, 1, -1, 1, -1, 0], rtol=1e-6)
    assert program.figures.input_clipped == 2
    assert program.figures.output_clipped == 4


def test_broken_input_is_played_as_zeros_and_does_not_stay() -> None:
    heard = noise(640)
    mended = heard.copy()
    heard[[5, 100, 300], 0] = np.nan, np.inf, -np.inf
    mended[[5, 100, 300], 0] = 0
    program = LivePlayer(nano(), RATE, 64, input_gain=3.0)
    played = through(program, heard, [64] * 10)
    np.testing.assert_array_equal(played, through(LivePlayer(nano(), RATE, 64, input_gain=3.0), mended, [64] * 10))
    assert program.figures.non_finite == 3
    assert math.isfinite(program.figures.input_peak)


def test_a_block_takes_no_memory() -> None:
    """Blocks are made large, so that one array of a block's size would show."""
    block = 8192
    program = LivePlayer(nano(), RATE, block)
    heard, played = noise(block), np.empty((block, 2), np.float32)
    program.turn(heard, played, False)
    gc.collect()
    tracemalloc.start()
    try:
        program.turn(heard, played, False)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(50):
            program.turn(heard, played, False)
        now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < 4 * block / 8
    assert now - before < 500


def test_arrays_that_may_not_be_written_are_heard_without_compiling() -> None:
    program = LivePlayer(nano(), RATE, 64)
    known = len(live._hear.signatures)
    for writeable in (True, False):
        heard = noise(64)
        heard.flags.writeable = writeable
        program.turn(heard, np.empty((64, 2), np.float32), False)
    assert len(live._hear.signatures) == known
    assert program.failure is None


def test_a_player_that_fails_is_silent_from_then_on_and_raises_nothing() -> None:
    program = LivePlayer(Wire(fails_at=7), RATE, 64)  # four calls are the warm-up
    played = through(program, noise(64 * 6), [64] * 6)
    assert np.abs(played[: 3 * 64]).min() > 0
    np.testing.assert_array_equal(played[3 * 64 :], 0)
    assert isinstance(program.failure, ZeroDivisionError)


def test_a_player_that_fails_at_once_is_told_before_the_stream() -> None:
    class Broken(Wire):
        def process(self, block: np.ndarray, out: np.ndarray) -> np.ndarray:
            raise ZeroDivisionError("the player broke")

    with pytest.raises(ZeroDivisionError):
        LivePlayer(Broken(), RATE, 64)


def test_slow_blocks_and_what_the_card_lost_are_counted() -> None:
    program = LivePlayer(Wire(seconds=0.003), RATE, 64)
    for lost in (False, True, True):
        program.turn(noise(64), np.empty((64, 2), np.float32), lost)
    figures = program.figures
    assert figures.late == figures.blocks == 3
    assert figures.dropouts == 2
    assert figures.load_worst >= figures.load_mean >= 0.003 * RATE / 64


def test_a_clock_plays_what_offline_plays() -> None:
    """Two seconds and a half through a thread that calls back on a clock, as a card does."""
    sound = noise(RATE // 2)[: 64 * 300].T
    kept: list[np.ndarray] = []
    card = Rehearsal(sound, RATE, 64, outputs=1, sink=lambda block: kept.append(block.copy()), urgent=False)
    program = LivePlayer(nano(), RATE, 64)
    watched: list[int] = []
    figures = live.run(
        card, program, seconds=2.5, urgent=False, watch=lambda of: watched.append(of.figures.blocks), every=0.05
    )
    assert not card.running
    played = np.concatenate(kept).T
    assert played.shape[1] == 64 * figures.blocks > 0
    assert watched == sorted(watched)
    if figures.dropouts == 0:  # else the clock has passed over blocks, and said so
        assert figures.blocks > 1800
    heard = np.tile(sound, -(-played.shape[1] // sound.shape[1]))[:, : played.shape[1]]
    np.testing.assert_array_equal(played, nano().process(heard))


def test_a_clock_says_that_sound_was_lost_where_a_block_came_late() -> None:
    card = Rehearsal(noise(640).T, RATE, 64, urgent=False)
    program = LivePlayer(Wire(seconds=0.005), RATE, 64)
    figures = live.run(card, program, seconds=0.2, urgent=False)
    assert figures.late == figures.blocks
    assert figures.dropouts >= figures.blocks - 1 > 0
    assert figures.seconds < 0.1  # three blocks of four had passed before their turn


def test_it_stops_when_asked() -> None:
    card = Rehearsal(noise(640).T, RATE, 64, urgent=False)
    asked = iter([False, False, True])
    live.run(card, LivePlayer(Wire(), RATE, 64), stop=lambda: next(asked), every=0.01, urgent=False)
    assert not card.running


def test_what_the_player_raised_comes_out_after_the_stop() -> None:
    card = Rehearsal(noise(640).T, RATE, 64, urgent=False)
    with pytest.raises(ZeroDivisionError):
        live.run(card, LivePlayer(Wire(fails_at=9), RATE, 64), seconds=5, every=0.01, urgent=False)
    assert not card.running


def test_a_card_that_vanishes_is_told() -> None:
    class Pulled(Rehearsal):
        running = False

    with pytest.raises(SoundCardError, match="stopped by itself"):
        live.run(Pulled(noise(640).T, RATE, 64, urgent=False), LivePlayer(Wire(), RATE, 64), urgent=False)


def test_python_is_as_before_afterwards() -> None:
    def state() -> tuple[bool, float, int, int]:
        policy, nice = (
            (os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0)) if sys.platform == "linux" else (0, 0)
        )
        return gc.isenabled(), sys.getswitchinterval(), policy, nice

    def interrupted() -> None:
        with undisturbed():
            assert not gc.isenabled()
            assert sys.getswitchinterval() < 0.001
            raise KeyboardInterrupt

    before = state()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert state() == before
