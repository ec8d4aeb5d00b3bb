"""Settings of networks from the plain values that run folders keep. No torch here."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from wavewright.errors import ModelFileError, SettingsError
from wavewright.nets.wavenet_config import Activation, LayerArrayConfig, WaveNetConfig
from wavewright.settings import did_you_mean

T = TypeVar("T")


def read_settings(kind: str, read: Callable[[Mapping[str, Any]], T], values: object) -> T:
    """What ``read`` makes of the settings of a network of ``kind``.

    Raises:
        ModelFileError: unknown or missing settings, wrong types, or sizes out of all proportion.
    """
    if not isinstance(values, Mapping):
        raise ModelFileError(f"the settings of the {kind} must be a table; found {shown(values)}")
    try:
        return read(values)
    except SettingsError as error:
        more = f" (and {len(error.problems) - 2} more)" if len(error.problems) > 2 else ""
        raise ModelFileError(
            f"the settings of the {kind} are not usable: {'; '.join(error.problems[:2])}{more}"
        ) from error


def read_wavenet(values: Mapping[str, Any]) -> WaveNetConfig:
    """A WaveNet's settings from the plain values of `wavewright.nets.registry.config_of`."""
    plain = _known(WaveNetConfig, values, "")
    arrays = plain.get("arrays")
    if not isinstance(arrays, (list, tuple)) or not arrays:
        raise SettingsError([f"setting arrays must be a list of layer arrays, at least one; found {shown(arrays)}"])
    return WaveNetConfig(**{**plain, "arrays": tuple(_read_array(array, index) for index, array in enumerate(arrays))})


def _read_array(values: object, index: int) -> LayerArrayConfig:
    if not isinstance(values, Mapping):
        raise SettingsError([f"setting arrays[{index}] must be a table; found {shown(values)}"])
    plain = _known(LayerArrayConfig, values, f"arrays[{index}].")
    for name in ("kernel_sizes", "dilations", "activations"):
        if not isinstance(plain.get(name), (list, tuple)):
            raise SettingsError([f"setting arrays[{index}].{name} must be a list; found {shown(plain.get(name))}"])
        plain[name] = tuple(plain[name])
    plain["activations"] = tuple(
        a if isinstance(a, Activation) else _read_activation(a, f"arrays[{index}].activations")
        for a in plain["activations"]
    )
    return LayerArrayConfig(**plain)


def _read_activation(values: object, where: str) -> Activation:
    if not isinstance(values, Mapping):
        raise SettingsError([f"setting {where} must hold tables; found {shown(values)}"])
    return Activation(**_known(Activation, values, f"{where}."))


def _known(kind: type[Any], values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """``values`` as a dictionary, once all their names are fields of ``kind`` and none is missing."""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    problems = [f"unknown setting {where}{shown(n)}: {did_you_mean(str(n), fields)}" for n in values if n not in fields]
    needed = (name for name, field in fields.items() if field.default is dataclasses.MISSING)
    problems += [f"setting {where}{name} is missing" for name in needed if name not in values]
    if problems:
        raise SettingsError(problems)
    return dict(values)


def shown(value: object) -> str:
    """``value`` for an error message."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}…"


def known_values(kind: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """``values`` as a dictionary, once all their names are fields of dataclass ``kind`` and none is missing.

    Raises:
        SettingsError: unknown or missing names.
    """
    return _known(kind, values, "")
