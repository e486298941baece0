"""The collateral re-enters, takes a fee, lies or fails while penalty, cover and reward are on their way."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from support import LONG, SHORT, Actor, Exchange
from support.distress import NO_BREAKER, away, distress_market, positioned

from perpsim.chain import Compiler, Revert, open_chain
from perpsim.protocol import MAX_UINT, Contract, ProtocolParams, deploy, wad

RE_ENTER, FEE = 1, 4
PARAMS = ProtocolParams(decimals=6, markets=(distress_market(),), vault=NO_BREAKER)
START_TIME = 1_700_000_000
BOTH = pytest.mark.parametrize("side", [LONG, SHORT], ids=["long", "short"])


class Hostile:
    """An exchange over a hostile token, which anybody can set up."""

    def __init__(self) -> None:
        chain = open_chain("revm", timestamp=START_TIME)
        compiler = Compiler()
        artifact = compiler.load("HostileToken")
        address = chain.deploy(artifact, 6, sender=chain.account(0).address)
        self.token = Contract(chain, "HostileToken", address, artifact.interface)
        self.exchange = Exchange(deploy(chain, PARAMS, compiler=compiler, token=address))
        self.exchange.protocol.post(0, wad(10_000))

    def set(self, mode: int, fee: int = 0) -> None:
        self.exchange.owner.send(self.token, "set_mode", mode, fee)

    def fund(self, amount: int) -> None:
        owner, exchange = self.exchange.owner, self.exchange
        owner.send(self.token, "mint", owner.address, amount * 10**6)
        owner.send(self.token, "approve", exchange.vault.address, MAX_UINT)
        owner.send(exchange.vault, "fund", amount * 10**6)


@pytest.fixture
def hostile() -> Iterator[Hostile]:
    """A fresh one."""
    yield Hostile()


def in_trouble(exchange: Exchange, side: int) -> Actor:
    """Needs 1,000 of cover: 10 bid at 8,900 (11,100)."""
    loser = positioned(exchange, side)
    exchange.move(away(side, 700))
    exchange.actor("maker", deposit=10**6).order(side, 10, away(side, 1_100))
    return loser


def calls(exchange: Exchange, loser: Actor) -> dict[str, Callable[[], tuple[Contract, bytes]]]:
    """What the token tries in the middle of the transfer."""
    book, liquidator, clearinghouse, vault = (
        exchange.book,
        exchange.liquidator,
        exchange.clearinghouse,
        exchange.vault,
    )
    account = loser.account
    return {
        "liquidate": lambda: (liquidator, liquidator.encode("liquidate", account, 0, MAX_UINT, True)),
        "deleverage": lambda: (liquidator, liquidator.encode("deleverage", account, 0)),
        "repay": lambda: (liquidator, liquidator.encode("repay_bad_debt", 0)),
        "withdraw": lambda: (clearinghouse, clearinghouse.encode("withdraw", 1, loser.address)),
        "deposit": lambda: (clearinghouse, clearinghouse.encode("deposit", 1, loser.address)),
        "sweep": lambda: (clearinghouse, clearinghouse.encode("sweep_fees", 0)),
        "place": lambda: (book, book.encode("place", side_up(loser), wad(9_000), wad(1), 0, False, 0)),
        "cancel": lambda: (book, book.encode("cancel_all")),
        "fund": lambda: (vault, vault.encode("fund", 1)),
        "cover": lambda: (vault, vault.encode("cover", 0, 10**9)),
    }


def side_up(loser: Actor) -> bool:
    """Whether the account is long."""
    return loser.size() > 0


NAMES = (
    "liquidate",
    "deleverage",
    "repay",
    "withdraw",
    "deposit",
    "sweep",
    "place",
    "cancel",
    "fund",
    "cover",
)


@BOTH
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("distance", [800, 1_100])
def test_re_entry_gains_nothing(hostile: Hostile, side: int, name: str, distance: int) -> None:
    """Through penalty (to the vault) and cover (from it): the end is that of an honest token."""
    exchange = hostile.exchange
    hostile.fund(50_000)
    loser = in_trouble(exchange, side)
    if distance != 1_100:
        exchange.actor("maker").order(side, 10, away(side, distance))
    # the token is a customer, too: it has an account and money
    contract, payload = calls(exchange, loser)[name]()
    exchange.owner.send(hostile.token, "mint", hostile.token.address, 10**9)
    exchange.owner.send(hostile.token, "set_attack", contract.address, payload)
    hostile.set(RE_ENTER)
    keeper = exchange.actor("keeper")
    event = keeper.liquidate(loser).event("Liquidated")
    hostile.set(0)
    assert hostile.token.view("attempts") > 0
    assert event.closed == wad(10) and loser.size() == 0
    price = away(side, distance)
    left = 0 if distance == 1_100 else wad(2_000) - wad(10 * price) // 200
    assert loser.collateral == left
    assert keeper.collateral == event.reward == wad(10 * price) // 1_000
    assert exchange.fund == exchange.token.view("balanceOf", exchange.vault.address)
    exchange.check_invariants(dust=0, size_dust=0)


@BOTH
def test_a_fee_on_the_cover_is_a_debt_of_the_market(hostile: Hostile, side: int) -> None:
    """1 % of the cover of 1,000 and of the reward is lost on the way: written down, not invented."""
    exchange = hostile.exchange
    hostile.fund(50_000)
    loser = in_trouble(exchange, side)
    hostile.set(FEE, 100)
    event = exchange.actor("keeper").liquidate(loser).event("Liquidated")
    assert loser.collateral == loser.size() == 0 and event.cover == wad(1_000)
    assert exchange.clearinghouse.view("unpaid", 0) == wad(10)
    ledger = exchange.liquidator.view("bad_debt", 0)
    assert ledger.deficit == ledger.covered + ledger.socialised + ledger.treasury + ledger.unpaid
    hostile.set(0)
    exchange.check_invariants(dust=0, size_dust=0)
    exchange.owner.send(exchange.liquidator, "repay_bad_debt", 0)
    assert exchange.clearinghouse.view("unpaid", 0) == 0
    exchange.check_invariants(dust=0, size_dust=0)


@BOTH
@pytest.mark.parametrize("mode", [3, 5])
def test_odd_but_honest_tokens_work(hostile: Hostile, side: int, mode: int) -> None:
    """Those that return nothing, or a megabyte that begins with True."""
    exchange = hostile.exchange
    hostile.fund(50_000)
    loser = in_trouble(exchange, side)
    hostile.set(mode)
    assert exchange.actor("keeper").liquidate(loser).event("Liquidated").cover == wad(1_000)
    hostile.set(0)
    exchange.check_invariants(dust=0, size_dust=0)


@BOTH
@pytest.mark.parametrize("mode", [2, 6, 7, 9, 10])
def test_a_token_that_fails_leaves_everything_as_it_was(hostile: Hostile, side: int, mode: int) -> None:
    """False, revert, a megabyte of revert, a lie, a byte: the call fails as a whole, or moves no money at
    all."""
    exchange = hostile.exchange
    hostile.fund(50_000)
    loser = in_trouble(exchange, side)
    before = loser.equity, loser.size(), exchange.fund
    hostile.set(mode)
    keeper = exchange.actor("keeper")
    try:
        keeper.liquidate(loser)
    except Revert as error:
        assert error.reason == "token: transfer failed"
        hostile.set(0)
        assert (loser.equity, loser.size(), exchange.fund) == before
    hostile.set(0)
    exchange.check_invariants(dust=0, size_dust=0)
    if loser.size():
        assert keeper.liquidate(loser).value == wad(10)
