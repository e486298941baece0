"""A run with everything on its page, and a server of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.page_server import Server, running

from perpsim.cli import main
from perpsim.serve.folder import RunHistory


@pytest.fixture(scope="session")
def crash_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smoke scenario with a fund so small that traders are deleveraged."""
    out = tmp_path_factory.mktemp("serve") / "run"
    result = CliRunner().invoke(main, ["run", "smoke", "--set", "fund.initial=2000", "--out", str(out)])
    assert result.exit_code == 0, result.output
    return out


@pytest.fixture(scope="session")
def server(crash_run: Path) -> Iterator[Server]:
    """One that shows `crash_run`."""
    with running(RunHistory(crash_run)) as found:
        yield found
