"""Who may call what, in one table, and an exchange on which every role can be asked to call everything.

Roles are people and the contracts of the exchange themselves, in whose name calls are made.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pyrevm import AccountInfo
from support import Actor, fresh, plain_market
from support.abi import Call

from perpsim.protocol import Contract, ProtocolParams, deploy_keeper_batch

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
        "deleverage": {"liquidator"},
        "set_frozen": {"liquidator"},
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
        "deleverage_by_list": ANYONE,
        "open_list": ANYONE,
        "hand_in": ANYONE,
        "execute_list": ANYONE,
        "end_list": ANYONE,
        "set_deleverage_terms": {"owner"},
        "repay_bad_debt": ANYONE,
        "set_params": {"owner"},
    },
    "InsuranceVault": OWNABLE | {
        "fund": ANYONE,
        "fund_market": ANYONE,
        "deposit": ANYONE,
        "mint": ANYONE,
        "request_withdraw": ANYONE,
        "cancel_withdraw": ANYONE,
        "withdraw": ANYONE,
        "redeem": ANYONE,
        "transfer": ANYONE,
        "transferFrom": ANYONE,
        "approve": ANYONE,
        "report": ANYONE,
        "report_market": ANYONE,
        "book_inflow": {"clearinghouse"},
        "cover": {"liquidator"},
        "repay": {"liquidator"},
        "reward": {"liquidator"},
        "set_core": {"owner"},
        "set_cap": {"owner"},
        "set_breaker": {"owner"},
        "set_isolated": {"owner"},
        "set_staking": {"owner"},
        "set_withdrawal_times": {"owner"},
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
    "KeeperBatch": OWNABLE | {
        "liquidate_many": {"owner"},
        "withdraw": {"owner"},
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
    "oracle: not reporter",
    "vault: not clearinghouse",
    "vault: not liquidator",
}

PEOPLE = ("owner", "pending owner", "guardian", "reporter", "deployer", "user", "stranger")
CONTRACTS = (
    "book",
    "book of another market",
    "clearinghouse",
    "keeper batch",
    "lens",
    "liquidator",
    "oracle",
    "parameters",
    "pricing",
    "token",
    "vault",
)
ROLES = PEOPLE + CONTRACTS


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
        self.batch = deploy_keeper_batch(exchange.protocol, exchange.owner.address)
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
            "keeper batch": self.batch.address,
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
        everything = (*self.exchange.protocol.contracts, self.batch)
        found = {contract.name: contract for contract in everything if contract.name != "Stablecoin"}
        found.pop("OrderBook1")
        return {name.rstrip("0"): contract for name, contract in found.items()}

    def others(self, contract: Contract) -> list[str]:
        """Roles of everybody but the contract itself, which without its code could not answer."""
        return [role for role in ROLES if self.addresses[role] != contract.address]

    def admitted(self, call: Call, args: list[Any]) -> set[str]:
        """Roles that are not refused for who they are."""
        reasons = {
            role: self.attempt(role, call, args) for role in self.others(self.contracts[call.contract])
        }
        return {role for role, reason in reasons.items() if reason not in REFUSALS}

    def attempt(self, role: str, call: Call, args: list[Any]) -> str:
        """Why the call is refused, "" if it is not; nothing stays of it."""
        chain, sender = self.exchange.chain, self.addresses[role]
        contract = self.contracts[call.contract]
        snapshot = chain.snapshot()
        with without_code(chain, sender):
            receipt = contract.send(sender, call.function, *args)
        chain.revert(snapshot)
        return str(receipt.reason)
