"""A layer array as plain matrix products, one item of the batch at a time: what trains a WaveNet on a CPU.

PyTorch's dilated convolutions leave most of a CPU idle at these widths (16 channels and less). Here every tap is one
product of a small matrix with a slice of the stream, (mid, channels) × (channels, time), which needs no copy: a row of
the stream stays contiguous in time, only its start moves by the dilation. One item of the batch stays in the cache from
layer to layer. Biases ride along as a row of ones below what they are added to.

Backwards, the gradient of the stream lives in one buffer as long as the array's input. A layer's output is the tail of
its input plus a product, so the gradient of the tail is in its place already, and each tap adds its share to a slice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from wavewright.nets.wavenet_config import Activation, LayerArrayConfig

_aten = torch.ops.aten


def suits(config: LayerArrayConfig, stream: Tensor, c: Tensor) -> bool:
    """Whether this file serves the array: on a CPU in 32 bits, without gates, the dry signal needing no gradient."""
    return (
        not config.gated
        and all(activation.name in ("Tanh", "ReLU") or _leaky(activation) for activation in config.activations)
        and stream.device.type == "cpu"
        and stream.dtype == torch.float32
        and not c.requires_grad
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
    )


def _leaky(activation: Activation) -> bool:
    # The gradient is told from the output's sign, which a slope below zero would lose.
    return activation.name == "LeakyReLU" and activation.negative_slope > 0


@dataclass(frozen=True)
class LayerWeights:
    """One layer's weights as the products use them."""

    taps: Tensor
    """(kernel, mid, channels), oldest tap first."""
    mixer: Tensor
    """(mid, condition + 1), the bias last."""
    output: Tensor
    """(channels, width + 1), the bias last."""
    dilation: int
    activation: Activation

    @property
    def history(self) -> int:
        """By how many samples the layer shortens the stream."""
        return (self.taps.shape[0] - 1) * self.dilation


def layer_weights(config: LayerArrayConfig, parameters: Sequence[Tensor]) -> list[LayerWeights]:
    """The layers of an array from five parameters of each: conv weight and bias, mixer, output weight and bias."""
    layers = []
    for index, (dilation, activation) in enumerate(zip(config.dilations, config.activations, strict=True)):
        conv, bias, mixer, output, output_bias = parameters[5 * index : 5 * index + 5]
        layers.append(
            LayerWeights(
                conv.permute(2, 0, 1).contiguous(),
                torch.cat([mixer[:, :, 0], bias[:, None]], dim=1),
                torch.cat([output[:, :, 0], output_bias[:, None]], dim=1),
                dilation,
                activation,
            )
        )
    return layers


def add_taps(z: Tensor, taps: Tensor, x: Tensor, dilation: int) -> None:
    """``z`` (mid, time) += ``x`` (channels, history + time) through ``taps`` (kernel, mid, channels)."""
    time = z.shape[1]
    for k, tap in enumerate(taps):
        z.addmm_(tap, x[:, k * dilation : k * dilation + time])


def activate_(z: Tensor, activation: Activation) -> None:
    """``z`` through its activation, in place."""
    if activation.name == "Tanh":
        z.tanh_()
    elif activation.name == "ReLU":
        z.relu_()
    else:
        torch.nn.functional.leaky_relu_(z, activation.negative_slope)


def deactivate_(gradient: Tensor, a: Tensor, activation: Activation) -> None:
    """The gradient of an activation's output becomes that of its input; ``a`` is the output."""
    if activation.name == "Tanh":
        _aten.tanh_backward.grad_input(gradient, a, grad_input=gradient)
    else:
        slope = activation.negative_slope if activation.name == "LeakyReLU" else 0.0
        _aten.leaky_relu_backward.grad_input(gradient, a, slope, True, grad_input=gradient)


class _Array(torch.autograd.Function):
    """``(stream, c, h, config, wanted, keep, weights)`` → the stream and the sum h behind the array."""

    @staticmethod
    def forward(
        ctx: Any,
        stream: Tensor,
        c: Tensor,
        h: Tensor | None,
        config: LayerArrayConfig,
        wanted: int,
        keep: bool,
        *weights: Tensor,
    ) -> tuple[Tensor, Tensor]:
        rechannel, *parameters = weights
        layers = layer_weights(config, parameters)
        time = stream.shape[-1] - sum(layer.history for layer in layers)
        out = stream.new_empty(stream.shape[0], config.channels, time)
        total = stream.new_zeros(stream.shape[0], config.width, wanted) if h is None else h.clone()
        kept: list[tuple[Tensor, Tensor]] = []
        for item in range(stream.shape[0]):
            x = rechannel[:, :, 0] @ stream[item]  # (channels, time before)
            dry = _with_ones(c[item])
            for layer in layers:
                a = _activated(layer, x, dry)  # (width + 1, time), the last row ones
                total[item] += a[:-1, a.shape[1] - wanted :]
                if keep:
                    kept.append((x, a))
                x = torch.addmm(x[:, layer.history :], layer.output, a)
            out[item] = x
        ctx.kept, ctx.layers, ctx.shared = kept, layers, (stream, c, rechannel, h is not None)
        return out, total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        out_gradient, total_gradient = gradients
        stream, c, rechannel, continued = ctx.shared
        layers: list[LayerWeights] = ctx.layers
        found = [tuple(map(torch.zeros_like, (layer.taps, layer.mixer, layer.output))) for layer in layers]
        rechannel_gradient = torch.zeros_like(rechannel[:, :, 0])
        stream_gradient = torch.empty_like(stream) if ctx.needs_input_grad[0] else None
        for item in range(stream.shape[0]):
            g = stream.new_zeros(rechannel.shape[0], stream.shape[-1])  # the stream's gradient, for every layer in turn
            g[:, g.shape[1] - out_gradient.shape[-1] :] = out_gradient[item]
            dry = _with_ones(c[item])
            here = ctx.kept[item * len(layers) : (item + 1) * len(layers)]
            for layer, sums, (x, a) in zip(reversed(layers), reversed(found), reversed(here), strict=True):
                _layer_backward(layer, sums, x, a, dry, g, total_gradient[item])
            rechannel_gradient.addmm_(g, stream[item].t())
            if stream_gradient is not None:
                torch.mm(rechannel[:, :, 0].t(), g, out=stream_gradient[item])
        ctx.kept = []
        parameters = [rechannel_gradient[:, :, None]]
        for taps, mixer, output in found:
            parameters += [taps.permute(1, 2, 0), mixer[:, -1], mixer[:, :-1, None]]
            parameters += [output[:, :-1, None], output[:, -1]]
        return (stream_gradient, None, total_gradient if continued else None, None, None, None, *parameters)


def _with_ones(c: Tensor) -> Tensor:
    return torch.cat([c, c.new_ones(1, c.shape[1])])


def _activated(layer: LayerWeights, x: Tensor, dry: Tensor) -> Tensor:
    """What the layer's activation gives for ``x`` (channels, history + time), above a row of ones."""
    time = x.shape[1] - layer.history
    a = x.new_empty(layer.mixer.shape[0] + 1, time)
    a[-1] = 1.0
    z = a[:-1]
    torch.mm(layer.mixer, dry[:, dry.shape[1] - time :], out=z)
    add_taps(z, layer.taps, x, layer.dilation)
    activate_(z, layer.activation)
    return a


def _layer_backward(
    layer: LayerWeights, sums: tuple[Tensor, ...], x: Tensor, a: Tensor, dry: Tensor, g: Tensor, total_gradient: Tensor
) -> None:
    """From the gradient in ``g``'s tail (channels, time) to that of the layer's input in a longer tail of ``g``."""
    taps, mixer, output = sums
    time, length = a.shape[1], g.shape[1]
    after = g[:, length - time :]
    output.addmm_(after, a.t())
    gradient = layer.output[:, :-1].t() @ after  # (width, time)
    gradient[:, time - total_gradient.shape[1] :] += total_gradient
    deactivate_(gradient, a[:-1], layer.activation)
    mixer.addmm_(gradient, dry[:, dry.shape[1] - time :].t())
    start = length - x.shape[1]
    for k in range(taps.shape[0]):
        at = k * layer.dilation
        taps[k].addmm_(gradient, x[:, at : at + time].t())
        g[:, start + at : start + at + time].addmm_(layer.taps[k].t(), gradient)


class _Head(torch.autograd.Function):
    """Valid convolution of the sum (batch, width, time) with weight (head, width, kernel) and, if any, bias (head)."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(h, weight)
        ctx.biased = bias is not None
        time = h.shape[-1] - weight.shape[-1] + 1
        y = h.new_zeros(h.shape[0], weight.shape[0], time)
        if bias is not None:
            y += bias[:, None]
        taps = weight.permute(2, 0, 1).contiguous()
        for item in range(h.shape[0]):
            add_taps(y[item], taps, h[item], 1)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        h, weight = ctx.saved_tensors
        taps = weight.permute(2, 0, 1).contiguous()
        taps_gradient, h_gradient = torch.zeros_like(taps), torch.zeros_like(h)
        time = gradient.shape[-1]
        for item in range(h.shape[0]):
            for k in range(taps.shape[0]):
                taps_gradient[k].addmm_(gradient[item], h[item, :, k : k + time].t())
                h_gradient[item, :, k : k + time].addmm_(taps[k].t(), gradient[item])
        bias = gradient.sum(dim=(0, 2)) if ctx.biased else None
        return h_gradient, taps_gradient.permute(1, 2, 0), bias


def array_sum(
    config: LayerArrayConfig, stream: Tensor, c: Tensor, h: Tensor | None, wanted: int, weights: Sequence[Tensor]
) -> tuple[Tensor, Tensor]:
    """Rechannel and layers of one array.

    ``stream`` (batch, inputs, time), ``c`` (batch, condition, at least time), ``h`` (batch, width, wanted) or None;
    ``weights``: the rechannel's, then five of each layer as in `layer_weights`. Gives the stream behind the array,
    shorter by its histories, and the sum (batch, width, wanted).
    """
    out, total = _Array.apply(stream, c, h, config, wanted, torch.is_grad_enabled(), *weights)  # type: ignore[no-untyped-call]
    return out, total


def head(h: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The head's convolution of the sum (batch, width, time)."""
    return torch.as_tensor(_Head.apply(h, weight, bias))  # type: ignore[no-untyped-call]
