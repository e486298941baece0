"""What is known about mutants: results kept from run to run, survivors with a reason, and the table."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from mutants.catalogue import Mutant

#: a mutant that ends so was found by the tests
FOUND = ("killed", "timeout", "crashed")
#: a mutant that ends so was none
DROPPED = ("refused", "same", "large")


def digest_of(paths: Iterable[Path]) -> str:
    """Hash of some files."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Result:
    """What became of a mutant of a file whose text has the hash `text`, when all sources and tests had the
    hash `context`; seconds for compiling and for tests."""

    key: str
    text: str
    context: str
    status: str
    by: str = ""
    fingerprint: str = ""
    compiled: float = 0.0
    tested: float = 0.0


class Log:
    """Results on disk, one a line; the last of a key counts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.results: dict[str, Result] = {}
        if path.is_file():
            for line in path.read_text().splitlines():
                result = Result(**json.loads(line))
                self.results[result.key] = result

    def add(self, result: Result) -> None:
        """Remember."""
        self.results[result.key] = result
        with self.path.open("a") as out:
            out.write(json.dumps(asdict(result)) + "\n")

    def valid(self, key: str, text: str, context: str) -> Result | None:
        """A mutant's result, unless its file has changed since, or it survived and anything has."""
        found = self.results.get(key)
        if found is None or found.text != text or found.status == "same":
            return None
        return None if found.status == "survived" and found.context != context else found

    def survived(self, key: str) -> bool:
        """Whether a mutant survived when it was last tried."""
        return key in self.results and self.results[key].status == "survived"

    def killers(self, file: str) -> Counter[str]:
        """How many mutants of a file each test has killed."""
        return Counter(
            result.by
            for key, result in self.results.items()
            if result.status == "killed" and key.startswith(f"{file} |")
        )


def excuses(path: Path) -> dict[str, str]:
    """Reasons by key. An entry has `file`, `where`, `line`, `change` (one or several; a number in brackets
    says which of several such in the function) and `reason`."""
    found: dict[str, str] = {}
    if path.is_file():
        for entry in tomllib.loads(path.read_text()).get("survivor", []):
            changes = entry["change"]
            for change in [changes] if isinstance(changes, str) else changes:
                key = f"{entry['file']} | {entry['where']} | {entry['line']} | {change}"
                if key in found:
                    raise ValueError(f"{path.name}: twice: {key}")
                found[key] = entry["reason"]
    return found


@dataclass(frozen=True)
class Verdict:
    """All that is known about a sample."""

    mutants: list[Mutant]
    results: dict[str, Result]
    excused: dict[str, str]

    def status(self, mutant: Mutant) -> str:
        """A result's status; survivors with a reason are `excused`, those not yet tried `open`."""
        result = self.results.get(mutant.key)
        status = result.status if result else "open"
        if mutant.key in self.excused and status in ("survived", "open"):
            return "excused"
        return status

    @property
    def rate(self) -> float:
        """Share found of those that count: neither dropped nor excused nor untried."""
        count = Counter(map(self.status, self.mutants))
        found = sum(count[status] for status in FOUND)
        return found / (found + count["survived"]) if found + count["survived"] else 1.0

    def survivors(self) -> list[Mutant]:
        """Those without a reason, in the order of the files."""
        kept = [mutant for mutant in self.mutants if self.status(mutant) == "survived"]
        return sorted(kept, key=lambda mutant: (mutant.file, mutant.number, mutant.edit.start))

    def table(self) -> str:
        """A row a file."""
        columns = ("drawn", "refused", "same", "large", "killed", "timeout", "excused", "survived", "rate")
        count: dict[str, Counter[str]] = defaultdict(Counter)
        for mutant in self.mutants:
            for row in (mutant.file, "all"):
                status = self.status(mutant)
                count[row]["timeout" if status == "crashed" else status] += 1
                count[row]["drawn"] += 1
        width = max([len(row) for row in count], default=4)
        lines = [" " * width + "".join(f"{column:>9}" for column in columns)]
        for row in [*sorted(set(count) - {"all"}), "all"]:
            cells = count[row]
            found = cells["killed"] + cells["timeout"]
            tried = found + cells["survived"]
            rate = f"{100 * found / tried:.0f} %" if tried else "-"
            figures = [f"{cells[column]:>9}" for column in columns[:-1]]
            lines.append(f"{row:<{width}}" + "".join(figures) + f"{rate:>9}")
        return "\n".join(lines)

    def report(self) -> str:
        """The table, every survivor with its fault, and the reasons of the excused."""
        lines = ["# Mutants", "", "```", self.table(), "```", "", "## Survivors", ""]
        for mutant in self.survivors():
            lines += [f"- {mutant.file}:{mutant.number} `{mutant.where}`: {mutant.edit.change}"]
            lines += [f"  `{mutant.line}` with `{' '.join(mutant.edit.text.split())}`"]
        lines += ["", "## Excused", ""]
        for mutant in self.mutants:
            if self.status(mutant) == "excused":
                lines += [f"- {mutant.key}: {self.excused[mutant.key]}"]
        return "\n".join(lines) + "\n"
