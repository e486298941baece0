"""All mutants of the contracts, each under a key that edits elsewhere in the file do not change."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mutants.operators import Edit, edits
from mutants.source import Source

_IMPORT = re.compile(r"^from +([\w.]+) +import +(\w+)", re.MULTILINE)


@dataclass(frozen=True)
class Mutant:
    """One fault in one file, at a line (from 1) of the present text."""

    file: str
    where: str
    line: str
    number: int
    occurrence: int
    edit: Edit

    @property
    def key(self) -> str:
        """File, function, line as written, change; and which of several such in the function."""
        again = f" ({self.occurrence})" if self.occurrence > 1 else ""
        return f"{self.file} | {self.where} | {self.line} | {self.edit.change}{again}"

    def apply(self, text: str) -> str:
        """The text with the fault."""
        return text[: self.edit.start] + self.edit.text + text[self.edit.end :]


def mutants_of(source: Source) -> list[Mutant]:
    """All mutants of a file, in the order of the file."""
    found = []
    count: Counter[tuple[str, str, str]] = Counter()
    for where, scope in source.scopes():
        for edit in sorted(edits(source, scope), key=lambda edit: (edit.start, edit.end)):
            line = source.line(edit.start)
            count[where, line, edit.change] += 1
            occurrence = count[where, line, edit.change]
            number = source.line_number(edit.start)
            found.append(Mutant(source.path, where, line, number, occurrence, edit))
    return found


def files(contracts: Path) -> list[Path]:
    """The files whose mutants count: contracts and modules, but not the mocks."""
    kept = []
    for path in sorted(contracts.rglob("*.vy")):
        if not {"mocks", "interfaces"} & set(path.relative_to(contracts).parts):
            kept.append(path)
    return kept


def catalogue(contracts: Path, only: str = "") -> list[Mutant]:
    """All mutants, or those of the files whose path below `contracts` contains one of the words of `only`."""
    words = only.replace(",", " ").split()
    found = []
    for path in files(contracts):
        name = path.relative_to(contracts).as_posix()
        if not words or any(word in name for word in words):
            found += mutants_of(Source(name, path.read_text()))
    return found


def sample(mutants: Iterable[Mutant], count: int, seed: int) -> list[Mutant]:
    """`count` of them (0: all) in an order drawn by the seed. A key keeps its place in the order whatever
    becomes of others, so an edit changes little of the sample."""

    def draw(mutant: Mutant) -> bytes:
        return hashlib.sha256(f"{seed} {mutant.key}".encode()).digest()

    drawn = sorted(mutants, key=draw)
    return drawn[:count] if count else drawn


def made_of(contracts: Path) -> dict[str, list[str]]:
    """The contracts that each file ends up in, by the imports: file below `contracts` -> contract names."""
    imports: dict[str, set[str]] = {}
    for path in contracts.rglob("*.vy"):
        found = set()
        for package, name in _IMPORT.findall(path.read_text()):
            parts = package.split(".")
            if parts[0] == contracts.name:
                found.add("/".join([*parts[1:], f"{name}.vy"]))
        imports[path.relative_to(contracts).as_posix()] = found

    def reached(file: str) -> set[str]:
        below = {file}
        for other in imports.get(file, ()):
            below |= reached(other)
        return below

    users: dict[str, list[str]] = {file: [] for file in imports}
    for file in sorted(imports):
        if not {"modules", "interfaces"} & set(Path(file).parts):
            for part in reached(file):
                if part in users:
                    users[part].append(Path(file).with_suffix("").as_posix())
    return users
