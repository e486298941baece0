"""Run folders to report on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.run_folder import RunFolder


@pytest.fixture
def run_folder(tmp_path: Path) -> Callable[..., RunFolder]:
    """`run_folder(blocks=600)` begins a run folder of its own."""
    made = 0

    def make(**settings: Any) -> RunFolder:
        nonlocal made
        made += 1
        return RunFolder(tmp_path / f"run-{made}", **settings)

    return make
