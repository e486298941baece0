"""Every state-changing function of every contract, by every role: refused to all but those in the table.

The functions come from the ABIs: one that is not entered in `MATRIX` fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from authorisation import ANYONE, MATRIX, World, without_code
from support import LONG
from support.abi import Call, calls, deployable, state_changing

from perpsim.protocol import MAX_UINT, wad


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """On a chain of its own, since code is taken away from callers for the time of a call."""
    yield World()


def test_every_contract_is_in_the_matrix_or_has_nothing_to_call() -> None:
    for name in deployable():
        assert name in MATRIX or not state_changing(name), f"{name} is not in the matrix"


@pytest.mark.parametrize("contract", MATRIX)
def test_every_function_is_in_the_matrix(contract: str) -> None:
    in_abi = {entry.get("name", entry["type"]) for entry in state_changing(contract)}
    assert in_abi == set(MATRIX[contract])


def test_nothing_takes_native_coin() -> None:
    for name in deployable():
        assert all(entry["stateMutability"] != "payable" for entry in state_changing(name))


CALLS = [call for contract in MATRIX for call in calls(contract)]
EVERY_CALL = pytest.mark.parametrize("call", CALLS, ids=lambda call: call.id)


@EVERY_CALL
def test_a_function_opens_for_its_roles_and_no_other(world: World, call: Call) -> None:
    """Refused for who calls: exactly those who are not in the matrix."""
    expected = MATRIX[call.contract][call.function]
    everybody = set(world.others(world.contracts[call.contract]))
    assert world.admitted(call, call.zeros()) == (everybody if expected == ANYONE else expected)


@pytest.mark.parametrize(
    "call",
    [call for call in CALLS if MATRIX[call.contract][call.function] == {"book"}],
    ids=lambda call: call.id,
)
def test_a_book_is_nobody_in_a_market_that_is_not_its_own(world: World, call: Call) -> None:
    """Its gate is the market that it names: neither another market's, nor one that does not exist, opens."""
    place = [name for name, _, _ in call.inputs].index("market")
    for market, opens in ((0, {"book"}), (1, {"book of another market"}), (2, set()), (7, set())):
        args = call.zeros()
        args[place] = market
        assert world.admitted(call, args) == opens


# what anyone may call


def test_what_anyone_may_call_moves_nothing_of_somebody_else(world: World) -> None:
    """Every open function, by every role, aimed at a customer with position, order and stake."""
    exchange = world.exchange
    snapshot = exchange.chain.snapshot()
    vault = exchange.vault
    customer = exchange.actor("customer", deposit=10_000)
    world.people["owner"].send(vault, "set_staking", True)
    customer.mint(100)
    customer.send(exchange.token, "approve", vault.address, MAX_UINT)
    customer.send(vault, "deposit", 50 * 10**6, customer.address)
    customer.send(vault, "request_withdraw", vault.view("balanceOf", customer.address) // 2)
    # half of the stake may be taken out by now
    exchange.wait(14 * 86_400)
    for market in (0, 1):
        world.people["reporter"].send(exchange.oracle, "post", market, wad(10_000), exchange.now)
    exchange.open(LONG, customer, exchange.actor("other side", deposit=10_000), 1, 10_000)
    order = customer.buy(1, 9_000).id
    aimed = {
        "account": customer.account,
        "order_id": order,
        "order_ids": [order],
        "beneficiary": customer.address,
        "amount": 10**6,
        "assets": 10**6,
        "shares": 10**6,
        "owner": customer.address,
        "receiver": world.addresses["stranger"],
        "is_buy": False,
        "price": wad(10_000),
        "size": wad(1),
        "max_size": wad(1),
        "with_deleverage": True,
    }

    def belongings() -> tuple[Any, ...]:
        stake = vault.view("balanceOf", customer.address)
        return customer.health, customer.position(), customer.orders(), customer.tokens, stake

    before = belongings()
    count = 0
    for call in CALLS:
        if MATRIX[call.contract][call.function] != ANYONE:
            continue
        target = world.contracts[call.contract]
        args = call.arguments(exchange, aimed)
        for role in world.others(target):
            count += 1
            sender = world.addresses[role]
            with without_code(exchange.chain, sender):
                target.send(sender, call.function, *args)
            assert belongings() == before, f"{call.name} by {role}"
    assert count > 200
    customer.send(vault, "withdraw", 10**6, customer.address, customer.address)
    assert belongings() != before
    exchange.chain.revert(snapshot)
