"""One run of a sweep as a parcel: small, picklable, and with a key by which it is found again."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import perpsim
from perpsim.errors import UserError
from perpsim.scenarios import Scenario
from perpsim.sweeps.design import Design
from perpsim.sweeps.model import Scalar

# What a scenario says to people does not change a run.
_TEXTS = {"title", "description", "sources", "modelled", "levers", "vary", "expected"}
# Parts of the program that decide what happens in a run.
_DECIDING = ("agents", "chain", "deleveraging", "market", "protocol", "scenarios", "simulation")


@dataclass(frozen=True)
class Job:
    """A run to do. `scenario` is the whole scenario, compressed to some 2 kB; `values` what varies, as rows
    hold it. `memory` bounds what the run may take (bytes). With a `fault` it cannot run."""

    key: str
    point: int
    seed: int
    values: dict[str, Scalar]
    scenario: bytes
    memory: int | None = None
    fault: str = ""

    def model(self) -> Scenario:
        """The scenario to run."""
        return Scenario.model_validate_json(zlib.decompress(self.scenario))


def jobs(design: Design, done: Collection[tuple[int, int]]) -> Iterator[Job]:
    """The runs that are left, one at a time: all points on the first seed, then on the next. `done` has point
    and seed of the others."""
    for seed in design.seeds:
        for point in range(design.points):
            if (point, seed) not in done:
                yield make_job(design, point, seed)


def make_job(design: Design, point: int, seed: int) -> Job:
    """The run of a point on a seed; one with a fault where they are no scenario together."""
    limit = design.sweep.limits.memory_mb
    memory = limit * 1_000_000 if limit else None
    values = design.values(point)
    try:
        text = told(design.scenario(point, seed))
    except UserError as error:
        key = _hash(json.dumps([design.sweep.name, design.overrides(point), seed], default=str))
        return Job(key, point, seed, values, b"", fault=str(error))
    return Job(_hash(text), point, seed, values, zlib.compress(text.encode()), memory)


def ours(job: Job) -> bool:
    """Whether it is this program that a job was made by: another one might do another run under its key."""
    return _hash(zlib.decompress(job.scenario).decode()) == job.key


def told(scenario: Scenario) -> str:
    """Everything that decides a run, in one canonical text."""
    table = scenario.model_dump(mode="json", exclude=_TEXTS)
    table["title"] = table["description"] = ""
    return json.dumps(table, sort_keys=True, separators=(",", ":"))


def _hash(text: str) -> str:
    return hashlib.sha256(f"{program_key()}\n{text}".encode()).hexdigest()[:40]


@cache
def program_key() -> str:
    """What the program is: its versions, contracts and code. Another one does not continue a sweep's rows."""
    from perpsim.chain.artifacts import Compiler
    from perpsim.simulation.summary import versions

    digest = hashlib.sha256(json.dumps(versions(), sort_keys=True).encode())
    digest.update(Compiler().tree_key().encode())
    package = Path(perpsim.__file__).parent
    for part in _DECIDING:
        for path in sorted((package / part).rglob("*.py")):
            digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
