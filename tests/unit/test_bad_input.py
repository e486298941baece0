"""Bad input through every external function of the ABIs: hostile values, alone and together.

A call either works and leaves the exchange sound, or reverts with words. Without words only the ABI decoder
may refuse (a value that its type cannot hold), and what `WORDLESS` admits.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from authorisation import ANYONE, MATRIX, REFUSALS
from support import COMPILER, LONG, SHORT, Actor, Exchange, deployed
from support.abi import Call, calls, deployable, views, zero
from support.distress import away, distress_market, fund_vault, positioned
from support.exchange import DUST
from support.lists import by_list, planned

from perpsim.deleveraging.packing import pack_ids
from perpsim.protocol import MAX_UINT, WAD, Contract, ProtocolParams, deploy_keeper_batch, wad

#: bounds of the fields that values are packed into, as they are and as multiples of any tick and lot
BOUNDS = (2**32, 2**64, 2**88, 2**95, 2**96, 2**127, 2**128, 2**160, 2**255 - 1, 2**255, MAX_UINT)
UINTS = (0, 1, 2, 7, 8, 255, *BOUNDS, *(bound // WAD * WAD for bound in BOUNDS[2:]))
INTS = (0, 1, -1, 8, 2**95, 2**127, -(2**127), 2**254, 2**255 - 1, -(2**255))
ZERO = "0x" + "00" * 20
#: longer than some bounds of lists in the contracts, and than all: beyond its bound the ABI decoder refuses
LONG_LIST, TOO_LONG = 33, 5_000
#: combinations of hostile values that each function is called with
MIXES = 10

#: arguments whose bad values are refused without words: an array's or a loop's bound, a conversion. It may
#: only shrink: an entry that is not needed fails.
WORDLESS = {
    "Clearinghouse.withdraw": {"amount"},
    "Clearinghouse.sweep_fees": {"market"},
    "Clearinghouse.tiers": {"arg0", "arg1"},
    "Clearinghouse.margin_requirement": {"notional"},
    "Clearinghouse.market_words": {"market"},
    "Clearinghouse.book_of": {"market"},
    "Clearinghouse.fees": {"market"},
    "Clearinghouse.may_rest": {"market", "size"},
    "Clearinghouse.standing": {"market"},
    "Clearinghouse.unpaid": {"arg0"},
    "InsuranceVault.convertToShares": {"assets"},
    "InsuranceVault.convertToAssets": {"shares"},
    "InsuranceVault.previewDeposit": {"assets"},
    "InsuranceVault.previewMint": {"shares"},
    "InsuranceVault.previewWithdraw": {"assets"},
    "InsuranceVault.previewRedeem": {"shares"},
    "Lens.market": {"market"},
    "Lens.accounts": {"count"},
    "KeeperBatch.withdraw": {"amount"},
    "Liquidator.repay_bad_debt": {"market"},
    "Liquidator.set_params": {"market"},
    "Liquidator.params": {"market"},
    "Liquidator.bad_debt": {"arg0"},
    "OrderBook.depth": {"count"},
    "Parameters.add_market": {"book", "terms", "funding"},
    "Parameters.set_terms": {"terms"},
    "Parameters.set_funding_terms": {"terms"},
    "Parameters.books": {"arg0"},
}
#: what good arguments cannot do either, being done or not offered
OUT_OF_TIME = {
    "InsuranceVault.accept_ownership",
    "KeeperBatch.accept_ownership",
    "Liquidator.accept_ownership",
    "Parameters.accept_ownership",
    "PriceOracle.accept_ownership",
    "InsuranceVault.set_core",
    "InsuranceVault.set_isolated",
    "InsuranceVault.cancel_withdraw",
    "InsuranceVault.fund_market",
    # nobody joins while a market is frozen
    "InsuranceVault.deposit",
    "InsuranceVault.mint",
    "Liquidator.end_list",
}
#: pure rules, which believe the contract that asks them
TRUSTING = ("Pricing.renewed", "policies")

#: markets by what is going on in them: somebody bankrupt who needs a list, an open list, a complete one
BY_LIST, OPEN, COMPLETE = 1, 2, 3
PARAMS = ProtocolParams(
    markets=(
        distress_market(taker_fee=10**15, vault_share=5_000),
        distress_market(maker_fee=10**14),
        distress_market(),
        distress_market(),
    )
)


def every(functions: Any) -> list[Any]:
    """The calls of all contracts but the trusting rules."""
    return [
        pytest.param(call, id=call.id)
        for contract in deployable()
        for call in functions(contract)
        if call.name not in TRUSTING and COMPILER.path(call.contract).parent.name not in TRUSTING
    ]


EVERY_CALL = pytest.mark.parametrize("call", every(calls))
EVERY_VIEW = pytest.mark.parametrize("call", every(views))


class Scene:
    """An exchange in the middle of its life: positions, orders, fees, a fund, somebody bankrupt."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        fund_vault(exchange, 100)
        self.user = exchange.actor("user", deposit=5_000)
        other = exchange.actor("other", deposit=10**6)
        exchange.open(LONG, self.user, other, "0.5", 10_000)
        exchange.open(SHORT, self.user, other, "0.5", 10_000, market=1)
        self.order = self.user.buy("0.1", 8_000).id
        self.distressed = positioned(exchange, LONG, "distressed", stake=10_100)
        self.bankrupt = positioned(exchange, LONG, "bankrupt", stake="5060", size=5)
        exchange.quote(other, "8_950", "9_600", 1)
        exchange.move(away(LONG, 1_005))
        self.distressed.deposit(500)
        self.losers = {market: self.fallen(market) for market in (BY_LIST, OPEN, COMPLETE)}
        self.lists = {market: planned(exchange, loser, "queue-bitmex", market)[0]
                      for market, loser in self.losers.items()}  # fmt: skip
        self.user.mint(100)
        self.batch = deploy_keeper_batch(exchange.protocol, exchange.owner.address)
        self.user.send(exchange.clearinghouse, "deposit", 10 * 10**6, self.batch.address)
        self.user.send(exchange.token, "approve", exchange.vault.address, MAX_UINT)
        exchange.owner.send(exchange.vault, "set_staking", True)
        self.user.send(exchange.vault, "deposit", 50 * 10**6, self.user.address)
        self.user.send(exchange.vault, "approve", self.user.address, MAX_UINT)
        for market in (OPEN, COMPLETE):
            self.user.send(exchange.liquidator, "open_list", self.losers[market].account, market)
        complete = self.lists[COMPLETE]
        self.user.send(exchange.liquidator, "hand_in", COMPLETE, complete, [0] * len(complete))
        exchange.wait(1)
        grid = [wad("0.001")] * 3
        peers = (exchange.clearinghouse.address, exchange.liquidator.address)
        book = COMPILER.load("OrderBook")
        self.next_book = exchange.chain.deploy(book, *peers, 4, *grid, 32, sender=exchange.owner.address)

    def fallen(self, market: int) -> Actor:
        """Somebody bankrupt in a market that shares out by list."""
        exchange = self.exchange
        by_list(exchange, "queue-bitmex", market)
        loser = positioned(
            exchange, LONG, f"loser {market}", size=1, stake=1_010, against=f"winner {market}", market=market
        )
        exchange.owner.send(exchange.oracle, "post", market, wad(away(LONG, 1_200)), exchange.now)
        return loser

    def contract(self, name: str) -> Contract:
        """The deployed contract (of the books the first); a rule is deployed on demand."""
        exchange = self.exchange
        for contract in (*exchange.protocol.contracts, self.batch):
            if contract.name.rstrip("0123456789") == name:
                return contract
        rule = COMPILER.load(name)
        address = exchange.chain.deploy(rule, sender=exchange.owner.address)
        return Contract(exchange.chain, name, address, rule.interface)

    def caller(self, call: Call) -> Actor:
        """Who may call it; somebody who may not, where only a contract may."""
        allowed = MATRIX.get(call.contract, {}).get(call.function, ANYONE)
        if allowed != ANYONE and allowed & {"owner", "reporter"}:
            return self.exchange.owner
        return self.user

    def arguments(self, call: Call) -> list[Any]:
        """Values that make sense, by the names of the arguments."""
        exchange, user = self.exchange, self.user
        places = {
            "deleverage_by_list": BY_LIST,
            "open_list": BY_LIST,
            "rank": BY_LIST,
            "hand_in": OPEN,
            "execute_list": COMPLETE,
        }
        market = places.get(call.function, 0)
        victims = {
            "liquidate": self.distressed,
            "deleverage": self.bankrupt,
            "deleverage_by_list": self.losers[BY_LIST],
            "open_list": self.losers[BY_LIST],
            "report": self.bankrupt,
        }
        accounts = self.lists.get(market, [])
        # there is nothing to claim yet
        claims = call.function in ("withdraw", "redeem") and call.contract == "InsuranceVault"
        known = {
            "account": victims.get(call.function, user).account,
            "accounts": accounts if call.function == "hand_in" else pack_ids(accounts),
            "hints": [0] * len(accounts),
            "market": market,
            "amount": 10**6,
            "assets": 0 if claims else 10**6,
            "beneficiary": user.address,
            "book": self.next_book,
            "cap": 10**9,
            "cooldown": 3_600,
            "count": 3,
            "first": 1,
            "gas_each": 10**6,
            "ids": [1, 2],
            "markets": [0],
            "max_age": 60,
            "max_size": wad(1),
            "n": 3,
            "order_id": self.order,
            "order_ids": [self.order],
            "owner": user.address,
            "price": wad(9_000),
            "prices": [wad(9_000)],
            "receiver": user.address,
            "shares": 0 if claims else 10**6,
            "resume": wad("0.25"),
            "size": wad(1),
            "targets": [(self.distressed.account, 0, False)],
            "timestamp": exchange.now,
            "trip": wad("0.3"),
            "window": 3_600,
        }
        return call.arguments(exchange, known)

    def hostile(self, sane: Any, kind: str, components: Any) -> list[Any]:
        """Values that somebody might try."""
        if kind.endswith("[]"):
            item = sane[0] if sane else zero(kind[:-2], components)
            bad = [[value] for value in self.hostile(item, kind[:-2], components)]
            return [[], [item] * 2, [item] * LONG_LIST, [item] * TOO_LONG, *bad]
        if kind == "tuple":
            return [
                (*sane[:i], value, *sane[i + 1 :])
                for i, part in enumerate(components)
                for value in self.hostile(sane[i], part["type"], part.get("components", ()))
            ]
        if kind.startswith("uint"):
            return [value for value in UINTS if value < 2 ** int(kind[4:])]
        if kind.startswith("int"):
            return list(INTS)
        if kind == "address":
            exchange = self.exchange
            contracts = (exchange.clearinghouse, exchange.vault, exchange.book, exchange.token)
            return [ZERO, "0x" + "ff" * 20, self.user.address, *(c.address for c in contracts)]
        return [False, True] if kind == "bool" else [zero(kind, components)]

    def wealth(self) -> tuple[int, int]:
        """Tokens in clearinghouse and vault that are nobody's: rounding and donations (WAD, token units)."""
        exchange = self.exchange
        surplus = exchange.token.view("balanceOf", exchange.vault.address) - exchange.fund
        return exchange.ledger().gap, surplus

    def check(self, before: tuple[int, int], args: list[Any]) -> None:
        """Nothing is lost, nothing made; money that is sent to clearinghouse or vault is a gift."""
        exchange = self.exchange
        gift = exchange.clearinghouse.address in args or exchange.vault.address in args
        exchange.check_invariants(dust=wad(5_000) if gift else DUST)
        gap, surplus = self.wealth()
        assert (
            (gap - before[0] >= -1_000 and surplus >= before[1])
            if gift
            else (abs(gap - before[0]) <= 1_000 and surplus == before[1])
        )

    def goes_on(self) -> None:
        """Whatever was accepted: customers still get in and out, and it does not stop a keeper."""
        exchange, user = self.exchange, self.user
        exchange.wait(30)
        for market in (0, 1):
            price = exchange.index(market)
            exchange.oracle.send(exchange.owner.address, "post", market, price, exchange.now)
        user.deposit(1)
        if self.order in user.orders():
            user.cancel(self.order)
        exchange.poke()
        for victim in (self.distressed, self.bankrupt):
            keeping = exchange.liquidator.send(user.address, "liquidate", victim.account, 0, MAX_UINT, True)
            assert keeping.ok or keeping.reason.startswith("liquidate: "), keeping.reason


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    """One for all; every call is undone."""
    with deployed(PARAMS) as exchange:
        yield Scene(exchange)


def attempts(scene: Scene, call: Call) -> Iterator[tuple[set[str], list[Any]]]:
    """Names of the arguments that are bad, and all arguments: each alone, then several at once."""
    sane = scene.arguments(call)
    bad = [scene.hostile(value, *part[1:]) for value, part in zip(sane, call.inputs)]
    names = [name for name, _, _ in call.inputs]
    yield set(), sane
    for i, values in enumerate(bad):
        for value in values:
            yield {names[i]}, [*sane[:i], value, *sane[i + 1 :]]
    draw = random.Random(call.name)
    for _ in range(MIXES if len(sane) > 1 else 0):
        chosen = draw.sample(range(len(sane)), draw.randint(2, len(sane)))
        args = [draw.choice(bad[i]) if i in chosen else value for i, value in enumerate(sane)]
        yield {names[i] for i in chosen}, args


def longest(args: list[Any]) -> int:
    """Items of the longest list."""
    return max((len(value) for value in args if isinstance(value, list)), default=0)


@EVERY_CALL
def test_bad_input_changes_nothing_or_nothing_for_the_worse(scene: Scene, call: Call) -> None:
    exchange, contract, caller = scene.exchange, scene.contract(call.contract), scene.caller(call)
    open_to_caller = MATRIX[call.contract][call.function]
    admitted = open_to_caller == ANYONE or bool(open_to_caller & {"owner", "reporter"})
    before = scene.wealth()
    for bad, args in attempts(scene, call):
        with exchange.isolated():
            receipt = contract.send(caller.address, call.function, *args)
            if not bad and call.name not in OUT_OF_TIME:
                assert receipt.ok == admitted, receipt.reason
            if receipt.ok:
                assert admitted and longest(args) < TOO_LONG
                scene.check(before, args)
                scene.goes_on()
            elif admitted and not receipt.output:
                excused = longest(args) >= LONG_LIST or bad & WORDLESS.get(call.name, set())
                assert excused, f"{call.name}{args!r:.300} reverts without a word"
            elif admitted:
                assert ": " in receipt.reason, receipt.reason
            else:
                assert not receipt.output or receipt.reason in REFUSALS


@EVERY_VIEW
def test_a_bad_question_is_answered_or_refused_with_words(scene: Scene, call: Call) -> None:
    contract = scene.contract(call.contract)
    for bad, args in attempts(scene, call):
        receipt = contract.send(scene.user.address, call.function, *args)
        assert receipt.logs == []
        if not receipt.ok and not receipt.output:
            excused = longest(args) >= LONG_LIST or bad & WORDLESS.get(call.name, set())
            assert excused, f"{call.name}{args!r:.300} reverts without a word"


@pytest.mark.parametrize("call", [c for c in every(calls) + every(views) if c.values[0].name in WORDLESS])
def test_no_more_is_excused_than_needs_it(scene: Scene, call: Call) -> None:
    contract, caller = scene.contract(call.contract), scene.caller(call)
    needed = set()
    for bad, args in attempts(scene, call):
        if len(bad) == 1 and longest(args) < LONG_LIST:
            with scene.exchange.isolated():
                receipt = contract.send(caller.address, call.function, *args)
            if not receipt.ok and not receipt.output:
                needed |= bad
    named = {name for name, _, _ in call.inputs}
    assert needed == WORDLESS[call.name] & named


def test_who_is_excused_exists() -> None:
    assert WORDLESS.keys() <= {c.values[0].name for c in every(calls) + every(views)}


def lists(call: Call) -> bool:
    """Whether an argument is a list."""
    return any(kind.endswith("[]") for _, kind, _ in call.inputs)


def malformed(call: Call, data: bytes) -> Iterator[bytes]:
    """Calldata that no encoder makes: cut short, words beyond their type, lists that lie elsewhere."""
    if call.inputs:
        yield data[:4]
        # a list that is cut short, or lies beyond the end, reads as the empty one
        yield data[: 4 + 32 * len(call.inputs)] if lists(call) else data[:-1]
    for i, (_, kind, _) in enumerate(call.inputs):
        at = 4 + 32 * i
        if any(k == "tuple" for _, k, _ in call.inputs[:i]):
            break
        if kind in ("address", "bool"):
            yield data[:at] + b"\1" + data[at + 1 :]
            yield data[:at] + b"\xff" * 32 + data[at + 32 :]
        elif kind.endswith("[]"):
            yield data[:at] + (len(data) + 2**200).to_bytes(32, "big") + data[at + 32 :]


@EVERY_CALL
def test_malformed_calldata_is_refused(scene: Scene, call: Call) -> None:
    contract, caller = scene.contract(call.contract), scene.caller(call)
    data = contract.encode(call.function, *scene.arguments(call))
    before = scene.wealth()
    for bad in malformed(call, data):
        with scene.exchange.isolated():
            receipt = scene.exchange.chain.execute(caller.address, contract.address, bad)
            if receipt.ok:
                # it was read as a list of none
                assert lists(call), bad.hex()
                scene.check(before, [])


@pytest.mark.parametrize("contract", deployable())
def test_what_no_function_answers_is_refused(scene: Scene, contract: str) -> None:
    for data in (b"", b"\0", b"\xde\xad\xbe\xef", bytes(4), b"\xff" * 100):
        receipt = scene.exchange.chain.execute(scene.user.address, scene.contract(contract).address, data)
        assert not receipt.ok


# accounts that do not exist


def test_an_account_that_does_not_exist_has_nothing(scene: Scene) -> None:
    """Not even one whose number ends in the same bits as a customer's."""
    exchange, account = scene.exchange, scene.user.account
    count = exchange.accounts[-1]
    for number in (0, count + 1, 2**32 + account, 2**128 + account, 2**253 + account, MAX_UINT):
        assert tuple(exchange.clearinghouse.view("health", number)) == (0, 0, 0)
        assert exchange.clearinghouse.view("collateral", number) == 0
        assert exchange.clearinghouse.view("withdrawable", number) == 0
        assert exchange.clearinghouse.view("deficit", number) == 0
        assert exchange.clearinghouse.view("owner_of", number) == ZERO
        assert exchange.lens.view("positions", number) == []
        for market in (0, 1):
            assert tuple(exchange.clearinghouse.view("position", number, market)) == (0, 0, 0)
            assert exchange.liquidator.view("closable", number, market) == 0
            assert not exchange.clearinghouse.view("standing", number, market).held
