"""The pictures of a sweep's report as files of their own, for documents: light and dark as the page is."""

from __future__ import annotations

import re
from pathlib import Path

from perpsim.errors import UserError
from perpsim.report.page import static

_PLOT = re.compile(r'<svg class="plot"[^>]* width="(\d+)" height="\d+"[^>]*>.*?</svg>', re.DOTALL)
_TITLE = re.compile(r"<title>(.*?)</title>")
# Of each picture the page has a wide and a narrow one.
_WIDE = 600


def write_pictures(report: Path, folder: Path) -> list[Path]:
    """Write the pictures of a report as `folder`/TITLE.svg. Raises `UserError` if that cannot be done."""
    html = report.read_text(encoding="utf-8")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [_write(found[0], folder) for found in _PLOT.finditer(html) if int(found[1]) >= _WIDE]
    except OSError as error:
        raise UserError(f"pictures in {folder}: {error.strerror or error}") from None


def _write(svg: str, folder: Path) -> Path:
    title = _TITLE.search(svg)
    name = re.sub(r"[^a-z0-9]+", "-", title[1].lower()).strip("-") if title else "picture"
    path = folder / f"{name}.svg"
    start = svg.index(">") + 1
    head = svg[:start].replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    paper = '<rect width="100%" height="100%" style="fill: var(--paper)"/>'
    path.write_text(f"{head}<style>{_style()}</style>{paper}{svg[start:]}\n", encoding="utf-8")
    return path


def _style() -> str:
    """What of the page's styles a picture needs: its colours and the lines about plots."""
    lines = [static("page.css").splitlines()[0], *static("sweep.css").splitlines()]
    kept, inside = [], False
    for line in lines:
        # the colours go over several lines, and once more within a condition
        inside = inside or line.startswith((":root", "@media screen"))
        if inside or line.startswith((".plot", ".s0", ".s4")):
            kept.append(line)
        inside = inside and not (line.endswith("}") and not line.startswith("@") and _closed(kept))
    return "\n".join(kept)


def _closed(lines: list[str]) -> bool:
    text = "".join(lines)
    return text.count("{") == text.count("}")
