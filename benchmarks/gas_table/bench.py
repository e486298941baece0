"""An exchange to measure on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from perpsim.chain import Chain, Receipt, open_chain
from perpsim.protocol import (
    Contract,
    DeleverageParams,
    MarketParams,
    MarketTerms,
    Protocol,
    ProtocolParams,
    VaultParams,
    deploy,
    set_deleverage,
    wad,
)

START = 1_600_000_000
BLOCK = 12
INDEX = wad(8000)
GOOD_TILL_CANCEL, IMMEDIATE = 0, 2


class Bench:
    """An exchange on a chain where every call is a block of its own. On py-evm gas is exact as it comes; revm
    is told to forget what is warm before a call that is measured, which comes to the same."""

    def __init__(
        self,
        engine: str = "py-evm",
        *,
        fund: int = 1_000_000,
        market: MarketParams | None = None,
        markets: int = 1,
        block_time: int = BLOCK,
    ) -> None:
        """
        `fund` in whole tokens. `market`: what all `markets` are like. `block_time` (s): with 0 everything
        that is not measured goes into the block of the call before, for set-ups that would take days.
        """
        self.chain: Chain = open_chain(engine, timestamp=START)
        self.block_time = block_time
        each = replace(market or MarketParams(), terms=MarketTerms(max_age=60_000))
        vault = VaultParams(initial=fund * 10**6, breaker_trip=wad(1), breaker_resume=wad("0.25"))
        self.protocol: Protocol = deploy(self.chain, ProtocolParams(markets=(each,) * markets, vault=vault))
        self.actors = 0
        self.post_all(INDEX)

    def tick(self, seconds: int = BLOCK) -> None:
        """Begin the next block."""
        self.chain.set_pending_timestamp(self.chain.pending_timestamp + seconds)

    def actor(self, deposit: int = 1_000_000) -> tuple[str, int]:
        """A new address with a deposit (whole tokens) and some in hand; address and account."""
        self.actors += 1
        address = self.chain.account(self.actors).address
        account = self.protocol.deposit(address, deposit * 10**6)
        self.protocol.token.transact(address, "mint", address, 10**12)
        return address, account

    def send(self, sender: str, contract: str | Contract, function: str, *args: Any) -> Receipt:
        """A transaction that is not measured; it must succeed. `contract` is a `Contract`, or a field of
        `Protocol`, or `book` (that of the first market), or `book3`."""
        if self.block_time:
            self.tick(self.block_time)
        return self._send(sender, contract, function, *args)

    def measured(self, sender: str, contract: str | Contract, function: str, *args: Any) -> Receipt:
        """As `send`, in a block of its own and with exact gas."""
        self.tick()
        flush = getattr(self.chain, "flush", None)
        if flush is not None:
            flush()
        return self._send(sender, contract, function, *args)

    def _send(self, sender: str, contract: str | Contract, function: str, *args: Any) -> Receipt:
        if isinstance(contract, Contract):
            target = contract
        elif contract.startswith("book"):
            target = self.protocol.books[int(contract[4:] or 0)]
        else:
            target = getattr(self.protocol, contract)
        receipt: Receipt = target.send(sender, function, *args)
        assert receipt.ok, f"{contract}.{function}: {receipt.reason}"
        return receipt

    def gas(self, sender: str, contract: str | Contract, function: str, *args: Any) -> int:
        """Gas of a transaction."""
        return self.measured(sender, contract, function, *args).gas_used

    def place(
        self, sender: str, is_buy: bool, price: int, size: int, kind: int = GOOD_TILL_CANCEL, market: int = 0
    ) -> None:
        """An order; price and size in WAD."""
        self.send(sender, f"book{market}", "place", is_buy, price, size, kind)

    def gas_of_order(
        self, sender: str, is_buy: bool, price: int, size: int, kind: int = GOOD_TILL_CANCEL
    ) -> int:
        """Gas of an order; price and size in WAD."""
        return self.gas(sender, "book", "place", is_buy, price, size, kind)

    def post(self, price: int, market: int = 0) -> int:
        """A new index price (WAD); its gas."""
        return self.gas(
            self.protocol.owner, "oracle", "post", market, price, self.chain.pending_timestamp + BLOCK
        )

    def post_all(self, price: int) -> None:
        """A new index price (WAD) in every market."""
        for market in range(len(self.protocol.books)):
            self.post(price, market)

    def share_out(self, policy: str, market: int = 0) -> None:
        """Let a market deleverage by this policy's list."""
        set_deleverage(self.protocol, market, DeleverageParams(policy, timeout=3600))

    def queue(self, accounts: Iterable[int], market: int = 0) -> list[int]:
        """Accounts in the order of the market's policy."""
        rank = self.protocol.liquidator.view
        keys = {account: rank("rank", market, account).key for account in accounts}
        return sorted(keys, key=lambda account: (-keys[account], account))

    def events(self, receipt: Receipt, name: str) -> Sequence[Any]:
        """Values of a transaction's events of a name, in order."""
        return [values for _, event, values in self.protocol.decode_all(receipt.logs) if event == name]
