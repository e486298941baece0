"""The web application, asked over a real socket."""

from __future__ import annotations

import csv
import json
import socket
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from support.page_server import Server, running

from perpsim.cli import main
from perpsim.serve.app import FILES
from perpsim.serve.folder import RunHistory
from perpsim.serve.server import listening, url_of

PATHS = ["/", *(f"/{name}" for name in FILES[1:]), "/api/about", "/api/series", "/api/frame", "/fund.csv"]


def events(answer: HTTPResponse) -> Iterator[tuple[str, Any]]:
    """Server-sent events: name and data."""
    name = ""
    for line in answer:
        field, _, value = line.decode().rstrip("\n").partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


@pytest.mark.parametrize("path", PATHS)
def test_everything_comes_with_a_policy_that_allows_no_foreign_and_no_written_in_code(
    server: Server, path: str
) -> None:
    answer = server.ask(path)
    assert answer.status == 200 and answer.read()
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src 'self';" in policy and "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert answer.headers["access-control-allow-origin"] is None
    assert answer.headers["server"] is None


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8765", "127.0.0.1:1", "[::1]:8765", "192.168.1.7", "LOCALHOST"]
)
def test_it_answers_to_its_addresses(server: Server, host: str) -> None:
    assert server.ask("/api/about", host=host).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8765", "localhost.evil.example", "", "127.0.0.1.evil.example", "[::1"],
)
def test_a_name_that_somebody_made_point_here_gets_nothing(server: Server, host: str) -> None:
    for path in PATHS:
        answer = server.ask(path, host=host)
        assert (answer.status, json.loads(answer.read())) == (421, {"error": "not served under this name"})


def test_it_answers_to_the_name_that_it_was_given_and_no_other(crash_run: Path) -> None:
    with running(RunHistory(crash_run), ("Desk.example",)) as server:
        assert server.ask("/api/about", host="desk.example:80").status == 200
        assert server.ask("/api/about", host="other.example").status == 421


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_nothing_can_be_written(server: Server, method: str) -> None:
    for path in PATHS:
        answer = server.ask(path, method=method)
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/../pyproject.toml",
        "/static/page.js",
        "/page.js/",
        "/summary.json",
        "/%2e%2e/summary.json",
    ],
)
def test_files_that_are_no_part_of_the_page_are_not_there(server: Server, path: str) -> None:
    assert server.ask(path).status == 404


@pytest.mark.parametrize("block", ["abc", "-1", "200", "1_0", "", "1e2", "9" * 5000, "%D9%A1", "0x10", "1.0"])
def test_a_block_that_there_is_not_is_refused_in_words(server: Server, block: str) -> None:
    for path in ("/api/frame", "/api/play", "/fund.csv"):
        answer = server.ask(f"{path}?block={block}")
        assert answer.status == 400
        assert json.loads(answer.read()) == {"error": "block: a whole number from 0 to 199"}


@pytest.mark.parametrize("speed", ["0", "5001", "fast"])
def test_a_speed_that_there_is_not_is_refused_in_words(server: Server, speed: str) -> None:
    answer = server.ask(f"/api/play?speed={speed}")
    assert (answer.status, json.loads(answer.read())) == (
        400,
        {"error": "speed: a whole number from 1 to 5000"},
    )


def test_a_run_is_played_to_its_last_block(server: Server) -> None:
    found = list(events(server.ask("/api/play?block=150&speed=100")))
    shown = [data["block"] for name, data in found if name == "frame"]
    assert shown == [150, 170, 190, 199]
    assert [name for name, _ in found] == ["frame"] * 4 + ["end"]
    assert found[-2][1] == server.json("/api/frame?block=199")


def test_who_goes_away_in_the_middle_leaves_the_server_to_others(server: Server) -> None:
    for _ in range(5):
        answer = server.ask("/api/play?block=0&speed=10")
        assert next(events(answer))[1]["block"] == 0
        answer.close()
    assert server.json("/api/frame?block=5")["block"] == 5


@pytest.mark.parametrize("by", ["flow", "hour", "day"])
def test_the_table_of_the_fund_is_that_of_the_command(
    server: Server, crash_run: Path, tmp_path: Path, by: str
) -> None:
    path = tmp_path / "fund.csv"
    result = CliRunner().invoke(main, ["fund", str(crash_run), "--by", by, "--csv", str(path)])
    assert result.exit_code == 0, result.output
    answer = server.ask(f"/fund.csv?by={by}")
    assert answer.read() == path.read_bytes()
    assert answer.headers["content-type"].startswith("text/csv")
    assert f'filename="fund-by-{by}-to-block-199.csv"' in answer.headers["content-disposition"]


def test_the_table_of_the_fund_ends_at_the_block_that_is_shown(server: Server) -> None:
    rows = list(csv.DictReader(server.ask("/fund.csv?block=80").read().decode().splitlines()))
    assert float(rows[-1]["balance"]) == server.json("/api/frame?block=80")["fund"]["balance"]
    assert max(int(row["block"]) for row in rows) <= 80


def test_a_period_that_there_is_not_is_refused_in_words(server: Server) -> None:
    answer = server.ask("/fund.csv?by=year")
    assert (answer.status, json.loads(answer.read())) == (400, {"error": "by: one of flow, hour, day"})


# the command


def refused(*arguments: str) -> str:
    """The one line of a command that the user got wrong."""
    result = CliRunner().invoke(main, ["serve", *arguments])
    assert result.exit_code == 2 and result.output.count("\n") == 1, result.output
    return result.output.strip()


def test_a_folder_that_is_no_run_is_one_clear_line(tmp_path: Path) -> None:
    assert "not a run folder" in refused(str(tmp_path))
    assert "no such run folder" in refused(str(tmp_path / "nothing"))


def test_a_port_that_is_taken_is_one_clear_line(crash_run: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = refused(str(crash_run), "--port", str(port))
    assert line.startswith(f"error: 127.0.0.1, port {port}: ") and "choose another with --port" in line


@pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.77", "a" * 300, "..", "\u2603"])
def test_an_address_that_this_machine_has_not_is_one_clear_line(crash_run: Path, host: str) -> None:
    assert host in refused(str(crash_run), "--host", host)


def test_the_url_is_one_that_a_browser_takes() -> None:
    with listening("127.0.0.1", 0) as listener:
        assert url_of(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}/"
