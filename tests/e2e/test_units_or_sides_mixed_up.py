"""The same life of an exchange with other decimals, and in the mirror: nothing but the sign may differ.

In it: trades with fees, a partial close, a flip, a liquidation into the book that the fund must help, one
that ends in deleveraging with a deficit for the fund and the treasury, withdrawals of everything.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support import IOC, LONG, SHORT, Exchange, deployed, plain_market
from support.distress import NO_BREAKER, TERMS, away, distress_market, fund_vault, positioned

from perpsim.protocol import WAD, ProtocolParams

NAMES = ("winner", "trader", "loser", "other loser", "maker", "keeper")


def life(exchange: Exchange, side: int) -> dict[str, int]:
    """What everybody has in the end, in WAD."""
    fund_vault(exchange, 1_500)
    trader = exchange.actor("trader", deposit="20000.000001")
    maker = exchange.actor("maker", deposit=100_000)
    keeper = exchange.actor("keeper", deposit=1)
    loser = positioned(exchange, side, "loser", stake="10100.5")
    other = positioned(exchange, side, "other loser", size=4, stake="4040.123456")
    maker.order(-side, 7, away(side, 3))
    trader.order(side, "5.5", away(-side, 10), IOC)
    maker.cancel_all()
    maker.order(side, 20, away(side, 7))
    trader.order(-side, "2.5", away(side, 20), IOC)
    trader.order(-side, 6, away(side, 20), IOC)
    maker.cancel_all()
    exchange.move(away(side, 700))
    maker.order(side, 10, away(side, 1_100))
    first = keeper.liquidate(loser).event("Liquidated")
    exchange.move(away(side, 2_000))
    second = keeper.liquidate(other, with_deleverage=True)
    found = {name: exchange.actor(name).equity for name in NAMES}
    found |= {f"size of {name}": side * exchange.actor(name).size() for name in NAMES}
    found |= {
        "fund": exchange.fund * exchange.unit(),
        "fees": sum(exchange.fees()),
        "cover": first.cover,
        "penalty": first.penalty,
        "reward": first.reward,
        "deficit": second.event("DeleverageReceipt").deficit,
        "unpaid": exchange.clearinghouse.view("unpaid", 0),
    }
    exchange.check_invariants(dust=10**7, size_dust=10)
    # out with it all: positions meet at the mark, then everybody leaves
    mark = exchange.mark()
    for actor in exchange.actors.values():
        for _ in range(2):
            if actor.size():
                args = (actor.size() < 0, mark, abs(actor.size()), 0, True, 0)
                actor.send(exchange.book, "place", *args)
    taken = 0
    for name in NAMES:
        actor = exchange.actor(name)
        # a wei of size that deleveraging left over is worth its price to the last one out
        held = exchange.token.view("balanceOf", exchange.clearinghouse.address)
        units = min(actor.withdrawable, held)
        assert actor.withdrawable - units <= 10**5 // exchange.unit()
        if units:
            actor.send(exchange.clearinghouse, "withdraw", units)
        assert actor.tokens == units
        taken += units * exchange.unit()
    return found | {"withdrawn": taken}


FEES = distress_market(taker_fee=10**15, maker_fee=2 * 10**14, vault_share=3_000)


@pytest.mark.parametrize("side", [LONG, SHORT], ids=["long", "short"])
@pytest.mark.parametrize("decimals", [7, 12, 18])
def test_a_token_of_other_decimals_changes_nothing_but_its_last_digits(side: int, decimals: int) -> None:
    """Against 6 decimals: the fund pays whole token units, otherwise it is the same to the wei."""
    ends = []
    for count in (6, decimals):
        params = ProtocolParams(decimals=count, markets=(FEES,), vault=NO_BREAKER)
        with deployed(params) as exchange:
            ends.append(life(exchange, side))
    six, other = ends
    assert six.keys() == other.keys()
    for name, value in six.items():
        unit = 10**12
        assert abs(value - other[name]) <= 20 * unit, name
    assert six["cover"] > 900 * WAD and six["deficit"] > 3_000 * WAD


#: nothing in it is by notional, which a mirror changes: no fees, penalties or rewards, everything is closed
MIRRORED = plain_market(
    liquidation=TERMS._replace(penalty_rate=0, reward_rate=0, reward_min=0, full_below=10**9 * WAD)
)


def test_shorts_live_as_longs_do() -> None:
    """Prices mirrored at 10,000: everybody ends with the same, to the wei that rounding leaves."""
    ends = {}
    for side in (LONG, SHORT):
        with deployed(ProtocolParams(decimals=18, markets=(MIRRORED,), vault=NO_BREAKER)) as exchange:
            ends[side] = life(exchange, side)
    assert ends[LONG].keys() == ends[SHORT].keys()
    for name, value in ends[LONG].items():
        assert abs(value - ends[SHORT][name]) <= 10**5, name
    assert ends[LONG]["cover"] > 0 and ends[LONG]["deficit"] > 0


@pytest.mark.parametrize("decimals", [6, 18])
@pytest.mark.parametrize("in_and_out", [lambda unit: 1, lambda unit: 10**9 * unit, lambda unit: 7 * unit + 1])
def test_what_is_paid_in_is_what_can_be_taken_out(
    exchange: Exchange, decimals: int, in_and_out: Callable[[int], int]
) -> None:
    """From a single unit of the token to a billion tokens, exactly."""
    amount = in_and_out(10**decimals)
    actor = exchange.actor("depositor")
    actor.send(exchange.token, "mint", actor.address, amount)
    actor.send(exchange.token, "approve", exchange.clearinghouse.address, amount)
    actor.send(exchange.clearinghouse, "deposit", amount)
    assert actor.equity == amount * 10 ** (18 - decimals)
    assert actor.withdrawable == amount and actor.tokens == 0
    actor.send(exchange.clearinghouse, "withdraw", amount)
    assert actor.tokens == amount and actor.equity == 0
