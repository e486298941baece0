"""Finding a sweep, and naming the key that is wrong."""

from __future__ import annotations

import difflib
import tomllib
from importlib import resources
from pathlib import Path

from pydantic import ValidationError

from perpsim.errors import UserError
from perpsim.scenarios.loading import explained
from perpsim.sweeps.model import Sweep

_SUFFIX = ".toml"


def sweep_names() -> list[str]:
    """Names of the sweeps that come with perpsim."""
    folder = resources.files("perpsim") / "sweeps" / "library"
    return sorted(
        entry.name.removesuffix(_SUFFIX) for entry in folder.iterdir() if entry.name.endswith(_SUFFIX)
    )


def load_sweep(name_or_path: str) -> Sweep:
    """The sweep of that name, or of that TOML file; a scenario file is looked for beside it."""
    names = sweep_names()
    if name_or_path in names:
        place = resources.files("perpsim") / "sweeps" / "library" / f"{name_or_path}{_SUFFIX}"
        return parse(place.read_text(encoding="utf-8"))
    path = Path(name_or_path)
    if path.suffix != _SUFFIX and not path.is_file():
        close = difflib.get_close_matches(name_or_path, names, n=1, cutoff=0.4)
        hint = f"did you mean {close[0]}? " if close else ""
        raise UserError(f"unknown sweep {name_or_path!r}: {hint}there are {', '.join(names)}")
    try:
        return parse(path.read_text(encoding="utf-8"), path.parent, f"sweep file {path}: ")
    except OSError as error:
        raise UserError(f"sweep file {path}: {error.strerror or error}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"sweep file {path}: {error}") from None


def parse(text: str, folder: Path | None = None, where: str = "") -> Sweep:
    """The sweep that a text describes. Raises `UserError` with the path of each bad key."""
    table = tomllib.loads(text)
    scenario = table.get("scenario")
    if folder is not None and isinstance(scenario, str) and scenario.endswith(_SUFFIX):
        table["scenario"] = str(folder / scenario)
    try:
        return Sweep.model_validate(table)
    except ValidationError as error:
        raise UserError(where + explained(error, table, Sweep)) from None
