"""Liquidations, and deleveraging by index."""

from __future__ import annotations

from gas_table.bench import IMMEDIATE, INDEX, Bench
from perpsim.protocol import deploy_keeper_batch, wad

#: the most that a call of a batch may use
GAS_EACH = 1_500_000


def liquidations(engine: str) -> dict[str, int]:
    """Accounts with one position, liquidated against one resting order of a maker with a position. The keeper
    has an account, and the vault has had flows of this market in the same hour."""
    bench, gas = Bench(engine), {}
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
    gas["liquidation, full, 1 level"] = bench.gas(keeper, "liquidator", "liquidate", victims[1], 0)
    gas["liquidation, partial, 1 level"] = bench.gas(keeper, "liquidator", "liquidate", victims[3], 0)
    assert bench.protocol.clearinghouse.view("position", victims[1], 0)[0] == 0
    assert bench.protocol.clearinghouse.view("position", victims[3], 0)[0] != 0
    bench.send(maker, "book", "cancel_all")
    bench.place(maker, True, INDEX - wad(160), wad(100))
    bench.place(maker, False, INDEX - wad(140), wad(100))
    bench.post(INDEX - wad(150))
    paid = bench.gas(keeper, "liquidator", "liquidate", victims[2], 0)
    gas["liquidation the vault pays for, 1 level"] = paid
    return gas


def batches(engine: str) -> dict[str, int]:
    """A keeper's contract that liquidates one account as in `liquidations`, and eight in one transaction."""
    bench = Bench(engine)
    maker, _ = bench.actor()
    keeper = bench.chain.account(900).address
    contract = deploy_keeper_batch(bench.protocol, keeper)
    size, victims = wad("0.5"), []
    for _ in range(10):
        address, account = bench.actor(55)
        bench.place(maker, False, INDEX, size)
        bench.place(address, True, INDEX, size, IMMEDIATE)
        victims.append(account)
    bench.place(maker, True, INDEX - wad(88), wad(100))
    bench.place(maker, False, INDEX - wad(82), wad(100))
    bench.post(INDEX - wad(85))
    bench.post(INDEX - wad(85))
    targets = [(account, 0, False) for account in victims]
    bench.send(keeper, contract, "liquidate_many", targets[:1], GAS_EACH)
    one = bench.gas(keeper, contract, "liquidate_many", targets[1:2], GAS_EACH)
    receipt = bench.measured(keeper, contract, "liquidate_many", targets[2:], GAS_EACH)
    assert len(bench.events(receipt, "Liquidated")) == 8
    assert all(bench.protocol.clearinghouse.view("position", account, 0)[0] == 0 for account in victims)
    return {
        "batch of 1 liquidation": one,
        "each further liquidation in a batch": (receipt.gas_used - one) // 7,
    }


def by_index(engine: str) -> dict[str, int]:
    """Deleveraging by index with 20 and with 40 accounts a side."""
    return {
        f"deleverage by index, {accounts} accounts a side": _by_index(engine, accounts)
        for accounts in (20, 40)
    }


def _by_index(engine: str, accounts: int) -> int:
    """One bankrupt account with so many accounts on the other side, an empty vault and an empty book; the
    second deleveraging of the hour."""
    bench = Bench(engine, fund=0)
    keeper, _ = bench.actor()
    longs = [bench.actor(60) for _ in range(2)]
    first, second = (account for _, account in longs)
    size = wad("0.5")
    for _ in range(accounts):
        short, _ = bench.actor()
        bench.place(short, False, INDEX, size)
        buyer = longs.pop(0)[0] if longs else bench.actor()[0]
        bench.place(buyer, True, INDEX, size, IMMEDIATE)
    bench.post(INDEX - wad(400))
    bench.post(INDEX - wad(400))
    bench.send(keeper, "liquidator", "deleverage", first, 0)
    receipt = bench.measured(keeper, "liquidator", "deleverage", second, 0)
    assert bench.events(receipt, "Deleveraged")
    return receipt.gas_used
