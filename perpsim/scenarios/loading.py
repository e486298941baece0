"""Finding a scenario, laying `--set` over it, and naming the key that is wrong."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from perpsim.errors import UserError
from perpsim.scenarios.model import Scenario

Table = dict[str, Any]


def scenario_names() -> list[str]:
    """Names of the scenarios that come with perpsim."""
    folder = resources.files("perpsim") / "scenarios"
    return sorted(
        entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")
    )


def load_scenario(name_or_path: str, overrides: Iterable[str] = ()) -> Scenario:
    """The scenario of that name, or of that TOML file, with `key.path=value` overrides laid over it."""
    return validate(scenario_table(name_or_path, overrides))


def scenario_table(name_or_path: str, overrides: Iterable[str] = ()) -> Table:
    """The same as a table, as the file has it, not yet checked."""
    table = _read(name_or_path)
    for override in overrides:
        apply_override(table, override)
    return table


def validate(table: Table) -> Scenario:
    """Check a table against the models; a `UserError` names the path of each bad key."""
    try:
        return Scenario.model_validate(table)
    except ValidationError as error:
        raise UserError(explained(error, table, Scenario)) from None


def explained(error: ValidationError, table: Table, model: type[BaseModel]) -> str:
    """What is wrong with a table that `model` refuses, each bad key by its path."""
    return "; ".join(_explain(item, table, model) for item in error.errors()[:3])


def apply_override(table: Table, override: str) -> None:
    """Set one key in place. The value is read as TOML, and as a bare string where it is none."""
    path, sign, text = override.partition("=")
    if not sign or not all(path.strip().split(".")):
        raise UserError(f"--set {override}: expected key.path=value")
    set_key(table, path.strip(), _toml_value(text.strip()))


def set_key(table: Table, path: str, value: Any) -> None:
    """Set the key at a dotted path in place; parts that are digits are positions in a list."""
    keys = path.split(".")
    if not all(keys):
        raise UserError(f"{path or 'a key'}: expected key.path")
    place: Any = table
    for depth, key in enumerate(keys[:-1]):
        place = _child(place, key, ".".join(keys[: depth + 1]))
    if isinstance(place, list):
        place[_position(place, keys[-1], path)] = value
    else:
        place[keys[-1]] = value


def _child(place: Any, key: str, path: str) -> Any:
    child = place[_position(place, key, path)] if isinstance(place, list) else place.setdefault(key, {})
    if not isinstance(child, (dict, list)):
        raise UserError(f"{path}: is a value, it has no keys of its own")
    return child


def _position(place: list[Any], key: str, path: str) -> int:
    if not key.isdecimal() or int(key) >= len(place):
        raise UserError(f"{path}: there is no entry {key} (entries 0 to {len(place) - 1})")
    return int(key)


def _toml_value(text: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return parsed["value"] if len(parsed) == 1 else text


def _read(name_or_path: str) -> Table:
    names = scenario_names()
    if name_or_path in names:
        text = (resources.files("perpsim") / "scenarios" / f"{name_or_path}.toml").read_text(encoding="utf-8")
        return tomllib.loads(text)
    path = Path(name_or_path)
    if path.suffix != ".toml" and not path.is_file():
        close = difflib.get_close_matches(name_or_path, names, n=1, cutoff=0.4)
        hint = f"did you mean {close[0]}? " if close else ""
        raise UserError(f"unknown scenario {name_or_path!r}: {hint}there are {', '.join(names)}")
    try:
        return _anchored(tomllib.loads(path.read_text(encoding="utf-8")), path.parent)
    except FileNotFoundError:
        raise UserError(f"scenario file {path}: no such file (scenarios: {', '.join(names)})") from None
    except UnicodeDecodeError:
        raise UserError(f"scenario file {path}: is not a text file") from None
    except OSError as error:
        raise UserError(f"scenario file {path}: {error.strerror or error}") from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"scenario file {path}: {error}") from None


def _anchored(table: Table, folder: Path) -> Table:
    """The same with the candle files it names looked for beside it."""
    prices = table.get("prices")
    for source in prices if isinstance(prices, list) else [prices]:
        if isinstance(source, dict) and isinstance(source.get("file"), str) and source["file"]:
            source["file"] = str(folder / source["file"])
    return table


def _explain(item: Any, table: Table, model: type[BaseModel]) -> str:
    """One pydantic error as `path: what is wrong`."""
    path = _path(item["loc"], table)
    kind = item["type"]
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(str(item["loc"][-1]), _keys_at(item["loc"][:-1], model), n=1)
        return f"{path}: unknown key" + (f" (did you mean {near[0]}?)" if near else "")
    if kind == "union_tag_invalid":
        return f"{path}.kind: must be one of {item['ctx']['expected_tags']}, not '{item['ctx']['tag']}'"
    if kind == "union_tag_not_found":
        return f"{path}.kind: is missing"
    if kind == "missing":
        return f"{path}: is missing"
    message = str(item["msg"]).removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    if kind == "value_error":
        return f"{path}: {message}" if path else message
    given = repr(item.get("input"))
    return f"{path}: {message}, not {given if len(given) <= 40 else given[:37] + '...'}"


def _path(location: tuple[int | str, ...], table: Table) -> str:
    """The path of a key as the file has it: where one table stands for a list of one there is no number, and
    the kind of a table, which pydantic puts after it, is no part of it."""
    place: Any = table
    parts = []
    within = False
    for part in location:
        if isinstance(place, dict) and (isinstance(part, int) or (part == place.get("kind") and not within)):
            within = isinstance(part, str)
            continue
        within = False
        parts.append(str(part))
        if isinstance(place, dict):
            place = place.get(part)
        elif isinstance(place, list) and isinstance(part, int):
            place = place[part] if part < len(place) else None
    return ".".join(parts)


def _keys_at(location: tuple[int | str, ...], root: type[BaseModel]) -> list[str]:
    """Names of the keys that the table at `location` may have."""
    candidates: list[Any] = [root]
    for part in location:
        if isinstance(part, int):
            continue
        of_kind = [model for model in candidates if part in _kinds(model)]
        if of_kind:
            candidates = of_kind
            continue
        fields = [model.model_fields[part] for model in candidates if part in model.model_fields]
        candidates = [model for field in fields for model in _models(field.annotation)]
    return [key for model in candidates for key in model.model_fields]


def _kinds(model: Any) -> tuple[Any, ...]:
    """What `kind` may be in tables that are told apart by it."""
    field = model.model_fields.get("kind")
    return get_args(field.annotation) if field else ()


def _models(annotation: Any) -> list[Any]:
    """The models in an annotation."""
    if hasattr(annotation, "model_fields"):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models(argument)]
