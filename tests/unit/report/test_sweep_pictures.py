"""Pictures of a sweep's report as files of their own."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from perpsim.cli import main
from perpsim.errors import UserError
from perpsim.report.pictures import write_pictures

WIDE = '<svg class="plot" viewBox="0 0 940 330" width="940" height="330" role="img"><title>{}</title>{}</svg>'
NARROW = WIDE.replace("940", "358")
BODY = '<path class="line s3" d="M0,0H9"/><text class="soft" x="1" y="2">5 %</text>'


def page(path: Path) -> Path:
    pictures = WIDE.format("How often? At 5 %", BODY) + NARROW.format("How often? At 5 %", BODY)
    path.write_text(f"<html><body>{pictures}{WIDE.format('Losses', BODY)}</body></html>", encoding="utf-8")
    return path


def test_each_picture_is_a_file_that_brings_its_colours(tmp_path: Path) -> None:
    written = write_pictures(page(tmp_path / "report.html"), tmp_path / "pictures")
    assert [path.name for path in written] == ["how-often-at-5.svg", "losses.svg"]
    for path in written:
        text = path.read_text(encoding="utf-8")
        root = ElementTree.fromstring(text)
        assert root.tag.endswith("svg") and root.get("width") == "940"
        used = set(re.findall(r"var\((--[a-z0-9]+)", text)) - {"--c"}
        defined = set(re.findall(r"(--[a-z0-9]+):", text))
        assert used and used <= defined
        assert "prefers-color-scheme: dark" in text and text.count("{") == text.count("}")
        assert "body" not in text


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="pictures in"):
        write_pictures(page(tmp_path / "report.html"), tmp_path / "file")


def test_a_run_has_no_pictures_to_write(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["report", str(tmp_path), "--pictures", str(tmp_path / "p")])
    assert result.exit_code == 2 and "--pictures is for sweeps, this is none" in result.output
