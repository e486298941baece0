"""What the report of a sweep says can be done again, done again."""

from __future__ import annotations

import html
import json
import re
import shlex
from pathlib import Path

from click.testing import CliRunner

from perpsim.cli import main

SWEEP = """
name = "twice"
title = "Two policies on one crash"
scenario = "smoke"
set = ["clock.blocks=12", "traders.count=20"]
seeds = 1
first_seed = 5

[[vary]]
key = ["fund.initial"]
label = "fund"
values = [1_500]

[[vary]]
key = "traders.leverage"
label = "leverage"
names = ["low", "high"]
values = [[{ leverage = 3, share = 1 }], [{ leverage = 10, share = 1 }, { leverage = 25, share = 2 }]]
"""


def test_the_command_of_a_run_gives_the_digest_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "twice.toml"
    file.write_text(SWEEP, encoding="utf-8")
    folder = tmp_path / "sweep"
    _command("sweep", str(file), "--workers", "1", "--out", str(folder))
    page = (folder / "report.html").read_text(encoding="utf-8")
    worst = page.split('<section id="worst">')[1].split("</section>")[0]
    digests = re.findall(r"<td>([0-9a-f]{16})</td>", worst)
    commands = [html.unescape(line) for line in re.findall(r"<code>(.*?)</code>", worst)]
    assert len(set(digests)) == len(commands) == 2
    again = next(line for line in commands if "25" in line)
    _command(*shlex.split(again)[1:], "--out", str(tmp_path / "run"))
    summary = json.loads((tmp_path / "run" / "summary.json").read_text(encoding="utf-8"))
    assert summary["digest"][:16] == digests[commands.index(again)]


def _command(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.output
