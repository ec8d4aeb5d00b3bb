"""`SampleWaveNet` as a `Program`: a ring of past rows for every layer, and one table for what all layers hear.

What the sample before and the controls add to a layer, its biases too, does not depend on the layers below: for all of
them together it is one row of a table (one product, where there are too many codes for tables).
"""

from __future__ import annotations

import numpy as np
from torch import nn

from wavewright.audio.recording import FloatArray
from wavewright.engine.sampler_packing import LANES, padded
from wavewright.engine.sampler_pointwise import RECTIFIER, TANH
from wavewright.engine.sampler_program import (
    ACTIVATE,
    NEVER_DRAWN,
    NOWHERE,
    ON_CONTROLS,
    SKIP,
    Program,
    Ring,
    Source,
    Start,
)
from wavewright.engine.sampler_recurrent import numbers, widened
from wavewright.nets.sample_wavenet import SampleWaveNet
from wavewright.nets.wavenet import Layer

Part = tuple[FloatArray, Source]
"""Weights, and what they are multiplied with."""


def _rows(values: FloatArray, layer: Layer) -> FloatArray:
    """``values`` (mid, …), each half of a gated layer's up to whole vectors."""
    return np.concatenate([widened(half) for half in np.split(values, 2 if layer.gated else 1)])


def _told(net: SampleWaveNet, program: Program) -> Source:
    """What is made of the controls, worked out anew when they change."""
    if net.units is None or net.condition is None:
        return program.controls
    units, made = (Source(program.room(layer.out_channels), layer.out_channels) for layer in (net.units, net.condition))
    weights, bias = numbers(net.units.weight)[:, :, 0], numbers(net.units.bias)
    program.product(units.x, [(weights, program.controls)], bias, period=ON_CONTROLS)
    program.do(ACTIVATE, ON_CONTROLS, out=units.x, vectors=padded(units.count) // LANES, other=TANH)
    weights, bias = numbers(net.condition.weight)[:, :, 0], numbers(net.condition.bias)
    program.product(made.x, [(weights, units)], bias, period=ON_CONTROLS)
    return made


def _hear(net: SampleWaveNet, program: Program, out: int, weights: FloatArray, bias: FloatArray) -> None:
    """``out = bias + weights · e`` (rows, embedding + controls) of the sample before and the controls."""
    own = net.config.embedding_size
    spoken = None
    if net.controls:
        spoken = Start(program.room(len(weights)))
        program.product(spoken.place, [(weights[:, own:], _told(net, program))], period=ON_CONTROLS)
    if isinstance(net.embedding, nn.Embedding):
        table = numbers(net.embedding.weight) @ weights[:, :own].T + bias  # (levels, rows)
        program.lookup(out, table[None], start=spoken)
        return
    parts = [(weights[:, :1], program.level)]
    if own > 1:
        steps = program.source(own - 1, bounded=True)
        program.product(steps.x, [(numbers(net.embedding.weight), program.level)], numbers(net.embedding.bias))
        program.activate(TANH, steps)
        parts.append((weights[:, 1:own], steps))
    program.product(out, parts, bias, start=spoken)


def _taps(program: Program, layer: Layer, stream: Source, past: FloatArray) -> tuple[list[Part], Ring | None]:
    """The weights of a layer's taps and their inputs, the present ones first, and the ring of those that are past."""
    weights = numbers(layer.conv.weight)  # (mid, channels, taps)
    before, dilation = weights.shape[2] - 1, int(layer.conv.dilation[0])
    ring = program.remember(stream, past) if before else None
    parts = [(_rows(weights[:, :, before], layer), stream)]
    if ring is not None:
        parts += [(_rows(weights[:, :, tap], layer), ring.before((before - tap) * dilation)) for tap in range(before)]
    return parts, ring


def _layer(
    program: Program, layer: Layer, stream: Source, past: FloatArray, sums: int, total: Source, first: bool, last: bool
) -> None:
    """One layer over ``stream``, whose ``past`` is (history, channels); ``sums`` have begun with what is heard."""
    back = None if last else (numbers(layer.output.weight)[:, :, 0], numbers(layer.output.bias))
    width = padded(total.count)
    if max(width, padded(stream.count)) == LANES:  # narrow: bytes would not be quicker
        stream = Source(stream.x, stream.count)
        taps, _ = _taps(program, layer, stream, past)
        program.layer(sums, stream, total.x, taps, back, layer.gated, first)
        return
    program.quantise(stream)
    taps, ring = _taps(program, layer, stream, past)
    program.product(sums, taps, start=Start(sums))
    if ring is not None:
        program.push(ring)
    start = NOWHERE if first else 0
    program.do(SKIP, out=sums, vectors=width // LANES, state=total.x, bytes=start, other=int(layer.gated))
    if back is not None:
        changed = program.at(sums, total.count)
        program.quantise(changed)
        program.product(stream.x, [(back[0], changed)], back[1], Start(stream.x))


def write_sample_wavenet(net: SampleWaveNet, program: Program) -> int:
    """Appends what one sample takes; returns where the parameters of its distribution are."""
    (array,) = net.trunk.each_array()
    layers = list(array.each_layer())
    width = padded(array.config.width)
    mid = width * (2 if array.config.gated else 1)
    stream = program.source(array.config.channels)
    # The stream and the sums of all layers lie one behind the other: what is heard is added to all at once.
    sums = program.room(len(layers) * mid)
    assert sums == stream.x + padded(stream.count)
    heard = [widened(numbers(array.rechannel.weight)[:, :, 0])]
    heard += [_rows(numbers(layer.mixer.weight)[:, :, 0], layer) for layer in layers]
    biases = [np.zeros(padded(stream.count), np.float32), *(_rows(numbers(layer.conv.bias), layer) for layer in layers)]
    _hear(net, program, stream.x, np.concatenate(heard), np.concatenate(biases))
    total = program.source(array.config.width)
    pasts = iter(numbers(history)[0].T for history in net.init_state(1))
    for index, layer in enumerate(layers):
        here, last = sums + index * mid, index == len(layers) - 1
        past = next(pasts) if layer.history else np.zeros((0, stream.count), np.float32)
        _layer(program, layer, stream, past, here, total, index == 0, last)
    program.quantise(total)
    convolutions = [(array.head, net.config.head_size)]
    convolutions += [(net.hidden, net.config.hidden_size)] if net.hidden is not None else []
    below = total
    for convolution, size in convolutions:
        above = program.source(size)
        program.product(above.x, [(numbers(convolution.weight)[:, :, 0], below)], numbers(convolution.bias))
        program.activate(RECTIFIER, above)
        below = above
    said = program.room(net.distribution.size)
    bias = widened(numbers(net.output.bias), NEVER_DRAWN)
    program.product(said, [(numbers(net.output.weight)[:, :, 0], below)], bias)
    return said
