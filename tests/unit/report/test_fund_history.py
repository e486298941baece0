"""The insurance history of a run: every flow, sums by hour and day, and the vault's books."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from perpsim.errors import UserError
from perpsim.report.fund_history import FundHistory, decimal, read_history, write_csv
from perpsim.report.fund_text import agreement, told

START = 1_583_971_200  # 12 March 2020, 00:00 UTC
HOUR = 3600

Flow = tuple[int, str, int, int | None]


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """A run folder with these flows: (seconds after the start, kind, token units, account)."""

    def write(*flows: Flow, books: str | None = "", **summary: Any) -> Path:
        rows, balance = [], 0
        for after, kind, amount, account in flows:
            balance += amount
            row = {"block": after // 12, "time": START + after, "market": 0, "account": account}
            rows.append({**row, "kind": kind, "amount": str(amount)})
        schema = {"block": pl.Int64, "time": pl.Int64, "market": pl.Int64, "account": pl.Int64}
        schema |= {"kind": pl.String, "amount": pl.String}
        pl.DataFrame(rows, schema=schema, orient="row").write_parquet(tmp_path / "fund.parquet")
        whole = {
            "scenario": "made-up",
            "complete": True,
            "blocks": 100,
            "planned_blocks": 100,
            "fund": {"books": str(balance) if books == "" else books},
            "parameters": {
                "collateral": {"symbol": "USD", "decimals": 6},
                "markets": [{"symbol": "BTC"}],
            },
        }
        (tmp_path / "summary.json").write_text(json.dumps({**whole, **summary}))
        return tmp_path

    return write


@pytest.fixture
def crash(written: Callable[..., Path]) -> FundHistory:
    """Two hours with a quiet one between them, and another day."""
    return read_history(
        written(
            (-HOUR, "initial", 1_000_000_000, None),
            (60, "penalty", 5_000_000, 7),
            (72, "cover", -300_000_000, 8),
            (84, "fund", 100_000_000, None),
            (2 * HOUR, "reward", -1, 8),
            (30 * HOUR, "cover", -804_999_999, 9),
        )
    )


def lines(history: FundHistory, by: str) -> list[str]:
    """What is printed, columns one blank apart."""
    return [" ".join(line.split()) for line in told(history, by)]


def rows(path: Path) -> list[list[str]]:
    return list(csv.reader(path.open(newline="")))


def test_flows_carry_the_running_balance_and_their_cause(crash: FundHistory) -> None:
    assert [flow.balance for flow in crash.flows][-1] == 0
    told_flows = lines(crash, "flow")
    assert "2020-03-12 00:01:12 705.00 -300.00 cover of account 8, BTC" in told_flows
    assert "2020-03-12 00:01:24 805.00 100.00 top-up, BTC" in told_flows
    # Too small for cents: shown to the last unit.
    assert "2020-03-12 02:00:00 805.00 -0.000001 reward of account 8, BTC" in told_flows


def test_hours_without_a_flow_are_listed_too(crash: FundHistory) -> None:
    periods = list(crash.periods(HOUR))
    assert [period.time - START for period in periods] == [hour * HOUR for hour in range(31)]
    assert [period.flows for period in periods[:4]] == [3, 0, 1, 0]
    assert [period.balance for period in periods[:2]] == [805_000_000, 805_000_000]
    assert periods[0].lowest == 705_000_000
    assert periods[1].lowest == 805_000_000


@pytest.mark.parametrize("seconds", [HOUR, 24 * HOUR])
def test_periods_add_up_to_the_history(crash: FundHistory, seconds: int) -> None:
    periods = list(crash.periods(seconds))
    assert crash.start + sum(period.change for period in periods) == crash.balance == 0
    for cause in crash.causes:
        assert sum(period.by_cause.get(cause, 0) for period in periods) == crash.total(cause)
    assert sum(period.flows for period in periods) == len(crash.moves) == 5
    for before, after in pairwise(periods):
        assert after.balance == before.balance + after.change


def test_the_first_funding_is_where_it_starts_not_a_change(crash: FundHistory) -> None:
    by_day = list(told(crash, "day"))
    assert by_day[-1].startswith("total: from 1,000.00 to 0.00, change -1,000.00 in 5 flows")
    assert "2020-03-11" not in "\n".join(by_day)


def test_the_period_suits_the_length(written: Callable[..., Path]) -> None:
    for hours, expected in ((1, "flow"), (48, "hour"), (200, "day")):
        flows = ((0, "penalty", 1, 1), (hours * HOUR, "penalty", 1, 1))
        assert read_history(written(*flows)).suits() == expected


def test_csv_holds_every_digit(crash: FundHistory, tmp_path: Path) -> None:
    write_csv(crash, "flow", tmp_path / "flows.csv")
    table = rows(tmp_path / "flows.csv")
    assert table[0] == ["time", "block", "balance", "change", "cause", "market", "account"]
    assert table[5] == ["2020-03-12T02:00:00Z", "600", "804.999999", "-0.000001", "reward", "BTC", "8"]
    write_csv(crash, "day", tmp_path / "days.csv")
    table = rows(tmp_path / "days.csv")
    assert table[0][:4] == ["time", "balance", "lowest", "change"]
    assert table[0][4:] == ["penalty", "fund", "cover", "reward", "flows"]
    assert table[1][:4] == ["2020-03-12T00:00:00Z", "804.999999", "705.000000", "-195.000001"]
    assert len(table) == 3


def test_decimals_are_exact_beyond_a_float() -> None:
    assert decimal(-123456789012345678901234567, 18) == "-123456789.012345678901234567"
    assert decimal(5, 6) == "0.000005"


def test_the_last_balance_is_held_against_the_books(written: Callable[..., Path]) -> None:
    flows = ((0, "initial", 500, None), (1, "cover", -100, 3))
    agrees, words = agreement(read_history(written(*flows)))
    assert agrees
    assert "equals the vault's books" in words
    agrees, words = agreement(read_history(written(*flows, books="401")))
    assert not agrees
    assert "difference -0.000001" in words
    agrees, words = agreement(read_history(written(*flows, books=None)))
    assert agrees
    assert "nothing to compare" in words


def test_a_partial_run_says_so(written: Callable[..., Path]) -> None:
    history = read_history(written((0, "penalty", 5, 1), complete=False, blocks=60))
    assert "a partial run: 60 of 100 blocks" in list(told(history, "flow"))


def test_a_fund_that_nothing_moved_has_no_table(written: Callable[..., Path]) -> None:
    for flows in ((), ((0, "initial", 5_000_000, None),)):
        said = list(told(read_history(written(*flows)), "flow"))
        assert said[-1].startswith("nothing came in and nothing went out")


def test_unknown_causes_are_shown_as_the_log_names_them(written: Callable[..., Path]) -> None:
    history = read_history(written((0, "penalty", 7, 1), (1, "donation", 5_000_000, None)))
    assert history.causes == ["penalty", "donation"]
    assert "donation" in "\n".join(told(history, "day"))


def test_what_cannot_be_read_is_one_clear_line(written: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such run folder"):
        read_history(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="not a run folder"):
        read_history(tmp_path / "empty")
    folder = written((0, "penalty", 5, 1))
    (folder / "fund.parquet").rename(folder / "kept")
    with pytest.raises(UserError, match=r"fund\.parquet is missing"):
        read_history(folder)
    (folder / "fund.parquet").write_text("nonsense")
    with pytest.raises(UserError, match=r"fund\.parquet cannot be read"):
        read_history(folder)
    pl.DataFrame({"time": [1], "kind": ["fee"]}).write_parquet(folder / "fund.parquet")
    with pytest.raises(UserError, match=r"fund\.parquet has no column amount"):
        read_history(folder)
    pl.DataFrame({"time": [1], "kind": ["fee"], "amount": ["1.5"]}).write_parquet(folder / "fund.parquet")
    with pytest.raises(UserError, match=r"'1\.5' is no amount"):
        read_history(folder)
    (folder / "kept").rename(folder / "fund.parquet")
    with pytest.raises(UserError, match="cannot be written"):
        write_csv(read_history(folder), "day", folder / "none" / "x.csv")
