"""The first staker makes a share so dear that the second one's stake rounds to nothing (an ERC-4626 without
virtual shares loses its second depositor up to all of it)."""

from __future__ import annotations

import pytest
from support import BOTH_DECIMALS, BOTH_SIDES, Actor, Exchange
from support.distress import away, distress_market, positioned

from perpsim.protocol import MAX_UINT, WAD, VaultParams, scaled

pytestmark = pytest.mark.exchange(
    markets=(distress_market(taker_fee=10**15, vault_share=5_000),),
    vault=VaultParams(breaker_trip=WAD, staking=True, cooldown=3_600, claim_window=3_600),
)


def stake(exchange: Exchange, actor: Actor, units: int) -> None:
    """Stake token units."""
    actor.send(exchange.token, "mint", actor.address, units)
    actor.send(exchange.token, "approve", exchange.vault.address, MAX_UINT)
    actor.send(exchange.vault, "deposit", units, actor.address)


def own_penalty(exchange: Exchange, attacker: Actor, side: int) -> None:
    """An account of his own is liquidated, to a bid of his own; penalty and fees go to the vault."""
    pawn = positioned(exchange, side, "pawn", stake=11_000, against="accomplice")
    exchange.move(away(side, 700))
    attacker.deposit(10**6)
    attacker.order(side, 10, away(side, 800))
    attacker.liquidate(pawn)
    attacker.send(exchange.clearinghouse, "sweep_fees", 0)


@BOTH_DECIMALS
@BOTH_SIDES
@pytest.mark.parametrize("way", ["transfer", "fund", "penalty"])
def test_the_second_staker_loses_no_more_than_a_tenth_of_a_percent(
    exchange: Exchange, side: int, way: str
) -> None:
    """One unit is staked; then the vault receives 10,000 tokens, or whatever a liquidation brings."""
    attacker, victim, vault = exchange.actor("attacker"), exchange.actor("victim"), exchange.vault
    decimals = exchange.params.decimals
    stake(exchange, attacker, 1)
    gift = scaled(10_000, decimals)
    if way == "penalty":
        own_penalty(exchange, attacker, side)
        assert vault.view("totalAssets") > scaled(10, decimals)
    else:
        attacker.send(exchange.token, "mint", attacker.address, gift)
        if way == "fund":
            attacker.send(vault, "fund", gift)
        else:
            attacker.send(exchange.token, "transfer", vault.address, gift)
    amount = scaled(1_000, decimals)
    stake(exchange, victim, amount)
    shares = vault.view("balanceOf", victim.address)
    assert amount * 999 // 1_000 <= vault.view("convertToAssets", shares) <= amount

    # and what the attacker gets out is not what the victim put in
    own = vault.view("balanceOf", attacker.address)
    before = attacker.tokens
    attacker.send(vault, "request_withdraw", own)
    exchange.wait(3_600)
    attacker.send(
        vault, "redeem", vault.view("maxRedeem", attacker.address), attacker.address, attacker.address
    )
    if way != "penalty":
        assert attacker.tokens - before <= 1
    victim.send(vault, "request_withdraw", shares)
    exchange.wait(3_600)
    victim.send(vault, "redeem", vault.view("maxRedeem", victim.address), victim.address, victim.address)
    assert amount * 999 // 1_000 <= victim.tokens
