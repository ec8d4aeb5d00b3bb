"""What the benches share: the machine in general words, and their tables' places in a page of the documents."""

from __future__ import annotations

import platform
import re
from pathlib import Path

import llvmlite.binding as llvm

from wavewright.engine.vector_code import VECTOR_BYTES, X86

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
VECTORS = {64: "AVX-512", 32: "AVX2", 16: "SSE" if X86 else "NEON"}


def machine() -> str:
    """The processor's make and family, and the vector instructions that are used: nothing that names one machine."""
    found = re.search(r"^model name\s*:\s*(.+)$", _processor(), flags=re.MULTILINE)
    make = found[1].split("@")[0].strip() if found else platform.machine()
    return f"{make} ({llvm.get_host_cpu_name()}), {VECTORS[VECTOR_BYTES]}"


def _processor() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return ""


def write_section(name: str, text: str, page: Path = PAGE) -> None:
    """Puts ``text`` between the page's markers ``<!-- name -->`` and ``<!-- /name -->``; the rest stays as it is.

    Raises:
        SystemExit: the page has no such markers.
    """
    whole = page.read_text(encoding="utf-8")
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    if whole.count(begin) != 1 or whole.count(end) != 1:
        raise SystemExit(f"{page} must hold {begin.strip()} and {end} once each")
    head, rest = whole.split(begin)
    page.write_text(f"{head}{begin}\n{text.strip()}\n\n{end}{rest.split(end)[1]}", encoding="utf-8")
    print(f"written into {page.name}")
