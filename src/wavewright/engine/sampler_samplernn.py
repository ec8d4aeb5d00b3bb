"""`SampleRNN` as a `Program`: tiers that run once a frame, and tables for each of the samples that the last part hears.

A tier leaves what it has to say to the frames below in a row each; the sums below start from the row of their frame.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from wavewright.engine.sampler_packing import padded
from wavewright.engine.sampler_pointwise import RECTIFIER, TANH
from wavewright.engine.sampler_program import NEVER_DRAWN, SHIFT, Begin, Program, Source, Start
from wavewright.engine.sampler_recurrent import GatedUnits, numbers, widened
from wavewright.nets.sample_rnn import SampleRNN, Tier


def _tier(net: SampleRNN, program: Program, tier: Tier, sound: Source, above: Start | None) -> Start:
    """One tier, once a frame; gives where the frames below start from."""
    hidden, period = net.config.hidden_size, tier.frame
    heard = program.source(hidden)
    newest = Source(sound.x + sound.count - period, period)
    parts = [(numbers(tier.samples.weight), newest)]
    if tier.controls is not None:
        parts.append((numbers(tier.controls.weight), program.controls))
    program.product(heard.x, parts, numbers(tier.samples.bias), above, period)
    below = heard
    for layer in tier.each_layer():
        program.quantise(below, period)
        units = GatedUnits(program, layer)
        begin = Begin(program.share(units.bias))
        program.units(units.units, units.sums, units.own, (units.inputs, below), begin, period)
        below = units.units
    row = padded(hidden)
    weights, bias = numbers(tier.up.weight), numbers(tier.up.bias)
    weights = np.concatenate([widened(part) for part in np.split(weights, tier.ratio)])  # (ratio · row, hidden)
    bias = np.concatenate([widened(part) for part in np.split(bias, tier.ratio)])
    said = program.room(tier.ratio * row)
    program.product(said, [(weights, below)], bias, period=period)
    return Start(said, tier.frame // tier.ratio, tier.ratio, row)


def _mixed(net: SampleRNN, program: Program, out: int, start: Start) -> None:
    """``out = start + Σ_j T_j e_j`` over the samples of the context."""
    taps = numbers(net.mix.weight)[:, :, ::-1]  # (hidden, embedding, context), the newest first
    if isinstance(net.embedding, nn.Embedding):
        tables = np.einsum("le,hec->clh", numbers(net.embedding.weight), taps)
        program.lookup(out, np.ascontiguousarray(tables, np.float32), start)
        return
    # The level and its steps, of each sample in the context: rings of both.
    steps = program.source(net.config.embedding_size - 1, bounded=True)
    program.product(steps.x, [(numbers(net.embedding.weight), program.level)], numbers(net.embedding.bias))
    program.activate(TANH, steps)
    parts = [(taps[:, :1, 0], program.level), (taps[:, 1:, 0], steps)]
    before = net.config.context - 1
    if before:
        silent: Tensor = net.hear(torch.zeros(1, before))[0]
        ring = program.remember(steps, numbers(silent)[:, 1:])
        levels = program.remember(program.level, np.zeros((before, 1), np.float32))
        for lag in range(1, net.config.context):
            parts += [(taps[:, :1, lag], levels.before(lag)), (taps[:, 1:, lag], ring.before(lag))]
    program.product(out, parts, start=start)
    if before:
        program.push(ring)
        program.push(levels)


def write_sample_rnn(net: SampleRNN, program: Program) -> int:
    """Appends what one sample takes; returns where the parameters of its distribution are."""
    hidden = net.config.hidden_size
    sound = Source(program.room(net.stride), net.stride)
    program.do(SHIFT, out=sound.x, other=net.stride)
    above: Start | None = None
    for tier in reversed(list(net.each_tier())):
        above = _tier(net, program, tier, sound, above)
    assert above is not None
    below = program.source(hidden)
    if net.sample_controls is not None:
        program.product(below.x, [(numbers(net.sample_controls.weight), program.controls)], start=above)
        above = Start(below.x)
    _mixed(net, program, below.x, above)
    program.activate(RECTIFIER, below)
    middle = program.source(hidden)
    program.product(middle.x, [(numbers(net.middle.weight), below)], numbers(net.middle.bias))
    program.activate(RECTIFIER, middle)
    said = program.room(net.distribution.size)
    program.product(said, [(numbers(net.output.weight), middle)], widened(numbers(net.output.bias), NEVER_DRAWN))
    return said
