"""Which charts there are, in reading order. One without data is left out."""

from __future__ import annotations

from perpsim.report.charts_chain import chain_chart
from perpsim.report.charts_crowds import staker_chart
from perpsim.report.charts_fund import fund_chart, liquidation_chart, shortfall_chart
from perpsim.report.charts_keepers import keeper_chart
from perpsim.report.charts_market import (
    depth_chart,
    funding_chart,
    interest_chart,
    price_chart,
    underwater_chart,
)
from perpsim.report.charts_signs import near_chart, sign_chart, stress_chart
from perpsim.report.data import RunData
from perpsim.report.figure import Chart


def all_charts(run: RunData) -> list[Chart]:
    """Every chart that the run has data for."""
    markets = run.markets()
    found: list[Chart | None] = [price_chart(run, market) for market in markets]
    found += [fund_chart(run), liquidation_chart(run), underwater_chart(run), shortfall_chart(run)]
    found += [staker_chart(run), sign_chart(run), stress_chart(run), near_chart(run)]
    found += [interest_chart(run), funding_chart(run), *(depth_chart(run, market) for market in markets)]
    found += [keeper_chart(run), chain_chart(run)]
    return [chart for chart in found if chart is not None]
