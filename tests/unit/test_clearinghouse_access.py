"""Who may call what: everything that changes state and is not for anyone is refused to everyone else."""

from __future__ import annotations

import pytest
from support import COMPILER, LONG, PLAIN

from perpsim.chain import Revert
from perpsim.protocol import Contract, wad

pytestmark = PLAIN

#: what anyone may call; the rest of a contract's state-changing functions must have a gate
OPEN = {
    "Clearinghouse": {"deposit", "withdraw", "poke", "sweep_fees"},
    "OrderBook": {"place", "cancel", "cancel_many", "cancel_all"},
    "Parameters": set(),
    "Liquidator": {
        "liquidate",
        "deleverage",
        "deleverage_by_list",
        "open_list",
        "hand_in",
        "execute_list",
        "end_list",
        "repay_bad_debt",
    },
    "PriceOracle": set(),
    "InsuranceVault": {
        "fund",
        "fund_market",
        "deposit",
        "mint",
        "request_withdraw",
        "cancel_withdraw",
        "withdraw",
        "redeem",
        "transfer",
        "transferFrom",
        "approve",
        "report",
        "report_market",
    },
}
GATES = {
    "clearinghouse: not authorised",
    "book: not the liquidator",
    "access: not owner",
    "access: not owner or guardian",
    "access: not pending owner",
    "oracle: not reporter",
    "vault: not clearinghouse",
    "vault: not liquidator",
}


def gated_functions():
    for name, open_functions in OPEN.items():
        for entry in COMPILER.load(name).abi:
            changes = entry["type"] == "function" and entry["stateMutability"] in ("nonpayable", "payable")
            if changes and entry["name"] not in open_functions:
                yield name, entry


def zero(kind, components=()):
    """A value of an ABI type that is all zero."""
    if kind.endswith("]"):
        return []
    if kind.startswith("tuple"):
        return tuple(zero(part["type"], part.get("components", ())) for part in components)
    return {"address": "0x" + "00" * 20, "bool": False}.get(kind, 0)


def contract_of(exchange, name):
    return next(c for c in exchange.protocol.contracts if c.name.rstrip("0123456789") == name)


@pytest.mark.parametrize(
    "name, entry", list(gated_functions()), ids=lambda x: x if isinstance(x, str) else x["name"]
)
def test_a_gated_function_is_refused_to_strangers_and_customers(exchange, trader, stranger, name, entry):
    contract = contract_of(exchange, name)
    arguments = [zero(i["type"], i.get("components", ())) for i in entry["inputs"]]
    for caller in (stranger, trader):
        with pytest.raises(Revert) as refused:
            caller.send(contract, entry["name"], *arguments)
        assert refused.value.reason in GATES


CORE = ("settle", "liquidation_fill", "update_index", "set_word", "wire", "collect_treasury")


@pytest.mark.parametrize(
    "name, entry",
    [(n, e) for n, e in gated_functions() if n in ("Clearinghouse", "OrderBook")],
    ids=lambda x: x if isinstance(x, str) else x["name"],
)
def test_the_owner_is_a_stranger_to_the_core(exchange, name, entry):
    """The owner steers parameters, not positions."""
    arguments = [zero(i["type"], i.get("components", ())) for i in entry["inputs"]]
    with pytest.raises(Revert) as refused:
        exchange.owner.send(contract_of(exchange, name), entry["name"], *arguments)
    assert refused.value.reason in GATES | {"wire: done"}


def test_the_gates_are_all_found():
    found = {entry["name"] for name, entry in gated_functions() if name == "Clearinghouse"}
    assert found >= set(CORE)


ALLOWED = {
    "parameters": {"set_word", "collect_treasury"},
    "oracle": {"update_index"},
    "liquidator": {
        "deleverage",
        "set_frozen",
        "resolve_deficit",
        "change_unpaid",
        "distribute",
        "sweep_fees_for_cover",
    },
    "book": {"settle", "liquidation_fill"},
    "book of another market": set(),
    "deployer": {"wire"},
    "vault": set(),
}


@pytest.fixture
def wired_to_people(exchange):
    """A clearinghouse whose peers are people, so that each can be asked to call everything."""
    people = {role: exchange.actor(role) for role in ALLOWED}
    deployer = people["deployer"].address
    artifact = COMPILER.load("Clearinghouse")
    address = exchange.chain.deploy(
        artifact,
        exchange.token.address,
        people["vault"].address,
        exchange.pricing.address,
        sender=deployer,
    )
    clearinghouse = Contract(exchange.chain, "Clearinghouse", address, artifact.interface)
    peers = [people[role].address for role in ("parameters", "oracle", "liquidator")]
    people["deployer"].send(clearinghouse, "wire", *peers)
    for market, role in enumerate(("book", "book of another market")):
        book = int(people[role].address, 16)
        people["parameters"].send(clearinghouse, "set_word", 0, market, 0, 60 << 160 | book)
    return clearinghouse, people


@pytest.mark.parametrize("role", ALLOWED)
def test_each_gate_opens_for_one_peer_only(wired_to_people, role):
    clearinghouse, people = wired_to_people
    for name, entry in gated_functions():
        if name != "Clearinghouse":
            continue
        arguments = [zero(i["type"], i.get("components", ())) for i in entry["inputs"]]
        reason = ""
        try:
            people[role].send(clearinghouse, entry["name"], *arguments)
        except Revert as revert:
            reason = revert.reason
        assert (reason not in GATES) == (entry["name"] in ALLOWED[role]), entry["name"]


def test_the_contracts_are_wired_once(exchange, stranger):
    wire = (stranger.address, stranger.address, stranger.address)
    with pytest.raises(Revert, match="clearinghouse: not authorised"):
        stranger.send(exchange.clearinghouse, "wire", *wire)
    with pytest.raises(Revert, match="wire: done"):
        exchange.owner.send(exchange.clearinghouse, "wire", *wire)


def test_a_guardian_stops_opening_and_nothing_else(exchange, maker, taker):
    guardian = exchange.actor("guardian")
    exchange.owner.send(exchange.parameters, "set_guardian", guardian.address)
    guardian.send(exchange.parameters, "set_close_only", 0, True)
    guardian.send(exchange.parameters, "set_close_only", 0, False)
    for function, arguments in (
        ("set_open_interest_cap", (0, wad(1))),
        ("collect_treasury", (0, guardian.address)),
        ("set_guardian", (guardian.address,)),
    ):
        with pytest.raises(Revert, match="access: not owner"):
            guardian.send(exchange.parameters, function, *arguments)
    exchange.open(LONG, taker, maker, 1, 10_000)


@pytest.mark.parametrize(
    "function, arguments",
    [
        ("market_words", ()),
        ("book_of", ()),
        ("fees", ()),
        ("unpaid", ()),
        ("tiers", (0,)),
        ("margin_requirement", (1,)),
    ],
)
def test_there_are_eight_markets(exchange, function, arguments):
    exchange.clearinghouse.view(function, 7, *arguments)
    for market in (8, 2**256 - 1):
        with pytest.raises(Revert):
            exchange.clearinghouse.view(function, market, *arguments)
