"""The exchange as Python sees it: parameters, deployment, contracts."""

from __future__ import annotations

from perpsim.protocol.contract import Contract
from perpsim.protocol.deploy import DEPLOYER, Protocol, deploy
from perpsim.protocol.params import (
    DEFAULT_TIERS,
    FundingTerms,
    LiquidationParams,
    MarketParams,
    MarketTerms,
    ProtocolParams,
    Tier,
    VaultParams,
)
from perpsim.protocol.units import A_ONE, K_ONE, MAX_UINT, WAD, scaled, wad

__all__ = [
    "A_ONE",
    "DEFAULT_TIERS",
    "DEPLOYER",
    "K_ONE",
    "MAX_UINT",
    "WAD",
    "Contract",
    "FundingTerms",
    "LiquidationParams",
    "MarketParams",
    "MarketTerms",
    "Protocol",
    "ProtocolParams",
    "Tier",
    "VaultParams",
    "deploy",
    "scaled",
    "wad",
]
