"""Vyper read as Python, with every offset of the file as it is.

Vyper's grammar is Python's but for a few keywords. Here they are written over with Python of the same length,
so that the nodes of Python's `ast` point into the Vyper text to the character.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

_LOOP = re.compile(r"(?<=\bfor )(\w+)(: [^\n]*?)(?= in )")
_BLOCK = re.compile(r"^(struct|event|interface|flag)(?= \w+:)", re.MULTILINE)


def as_python(text: str) -> str:
    """Vyper text as Python text of the same length: calls are awaited, a log is `not Event(...)`."""
    text = re.sub(r"\bextcall\b", "await  ", text)
    text = re.sub(r"\bstaticcall\b", "await     ", text)
    text = re.sub(r"^( +)log(?= )", r"\1not", text, flags=re.MULTILINE)
    text = _LOOP.sub(lambda found: found[1] + " " * len(found[2]), text)
    return _BLOCK.sub(lambda found: "class".ljust(len(found[1])), text)


class Source:
    """A contract's text and its tree."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text
        self.tree = ast.parse(as_python(text))
        self._starts = [0]
        for line in text.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Offsets of a node's first character and of the one after its last."""
        place: ast.expr = node  # type: ignore[assignment]
        assert place.end_lineno is not None and place.end_col_offset is not None
        return (
            self._starts[place.lineno - 1] + place.col_offset,
            self._starts[place.end_lineno - 1] + place.end_col_offset,
        )

    def of(self, node: ast.AST) -> str:
        """The text of a node."""
        start, end = self.span(node)
        return self.text[start:end]

    def line_number(self, offset: int) -> int:
        """Number of the line, from 1, in which an offset lies."""
        return self.text.count("\n", 0, offset) + 1

    def line(self, offset: int) -> str:
        """The line in which an offset lies, white space normalised."""
        start = self.text.rfind("\n", 0, offset) + 1
        end = self.text.find("\n", offset)
        return " ".join(self.text[start : end if end >= 0 else None].split())

    def between(self, left: ast.AST, right: ast.AST, token: str) -> tuple[int, int]:
        """Offsets of an operator that stands between two nodes, comments passed over."""
        start, end = self.span(left)[1], self.span(right)[0]
        gap = re.sub(r"#[^\n]*", lambda found: " " * len(found[0]), self.text[start:end])
        at = start + gap.index(token)
        return at, at + len(token)

    def scopes(self) -> Iterator[tuple[str, ast.AST]]:
        """What may be mutated, with its name: functions, and the values of constants."""
        for node in self.tree.body:
            if isinstance(node, ast.FunctionDef):
                yield node.name, node
            elif isinstance(node, ast.AnnAssign) and node.value is not None:
                yield self.of(node.target), node.value
