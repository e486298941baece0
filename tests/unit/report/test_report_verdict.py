"""The two sentences of the verdict, case by case, from facts and from run folders."""

from __future__ import annotations

import re
from typing import Any

import polars as pl
import pytest

from perpsim.report.data import load
from perpsim.report.facts import Facts, gather
from perpsim.report.verdict import verdict

START = 1_583_971_200
CALM: dict[str, Any] = {
    "blocks": 14_400,
    "start": START,
    "end": START + 14_399 * 12,
    "fund_start": 1_000_000.0,
    "fund_end": 1_000_000.0,
    "fund_low": 1_000_000.0,
    "fund_low_at": START,
    "inflow": 0.0,
    "outflow": 0.0,
    "liquidations": 0,
    "below": 0,
    "shortfall": 0.0,
    "paid_by_fund": 0.0,
    "paid_by_adl": 0.0,
    "paid_by_side": 0.0,
    "adl_count": 0,
}


def told(**changes: Any) -> tuple[str, str]:
    return verdict(Facts(**(CALM | changes)))


FELL = {
    "fund_end": 954_200.0,
    "fund_low": 918_700.0,
    "fund_low_at": START + 26 * 3600,
    "inflow": 20_000.0,
    "outflow": 65_800.0,
    "liquidations": 1932,
    "below": 214,
    "shortfall": 65_000.0,
    "paid_by_fund": 65_000.0,
}
EMPTIED = FELL | {
    "fund_end": 3_200.0,
    "fund_low": 0.0,
    "outflow": 1_016_800.0,
    "shortfall": 1_500_000.0,
    "paid_by_fund": 1_000_000.0,
    "paid_by_adl": 500_000.0,
    "adl_count": 14,
    "adl_notional": 2_100_000.0,
    "adl_accounts": 812,
    "adl_short": 0.96,
    "adl_roles": (("trader", 0.81), ("maker", 0.12), ("noise", 0.07)),
}


def test_nothing_happened() -> None:
    fund, people = told()
    assert fund == (
        "The insurance fund ended where it started, at 1 million USD: nothing came in and nothing went out."
    )
    assert people == (
        "Nobody was deleveraged and nobody was charged for another's loss: nobody was even liquidated."
    )


def test_fund_grew() -> None:
    changes = {"fund_end": 1_032_000.0, "inflow": 32_000.0, "liquidations": 10}
    fund, people = told(**changes)
    assert fund == (
        "The insurance fund grew by 3.2 % in 48 hours, from 1 million to 1.03 million USD: "
        "it took in 32,000 USD and paid out nothing."
    )
    assert people.endswith("another's loss: 10 liquidations left no loss behind.")


def test_fund_fell_and_recovered_a_little() -> None:
    fund, people = told(**FELL)
    assert fund == (
        "The insurance fund fell by 4.58 % in 48 hours, from 1 million to 954,200 USD: it took in 20,000 USD "
        "and paid out 65,800 USD; at its lowest (13 March 02:00 UTC) it was down 8.13 %."
    )
    assert people == (
        "Nobody was deleveraged and nobody was charged for another's loss: the fund paid all of the "
        "65,000 USD that 214 of 1,932 liquidations lost beyond the margin."
    )


def test_low_is_not_told_when_it_is_the_end() -> None:
    assert "lowest" not in told(**FELL | {"fund_low": FELL["fund_end"]})[0]


def test_emptied_with_adl() -> None:
    fund, people = told(**EMPTIED)
    assert fund == (
        "The insurance fund was emptied on 13 March 02:00 UTC, having started with 1 million USD, and ended "
        "with 3,200 USD: over the whole time it took in 20,000 USD and paid out 1.02 million USD."
    )
    assert people == (
        "As the fund could not pay for every loss, positions worth 2.1 million USD (96 % short, the rest "
        "long) were closed by force against the bankrupt ones (auto-deleveraging: 812 accounts; 81 % fell on "
        "leveraged traders, 12 % on market makers); no loss was socialised."
    )


def test_deleveraged_although_money_was_left() -> None:
    people = told(**EMPTIED | {"fund_low": 300_000.0, "fund_end": 310_000.0})[1]
    assert people.startswith("Although the fund was never empty, positions worth")


@pytest.mark.parametrize(("share", "words"), [(1.0, "short positions worth"), (0.0, "long positions worth")])
def test_one_side_and_one_role(share: float, words: str) -> None:
    people = told(**EMPTIED | {"adl_short": share, "adl_roles": (("trader", 1.0),)})[1]
    assert words in people and "(auto-deleveraging: 812 accounts; all leveraged traders)" in people


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (("queue-bitmex",), "(auto-deleveraging, queue (BitMEX): 812 accounts;"),
        (("queue-bitmex", "index"), "(auto-deleveraging, mostly queue (BitMEX): 812 accounts;"),
    ],
)
def test_the_rule_of_a_deleveraging_is_named(rules: tuple[str, ...], words: str) -> None:
    assert words in told(**EMPTIED | {"adl_rules": rules})[1]


def test_winners_who_were_charged_were_not_closed() -> None:
    people = told(**EMPTIED | {"adl_notional": 0.0, "paid_by_adl": 20_000.0, "adl_rules": ("socialise",)})[1]
    assert "20,000 USD was charged to those in profit (812 accounts; 81 % fell on leveraged traders" in people
    assert "closed by force" not in people


def test_adl_and_socialised() -> None:
    people = told(**EMPTIED | {"paid_by_side": 12_000.0, "shortfall": 1_512_000.0, "charged_accounts": 900})[
        1
    ]
    assert people.endswith(
        "and a further 12,000 USD of losses that nothing else could pay were shared out among 900 accounts "
        "(socialised)."
    )


def test_socialised_only() -> None:
    people = told(**FELL | {"paid_by_side": 12_000.0, "shortfall": 77_000.0})[1]
    assert people == (
        "Nobody was deleveraged, but 12,000 USD of losses that nothing else could pay were charged to one "
        "side of the market (socialised)."
    )


def test_top_up_is_told() -> None:
    assert "it took in 20,000 USD (5,000 USD of it as a top-up) and" in told(**FELL | {"top_ups": 5_000.0})[0]


def test_unpaid_losses_are_told() -> None:
    people = told(**FELL | {"shortfall": 70_000.0})[1]
    assert "the fund paid the 65,000 USD" in people
    assert people.endswith("; 5,000 USD of losses has not been paid by anybody.")


def test_accounts_under_zero_at_the_end_are_told() -> None:
    people = told(**FELL | {"owing_accounts": 1, "owing": 340.0})[1]
    assert people.endswith(
        "; at the end 1 account owed 340 USD beyond their margin, which nobody has paid yet."
    )


def test_treasury_is_told() -> None:
    people = told(**FELL | {"shortfall": 65_900.0, "paid_by_treasury": 900.0})[1]
    assert "the treasury paid 900 USD of losses" in people and "anybody" not in people.split(";")[1]


def test_partial() -> None:
    fund, people = told(**FELL | {"complete": False, "blocks": 1200, "planned_blocks": 14_400})
    assert fund.startswith(
        "In the part of the run that exists (1,200 of 14,400 blocks, up to 13 March 23:59 UTC) "
        "the insurance fund fell by 4.58 %"
    )
    assert people.startswith("Up to there nobody was deleveraged")


def test_partial_without_anything() -> None:
    assert verdict(Facts(complete=False)) == (
        "In the part of the run that exists (0 blocks) nothing is on record about the insurance fund.",
        "Up to there whether anybody was deleveraged is not on record.",
    )


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        (0.0, 0.0, "had no money at the start and none at the end"),
        (0.0, 5_000.0, "started empty and ended with 5,000 USD"),
        (1e6, 1e6 * (1 + 1e-6), "ended where it started"),
        (1e6, 0.0, "was emptied"),
    ],
)
def test_edges_of_the_fund(start: float, end: float, words: str) -> None:
    assert words in told(fund_start=start, fund_end=end, fund_low=min(start, end))[0]


CASES = [{}, FELL, EMPTIED, EMPTIED | {"paid_by_side": 3.0}, {"complete": False}, {"fund_start": None}]


@pytest.mark.parametrize("changes", CASES)
def test_each_is_one_sentence(changes: dict[str, Any]) -> None:
    for sentence in told(**changes):
        assert sentence.endswith(".") and sentence[0].isupper()
        assert not re.search(r"[.!?]\s+[A-Z]", sentence)
        assert "nan" not in sentence and "None" not in sentence and "  " not in sentence


# from run folders


def from_folder(folder: Any) -> tuple[str, str]:
    return verdict(gather(load(folder.write())))


def test_folder_of_a_quiet_run(run_folder: Any) -> None:
    fund, people = from_folder(run_folder().quiet())
    assert "ended where it started" in fund and "nobody was even liquidated" in people


def test_folder_of_an_emptied_fund(run_folder: Any) -> None:
    fund, people = from_folder(run_folder(start_balance=3_000.0).crash(adl=True))
    assert "was emptied" in fund and "having started with 3,000 USD" in fund
    assert (
        "closed by force" in people
        and "short positions worth" in people
        and "all leveraged traders" in people
        and "no loss was socialised" in people
    )


def test_folder_with_a_socialised_loss(run_folder: Any) -> None:
    people = from_folder(run_folder().crash(socialised=1_234.0))[1]
    assert "Nobody was deleveraged, but 1,234 USD" in people


def test_summary_goes_before_what_is_derived(run_folder: Any) -> None:
    folder = run_folder().crash()
    folder.summary["liquidations"] = {"count": 7, "notional": 70.0, "accounts": 3}
    facts = gather(load(folder.write()))
    assert (facts.liquidations, facts.liquidated_notional, facts.liquidated_accounts) == (7, 70.0, 3)


def test_derived_facts_add_up(run_folder: Any) -> None:
    folder = run_folder(start_balance=3_000.0).crash(adl=True, socialised=500.0)
    facts = gather(load(folder.write()))
    flows = folder.tables["fund"]
    assert facts.fund_end == pytest.approx(flows["balance"][-1])
    assert facts.fund_low == pytest.approx(flows["balance"].min())
    assert facts.outflow == pytest.approx(-flows.filter(pl.col("kind") == "cover")["amount_f64"].sum())
    assert facts.fund_start + facts.inflow - facts.outflow == pytest.approx(facts.fund_end, abs=0.01)
    assert facts.paid_by_adl == pytest.approx(folder.tables["adl"]["haircut"].sum())
    assert facts.paid_by_side == pytest.approx(500.0)
    assert facts.shortfall == pytest.approx(facts.paid_by_fund + facts.paid_by_adl + 500.0)
    assert facts.unpaid == 0
    assert facts.above + facts.at + facts.below == facts.liquidations == 400
