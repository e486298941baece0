"""The parts of the report about moments, markets, keepers, the chain, warning signs and gas."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from support.run_extras import (
    KEEPERS,
    audit,
    congestion,
    crowds,
    keeper_transactions,
    second_market,
    warning_signs,
)
from support.run_folder import START, STEP

from perpsim.report import (
    tables_adl,
    tables_crowds,
    tables_keepers,
    tables_markets,
    tables_signs,
    tables_trust,
)
from perpsim.report.charts_chain import chain_chart
from perpsim.report.charts_crowds import staker_chart
from perpsim.report.charts_keepers import OTHERS, SHOWN, keeper_chart
from perpsim.report.charts_signs import fund_to_interest, near_chart, sign_chart, stress_chart
from perpsim.report.data import RunData, load
from perpsim.report.facts import gather
from perpsim.report.figure import Chart, Panel, Trace
from perpsim.report.headline import figures
from perpsim.report.legend import legend
from perpsim.report.moments import moments
from perpsim.report.table import Table


def read(folder: Any) -> RunData:
    return load(folder.write())


def texts(table: Table | None) -> dict[str, str]:
    """The second column by the first."""
    assert table is not None
    return {row[0][0]: row[1][0] for row in table.rows}


def column(table: Table | None, head: str) -> list[str]:
    assert table is not None
    at = list(table.heads).index(head)
    return [row[at][0] for row in table.rows]


# moments


def test_moments_are_in_the_order_of_time_and_name_the_low(run_folder: Any) -> None:
    run = read(run_folder(start_balance=3_000.0).crash(adl=True, socialised=10.0))
    found = moments(run)
    assert found is not None
    at = [row[0][1] for row in found.rows]
    assert at == sorted(at)
    told = "\n".join(row[1][0] for row in found.rows)
    for words in (
        "BTC at its lowest: ",
        "The first liquidation: ",
        "The fund pays its first loss: ",
        "The first deleveraging: ",
        "Losses are charged to a whole side for the first time: 10 USD",
        "The fund at its lowest: ",
    ):
        assert words in told
    lowest = run["blocks"].sort("price_0")["time"][0]
    row = next(row for row in found.rows if row[1][0].startswith("BTC at its lowest"))
    assert row[0][1] == lowest


def test_attempts_that_closed_nothing_are_no_liquidations(run_folder: Any) -> None:
    folder = run_folder().crash()
    real = folder.tables["liquidations"]
    vain = real.with_columns(outcome=pl.lit("none"), time=pl.lit(START, dtype=pl.Int64))
    folder.tables["liquidations"] = pl.concat([vain, real])
    found = moments(read(folder))
    assert found is not None
    first = next(row for row in found.rows if row[1][0].startswith("The first liquidation"))
    assert first[0][1] == real["time"][0]


def test_nothing_stands_out_in_a_run_without_blocks(run_folder: Any) -> None:
    assert moments(read(run_folder(blocks=0).quiet())) is None


# markets


def test_one_market_needs_no_table_of_markets(run_folder: Any) -> None:
    assert tables_markets.markets(read(run_folder().crash())) is None


def test_each_market_has_its_own_liquidations(run_folder: Any) -> None:
    run = read(second_market(run_folder().crash()))
    table = tables_markets.markets(run)
    assert column(table, "Market") == ["BTC", "ETH"]
    counts = [int(n) for n in column(table, "Liquidations")]
    assert sum(counts) == run["liquidations"].height
    assert counts[1] == (run["liquidations"]["market"] == 1).sum() > 0
    falls = column(table, "Price, first to lowest")
    assert falls[0] == falls[1]
    assert column(table, "Fund paid")[1] == "0"


# keepers


def test_keepers_earn_rewards_less_gas_over_time(run_folder: Any) -> None:
    run = read(keeper_transactions(run_folder().crash()))
    chart = keeper_chart(run)
    assert chart is not None
    sent = run["keeper_txs"]
    lines = {t.name: t.y for t in chart.traces if t.kind == "step"}
    assert set(lines) == {"north", "harbour", "quarry"}
    for account, name in zip(KEEPERS, ("north", "harbour", "quarry")):
        own = sent.filter(pl.col("keeper") == account)
        assert lines[name][-1] == pytest.approx(own["reward"].sum() - own["cost"].sum())
        gas = sum(t.y.sum() for t in chart.traces if t.kind == "bar" and t.name == name)
        assert gas == own["gas_used"].sum()
    assert (np.diff(lines["quarry"]) <= 0).all()
    assert "less gas" in chart.panels[0].label


def test_without_their_transactions_keepers_have_rewards_only(run_folder: Any) -> None:
    run = read(run_folder().crash())
    chart = keeper_chart(run)
    assert chart is not None
    assert [p.label for p in chart.panels] == ["rewards so far, USD"]
    total = sum(t.y[-1] for t in chart.traces)
    assert total == pytest.approx(run["liquidations"]["reward"].sum())


def test_many_keepers_are_drawn_as_the_best_and_the_rest(run_folder: Any) -> None:
    folder = run_folder().crash()
    liquidations = folder.tables["liquidations"]
    folder.tables["liquidations"] = liquidations.with_columns(keeper=pl.int_range(pl.len()) % 20)
    run = read(folder)
    chart = keeper_chart(run)
    assert chart is not None
    assert len(chart.traces) == SHOWN
    assert chart.traces[-1].name == OTHERS
    assert sum(t.y[-1] for t in chart.traces) == pytest.approx(run["liquidations"]["reward"].sum())


def test_the_table_of_keepers_says_what_waiting_cost(run_folder: Any) -> None:
    run = read(keeper_transactions(run_folder().crash()))
    table = tables_keepers.keepers(run)
    assert column(table, "Found") == ["120", "110", "100"]
    assert column(table, "Lost") == ["20", "50", "90"]
    assert column(table, "In vain") == ["5", "5", "5"]
    assert column(table, "Profit")[2].endswith("94.50")
    assert column(table, "Time under water") == ["40 seconds", "90 seconds", "\u2013"]
    waits = tables_keepers.waits(run)
    assert column(waits, "Dropped") == ["8", "5", "2"]
    assert column(waits, "Longest under water") == ["10 minutes", "15 minutes", "\u2013"]


def test_keepers_of_whom_little_is_known_have_no_table_of_waits(run_folder: Any) -> None:
    assert tables_keepers.waits(read(run_folder().crash())) is None


# the chain


def test_other_peoples_gas_is_drawn_beside_ours(run_folder: Any) -> None:
    run = read(congestion(run_folder().crash()))
    chart = chain_chart(run)
    assert chart is not None
    lines = {t.name: t.y for t in chart.traces}
    whole, ours = lines["mean of all"], lines["mean of the exchange's transactions"]
    assert (whole >= ours).all() and (whole > ours).any()
    assert [p.label.split(",")[0] for p in chart.panels] == [
        "gas used per block",
        "base fee",
        "transactions of the exchange's users",
    ]
    assert "who bids less than it waits" in chart.reading


def test_a_free_and_empty_chain_shows_gas_only(run_folder: Any) -> None:
    folder = run_folder().crash()
    folder.tables["blocks"] = folder.tables["blocks"].with_columns(
        base_fee=pl.lit(0), outside_gas=pl.lit(0), queued=pl.lit(0), dropped=pl.lit(0)
    )
    chart = chain_chart(read(folder))
    assert chart is not None
    assert len(chart.panels) == 1
    assert [t.name for t in chart.traces] == ["fullest block", "mean"]


def test_fees_are_named_in_coin_and_in_dollars(run_folder: Any) -> None:
    run = read(congestion(run_folder().crash()))
    found = texts(tables_keepers.fees(run))
    assert found["Fees of all transactions, in ETH"] == "3.50"
    assert found["Fees of all transactions, in USD"] == "700"
    assert column(tables_keepers.fees_by_role(run), "Paid, USD") == ["90.50"]


def test_a_free_chain_has_no_table_of_fees(run_folder: Any) -> None:
    folder = congestion(run_folder().crash())
    folder.summary["fees"]["paid"] = 0.0
    run = read(folder)
    assert tables_keepers.fees(run) is None
    assert tables_keepers.fees_by_role(run) is None


# warning signs


def test_the_fund_is_measured_against_open_interest_once_positions_are_there(run_folder: Any) -> None:
    folder = run_folder().quiet()
    size = pl.when(pl.col("block") < 100).then(0.0).otherwise(1000.0)
    folder.tables["blocks"] = folder.tables["blocks"].with_columns(
        open_interest_0=size, mark_0=pl.lit(5000.0)
    )
    found = fund_to_interest(read(folder))
    assert found is not None
    assert np.isnan(found[1][:100]).all()
    assert found[1][100:] == pytest.approx(1_000_000 / 5_000_000)


def test_signs_and_the_moment_of_the_crash_are_drawn(run_folder: Any) -> None:
    run = read(warning_signs(run_folder().crash()))
    chart = sign_chart(run)
    assert chart is not None
    assert [p.label.split(",")[0] for p in chart.panels][-1] == "signs that were on"
    on = next(t for t in chart.traces if t.name == "signs that were on")
    assert on.y.max() == 2
    crash = next(t for t in chart.traces if t.name == "the crash hits")
    assert crash.x.tolist() == [START + 270 * STEP]


def test_losses_under_a_further_fall_are_drawn_against_the_fund(run_folder: Any) -> None:
    chart = stress_chart(read(warning_signs(run_folder(start_balance=500_000.0).crash())))
    assert chart is not None
    panels = [[t for t in chart.traces if t.name.startswith("by") and t.panel == n] for n in range(3)]
    assert all([t.name for t in panel] == [f"by {n} %" for n in (5, 10, 20, 30)] for panel in panels)
    falls = panels[0]
    assert all((a.y <= b.y).all() for a, b in pairwise(falls))
    assert chart.traces[0].name == "what the fund has"


def test_a_fund_that_dwarfs_every_loss_does_not_press_them_flat(run_folder: Any) -> None:
    chart = stress_chart(read(warning_signs(run_folder(start_balance=50e6).crash())))
    assert chart is not None
    assert all(t.name.startswith("by") for t in chart.traces)
    assert "None of them came to a quarter" in chart.reading


def test_accounts_near_liquidation_are_drawn_nearest_first(run_folder: Any) -> None:
    chart = near_chart(read(warning_signs(run_folder().crash())))
    assert chart is not None
    assert [t.name for t in chart.traces] == [f"within {n} %" for n in (1, 2, 5, 10)]


def test_how_early_each_sign_warned(run_folder: Any) -> None:
    run = read(warning_signs(run_folder().crash()))
    table = tables_signs.warnings(run)
    assert column(table, "Before the crash") == ["30 minutes", "\u2013"]
    assert column(table, "First on (UTC)")[1] == "never"
    sign = run.summary["warnings"]["signs"]["fund"]
    sign["first"] = run.summary["warnings"]["crash"] + 60
    assert column(tables_signs.warnings(run), "Before the crash") == ["30 minutes", "after it"]
    assert tables_signs.crash(run).endswith("the first deleveraging.")


def test_without_a_crash_there_is_nothing_to_be_early_for(run_folder: Any) -> None:
    folder = warning_signs(run_folder().quiet())
    folder.summary["warnings"]["crash"] = None
    assert tables_signs.crash(read(folder)).startswith("No crash hit")


# crowds


def test_stakers_who_ask_to_leave_are_drawn_and_told(run_folder: Any) -> None:
    run = read(crowds(run_folder().crash()))
    chart = staker_chart(run)
    assert chart is not None
    assert [t.name for t in chart.traces] == ["staked", "of it asked to leave", "price of a share"]
    found = texts(tables_crowds.stakers(run))
    assert found["of them have left"] == "12"
    assert found["First request to leave (UTC)"] == "12 March 00:10"


def test_nobody_who_stakes_means_no_chart_of_stakers(run_folder: Any) -> None:
    folder = run_folder().crash()
    none = [
        pl.lit(value).alias(key) for key, value in (("staked", 0.0), ("requested", 0.0), ("share_price", 1.0))
    ]
    folder.tables["blocks"] = folder.tables["blocks"].with_columns(none)
    run = read(folder)
    assert staker_chart(run) is None
    assert tables_crowds.stakers(run) is tables_crowds.baskets(run) is tables_crowds.attackers(run) is None


def test_an_attack_is_told_with_its_market_and_profit(run_folder: Any) -> None:
    table = tables_crowds.attackers(read(crowds(second_market(run_folder().crash()))))
    assert column(table, "Attacker") == ["pump"]
    assert column(table, "Market") == ["ETH"]
    assert column(table, "Profit") == ["150,000"]


def test_deleveraging_is_told_with_its_overshoot_and_broken_hedges(run_folder: Any) -> None:
    run = read(crowds(run_folder().crash()))
    found = texts(tables_adl.cost(run))
    assert found["More than was needed"] == "2,000"
    assert found["of them lost a leg to a deleveraging"] == "7"
    assert texts(tables_crowds.baskets(run))["of them lost a leg against their will"] == "9"


# gas


def test_the_audit_states_share_and_error(run_folder: Any) -> None:
    found = texts(tables_trust.audit(read(audit(run_folder().crash()))))
    assert found["Share"] == "0.5 %"
    assert found["Mean error of the gas model"] == "0.4 %"
    assert found["Transactions whose gas the model worked out"] == "12,000"
    assert found["Error that 99 of 100 transactions stay under"] == "2.1 %"
    assert found["engine"] == "py-evm"


def test_a_run_without_audit_has_no_such_table(run_folder: Any) -> None:
    assert tables_trust.audit(read(run_folder().crash())) is None


# legends


def test_a_legend_shows_each_name_once_with_its_look(run_folder: Any) -> None:
    chart = keeper_chart(read(keeper_transactions(run_folder().crash())))
    assert chart is not None
    shown = legend(chart)
    assert shown.count("<button") == 3
    assert shown.count("stroke-dasharray") == 2
    assert 'data-traces="0,3"' in shown


def test_panels_with_one_line_each_need_no_legend(run_folder: Any) -> None:
    chart = sign_chart(read(run_folder().crash()))
    assert chart is not None
    assert legend(chart) == ""


# key figures


def test_the_deepest_fall_names_its_market(run_folder: Any) -> None:
    folder = second_market(run_folder().crash())
    folder.tables["blocks"] = folder.tables["blocks"].with_columns(index_1=pl.col("index_1") ** 2)
    facts = gather(read(folder))
    assert facts.price_fall_of == "ETH"
    assert facts.price_fall == pytest.approx(-0.53, abs=0.03)


def test_keepers_gas_stands_beside_their_rewards(run_folder: Any) -> None:
    facts = gather(read(keeper_transactions(run_folder().crash())))
    assert ("Keepers' rewards", "450 USD", "286 USD spent on gas") in figures(facts)


def test_an_empty_book_counts_as_the_worst_crowding(run_folder: Any) -> None:
    folder = warning_signs(run_folder().crash())
    signs = folder.tables["warnings"]
    level = pl.when(pl.col("block") < 100).then(0.5).when(pl.col("block") < 200).then(15_000.0)
    folder.tables["warnings"] = signs.with_columns(crowding=level.otherwise(float("nan")))
    chart = sign_chart(read(folder))
    assert chart is not None
    crowding = next(t.y for t in chart.traces if t.name == "crowding")
    assert crowding.tolist() == [0.5] * 10 + [10.0] * (len(crowding) - 10)


def test_a_bar_stands_in_the_middle_of_its_stretch() -> None:
    bars = Trace("n", np.array([0.0, 3600.0]), np.array([1.0, 2.0]), "#000", kind="bar")
    drawn = Chart("k", "q?", "r", [Panel("p")], [bars], bar=3600.0).drawn(0, 7200)["data"][0]
    assert drawn["x"] == [1800, 5400]
    assert drawn["width"] < 3600 * 1000
