"""What pages are made of: headed groups, and the blocks in them."""

from __future__ import annotations

from collections.abc import Iterable

from perpsim.report.words import esc


class Sections:
    """Headed groups of charts, tables and pictures; a group without content is left out."""

    def __init__(self) -> None:
        self.groups: list[tuple[str, str, list[str]]] = []

    def group(self, key: str, title: str, parts: Iterable[str]) -> None:
        """A group of HTML parts, of which some may be empty."""
        there = [p for p in parts if p]
        if there:
            self.groups.append((key, title, there))

    def contents(self) -> str:
        """Links to the groups."""
        return "".join(f'<a href="#{key}">{esc(title)}</a>' for key, title, _ in self.groups)

    def html(self) -> str:
        """All groups."""
        return "\n".join(
            f'<section id="{key}"><h2>{esc(title)}</h2>{"".join(parts)}</section>'
            for key, title, parts in self.groups
        )


def block(title: str, reading: str, body: str) -> str:
    """A headed part of a section."""
    return f'<div class="block"><h3>{esc(title)}</h3><p>{esc(reading)}</p>{body}</div>'
