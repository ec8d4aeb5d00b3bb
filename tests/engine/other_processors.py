"""Run by `test_other_processors` in a process of its own: the kernels as another processor gets them.

``play FILE`` plays networks, takes the gradients of two and draws codes, with the instructions that Numba was told of.
``arm`` writes every kernel as for 64-bit ARM, compiles it for one and prints the assembly.
"""

from __future__ import annotations

import platform
import sys

import numpy as np


def play() -> dict[str, np.ndarray]:
    """Sounds, gradients and drawn codes by name, and the bytes of a vector."""
    import torch

    from wavewright.engine import fused_gru
    from wavewright.engine.fused_wavenet import valid_forward
    from wavewright.engine.player import Player
    from wavewright.engine.vector_code import VECTOR_BYTES
    from wavewright.nets.recurrent import GRU, RecurrentConfig
    from wavewright.nets.wavenet import WaveNet
    from wavewright.nets.wavenet_config import PRESETS, Activation, LayerArrayConfig, WaveNetConfig

    gated = LayerArrayConfig(2, 2, 2, 5, (3, 2), (1, 40), (Activation("SiLU"), Activation("Tanh")), gated=True)
    configs = {"a1-nano": PRESETS["a1-nano"], "a2-lite": PRESETS["a2-lite"], "gated": WaveNetConfig((gated,), 1.0)}
    found = {"width": np.array(VECTOR_BYTES)}
    for name, config in configs.items():
        torch.manual_seed(0)
        net = WaveNet(config)
        x = (np.random.default_rng(0).standard_normal((net.in_channels, 2000)) * 0.3).astype(np.float32)
        for exact in (False, True):
            player = Player(net, exact=exact, inputs=net.in_channels, outputs=net.out_channels)
            found[f"{name} {exact}"] = np.concatenate([player.process(x[:, :777]), player.process(x[:, 777:])], axis=1)
        if name != "gated":
            continue
        y = valid_forward(net, torch.randn(2, net.in_channels, net.receptive_field + 500))
        y.square().mean().backward()
        for index, parameter in enumerate(net.parameters()):
            if parameter.grad is not None:
                found[f"{name} gradient {index}"] = parameter.grad.numpy()
    torch.manual_seed(0)
    gru = GRU(RecurrentConfig(hidden_size=13, num_layers=2, warm_up=30))
    y = fused_gru.valid_forward(gru, torch.randn(3, 1, 500))
    y.square().mean().backward()
    found["gru"] = y.detach().numpy()
    for name, parameter in gru.named_parameters():
        if parameter.grad is not None:
            found[f"gru gradient {name}"] = parameter.grad.numpy()
    return found | {f"{levels} codes": codes(levels) for levels in (17, 100, 256)}


def codes(levels: int) -> np.ndarray:
    """Codes drawn from what a network may say."""
    import numba

    from wavewright.engine.draws import draw_softmax, quick_room
    from wavewright.engine.sampler_packing import padded
    from wavewright.engine.vector_code import at

    @numba.njit
    def draw(logits, uniforms, scratch, quick, heap, found):  # type: ignore[no-untyped-def]
        for number in range(uniforms.size):
            row = at(logits, number * heap.size)
            found[number], _ = draw_softmax(row, levels, uniforms[number], 1.0, 0, 1.0, scratch, quick, heap)

    rng, room, found = np.random.default_rng(levels), padded(levels), np.zeros(2000, np.int64)
    logits = np.full((2000, room), -1e30, np.float32)
    logits[:, :levels] = rng.standard_normal((2000, levels)) * rng.uniform(0, 5, (2000, 1))
    quick, heap = np.zeros(quick_room(levels), np.float32), np.zeros(room, np.int64)
    draw(logits, rng.random(2000), np.zeros(2 * room), quick, heap, found)
    return found


def arm() -> None:
    platform.machine = lambda: "aarch64"
    import llvmlite.binding as llvm
    from llvmlite import ir

    from wavewright.engine import gru_kernels, pointwise, stream_tiles, tiles
    from wavewright.engine.vector_code import VECTOR_BYTES, WIDE, types

    assert (VECTOR_BYTES, WIDE) == (16, True)
    numbers, places = types.CPointer(types.float32), types.CPointer(types.int64)
    whole, number = types.intp, types.float32
    kernels = {
        stream_tiles.multiply_rows: "wwwnpwnwwnwnw",
        stream_tiles.activate_rows: "wwwnwnwf",
        stream_tiles.multiply_gates: "wwwnwnw",
        stream_tiles.all_finite: "nw",
        tiles.affine_tile: "wpnwnnwnw",
        tiles.outer_tile: "wnwnpwn",
        pointwise.finish: "wnnwf",
        pointwise.gate_rows: "wwwnwnwnwf",
        pointwise.gate_gradient_rows: "wwwnwnwnwf",
        gru_kernels.ahead: "wwwwnnn",
        gru_kernels.back: "wwwwnnnnnn",
    }
    kinds = {"w": whole, "n": numbers, "p": places, "f": number}
    as_ir = {
        whole: ir.IntType(64), numbers: ir.FloatType().as_pointer(), places: ir.IntType(64).as_pointer(),
        number: ir.FloatType(), types.void: ir.VoidType(),
    }  # fmt: skip
    module = ir.Module("arm")
    module.triple = "aarch64-unknown-linux-gnu"
    for kernel, letters in kernels.items():
        arguments = [kinds[letter] for letter in letters]
        signature, generate = kernel._defn(None, *arguments)
        kind = ir.FunctionType(as_ir[signature.return_type], [as_ir[argument] for argument in signature.args])
        function = ir.Function(module, kind, kernel._defn.__name__)
        builder = ir.IRBuilder(function.append_basic_block())
        value = generate(_Context, builder, signature, list(function.args))
        builder.ret_void() if signature.return_type is types.void else builder.ret(value)
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    parsed = llvm.parse_assembly(str(module))
    parsed.verify()
    machine = llvm.Target.from_triple(module.triple).create_target_machine(opt=2)
    print(machine.emit_assembly(parsed))


class _Context:
    """What the kernels ask of Numba's: nothing but a value that stands for none."""

    @staticmethod
    def get_dummy_value() -> None:
        return None


if __name__ == "__main__":
    np.savez(sys.argv[2], **play()) if sys.argv[1] == "play" else arm()
