"""The page itself: one HTML file with its style, script, pictures and sounds inside; nothing is ever fetched.

A content-security policy in the page forbids every outside request, so that a report can be sent on and opened anywhere
without telling anyone.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from wavewright import atomic
from wavewright.report.scales import number

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; media-src data:"
_SPELLING = {
    "db": "dB",
    "dbfs": "dBFS",
    "dbu": "dBu",
    "hz": "Hz",
    "dc": "DC",
    "rms": "RMS",
    "esr": "ESR",
    "stft": "STFT",
}


@dataclass(frozen=True)
class Section:
    """One part of a page: ``title`` and ``lead`` are plain text, ``body`` is HTML made by the rooms of the report."""

    name: str
    title: str
    body: str
    lead: str = ""


@dataclass(frozen=True)
class Figure:
    """A number at the head of the page with what it is called and what it means; all plain text."""

    label: str
    value: str
    meaning: str = ""


def build(
    title: str,
    sections: Sequence[Section],
    *,
    kicker: str = "",
    lead: str = "",
    figures: Sequence[Figure] = (),
    foot: str = "",
) -> str:
    """The whole page as HTML.

    Args:
        title: heading and window title, plain text.
        sections: the parts in order; those with an empty body are left out.
        kicker: a few words above the heading.
        lead: a sentence or two below it.
        figures: the numbers that matter most.
        foot: a line at the very end.
    """
    shown = [section for section in sections if section.body]
    links = "".join(f'<li><a href="#{_safe(one.name)}">{_safe(one.title)}</a></li>' for one in shown)
    parts = [
        "<header>",
        f'<p class="kicker">{_safe(kicker)}</p>' if kicker else "",
        f"<h1>{_safe(title)}</h1>",
        f'<p class="lead">{_safe(lead)}</p>' if lead else "",
        _cards(figures),
        f'<nav aria-label="Contents"><ul>{links}</ul></nav>' if len(shown) > 2 else "",
        "</header><main>",
        *(_section(one) for one in shown),
        f"</main><footer>{_safe(foot)}</footer>",
    ]
    script = f"<script>{_resource('player.js')}</script>" if any("<audio" in one.body for one in shown) else ""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_safe(title)}</title><style>{_resource('style.css')}</style></head>\n"
        f"<body>{''.join(parts)}{script}</body></html>\n"
    )


def write(path: Path, page: str, *, force: bool = False) -> None:
    """Write a page in one step.

    Raises:
        OutputError: ``path`` exists and not ``force``, or cannot be written.
    """
    atomic.refuse_existing(path, force=force)
    atomic.write_text(path, page)


def describe(value: object) -> str:
    """Any plain value as a person reads it: numbers short, lists with commas, yes and no; plain text, not yet HTML.

    >>> describe([1, 2.5, True, None])
    '1, 2.5, yes, –'
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, (list, tuple)):
        return ", ".join(describe(one) for one in value) or "–"
    if isinstance(value, dict):
        return "; ".join(f"{words(str(key))}: {describe(one)}" for key, one in value.items()) or "–"
    return str(value)


def words(name: str) -> str:
    """A key as words.

    >>> words("noise_floor_db"), words("esr")
    ('Noise floor dB', 'ESR')
    """
    spelt = " ".join(_SPELLING.get(word, word) for word in name.split("_") if word)
    return spelt[:1].upper() + spelt[1:]


def _section(section: Section) -> str:
    lead = f"<p>{_safe(section.lead)}</p>" if section.lead else ""
    name = _safe(section.name)
    heading = f'<h2 id="{name}-title">{_safe(section.title)}</h2>'
    return f'<section id="{name}" aria-labelledby="{name}-title">{heading}{lead}{section.body}</section>'


def _cards(figures: Sequence[Figure]) -> str:
    if not figures:
        return ""
    cards = [
        f"<div><dt>{_safe(one.label)}</dt><dd>{_safe(one.value)}<small>{_safe(one.meaning)}</small></dd></div>"
        for one in figures
    ]
    return f'<dl class="cards">{"".join(cards)}</dl>'


@cache
def _resource(name: str) -> str:
    return files("wavewright.report").joinpath(name).read_text(encoding="utf-8")


def _safe(text: str) -> str:
    return html.escape(text, quote=True)
