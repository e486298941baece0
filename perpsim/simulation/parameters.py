"""A scenario's figures as the integers that the protocol is deployed with."""

from __future__ import annotations

from perpsim.protocol import (
    WAD,
    DeleverageParams,
    FundingTerms,
    LiquidationParams,
    MarketParams,
    MarketTerms,
    ProtocolParams,
    Tier,
    VaultParams,
    scaled,
    wad,
)
from perpsim.scenarios import Market, Scenario, Staking

_BASIS_POINTS = 4


def protocol_params(scenario: Scenario) -> ProtocolParams:
    """Everything `perpsim.protocol.deploy` needs."""
    decimals, fund = scenario.collateral.decimals, scenario.fund
    staking = fund.staking or Staking()
    return ProtocolParams(
        token_name=scenario.collateral.symbol,
        token_symbol=scenario.collateral.symbol,
        decimals=decimals,
        markets=tuple(_market(market) for market in scenario.markets),
        vault=VaultParams(
            initial=scaled(fund.initial, decimals),
            # The contract's figure for "off" is a fall of the whole.
            breaker_trip=wad(fund.breaker) if fund.breaker else WAD,
            breaker_resume=wad(fund.breaker) * 5 // 6 if fund.breaker else WAD,
            cap=scaled(fund.cap, decimals) if fund.cap else 0,
            staking=fund.staking is not None,
            cooldown=staking.cooldown,
            claim_window=staking.window,
        ),
    )


def _market(market: Market) -> MarketParams:
    rules = market.liquidation
    return MarketParams(
        symbol=market.symbol,
        tick_size=wad(market.tick),
        lot_size=wad(market.lot),
        min_size=wad(market.min_size),
        max_orders=market.max_orders,
        open_interest_cap=wad(market.open_interest_cap),
        terms=MarketTerms(
            maker_fee=wad(market.fees.maker),
            taker_fee=wad(market.fees.taker),
            vault_share=scaled(market.fees.fund_share, _BASIS_POINTS),
            max_age=market.max_age,
        ),
        funding=FundingTerms(
            interest=wad(market.funding.interest),
            clamp=wad(market.funding.clamp),
            cap=wad(market.funding.cap),
            band=wad(market.band),
            basis_time=market.mid_average_seconds,
            premium_time=market.funding.premium_seconds,
        ),
        tiers=tuple(
            Tier(wad(tier.limit), wad(tier.initial), wad(tier.maintenance), wad(tier.deduction))
            for tier in market.tiers
        ),
        liquidation=LiquidationParams(
            penalty_rate=wad(rules.penalty),
            buffer=wad(rules.buffer),
            full_threshold=wad(rules.full_threshold),
            max_slippage=wad(rules.max_slippage),
            cover_slippage=wad(rules.cover_slippage),
            surplus_share=wad(rules.surplus_to_fund),
            reward_rate=wad(rules.reward),
            full_below=wad(rules.full_below),
            reward_min=wad(rules.reward_min),
            reward_max=wad(rules.reward_max),
        ),
        deleverage=DeleverageParams(
            policy=market.adl, timeout=rules.adl_timeout, list_from=rules.adl_list_from * WAD
        ),
    )
