"""Gas of every operation, measured on py-evm: each call its own transaction in its own block, Cancun rules,
intrinsic gas and calldata included. Prints the table beside the peers' figures and writes
benchmarks/gas.json, which a test compares.

    python benchmarks/gas.py            print and write
    python benchmarks/gas.py --check    print, and fail if gas.json differs
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from perpsim.chain import Chain, Receipt, open_chain
from perpsim.protocol import (
    MarketParams,
    MarketTerms,
    Protocol,
    ProtocolParams,
    VaultParams,
    deploy,
    wad,
)

FILE = Path(__file__).with_name("gas.json")
START = 1_600_000_000
BLOCK = 12
INDEX = wad(8000)
GOOD_TILL_CANCEL, IMMEDIATE = 0, 2

#: operation: (target, peers under the same conditions: Boros, Perp v2, dYdX v1, Clober v2)
ROWS: dict[str, tuple[int | None, str]] = {
    "deposit, again": (50_000, "57.2k / 79.0k / 103.1k / -"),
    "withdraw, no position": (None, "215.1k / 135.6k / 97.4k / -"),
    "place, new level": (120_000, "287k-343k / 783k / 53.6k / 309k-331k"),
    "place, existing level": (95_000, "157k-265k / 783k / 53.6k / 197k"),
    "cancel": (45_000, "97.1k / 344k / 36.3k / 121k"),
    "market order, 1 level, both hold a position": (130_000, "257k / 726k / 162k / 181k"),
    "market order, 1 level, first positions": (260_000, "- / - / - / -"),
    "market order, 10 levels, 10 makers": (None, "972k / 1,373k / 873k / 569k"),
    "each further level, another maker": (45_000, "79k / 77k / 79k / 43k"),
    "close, 1 level": (None, "265k / 444k / 168k / -"),
    "liquidation, full, 1 level": (175_000, "173k / 1,125k / 137k / -"),
    "liquidation, partial, 1 level": (None, "173k / 1,213k / 139k / -"),
    "liquidation the vault pays for, 1 level": (None, "refused / 1,099k / 131k / -"),
    "deleverage by index, 20 accounts a side": (150_000, "164k each / none / 139k each / -"),
    "deleverage by index, 40 accounts a side": (150_000, "164k each / none / 139k each / -"),
    "funding update": (60_000, "74.8k / 234k / - / -"),
    "index price, posted": (None, "- / - / - / -"),
}


class Bench:
    """An exchange on a chain where every call is a block of its own."""

    def __init__(self, fund: int = 1_000_000) -> None:
        self.chain: Chain = open_chain("py-evm", timestamp=START)
        terms = MarketTerms(max_age=60_000)
        market = replace(MarketParams(), terms=terms)
        vault = VaultParams(initial=fund * 10**6, breaker_trip=wad(1), breaker_resume=wad("0.25"))
        self.protocol: Protocol = deploy(self.chain, ProtocolParams(markets=(market,), vault=vault))
        self.book = self.protocol.books[0]
        self.actors = 0
        self.post(INDEX)

    def tick(self) -> None:
        """Begin the next block."""
        self.chain.set_pending_timestamp(self.chain.pending_timestamp + BLOCK)

    def actor(self, deposit: int = 1_000_000) -> tuple[str, int]:
        """A new address with a deposit (whole tokens) and some in hand; address and account."""
        self.actors += 1
        address = self.chain.account(self.actors).address
        account = self.protocol.deposit(address, deposit * 10**6)
        self.protocol.token.transact(address, "mint", address, 10**12)
        return address, account

    def send(self, sender: str, contract: str, function: str, *args: object) -> Receipt:
        """One transaction in a block of its own; it must succeed."""
        self.tick()
        target = self.book if contract == "book" else getattr(self.protocol, contract)
        receipt = target.send(sender, function, *args)
        assert receipt.ok, f"{contract}.{function}: {receipt.reason}"
        return receipt

    def place(
        self, sender: str, is_buy: bool, price: int, size: int, kind: int = GOOD_TILL_CANCEL
    ) -> Receipt:
        """An order; price and size in WAD."""
        return self.send(sender, "book", "place", is_buy, price, size, kind)

    def post(self, price: int) -> Receipt:
        """A new index price (WAD)."""
        self.tick()
        return self.protocol.oracle.send(self.protocol.owner, "post", 0, price, self.chain.pending_timestamp)


def trading(bench: Bench, gas: dict[str, int]) -> None:
    """Deposits, orders and fills."""
    maker, _ = bench.actor()
    other, _ = bench.actor()
    taker, _ = bench.actor()
    gas["deposit, again"] = bench.send(maker, "clearinghouse", "deposit", 10**6).gas_used
    gas["withdraw, no position"] = bench.send(maker, "clearinghouse", "withdraw", 10**6).gas_used
    one, step = wad(1), wad(1)
    # warm: both have placed before, and the level's neighbourhood is in use
    bench.place(maker, False, INDEX + 20 * step, one)
    bench.place(other, True, INDEX - 20 * step, one)
    gas["place, new level"] = bench.place(maker, False, INDEX + step, one).gas_used
    gas["place, existing level"] = bench.place(maker, False, INDEX + step, one).gas_used
    bench.place(maker, False, INDEX + step, one)
    last = bench.book.view("level_orders", INDEX + step)[-1]
    gas["cancel"] = bench.send(maker, "book", "cancel", last).gas_used
    first = bench.place(taker, True, INDEX + step, one // 2, IMMEDIATE)
    gas["market order, 1 level, first positions"] = first.gas_used
    more = bench.place(taker, True, INDEX + step, one // 4, IMMEDIATE)
    gas["market order, 1 level, both hold a position"] = more.gas_used
    bench.place(maker, True, INDEX - step, one)
    gas["close, 1 level"] = bench.place(taker, False, INDEX - step, one // 4, IMMEDIATE).gas_used


def levels(bench: Bench, gas: dict[str, int]) -> None:
    """A market order through one and through ten levels, each the order of another maker with a position."""
    makers = [bench.actor()[0] for _ in range(12)]
    taker, _ = bench.actor()
    lot, step = wad("0.1"), wad("0.5")
    for maker in makers:
        bench.place(maker, False, INDEX, lot)
        bench.place(taker, True, INDEX, lot, IMMEDIATE)
    # the twelfth stays, so that no order empties the side
    for number, maker in enumerate(makers):
        bench.place(maker, False, INDEX + (number + 1) * step, lot)
    single = bench.place(taker, True, INDEX + step, lot, IMMEDIATE).gas_used
    ten = bench.place(taker, True, INDEX + 11 * step, 10 * lot, IMMEDIATE).gas_used
    gas["market order, 10 levels, 10 makers"] = ten
    gas["each further level, another maker"] = (ten - single) // 9


def liquidations(bench: Bench, gas: dict[str, int]) -> None:
    """Liquidations of accounts with one position, against one resting order of a maker with a position. The
    keeper has an account, and the vault has had flows of this market in the same hour."""
    maker, _ = bench.actor()
    keeper, _ = bench.actor()
    size = wad("0.5")
    victims = []
    # 0.5 at 8000: notional 4,000, maintenance margin 20
    for deposit in (55, 55, 55, 305):
        address, account = bench.actor(deposit)
        amount = size * 5 if deposit == 305 else size
        bench.place(maker, False, INDEX, amount)
        bench.place(address, True, INDEX, amount, IMMEDIATE)
        victims.append(account)
    price = INDEX - wad(85)
    bench.place(maker, True, INDEX - wad(88), wad(100))
    bench.place(maker, False, INDEX - wad(82), wad(100))
    bench.post(price)
    bench.post(price)
    bench.send(keeper, "liquidator", "liquidate", victims[0], 0)
    full = bench.send(keeper, "liquidator", "liquidate", victims[1], 0)
    gas["liquidation, full, 1 level"] = full.gas_used
    partial = bench.send(keeper, "liquidator", "liquidate", victims[3], 0)
    gas["liquidation, partial, 1 level"] = partial.gas_used
    assert bench.protocol.clearinghouse.view("position", victims[1], 0)[0] == 0
    assert bench.protocol.clearinghouse.view("position", victims[3], 0)[0] != 0
    bench.send(maker, "book", "cancel_all")
    bench.place(maker, True, INDEX - wad(160), wad(100))
    bench.place(maker, False, INDEX - wad(140), wad(100))
    bench.post(INDEX - wad(150))
    paid = bench.send(keeper, "liquidator", "liquidate", victims[2], 0)
    gas["liquidation the vault pays for, 1 level"] = paid.gas_used


def deleveraging(gas: dict[str, int], accounts: int) -> None:
    """By-index deleveraging of one bankrupt account with so many accounts on the other side, an empty vault
    and an empty book."""
    bench = Bench(fund=0)
    keeper, _ = bench.actor()
    longs = [bench.actor(60) for _ in range(2)]
    size = wad("0.5")
    for _ in range(accounts):
        short, _ = bench.actor()
        bench.place(short, False, INDEX, size)
        buyer = longs.pop(0)[0] if longs else bench.actor()[0]
        bench.place(buyer, True, INDEX, size, IMMEDIATE)
    bench.post(INDEX - wad(400))
    bench.post(INDEX - wad(400))
    first, second = 2, 3
    bench.send(keeper, "liquidator", "deleverage", first, 0)
    receipt = bench.send(keeper, "liquidator", "deleverage", second, 0)
    events = [name for _, name, _ in bench.protocol.decode_all(receipt.logs)]
    assert "Deleveraged" in events, events
    gas[f"deleverage by index, {accounts} accounts a side"] = receipt.gas_used


def pricing(bench: Bench, gas: dict[str, int]) -> None:
    """Index and funding, with a two-sided book and a premium."""
    maker, _ = bench.actor()
    bench.place(maker, True, INDEX + wad(3), wad(1))
    bench.place(maker, False, INDEX + wad(9), wad(1))
    for _ in range(3):
        bench.post(INDEX)
    gas["index price, posted"] = bench.post(INDEX + wad(1)).gas_used
    gas["funding update"] = bench.send(maker, "clearinghouse", "poke", 0).gas_used


def measure() -> dict[str, int]:
    """All rows."""
    gas: dict[str, int] = {}
    for part in (trading, levels, liquidations, pricing):
        part(Bench(), gas)
    for accounts in (20, 40):
        deleveraging(gas, accounts)
    return {name: gas[name] for name in ROWS}


def show(gas: dict[str, int]) -> None:
    """The table, peers beside it."""
    table = Table(title="Gas (py-evm receipts, Cancun)")
    table.add_column("operation")
    table.add_column("gas", justify="right")
    table.add_column("target", justify="right")
    table.add_column("Boros / Perp v2 / dYdX v1 / Clober v2")
    for name, (target, peers) in ROWS.items():
        met = "" if target is None else f"{target:,}" + ("" if gas[name] <= target else " missed")
        table.add_row(name, f"{gas[name]:,}", met, peers)
    Console(width=140).print(table)


def main() -> int:
    """Measure, print, write or compare."""
    gas = measure()
    show(gas)
    text = json.dumps(gas, indent=2) + "\n"
    if "--check" in sys.argv[1:]:
        return 0 if FILE.read_text() == text else 1
    FILE.write_text(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
