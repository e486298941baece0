"""What `make browser-test` says where there is no browser."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).parents[1] / "browser" / "chromium.py"


def test_without_a_browser_one_line_says_how_to_get_one() -> None:
    surroundings = {**os.environ, "CHROMIUM": "/nowhere/chromium"}
    said = subprocess.run([sys.executable, PROGRAM], env=surroundings, capture_output=True, text=True)
    assert said.returncode == 1
    assert said.stdout == ""
    assert len(said.stderr.splitlines()) == 1
    assert "apt-get install chromium" in said.stderr
