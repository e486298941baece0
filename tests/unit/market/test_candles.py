"""The reader of candle files: what exchanges hand out, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpsim.errors import UserError
from perpsim.market.candles import Candles, parse_candles, read_candles

T0 = 1_583_971_200
ROWS = [
    (T0, 100.0, 110.0, 90.0, 105.0),
    (T0 + 60, 105.0, 106.0, 95.0, 96.5),
    (T0 + 120, 96.0, 97.0, 95.0, 97.0),
]


def lines(stamps: list[str], header: str = "") -> list[str]:
    body = [f"{stamp},{o:g},{h:g},{lo:g},{c:g},12.5" for stamp, (_, o, h, lo, c) in zip(stamps, ROWS)]
    return [header, *body] if header else body


def check(candles: Candles) -> None:
    assert candles.times.tolist() == [row[0] for row in ROWS]
    assert candles.open.tolist() == [row[1] for row in ROWS]
    assert candles.high.tolist() == [row[2] for row in ROWS]
    assert candles.low.tolist() == [row[3] for row in ROWS]
    assert candles.close.tolist() == [row[4] for row in ROWS]
    assert candles.interval == 60
    assert candles.gaps() == []


@pytest.mark.parametrize("scale", [1, 1_000, 1_000_000, 1_000_000_000])
@pytest.mark.parametrize(
    "header", ["", "open_time,open,high,low,close,volume", "Unix,Open,High,Low,Close,Volume BTC"]
)
def test_epoch_times_of_any_unit(scale: int, header: str) -> None:
    check(parse_candles(lines([str(row[0] * scale) for row in ROWS], header)))


@pytest.mark.parametrize(
    "form",
    [
        "2020-03-12T00:0{}:00Z",
        "2020-03-12 00:0{}:00",
        "2020-03-12T00:0{}:00+00:00",
        "2020-03-12T01:0{}:00+01:00",
        "2020-03-12 00:0{}:00 UTC",
        "2020-03-12T00:0{}:00.000Z",
    ],
)
def test_iso_times(form: str) -> None:
    check(parse_candles(lines([form.format(i) for i in range(3)])))


def test_columns_in_another_order_and_quoted() -> None:
    head = '"close";"low";"time";"high";"open"'
    rows = [head, *(f'"{c}";"{lo}";"{t}";"{h}";"{o}"' for t, o, h, lo, c in ROWS)]
    check(parse_candles(rows))


def test_mark_of_byte_order_windows_lines_blank_lines_and_comments(tmp_path: Path) -> None:
    path = tmp_path / "candles.csv"
    body = "\r\n".join(["# from somewhere", *lines([str(row[0]) for row in ROWS], "t,o,h,l,c,v"), "", ""])
    path.write_bytes(b"\xef\xbb\xbf" + body.encode())
    check(read_candles(path))


def test_gaps_are_reported() -> None:
    stamps = [str(T0), str(T0 + 60), str(T0 + 60 * 61)]
    gaps = parse_candles(lines(stamps)).gaps()
    assert [(gap.start, gap.end) for gap in gaps] == [(T0 + 120, T0 + 60 * 61)]
    assert str(gaps[0]) == "2020-03-12T00:02:00Z to 2020-03-12T01:01:00Z"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("1583971320,1,2,x,1", "line 4: low is not a number: 'x'"),
        ("1583971320,1,2,nan,1", "line 4: low must be above zero: 'nan'"),
        ("1583971320,1,2,-1,1", "line 4: low must be above zero"),
        ("1583971320,0,2,1,1", "line 4: open must be above zero"),
        ("1583971320,1,2", "line 4: 3 columns, expected at least 5"),
        ("1583971320,1,1,2,1", "line 4: high 1 is below low 2"),
        ("1583971320,3,2,1,1", "line 4: open and close must lie between low and high"),
        ("1583971200,1,1,1,1", "line 4: unsorted, 2020-03-12T00:00:00Z comes after 2020-03-12T00:01:00Z"),
        ("1583971260,1,1,1,1", "line 4: second candle for 2020-03-12T00:01:00Z"),
        ("yesterday,1,1,1,1", "line 4: not a time: 'yesterday'"),
        ("17,1,1,1,1", "line 4: not a time between the years 2000 and 2100: '17'"),
        ("inf,1,1,1,1", "line 4: not a time"),
        ("open,high", "line 4: 2 columns"),
    ],
)
def test_a_bad_line_is_named(bad: str, message: str) -> None:
    text = ["time,open,high,low,close", "1583971200,1,2,1,1", "1583971260,1,2,1,1", bad]
    with pytest.raises(UserError, match=message) as caught:
        parse_candles(text, "f.csv")
    assert str(caught.value).startswith("candle file f.csv, line 4")
    assert "\n" not in str(caught.value)


def test_newest_first_gets_a_hint() -> None:
    with pytest.raises(UserError, match=r"line 2: unsorted.*runs from new to old, reverse it"):
        parse_candles(["1583971320,1,2,1,1", "1583971260,1,2,1,1", "1583971200,1,2,1,1"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ([], "no candles in it"),
        (["", "  "], "no candles in it"),
        (["time,open,high,low,close"], "no candles in it"),
        (["1583971200,1,2,1,1"], "only one candle"),
        (["when,open,high,low,close", "1583971200,1,2,1,1"], "line 1: no column for time in the header"),
        (["time,open,high,close", "1583971200,1,2,1"], "line 1: no column for low in the header"),
    ],
)
def test_empty_or_unusable(text: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_candles(text)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_candles(tmp_path / "none.csv")
    with pytest.raises(UserError, match="is a folder"):
        read_candles(tmp_path)
    packed = tmp_path / "candles.zip"
    packed.write_bytes(b"PK\x03\x04\xff\xfe\x00")
    with pytest.raises(UserError, match="not a text file"):
        read_candles(packed)


@given(st.lists(st.text(max_size=60), max_size=6))
def test_any_text_is_read_or_refused_in_one_line(text: list[str]) -> None:
    try:
        candles = parse_candles("\n".join(text).splitlines())
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert np.all(np.diff(candles.times) > 0)
