"""The collateral re-enters through every function there is, lies, fails or takes fees wherever it is moved.

The token is a customer too, with an account, a position and an order, and it is reporter and guardian.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import BOTH_DECIMALS, LONG, Actor, Sent, fresh
from support.abi import calls, deployable
from support.distress import NO_BREAKER, away, distress_market, fund_vault, positioned

from perpsim.chain import Revert
from perpsim.protocol import MAX_UINT, WAD, Contract, ProtocolParams, wad

RE_ENTER, SAYS_NO, SILENT, FEE, HUGE, REVERT, HUGE_REVERT, SENDER_FEE, LIE, SHORT, DEAF = range(1, 12)
MARKET = distress_market(taker_fee=10**15, vault_share=5_000)


class Hostile:
    """An exchange over the hostile token, with money on its way in every direction."""

    def __init__(self, decimals: int) -> None:
        params = ProtocolParams(decimals=decimals, markets=(MARKET,), vault=NO_BREAKER)
        self.exchange = exchange = fresh(params, hostile=True)
        self.owner, self.token = exchange.owner, exchange.token
        fund_vault(exchange, 50_000)
        self.victim = exchange.actor("victim", deposit=50_000)
        self.keeper = exchange.actor("keeper", deposit=10)
        self.distressed = positioned(exchange, LONG, "distressed", stake=10_100)
        exchange.open(LONG, self.victim, exchange.actor("winner"), 2, 10_000)
        self.itself = Actor(exchange, "token", self.token.address)
        self.owner.send(self.token, "mint", self.token.address, self.units(10_000))
        self.act(self.token, "approve", exchange.clearinghouse.address, MAX_UINT)
        self.act(self.token, "approve", exchange.vault.address, MAX_UINT)
        self.act(exchange.clearinghouse, "deposit", self.units(5_000))
        self.act(exchange.book, "place", True, wad(8_000), wad("0.1"), 0, False, 0)
        self.owner.send(exchange.oracle, "set_reporter", self.token.address, True)
        self.owner.send(exchange.parameters, "set_guardian", self.token.address)
        self.victim.mint(1_000)
        self.owner.send(self.token, "mint", self.owner.address, self.units(1_000))
        self.stake()
        self.order = self.victim.buy(1, 8_500).id
        exchange.actor("bids", deposit=10**6).buy(10, 8_900)
        exchange.move(away(LONG, 700))
        # the second after the price, so that another could be posted
        exchange.wait(1)

    def stake(self) -> None:
        """The victim stakes 200 in the fund, and may take half of it out."""
        exchange, victim = self.exchange, self.victim
        self.owner.send(exchange.vault, "set_staking", True)
        self.owner.send(exchange.vault, "set_withdrawal_times", 3_600, 86_400)
        victim.send(self.token, "approve", exchange.vault.address, MAX_UINT)
        victim.send(exchange.vault, "deposit", self.units(200), victim.address)
        shares = exchange.vault.view("balanceOf", victim.address)
        victim.send(exchange.vault, "request_withdraw", shares // 2)
        exchange.move(10_000, after=3_601)

    def units(self, amount: int) -> int:
        """Token units of whole tokens."""
        return int(amount * 10**self.exchange.params.decimals)

    def act(self, contract: Contract, function: str, *args: Any) -> None:
        """Have the token call something."""
        self.owner.send(self.token, "act", contract.address, contract.encode(function, *args))

    def set(self, mode: int, fee: int = 0) -> None:
        """Tell the token what to do."""
        self.owner.send(self.token, "set_mode", mode, fee)

    def contract(self, name: str) -> Contract | None:
        """The deployed contract of that name."""
        found = (c for c in self.exchange.protocol.contracts if c.name.rstrip("0123456789") == name)
        return next(found, None)

    def aimed(self) -> dict[str, Any]:
        """Arguments by name, aimed at the victim where it matters."""
        exchange, victim = self.exchange, self.victim
        return {
            "account": self.distressed.account,
            "amount": self.units(1),
            "assets": self.units(1),
            "beneficiary": self.token.address,
            "ids": [victim.account],
            "is_buy": False,
            "markets": [0],
            "max_size": MAX_UINT,
            "order_id": self.order,
            "order_ids": [self.order],
            "owner": victim.address,
            "price": exchange.index(),
            "prices": [exchange.index()],
            "receiver": self.token.address,
            "shares": self.units(1),
            "size": wad("0.1"),
            "timestamp": exchange.now,
            "with_deleverage": True,
        }

    def wealth(self) -> int:
        """What the token has as a customer, WAD."""
        return self.itself.equity + self.itself.tokens * self.exchange.unit()


@pytest.fixture(scope="module")
def worlds() -> dict[int, Hostile]:
    """By the decimals of the token; what a test does there is undone."""
    return {decimals: Hostile(decimals) for decimals in (6, 18)}


@pytest.fixture
def hostile(worlds: dict[int, Hostile], decimals: int) -> Iterator[Hostile]:
    with worlds[decimals].exchange.isolated():
        yield worlds[decimals]


#: everything that moves tokens
DOORS: dict[str, Callable[[Hostile], Sent]] = {
    "deposit": lambda h: h.victim.send(h.exchange.clearinghouse, "deposit", h.units(100)),
    "withdraw": lambda h: h.victim.send(h.exchange.clearinghouse, "withdraw", h.units(100)),
    "withdraw to the token": lambda h: h.victim.send(
        h.exchange.clearinghouse, "withdraw", h.units(100), h.token.address
    ),
    "fund": lambda h: h.owner.send(h.exchange.vault, "fund", h.units(100)),
    "stake": lambda h: h.victim.send(h.exchange.vault, "deposit", h.units(100), h.victim.address),
    "claim": lambda h: h.victim.send(
        h.exchange.vault, "withdraw", h.units(50), h.victim.address, h.victim.address
    ),
    "sweep": lambda h: h.keeper.send(h.exchange.clearinghouse, "sweep_fees", 0),
    "treasury": lambda h: h.owner.send(h.exchange.parameters, "collect_treasury", 0, h.owner.address),
    "liquidation": lambda h: h.keeper.liquidate(h.distressed, with_deleverage=True),
}
EVERY_DOOR = pytest.mark.parametrize("door", DOORS)

EVERY_CALL = [call for contract in deployable() for call in calls(contract)]


def rewards(sent: Sent, account: int) -> int:
    """What an account was paid as a keeper, WAD."""
    return sum(event.amount for event in sent.named("RewardPaid") if getattr(event, "account", 0) == account)


@BOTH_DECIMALS
@EVERY_DOOR
def test_re_entry_through_every_function_gains_nothing(hostile: Hostile, door: str) -> None:
    """Whether the lock stops it or it is a call like any other at that moment: books and tokens agree, the
    token is no richer, the victim no poorer."""
    exchange, victim = hostile.exchange, hostile.victim
    with exchange.isolated():
        DOORS[door](hostile)
        fair = victim.equity
    entered = 0
    # what it takes out of its account while cover and reward arrive makes them look smaller: a debt is
    # written down that is none, and the money for it is nobody's
    surplus = 3 * WAD if door == "liquidation" else 10**12
    for call in EVERY_CALL:
        target = hostile.contract(call.contract)
        if target is None:
            continue
        with exchange.isolated():
            arguments = call.arguments(exchange, hostile.aimed())
            payload = target.encode(call.function, *arguments)
            hostile.owner.send(hostile.token, "set_attack", target.address, payload)
            wealth = hostile.wealth()
            hostile.set(RE_ENTER)
            try:
                sent = DOORS[door](hostile)
            except Revert as error:
                assert ": " in error.reason, call.name
                sent = None
            else:
                assert hostile.token.view("attempts") > 0
                entered += hostile.token.view("successes")
            hostile.set(0)
            received = 0 if sent is None else rewards(sent, hostile.itself.account)
            if door == "withdraw to the token" and sent is not None:
                received += 100 * WAD
            assert hostile.wealth() <= wealth + received, call.name
            assert sent is None or victim.equity >= fair, call.name
            exchange.check_invariants(dust=surplus)
            # nothing is left half done or locked
            victim.deposit(1)
            victim.withdraw(1)
    # the locks are one a contract: from a transfer of one, others can be called
    assert entered > 0


@BOTH_DECIMALS
@EVERY_DOOR
def test_the_lock_of_a_contract_that_moves_tokens_is_shut(hostile: Hostile, door: str) -> None:
    """No function of the contract that is at the door, and nothing that reaches it through another."""
    exchange = hostile.exchange
    vault = dict.fromkeys(("fund", "stake", "claim"), "InsuranceVault")
    at_the_door = (vault | {"liquidation": "Liquidator"}).get(door, "Clearinghouse")
    for call in calls(at_the_door):
        target = hostile.contract(at_the_door)
        assert target is not None
        with exchange.isolated():
            payload = target.encode(call.function, *call.arguments(exchange, hostile.aimed()))
            hostile.owner.send(hostile.token, "set_attack", target.address, payload)
            hostile.set(RE_ENTER)
            DOORS[door](hostile)
            assert hostile.token.view("attempts") > 0 == hostile.token.view("successes"), call.name


FAILED = ("token: transfer failed",)
#: where nothing that arrives is booked as nothing
TAKES_IN = ("fund", "stake")
#: in which words each may be refused
WORDS = {
    SAYS_NO: FAILED,
    REVERT: FAILED,
    HUGE_REVERT: FAILED,
    SENDER_FEE: FAILED,
    LIE: (*FAILED, "deposit: nothing received"),
    SHORT: FAILED,
    # its balanceOf is asked without a net
    DEAF: ("reverted without a reason",),
}


@BOTH_DECIMALS
@EVERY_DOOR
@pytest.mark.parametrize(
    "mode",
    [SAYS_NO, SILENT, FEE, HUGE, REVERT, HUGE_REVERT, SENDER_FEE, LIE, SHORT, DEAF],
    ids=["false", "silent", "fee", "huge", "revert", "huge-revert", "sender-fee", "lie", "short", "deaf"],
)
def test_whatever_it_does_for_a_while_everybody_is_paid_afterwards(
    hostile: Hostile, door: str, mode: int
) -> None:
    """The call fails as a whole with words, or what it booked is what arrived; no payout is lost."""
    exchange, victim = hostile.exchange, hostile.victim
    belongs = victim.collateral + victim.tokens * exchange.unit()
    hostile.set(mode, 100)
    try:
        DOORS[door](hostile)
    except Revert as error:
        assert error.reason in WORDS[mode], error
        failed = True
    else:
        assert mode not in (SAYS_NO, REVERT, HUGE_REVERT, SHORT, DEAF, LIE) or door in TAKES_IN
        failed = False
    hostile.set(0)
    exchange.check_invariants(dust=10**12)
    present = victim.collateral + victim.tokens * exchange.unit()
    if "withdraw" in door or door == "deposit":
        fee = WAD if mode == FEE or (mode, door) == (SENDER_FEE, "deposit") else 0
        away_with = 100 * WAD if door == "withdraw to the token" and not failed else 0
        assert present == belongs - away_with - (0 if away_with else fee)
    # the run on the bank
    if door != "liquidation":
        # a liquidation that the fund covers is borne by the stakers
        left = exchange.vault.view("maxRedeem", victim.address)
        paid = victim.send(exchange.vault, "redeem", left, victim.address, victim.address).value
        assert paid >= hostile.units(50 if door == "claim" and not failed else 100) - 2
    for actor in exchange.actors.values():
        actor.cancel_all()
        if actor.withdrawable:
            before, units = actor.tokens, actor.withdrawable
            actor.send(exchange.clearinghouse, "withdraw", units)
            assert actor.tokens - before == units
    exchange.check_invariants(dust=10**12)
