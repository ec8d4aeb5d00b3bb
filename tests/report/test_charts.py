"""Axes, charts and pictures: positions by hand, PNG read back by hand, well-formed markup."""

from __future__ import annotations

import math
import re
import struct
import xml.etree.ElementTree as ET
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavewright.report import png
from wavewright.report.scales import Axis, fitted, number
from wavewright.report.svg import Picture, Series, chart, table

HOSTILE = "\"><script>alert('x')</script>&<img src=x onerror=alert(1)>"


@settings(deadline=None, max_examples=30)
@given(low=st.floats(-1e6, 1e6), span=st.floats(1e-6, 1e6), scale=st.sampled_from(["linear", "dB"]))
def test_linear_axes_hold_the_data_with_a_few_even_ticks(low: float, span: float, scale: str) -> None:
    axis = fitted(Axis("", scale), np.array([low, low + span]))  # type: ignore[arg-type]
    slack = 1e-6 * span + 1e-9 * abs(low)
    assert axis.low <= low + slack
    assert axis.high >= low + span - slack
    assert 2 <= len(axis.ticks) <= 10
    values = [tick.value for tick in axis.ticks]
    np.testing.assert_allclose(np.diff(values), values[1] - values[0], rtol=1e-6, atol=1e-12 * abs(low))


@settings(deadline=None, max_examples=30)
@given(low=st.floats(1e-9, 1e6), factor=st.floats(1.001, 1e9))
def test_log_axes_hold_the_data(low: float, factor: float) -> None:
    axis = fitted(Axis("", "log"), np.array([low, low * factor]))
    assert axis.low < low
    assert axis.high > low * factor
    places = axis.place(np.array([axis.low, math.sqrt(axis.low * axis.high), axis.high]))
    np.testing.assert_allclose(places, [0, 0.5, 1], atol=1e-9)
    assert all(axis.low * 0.999 <= tick.value <= axis.high * 1.001 for tick in axis.ticks)


def test_decibel_ticks_read_well() -> None:
    ticks = fitted(Axis("dB", "dB", low=-60, high=0), np.empty(0)).ticks
    assert [tick.label for tick in ticks] == ["−60", "−50", "−40", "−30", "−20", "−10", "0"]


def test_axes_of_nothing_and_of_one_value() -> None:
    assert len(fitted(Axis(""), np.empty(0)).ticks) >= 2
    axis = fitted(Axis(""), np.array([3.0, math.nan, math.inf]))
    assert axis.low < 3 < axis.high
    axis = fitted(Axis("", "log"), np.array([-1.0, 0.0]))
    assert 0 < axis.low < axis.high


@given(st.floats(-1e300, 1e300) | st.sampled_from([5e-324, 9.999e-5, 999_999.0]))
@settings(deadline=None, max_examples=50)
def test_numbers_read_back(value: float) -> None:
    text = number(value).replace("−", "-").replace("k", "e3")
    power = re.fullmatch(r"(-?)(?:([\d.]+)·)?10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", text)
    if power:
        exponent = power[3].translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
        text = f"{power[1]}{power[2] or '1'}e{exponent}"
    assert float(text) == pytest.approx(value, rel=6e-3)


def parsed(markup: str) -> ET.Element:
    return ET.fromstring(markup.replace("&times;", "×"))


def test_a_line_lies_where_it_should() -> None:
    root = parsed(
        chart(
            [Series([0, 5, 10], [0, 1, 4], "a"), Series([0, 10], [4, 0], "b", dashed=True)],
            Axis("x", low=0, high=10),
            Axis("y", low=0, high=4),
            title="T",
            describe="D.",
        )
    )
    paths = [path.get("d") for path in root.iter("path")]
    assert paths == ["M0.0 1000.0L500.0 750.0L1000.0 0.0", "M0.0 0.0L1000.0 1000.0"]
    assert [item.itertext().__next__() for item in root.iter("li")] == ["a", "b"]
    assert root.find("div/svg").get("aria-label") == "T. D."  # type: ignore[union-attr]


def test_gaps_stay_gaps() -> None:
    root = parsed(
        chart(
            [Series([1, 2, 3, 4], [1, math.nan, 1, 0])],
            Axis("", low=0, high=4),
            Axis("", "log", low=1, high=10),
            title="",
            describe="",
        )
    )
    assert next(root.iter("path")).get("d") == "M250.0 1000.0M750.0 1000.0"


def test_pictures_bands_and_second_scales_are_well_formed() -> None:
    address = png.address(png.heat_map(np.eye(3), 0, 1))
    markup = chart(
        [Series([0, 1], [100, 200], kind="band", upper=[300, 400]), Series([0, 1], [100, 200], "p", kind="points")],
        Axis("s", low=0, high=1),
        Axis("Hz", "log", low=100, high=1000),
        title="T",
        describe="D",
        picture=Picture(address, (0, 1), (100, 1000)),
        top=("epochs", 20.0),
    )
    root = parsed(markup)
    image = next(root.iter("image"))
    assert [float(image.get(key, "nan")) for key in ("x", "y", "width", "height")] == [0, 0, 1000, 1000]
    labels = ["".join(text.itertext()) for text in root.iter("text")]
    assert {"epochs", "15", "Hz"} <= set(labels)


def test_hostile_names_stay_text() -> None:
    markup = chart(
        [Series([0, 1], [0, 1], HOSTILE, HOSTILE)] * 2, Axis(HOSTILE), Axis(HOSTILE), title=HOSTILE, describe=HOSTILE
    )
    markup += table([HOSTILE], [[HOSTILE, HOSTILE]], HOSTILE)
    assert "<script" not in markup
    assert "<img" not in markup
    parsed(f"<div>{markup}</div>")


def test_tables_write_numbers_as_a_person_does() -> None:
    cells = ["".join(cell.itertext()) for cell in parsed(table(["a", "b", "c"], [["x", 0.00371, 48000]])).iter("td")]
    assert cells == ["0.00371", "48,000"]


def read_png(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Pixels and palette of an 8-bit indexed PNG, checksums verified."""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(content):
        (size,) = struct.unpack(">I", content[at : at + 4])
        kind, body = content[at + 4 : at + 8], content[at + 8 : at + 8 + size]
        assert struct.unpack(">I", content[at + 8 + size : at + 12 + size])[0] == zlib.crc32(kind + body)
        chunks[kind] = body
        at += 12 + size
    columns, rows, depth, colour, *_ = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (depth, colour) == (8, 3)
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(rows, columns + 1)
    assert not lines[:, 0].any()
    assert chunks[b"IEND"] == b""
    return lines[:, 1:], np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(-1, 3)


def test_png_reads_back() -> None:
    levels = np.linspace(-100, 0, 35).reshape(5, 7)
    pixels, palette = read_png(png.heat_map(levels, -80, -20))
    expected = np.round(255 * np.clip((levels + 80) / 60, 0, 1))
    np.testing.assert_array_equal(pixels, expected)
    np.testing.assert_array_equal(palette, png.colour_map())
    with pytest.raises(ValueError, match=r"\(0, 3\)"):
        png.heat_map(np.zeros((0, 3)), 0, 1)


def test_the_colour_map_rises_evenly_in_lightness() -> None:
    linear = np.where(png.colour_map() <= 10, 0, ((png.colour_map() / 255 + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    lightness = 116 * np.cbrt(luminance) - 16  # CIE L*
    assert (np.diff(lightness[8:]) > 0).all()
    steps = np.diff(lightness[16:])
    assert steps.max() < 3 * steps.mean()
