"""The command line that does one run of many again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from typing import Any


def command(scenario: str, changes: Iterable[str], values: Iterable[tuple[str, Any]], seed: int) -> str:
    """`perpsim run` of a scenario, with `changes` as `--set` takes them and `values` of keys, on a seed."""
    words = ["perpsim", "run", scenario, "--seed", str(seed)]
    for change in [*changes, *(f"{key}={_toml(value)}" for key, value in values)]:
        words += ["--set", change]
    return shlex.join(words)


def _toml(value: Any) -> str:
    """A value as `--set` reads it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return repr(value)
