"""Who may call what: every state-changing function of every contract, by every role.

The functions come from the ABIs: one that is not entered in `MATRIX` fails the test. Roles are people and the
contracts of the exchange themselves, in whose name calls are made.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pyrevm import AccountInfo
from support import COMPILER, LONG, Actor, fresh, plain_market

from perpsim.protocol import Contract, ProtocolParams, wad

#: anyone may call it: it moves nothing but what is the caller's own, or what the state of an account permits
ANYONE = "anyone"

OWNABLE = {
    "transfer_ownership": {"owner"},
    "accept_ownership": {"pending owner"},
}

MATRIX: dict[str, dict[str, Any]] = {
    "Clearinghouse": {
        "deposit": ANYONE,
        "withdraw": ANYONE,
        "poke": ANYONE,
        "sweep_fees": ANYONE,
        "settle": {"book"},
        "liquidation_fill": {"book"},
        "deleverage_by_index": {"liquidator"},
        "resolve_deficit": {"liquidator"},
        "change_unpaid": {"liquidator"},
        "distribute": {"liquidator"},
        "sweep_fees_for_cover": {"liquidator"},
        "update_index": {"oracle"},
        "set_word": {"parameters"},
        "collect_treasury": {"parameters"},
        "wire": {"deployer"},
    },
    "OrderBook": {
        "place": ANYONE,
        "cancel": ANYONE,
        "cancel_many": ANYONE,
        "cancel_all": ANYONE,
        "liquidate": {"liquidator"},
    },
    "Liquidator": OWNABLE | {
        "liquidate": ANYONE,
        "deleverage": ANYONE,
        "repay_bad_debt": ANYONE,
        "set_params": {"owner"},
    },
    "InsuranceVault": OWNABLE | {
        "fund": ANYONE,
        "book_inflow": {"clearinghouse"},
        "cover": {"liquidator"},
        "repay": {"liquidator"},
        "reward": {"liquidator"},
        "set_core": {"owner"},
        "set_cap": {"owner"},
        "set_breaker": {"owner"},
    },
    "PriceOracle": OWNABLE | {
        "post": {"reporter"},
        "post_many": {"reporter"},
        "set_reporter": {"owner"},
        "set_max_age": {"owner"},
        "set_max_move": {"owner"},
    },
    "Parameters": OWNABLE | {
        "set_guardian": {"owner"},
        "add_market": {"owner"},
        "set_terms": {"owner"},
        "set_funding_terms": {"owner"},
        "set_margin_tiers": {"owner"},
        "set_open_interest_cap": {"owner"},
        "set_close_only": {"owner", "guardian"},
        "collect_treasury": {"owner"},
    },
    "Pricing": {},
    "Lens": {},
}  # fmt: skip

#: the words in which a call is refused because of who makes it
REFUSALS = {
    "access: not owner",
    "access: not owner or guardian",
    "access: not pending owner",
    "book: not the liquidator",
    "clearinghouse: not authorised",
    "clearinghouse: not the book",
    "oracle: not reporter",
    "vault: not clearinghouse",
    "vault: not liquidator",
}

PEOPLE = ("owner", "pending owner", "guardian", "reporter", "deployer", "user", "stranger")
CONTRACTS = (
    "book",
    "book of another market",
    "clearinghouse",
    "lens",
    "liquidator",
    "oracle",
    "parameters",
    "pricing",
    "token",
    "vault",
)
ROLES = PEOPLE + CONTRACTS


def state_changing(contract: str) -> list[dict[str, Any]]:
    """ABI entries of a contract's functions that may change state; one for each number of arguments."""
    changing = ("nonpayable", "payable")
    return [
        entry
        for entry in COMPILER.load(contract).abi
        if entry["type"] in ("function", "fallback", "receive") and entry["stateMutability"] in changing
    ]


def zero(kind: str, components: Any = ()) -> Any:
    """A value of an ABI type that is all zero."""
    if kind.endswith("]"):
        return []
    if kind == "tuple":
        return tuple(zero(part["type"], part.get("components", ())) for part in components)
    return {"address": "0x" + "00" * 20, "bool": False}.get(kind, 0)


def zeros(entry: dict[str, Any]) -> list[Any]:
    """Arguments that are all zero."""
    return [zero(part["type"], part.get("components", ())) for part in entry["inputs"]]


@contextmanager
def without_code(chain: Any, address: str) -> Iterator[None]:
    """For the time of a call: the EVM takes no transaction from a sender that has code."""
    evm = chain._evm
    info, code = evm.basic(address), evm.get_code(address)
    if code is None:
        yield
        return
    evm.insert_account_info(address, AccountInfo(nonce=info.nonce, code=b""))
    try:
        yield
    finally:
        whole = AccountInfo(balance=info.balance, nonce=info.nonce, code_hash=info.code_hash, code=code)
        evm.insert_account_info(address, whole)


class World:
    """An exchange with two markets whose roles are all different, and calls in the name of each."""

    def __init__(self) -> None:
        self.exchange = exchange = fresh(ProtocolParams(markets=(plain_market(), plain_market())))
        people = {role: exchange.actor(role) for role in PEOPLE if role != "deployer"}
        self.people: dict[str, Actor] = people | {"deployer": exchange.owner}
        people["user"].deposit(1_000)
        deployer = exchange.owner
        deployer.send(exchange.oracle, "set_reporter", people["reporter"].address, True)
        deployer.send(exchange.oracle, "set_reporter", deployer.address, False)
        deployer.send(exchange.parameters, "set_guardian", people["guardian"].address)
        for contract in self.contracts.values():
            if "transfer_ownership" in contract.interface.functions:
                deployer.send(contract, "transfer_ownership", people["owner"].address)
                people["owner"].send(contract, "accept_ownership")
                people["owner"].send(contract, "transfer_ownership", people["pending owner"].address)
        self.addresses = {role: actor.address for role, actor in self.people.items()}
        peers = {name.lower(): contract.address for name, contract in self.contracts.items()}
        self.addresses |= {
            "book": exchange.books[0].address,
            "book of another market": exchange.books[1].address,
            "token": exchange.token.address,
            "oracle": peers["priceoracle"],
            "vault": peers["insurancevault"],
            **{
                name: peers[name] for name in ("clearinghouse", "lens", "liquidator", "parameters", "pricing")
            },
        }

    @property
    def contracts(self) -> dict[str, Contract]:
        """Deployed contracts by the name of their source; of the books the first."""
        found = {c.name: c for c in self.exchange.protocol.contracts if c.name != "Stablecoin"}
        found.pop("OrderBook1")
        return {name.rstrip("0"): contract for name, contract in found.items()}

    def others(self, contract: Contract) -> list[str]:
        """Roles of everybody but the contract itself, which without its code could not answer."""
        return [role for role in ROLES if self.addresses[role] != contract.address]

    def admitted(self, contract: Contract, entry: dict[str, Any], args: list[Any]) -> set[str]:
        """Roles that are not refused for who they are."""
        calls = {role: self.call(role, contract, entry, args) for role in self.others(contract)}
        return {role for role, reason in calls.items() if reason not in REFUSALS}

    def call(self, role: str, contract: Contract, entry: dict[str, Any], args: list[Any]) -> str:
        """Why the call is refused, "" if it is not; nothing stays of it."""
        chain, sender = self.exchange.chain, self.addresses[role]
        call = contract.interface.functions[entry["name"]]
        snapshot = chain.snapshot()
        with without_code(chain, sender):
            receipt = chain.execute(sender, contract.address, call.encode(*args))
        chain.revert(snapshot)
        return str(receipt.reason)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """On a chain of its own, since code is taken away from callers for the time of a call."""
    yield World()


# the matrix


def deployable() -> list[str]:
    """Contracts of the exchange: not what stands in for tokens."""
    mocks = COMPILER.contracts / "mocks"
    return [name for name in COMPILER.names() if mocks not in COMPILER.path(name).parents]


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


FUNCTIONS = [
    pytest.param(contract, entry, id=f"{contract}.{entry['name']}-{len(entry['inputs'])}")
    for contract in MATRIX
    for entry in state_changing(contract)
    if entry.get("name") in MATRIX[contract]
]


@pytest.mark.parametrize("contract, entry", FUNCTIONS)
def test_a_function_opens_for_its_roles_and_no_other(
    world: World, contract: str, entry: dict[str, Any]
) -> None:
    """Refused for who calls: exactly those who are not in the matrix."""
    expected = MATRIX[contract][entry["name"]]
    target = world.contracts[contract]
    everybody = set(world.others(target))
    assert world.admitted(target, entry, zeros(entry)) == (everybody if expected == ANYONE else expected)


@pytest.mark.parametrize("contract, entry", FUNCTIONS)
def test_a_book_is_nobody_in_a_market_that_is_not_its_own(
    world: World, contract: str, entry: dict[str, Any]
) -> None:
    """Its gate is the market that it names: neither another market's, nor one that does not exist, opens."""
    if MATRIX[contract][entry["name"]] != {"book"}:
        return
    place = [part["name"] for part in entry["inputs"]].index("market")
    for market, opens in ((0, "book"), (1, "book of another market"), (2, None), (7, None)):
        args = zeros(entry)
        args[place] = market
        assert world.admitted(world.contracts[contract], entry, args) == ({opens} if opens else set())


# what anyone may call


def test_what_anyone_may_call_moves_nothing_of_somebody_else(world: World) -> None:
    """Every open function, by every role, aimed at a customer in good health who has a position and an order."""
    exchange = world.exchange
    snapshot = exchange.chain.snapshot()
    customer = exchange.actor("customer", deposit=10_000)
    exchange.open(LONG, customer, exchange.actor("other side", deposit=10_000), 1, 10_000)
    order = customer.buy(1, 9_000).id
    aimed = {
        "account": customer.account,
        "order_id": order,
        "order_ids": [order],
        "beneficiary": customer.address,
        "amount": 10**6,
        "is_buy": False,
        "price": wad(10_000),
        "size": wad(1),
        "max_size": wad(1),
        "with_deleverage": True,
    }

    def belongings() -> tuple[Any, ...]:
        return (customer.health, customer.position(), customer.collateral, customer.orders(), customer.tokens)

    before = belongings()
    calls = 0
    for contract, functions in MATRIX.items():
        for entry in state_changing(contract):
            if functions[entry["name"]] != ANYONE:
                continue
            args = [aimed.get(part["name"], given) for part, given in zip(entry["inputs"], zeros(entry))]
            target = world.contracts[contract]
            for role in world.others(target):
                calls += 1
                sender = world.addresses[role]
                with without_code(exchange.chain, sender):
                    target.send(sender, entry["name"], *args)
                assert belongings() == before, f"{contract}.{entry['name']} by {role}"
    exchange.chain.revert(snapshot)
    assert calls > 200
