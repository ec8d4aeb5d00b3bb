"""WaveNets of .nam files: their configuration in schema 0.5 and 0.7, and the order of their weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wavewright.errors import ModelFileError
from wavewright.formats import fields
from wavewright.formats.fields import Table
from wavewright.formats.strict_json import shown
from wavewright.nets import plain
from wavewright.nets.plain import PlainNetwork
from wavewright.nets.wavenet_config import ACTIVATIONS, MOST_LAYERS, Activation, LayerArrayConfig, WaveNetConfig

A1_VERSION = "0.5.4"
A2_VERSION = "0.7.0"
FILMS = (
    "conv_pre_film",
    "conv_post_film",
    "input_mixin_pre_film",
    "input_mixin_post_film",
    "activation_pre_film",
    "activation_post_film",
    "layer1x1_post_film",
    "head1x1_post_film",
)


def load(config: Table, values: list[Any]) -> PlainNetwork:
    """The network that ``config`` and the flat weights ``values`` describe.

    Raises:
        ModelFileError: blocks that are not supported (all are named), wrong types, sizes that do not fit one another or
            are out of all proportion, or weights that are too few, too many or no numbers.
    """
    _refuse_many(fields.items(config, "layers", "config"), "config.layers")
    missing = unsupported(config)
    if missing:
        more = f" and {len(missing) - 20} more" if len(missing) > 20 else ""
        named = ", ".join(missing[:20])
        raise ModelFileError(f"uses blocks of the .nam format that are not supported here: {named}{more}")
    described = read_config(config)
    problems = described.problems()
    if problems:
        more = f" (and {len(problems) - 2} more)" if len(problems) > 2 else ""
        raise ModelFileError(f"describes no usable WaveNet: {'; '.join(problems[:2])}{more}")
    return plain.from_order(
        "wavenet", described, fields.weights(values, described.weight_count, "a WaveNet of its configuration")
    )


def _refuse_many(entries: list[Any] | tuple[Any, ...], where: str) -> None:
    if len(entries) > MOST_LAYERS:
        raise ModelFileError(f"{where} has {len(entries):,} entries: at most {MOST_LAYERS:,} are allowed")


def unsupported(config: Table) -> list[str]:
    """Every optional block of the newer schemas that the file switches on and this reader lacks."""
    found = []
    if config.get("condition_dsp") is not None:
        found.append("condition_dsp")
    if config.get("head") is not None:
        found.append("head (post-stack)")
    if config.get("in_channels", 1) != 1:
        found.append("in_channels above 1")
    layers = config.get("layers")
    for layer in layers if isinstance(layers, list) else []:
        if isinstance(layer, dict):
            found += _unsupported_in_array(layer)
    return list(dict.fromkeys(found))


def _unsupported_in_array(layer: Table) -> Iterator[str]:
    for film in FILMS:
        block = layer.get(film)
        if isinstance(block, dict) and block.get("active", True) is not False:
            yield film
    for groups in ("groups_input", "groups_input_mixin"):
        if layer.get(groups, 1) != 1:
            yield groups
    head1x1, layer1x1, head = layer.get("head1x1"), layer.get("layer1x1"), layer.get("head")
    if isinstance(head1x1, dict) and head1x1.get("active") is not False:
        yield "head1x1"
    if isinstance(layer1x1, dict) and layer1x1.get("active") is not True:
        yield "layer1x1 switched off"
    if isinstance(layer1x1, dict) and layer1x1.get("groups", 1) != 1:
        yield "layer1x1 groups"
    if isinstance(head, dict) and head.get("head_dilation", 1) != 1:
        yield "head_dilation"
    if layer.get("slimmable") is not None:
        yield "slimmable"
    modes = _each(layer.get("gating_mode", "none"))
    if "blended" in modes:
        yield "gating_mode blended"
    if "gated" in modes and "none" in modes:
        yield "gating_mode that changes between layers"
    for mode, second in zip(modes, _each(layer.get("secondary_activation", "Sigmoid"), len(modes)), strict=False):
        name = second.get("type") if isinstance(second, dict) else second
        if mode == "gated" and name != "Sigmoid":
            yield f"secondary_activation {shown(name)}"
    names = (_activation_name(each) for each in _each(layer.get("activation")))
    for name in dict.fromkeys(name for name in names if isinstance(name, str) and name not in ACTIVATIONS):
        yield f"activation {shown(name)}"


def _each(value: object, count: int = 1) -> list[Any]:
    return value if isinstance(value, list) else [value] * count


def _activation_name(value: object) -> object:
    return value.get("type") if isinstance(value, dict) else value


def read_config(config: Table) -> WaveNetConfig:
    """The configuration in our own words; its sizes are not judged yet."""
    arrays = fields.items(config, "layers", "config")
    return WaveNetConfig(
        tuple(_read_array(fields.as_table(array, f"layers[{at}]"), f"layers[{at}]") for at, array in enumerate(arrays)),
        head_scale=fields.number(config, "head_scale", "config"),
    )


def _read_array(layer: Table, where: str) -> LayerArrayConfig:
    dilations = fields.whole_list(layer, "dilations", where)
    _refuse_many(dilations, f"{where}.dilations")
    if "kernel_sizes" in layer and "kernel_size" in layer:
        raise ModelFileError(f"{where} has both kernel_size and kernel_sizes; one of them must go")
    if "kernel_sizes" in layer:
        kernels = fields.whole_list(layer, "kernel_sizes", where)
    else:
        kernels = (fields.whole(layer, "kernel_size", where),) * len(dilations)
    if layer.get("head") is not None:
        head = fields.subtable(layer, "head", where)
        sizes = tuple(fields.whole(head, key, f"{where}.head") for key in ("out_channels", "kernel_size"))
        bias = fields.flag(head, "bias", f"{where}.head")
    else:
        sizes = (fields.whole(layer, "head_size", where), 1)
        bias = fields.flag(layer, "head_bias", where)
    return LayerArrayConfig(
        input_size=fields.whole(layer, "input_size", where),
        condition_size=fields.whole(layer, "condition_size", where),
        head_size=sizes[0],
        channels=fields.whole(layer, "channels", where),
        kernel_sizes=kernels,
        dilations=dilations,
        activations=_read_activations(layer, where, len(dilations)),
        head_kernel_size=sizes[1],
        head_bias=bias,
        gated=_read_gating(layer, where),
        bottleneck=fields.whole(layer, "bottleneck", where, 0),
    )


def _read_activations(layer: Table, where: str, count: int) -> tuple[Activation, ...]:
    value = fields.field(layer, "activation", where, (str, dict, list), "a name, an object or a list of these")
    return tuple(_read_activation(each, f"{where}.activation") for each in _each(value, count))


def _read_activation(value: object, where: str) -> Activation:
    if isinstance(value, str):
        return Activation(value)
    table = fields.as_table(value, where)
    return Activation(fields.text(table, "type", where), fields.number(table, "negative_slope", where, 0.01))


def _read_gating(layer: Table, where: str) -> bool:
    if "gating_mode" not in layer:
        return fields.flag(layer, "gated", where, False)
    modes = _each(fields.field(layer, "gating_mode", where, (str, list), "a name or a list of names"))
    wrong = [mode for mode in modes if mode not in ("none", "gated")]
    if wrong:
        raise ModelFileError(f"{where}.gating_mode holds {shown(wrong[0])}: must be 'none' or 'gated'")
    return "gated" in modes


def write_config(net: PlainNetwork) -> tuple[str, dict[str, Any]]:
    """The schema version to declare and the configuration in it: the oldest schema that can say what ``net`` is."""
    version = A1_VERSION if all(_is_a1(array) for array in net.config.arrays) else A2_VERSION
    write = _write_a1 if version == A1_VERSION else _write_a2
    scale = float(
        f"{float(net.weights['head_scale']):.7g}"
    )  # 0.02 rather than its nearest 32-bit neighbour, for the reader's eye
    return version, {"layers": [write(array) for array in net.config.arrays], "head": None, "head_scale": scale}


def _is_a1(array: LayerArrayConfig) -> bool:
    return (
        array.head_kernel_size == 1
        and array.width == array.channels
        and len(set(array.kernel_sizes)) == 1
        and len(set(array.activations)) == 1
        and (array.activations[0].name != "LeakyReLU" or array.activations[0].negative_slope == 0.01)
    )


def _write_a1(array: LayerArrayConfig) -> dict[str, Any]:
    return {
        "input_size": array.input_size,
        "condition_size": array.condition_size,
        "head_size": array.head_size,
        "channels": array.channels,
        "kernel_size": array.kernel_sizes[0],
        "dilations": list(array.dilations),
        "activation": array.activations[0].name,
        "gated": array.gated,
        "head_bias": array.head_bias,
    }


def _write_a2(array: LayerArrayConfig) -> dict[str, Any]:
    layers = len(array.dilations)
    gating = "gated" if array.gated else "none"
    return {
        "input_size": array.input_size,
        "condition_size": array.condition_size,
        "head": {"out_channels": array.head_size, "kernel_size": array.head_kernel_size, "bias": array.head_bias},
        "channels": array.channels,
        "kernel_sizes": list(array.kernel_sizes),
        "dilations": list(array.dilations),
        "activation": [_write_activation(activation) for activation in array.activations],
        "bottleneck": array.width,
        "head1x1": {"active": False, "out_channels": 1, "groups": 1},
        "layer1x1": {"active": True, "groups": 1},
        "groups_input": 1,
        "groups_input_mixin": 1,
        **{film: {"active": False, "shift": True, "groups": 1} for film in FILMS},
        "gating_mode": [gating] * layers,
        "secondary_activation": [{"type": "Sigmoid"} if array.gated else None] * layers,
        "slimmable": None,
    }


def _write_activation(activation: Activation) -> dict[str, Any]:
    if activation.name == "LeakyReLU":
        return {"type": activation.name, "negative_slope": activation.negative_slope}
    return {"type": activation.name}
