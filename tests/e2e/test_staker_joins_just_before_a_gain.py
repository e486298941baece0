"""Somebody sees money on its way to the insurance vault and stakes just before it arrives."""

from __future__ import annotations

import pytest
from support import BOTH_SIDES, Actor, Exchange
from support.distress import away, distress_market, positioned

from perpsim.chain import Revert
from perpsim.protocol import MAX_UINT, WAD, VaultParams

UNIT = 10**6
COOLDOWN = 13 * 86_400

pytestmark = pytest.mark.exchange(
    markets=(distress_market(taker_fee=10**15, vault_share=5_000),),
    vault=VaultParams(breaker_trip=WAD, staking=True),
)


def stake(exchange: Exchange, name: str, tokens: int) -> Actor:
    """Somebody who stakes whole tokens."""
    actor = exchange.actor(name)
    actor.mint(tokens)
    actor.send(exchange.token, "approve", exchange.vault.address, MAX_UINT)
    actor.send(exchange.vault, "deposit", tokens * UNIT, actor.address)
    return actor


def shares(exchange: Exchange, who: Actor) -> int:
    return int(exchange.vault.view("balanceOf", who.address))


def worth(exchange: Exchange, who: Actor) -> int:
    return int(exchange.vault.view("convertToAssets", shares(exchange, who)))


def ask(exchange: Exchange, who: Actor) -> int:
    return int(who.send(exchange.vault, "request_withdraw", shares(exchange, who)).value)


def claim(exchange: Exchange, who: Actor) -> int:
    most = exchange.vault.view("maxRedeem", who.address)
    return int(who.send(exchange.vault, "redeem", most, who.address, who.address).value)


def gain(exchange: Exchange, side: int) -> int:
    """A liquidation above the bankruptcy price, and the fees of its trades; the vault's part, token units."""
    before = exchange.fund
    loser = positioned(exchange, side, stake=11_000)
    exchange.move(away(side, 700))
    bids = exchange.actor("bids", deposit=10**6)
    bids.order(side, 10, away(side, 800))
    exchange.actor("keeper").liquidate(loser)
    bids.cancel_all()
    exchange.actor("keeper").send(exchange.clearinghouse, "sweep_fees", 0)
    return exchange.fund - before


@BOTH_SIDES
def test_the_gain_cannot_be_taken_out_at_once(exchange: Exchange, side: int) -> None:
    """In, gain, out in one block is refused: the way out is a request and 13 days."""
    stake(exchange, "loyal", 10_000)
    attacker = stake(exchange, "attacker", 90_000)
    assert gain(exchange, side) > 0
    assert worth(exchange, attacker) > 90_000 * UNIT
    for function, amount in (("redeem", shares(exchange, attacker)), ("withdraw", 1)):
        with pytest.raises(Revert, match="vault: above the maximum"):
            attacker.send(exchange.vault, function, amount, attacker.address, attacker.address)
    ask(exchange, attacker)
    assert exchange.vault.view("maxRedeem", attacker.address) == 0


@BOTH_SIDES
def test_whoever_asks_to_leave_before_the_gain_gets_nothing_of_it(exchange: Exchange, side: int) -> None:
    """Staked and requested in advance so as to be out soon after: the gain is the others'."""
    loyal = stake(exchange, "loyal", 10_000)
    attacker = stake(exchange, "attacker", 90_000)
    assert ask(exchange, attacker) == 90_000 * UNIT
    gained = gain(exchange, side)
    exchange.wait(COOLDOWN)
    assert claim(exchange, attacker) == 90_000 * UNIT
    assert shares(exchange, attacker) == 0
    assert worth(exchange, loyal) == pytest.approx(10_000 * UNIT + gained, abs=2)


@BOTH_SIDES
def test_whoever_stays_for_the_gain_bears_the_losses_of_the_cooldown(exchange: Exchange, side: int) -> None:
    stake(exchange, "loyal", 10_000)
    attacker = stake(exchange, "attacker", 90_000)
    gained = gain(exchange, side)
    value = ask(exchange, attacker)
    assert value == pytest.approx(90_000 * UNIT + gained * 9 // 10, abs=2)
    exchange.wait(COOLDOWN // 2)
    exchange.move(10_000)
    loser = positioned(exchange, side, "next", stake=10_100)
    exchange.move(away(side, 1_100))
    exchange.actor("more bids", deposit=10**6).order(side, 10, away(side, 1_100))
    before = exchange.fund
    assert exchange.actor("keeper").liquidate(loser).event("Liquidated").cover > 0
    lost = before - exchange.fund
    assert lost > gained
    exchange.wait(COOLDOWN // 2)
    assert claim(exchange, attacker) == pytest.approx(value - lost * 9 // 10, abs=2)
    assert attacker.tokens < 90_000 * UNIT
