"""The fund believes what it is told, hands out rebates, or pays keepers more than a liquidation brings."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from support import BOTH_DECIMALS, BOTH_SIDES, IOC, Exchange, fresh
from support.distress import NO_BREAKER, away, distress_market, fund_vault, positioned

from perpsim.chain import Revert
from perpsim.protocol import MAX_UINT, ProtocolParams, wad

FEE = 4
#: of the token, in hundredths of a percent
PER_CENT = 100


def dear_token(decimals: int) -> Exchange:
    """Over a token that keeps 1 % of every transfer from then on."""
    market = distress_market(taker_fee=10**15, vault_share=10_000)
    params = ProtocolParams(decimals=decimals, markets=(market,), vault=NO_BREAKER)
    return fresh(params, hostile=True)


def gift(exchange: Exchange) -> None:
    """The treasury means to give 1,000."""
    owner, units = exchange.owner, 1_000 * 10**exchange.params.decimals
    owner.send(exchange.token, "mint", owner.address, units)
    owner.send(exchange.token, "approve", exchange.vault.address, MAX_UINT)
    owner.send(exchange.vault, "fund", units)


def fee_share(exchange: Exchange) -> None:
    """Fees of a trade of 1,000,000 are handed over."""
    exchange.owner.send(exchange.clearinghouse, "sweep_fees", 0)


def penalty(exchange: Exchange) -> None:
    """Of a position of 100,000, with a surplus."""
    loser = exchange.actor("loser")
    side = 1 if loser.size() > 0 else -1
    exchange.actor("bids").order(side, 10, away(side, 700))
    exchange.actor("keeper").liquidate(loser)


@BOTH_DECIMALS
@BOTH_SIDES
@pytest.mark.parametrize("inflow", [gift, fee_share, penalty], ids=lambda inflow: inflow.__name__)
def test_the_fund_is_credited_with_what_arrived(
    decimals: int, side: int, inflow: Callable[[Exchange], None]
) -> None:
    """1 % of it is lost on the way: the books say what the fund has, never more."""
    exchange = dear_token(decimals)
    whale, other = (exchange.actor(name, deposit=10**6) for name in ("whale", "other"))
    exchange.open(side, whale, other, 100, 10_000)
    positioned(exchange, side, stake=10_100)
    exchange.actor("bids", deposit=10**6)
    exchange.actor("keeper", deposit=10)
    exchange.move(away(side, 700))
    exchange.owner.send(exchange.token, "set_mode", FEE, PER_CENT)
    inflow(exchange)
    held = exchange.token.view("balanceOf", exchange.vault.address)
    assert 0 < exchange.fund == held
    exchange.owner.send(exchange.token, "set_mode", 0, 0)
    exchange.check_invariants()


REBATE = distress_market(maker_fee=-wad("0.0003"), taker_fee=wad("0.0003"), vault_share=5_000)


@pytest.mark.exchange(markets=(REBATE,), vault=NO_BREAKER)
@BOTH_DECIMALS
@BOTH_SIDES
@pytest.mark.parametrize("surplus", ["0", "0.01", 1, 10])
def test_a_makers_rebate_is_not_larger_than_the_penalty(
    exchange: Exchange, side: int, surplus: object
) -> None:
    """No taker pays a fee in a liquidation, so there is no rebate: at the bankruptcy price and just above
    it the maker gets nothing, the fund loses nothing but the keeper's reward."""
    fund_vault(exchange, 50_000)
    # the taker's fee of 30 was paid on the way in
    loser = positioned(exchange, side, stake=10_030)
    exchange.move(away(side, 900))
    maker = exchange.actor("maker", deposit=10**6)
    keeper = exchange.actor("keeper", deposit=10)
    fund, fees = exchange.fund * exchange.unit(), sum(exchange.fees())
    price = away(side, 1_000 - Decimal(str(surplus)) / 10)
    assert loser.bankruptcy_price() == wad(away(side, 1_000))
    maker.order(side, 10, price)
    event = keeper.liquidate(loser).event("Liquidated")
    assert event.closed == wad(10) and event.cover == 0
    assert event.penalty <= wad(surplus)
    # he bought 10 at that price, and got nothing for it
    assert maker.equity == wad(10**6) + 10 * side * (exchange.mark() - wad(price))
    assert sum(exchange.fees()) >= fees
    assert exchange.fund * exchange.unit() >= fund + event.penalty - event.reward - exchange.unit()
    exchange.check_invariants(size_dust=0)


@pytest.mark.exchange(markets=(REBATE,), vault=NO_BREAKER)
@BOTH_DECIMALS
@BOTH_SIDES
def test_a_makers_rebate_mints_no_money(exchange: Exchange, side: int) -> None:
    """The largest rebate that is allowed, the takers' whole fee: two accounts of one owner trade with each
    other a thousand times at odd sizes, and have lost the roundings."""
    one, two = (exchange.actor(f"attacker {i}", deposit=100_000) for i in range(2))
    start = one.equity + two.equity
    held = exchange.token.view("balanceOf", exchange.clearinghouse.address)
    for i in range(500):
        size, price = Decimal(1 + i * 7 % 1_300) / 1_000, Decimal(9_990_000 + 37 * i) / 1_000
        two.order(-side, size, price)
        one.order(side, size, price, IOC)
        two.order(side, size, price)
        one.order(-side, size, price, IOC)
    assert start - 10_000 <= one.equity + two.equity <= start
    assert sum(exchange.fees()) <= 10_000
    for actor in (one, two):
        actor.send(exchange.clearinghouse, "withdraw", actor.withdrawable)
    assert one.tokens + two.tokens <= held
    exchange.check_invariants(dust=10_000, size_dust=0)


@pytest.mark.exchange(markets=(REBATE,), vault=NO_BREAKER)
def test_terms_under_which_a_rebate_would_mint_money_are_refused(exchange: Exchange) -> None:
    """A billionth more than the taker pays; less than that is not kept."""
    terms = exchange.params.markets[0].terms
    owner = exchange.owner
    with pytest.raises(Revert, match="terms: rebate above taker fee"):
        owner.send(exchange.parameters, "set_terms", 0, terms._replace(maker_fee=terms.maker_fee - 10**9))
    owner.send(exchange.parameters, "set_terms", 0, terms._replace(maker_fee=terms.maker_fee - 1))
    assert exchange.market().maker_fee == terms.maker_fee
