"""A picture of numbers as PNG: 256 colours and zlib, nothing else needed.

After the PNG specification (third edition), sections 5, 10 and 11.
"""

from __future__ import annotations

import base64
import struct
import zlib
from functools import cache

import numpy as np
from numpy.typing import NDArray

_MAGIC = b"\x89PNG\r\n\x1a\n"
# Corners of the colour map in OKLab: lightness rises evenly from near black through violet and orange to pale yellow,
# so that equal steps of level look equally large, in grey as well.
_LIGHTNESS = (0.14, 0.30, 0.44, 0.58, 0.72, 0.85, 0.97)
_GREEN_RED = (0.005, 0.060, 0.125, 0.150, 0.095, 0.020, -0.010)
_BLUE_YELLOW = (-0.025, -0.110, -0.070, 0.040, 0.115, 0.130, 0.060)


def heat_map(levels: NDArray[np.floating], low: float, high: float) -> bytes:
    """PNG of ``levels`` ``(rows, columns)``, top row first: the darkest colour at ``low``, the lightest at ``high``."""
    if levels.ndim != 2 or not levels.size:
        raise ValueError(f"levels {levels.shape} must be (rows, columns), neither empty")
    shares = np.clip((np.nan_to_num(levels, nan=low) - low) / (high - low), 0.0, 1.0)
    return indexed(np.round(255 * shares).astype(np.uint8), colour_map())


def indexed(pixels: NDArray[np.uint8], colours: NDArray[np.uint8]) -> bytes:
    """PNG of ``pixels`` ``(rows, columns)``, each the index of one of ``colours`` ``(256, 3)``."""
    rows, columns = pixels.shape
    header = struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)  # 8 bits, palette
    unfiltered = np.concatenate([np.zeros((rows, 1), np.uint8), pixels], axis=1)  # filter 0 before each row
    image = zlib.compress(unfiltered.tobytes(), 9)
    chunks = [(b"IHDR", header), (b"PLTE", colours.tobytes()), (b"IDAT", image), (b"IEND", b"")]
    return _MAGIC + b"".join(_chunk(kind, content) for kind, content in chunks)


def address(png: bytes) -> str:
    """The picture as a ``data:`` address, to stand inside a page."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


@cache
def colour_map() -> NDArray[np.uint8]:
    """256 colours ``(256, 3)`` of rising lightness."""
    corners = np.linspace(0, 1, len(_LIGHTNESS))
    at = np.linspace(0, 1, 256)
    L, a, b = (np.interp(at, corners, values) for values in (_LIGHTNESS, _GREEN_RED, _BLUE_YELLOW))
    # OKLab to linear sRGB: Ottosson, "A perceptual color space for image processing" (2020).
    cube = np.stack(
        [
            L + 0.3963377774 * a + 0.2158037573 * b,
            L - 0.1055613458 * a - 0.0638541728 * b,
            L - 0.0894841775 * a - 1.2914855480 * b,
        ]
    )
    to_rgb = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear = np.clip(to_rgb @ cube**3, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.ascontiguousarray(np.round(255 * encoded).astype(np.uint8).T)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
