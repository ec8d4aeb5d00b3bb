"""Charts as SVG that stays readable at any width.

A chart has no fixed size: curves live in an inner drawing of 1000 × 1000 that stretches (strokes keep their width),
labels are placed by percent and keep their size. So the same markup serves a phone and a wide screen, and colours come
from the page's style, light or dark.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wavewright.report.scales import Axis, Fitted, Tick, fitted, linear_ticks, number

Kind = Literal["line", "points", "band"]
_SIZE = 1000


@dataclass(frozen=True)
class Series:
    """What a chart shows: a line through (x, y), points, or a band from y to ``upper``.

    ``colour`` names one of the page's colours: dry, wet, twin, error, ink, h1 … h8. ``shape`` is ``(points,)``. A value
    that is not finite leaves a gap. A series without a name is not in the legend.
    """

    x: ArrayLike
    y: ArrayLike
    name: str = ""
    colour: str = "ink"
    kind: Kind = "line"
    dashed: bool = False
    upper: ArrayLike | None = None


@dataclass(frozen=True)
class Picture:
    """An image behind the curves, as a data address, with the ranges it covers."""

    address: str
    x: tuple[float, float]
    y: tuple[float, float]


def chart(
    series: Sequence[Series],
    x: Axis,
    y: Axis,
    *,
    title: str,
    describe: str,
    height: int = 260,
    picture: Picture | None = None,
    top: tuple[str, float] | None = None,
) -> str:
    """A figure with title, legend, axes and curves, as HTML.

    Args:
        series: what to draw, back to front.
        x: the horizontal axis.
        y: the vertical axis.
        title: the heading above.
        describe: a sentence that says what is to be seen, for those who cannot see it.
        height: of the plot in CSS pixels; its width is that of the page.
        picture: an image in the background, such as a spectrogram.
        top: a second scale along the top: its label, and its units for one unit of ``x`` (a linear axis).
    """
    across = fitted(x, _values([s.x for s in series], picture.x if picture else ()))
    up = fitted(y, _values([v for s in series for v in (s.y, s.upper) if v is not None], picture.y if picture else ()))
    drawing = [_image(picture, across, up)] if picture else []
    drawing += [_drawn(one, across, up) for one in series]
    inner = f'<svg viewBox="0 0 {_SIZE} {_SIZE}" preserveAspectRatio="none" width="100%" height="100%">'
    parts = [
        _grid(across, up),
        inner + "".join(drawing) + "</svg>",
        '<rect class="frame" width="100%" height="100%"/>',
        _labels(across, up),
        _top_labels(across, *top) if top else "",
    ]
    name = html.escape(f"{title}. {describe}", quote=True)
    return (
        f'<figure class="chart"><figcaption>{html.escape(title)}</figcaption>{_legend(series)}'
        f'<div class="plot{" topped" if top else ""}"><svg role="img" aria-label="{name}" style="height:{height}px">'
        f"{''.join(parts)}</svg></div></figure>"
    )


def _values(several: Sequence[ArrayLike], ends: Sequence[float]) -> NDArray[np.float64]:
    arrays = [np.asarray(one, dtype=np.float64).ravel() for one in several]
    return np.concatenate([*arrays, np.asarray(ends, dtype=np.float64)])


def _legend(series: Sequence[Series]) -> str:
    items = []
    for one in series:
        if one.name:
            style = "dashed" if one.dashed else one.kind
            swatch = f'<i class="swatch {style} c-{html.escape(one.colour, quote=True)}"></i>'
            items.append(f"<li>{swatch}{html.escape(one.name)}</li>")
    return f'<ul class="legend" aria-hidden="true">{"".join(items)}</ul>' if len(items) > 1 else ""


def _grid(across: Fitted, up: Fitted) -> str:
    lines = []
    for tick, place in _placed(across):
        lines.append(f'<line class="{_weight(tick)}" x1="{place}%" x2="{place}%" y1="0" y2="100%"/>')
    for tick, place in _placed(up):
        lines.append(f'<line class="{_weight(tick)}" x1="0" x2="100%" y1="{_down(place)}%" y2="{_down(place)}%"/>')
    return "".join(lines)


def _labels(across: Fitted, up: Fitted) -> str:
    texts = []
    for tick, place in _placed(across):
        if tick.label:
            texts.append(f'<text class="x{_spare(tick)}" x="{place}%" y="100%" dy="17">{tick.label}</text>')
    for tick, place in _placed(up):
        if tick.label:
            texts.append(f'<text class="y" x="-7" y="{_down(place)}%" dy="4">{tick.label}</text>')
    texts.append(f'<text class="x name" x="50%" y="100%" dy="35">{html.escape(across.label)}</text>')
    texts.append(f'<text class="y-name" x="-46" y="-9">{html.escape(up.label)}</text>')
    return "".join(texts)


def _top_labels(across: Fitted, label: str, factor: float) -> str:
    above = fitted(Axis(label, low=across.low * factor, high=across.high * factor), np.empty(0))
    step = above.ticks[1].value - above.ticks[0].value if len(above.ticks) > 1 else 1.0
    ticks = [tick for tick in linear_ticks(above.low, above.high, step) if tick.value >= 0]
    above = Fitted(label, "linear", above.low, above.high, tuple(ticks))
    texts = [
        f'<text class="x{_spare(tick)}" x="{place}%" y="-8">{tick.label}</text>'
        for tick, place in _placed(above)
        if place <= 78
    ]
    return "".join(texts) + f'<text class="x-end" x="100%" y="-8">{html.escape(label)}</text>'


def _placed(axis: Fitted) -> list[tuple[Tick, float]]:
    places = axis.place(np.array([tick.value for tick in axis.ticks], dtype=np.float64))
    return [(tick, round(100 * float(place), 3)) for tick, place in zip(axis.ticks, places, strict=True)]


def _down(place: float) -> float:
    return round(100 - place, 3)


def _weight(tick: Tick) -> str:
    return "fine" if tick.minor else "grid"


def _spare(tick: Tick) -> str:
    return " spare" if tick.spare else ""


def _image(picture: Picture, across: Fitted, up: Fitted) -> str:
    left, right = _SIZE * across.place(np.array(picture.x))
    bottom, top = _SIZE * (1 - up.place(np.array(picture.y)))
    return (
        f'<image href="{html.escape(picture.address, quote=True)}" x="{left:.1f}" y="{top:.1f}" '
        f'width="{right - left:.1f}" height="{bottom - top:.1f}" preserveAspectRatio="none"/>'
    )


def _drawn(one: Series, across: Fitted, up: Fitted) -> str:
    x = _SIZE * across.place(np.asarray(one.x, dtype=np.float64))
    y = _SIZE * (1 - up.place(np.asarray(one.y, dtype=np.float64)))
    if one.kind == "points":
        path = "".join(f"M{a:.1f} {b:.1f}h0" for a, b in zip(x, y, strict=True) if np.isfinite(a + b))
    elif one.kind == "band":
        upper = _SIZE * (1 - up.place(np.asarray(one.upper, dtype=np.float64)))
        there = [f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True)]
        back = [f"{a:.1f} {b:.1f}" for a, b in zip(x[::-1], upper[::-1], strict=True)]
        path = f"M{' '.join(there)}L{' '.join(back)}Z" if there else ""
    else:
        path = _polyline(x, y)
    classes = f"{one.kind} c-{html.escape(one.colour, quote=True)}{' dashed' if one.dashed else ''}"
    return f'<path class="{classes}" d="{path}"/>'


def _polyline(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    pieces, pen_down = [], False
    # What lies far outside is drawn at the edge of the drawing's surroundings, which are cut off.
    for a, b in zip(x, np.clip(y, -9 * _SIZE, 9 * _SIZE), strict=True):
        if np.isfinite(a + b):
            pieces.append(f"{'L' if pen_down else 'M'}{a:.1f} {b:.1f}")
            pen_down = True
        else:
            pen_down = False
    return "".join(pieces)


def table(head: Sequence[str], rows: Sequence[Sequence[Any]], caption: str = "") -> str:
    """A table as HTML; numbers are written as `number` writes them, everything else is escaped text."""
    top = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in head)
    body = "".join(f"<tr>{''.join(_cell(cell, first=not at) for at, cell in enumerate(row))}</tr>" for row in rows)
    title = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    heading = f"<thead><tr>{top}</tr></thead>" if any(head) else ""
    return f'<div class="table"><table>{title}{heading}<tbody>{body}</tbody></table></div>'


def _cell(value: Any, *, first: bool) -> str:
    if first:
        return f'<th scope="row">{html.escape(str(value))}</th>'
    if isinstance(value, float):
        return f'<td class="number">{number(value)}</td>'
    if isinstance(value, int) and not isinstance(value, bool):
        return f'<td class="number">{value:,}</td>'
    return f"<td>{html.escape(str(value))}</td>"
