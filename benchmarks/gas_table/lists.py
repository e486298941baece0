"""Deleveraging by list."""

from __future__ import annotations

from gas_table.bench import IMMEDIATE, INDEX, Bench
from perpsim.chain import Receipt
from perpsim.deleveraging.packing import pack_ids, unpack_rows
from perpsim.protocol import wad

QUEUE, PRO_RATA = "queue-bitmex", "pro-rata"
#: accounts in the lists that the marginal figures come from
LISTED = 10
HALF, ONE = wad("0.5"), wad(1)


class Deleveraging:
    """Two bankrupt longs, and accounts that are short, all the same. The vault and the book are empty, the
    keeper has an account, and the first long has been deleveraged by list when the second is measured."""

    def __init__(self, engine: str, policy: str, size: int, winners: int) -> None:
        """`size` of the second long (WAD), and how many shorts face it. The first long has 1, for which the
        queue has one more short, to be closed wholly."""
        self.bench = bench = Bench(engine, fund=0)
        bench.share_out(policy)
        self.keeper, _ = bench.actor()
        shorts = [bench.actor(10_000) for _ in range(winners + (policy == QUEUE))]
        for address, _ in shorts:
            bench.place(address, False, INDEX, ONE if policy == QUEUE else 3 * ONE)
        longs = [bench.actor(120), bench.actor(120 * size // ONE)]
        for (address, _), amount in zip(longs, (ONE, size)):
            bench.place(address, True, INDEX, amount, IMMEDIATE)
        bench.place(bench.actor()[0], True, INDEX, 100 * ONE, IMMEDIATE)
        # 280 a unit below what each has
        bench.post(INDEX - wad(400))
        bench.post(INDEX - wad(400))
        self.shorts = [account for _, account in shorts]
        (_, self.first), (_, self.second) = longs

    def list(self) -> list[int]:
        """The other side as it stands, in the order of the policy."""
        held = self.bench.protocol.clearinghouse.view
        return self.bench.queue(account for account in self.shorts if held("position", account, 0)[0])

    def one_call(self) -> int:
        """Gas of the second deleveraging, each in one call."""
        self.bench.send(self.keeper, "liquidator", "deleverage_by_list", self.first, 0, pack_ids(self.list()))
        words = pack_ids(self.list())
        receipt = self.bench.measured(self.keeper, "liquidator", "deleverage_by_list", self.second, 0, words)
        check(self.bench, receipt)
        return receipt.gas_used

    def several_calls(self) -> tuple[int, int, int]:
        """Gas of opening, handing in and executing the second list, each in one call of its own."""
        self.run_calls(self.first)
        opened, handed, executed = self.run_calls(self.second)
        check(self.bench, executed)
        return opened.gas_used, handed.gas_used, executed.gas_used

    def run_calls(self, account: int) -> tuple[Receipt, Receipt, Receipt]:
        """A deleveraging in three calls; every account is handed in with the one before as hint."""
        listed = self.list()
        call = self.bench.measured
        return (
            call(self.keeper, "liquidator", "open_list", account, 0),
            call(self.keeper, "liquidator", "hand_in", 0, listed, [0, *listed[:-1]]),
            call(self.keeper, "liquidator", "execute_list", 0, len(listed)),
        )


def check(bench: Bench, receipt: Receipt) -> None:
    """Nothing went by index, and the last who was closed keeps a part."""
    rows = [row for event in bench.events(receipt, "DeleverageList") for row in unpack_rows(event.rows)]
    (whole,) = bench.events(receipt, "DeleverageReceipt")
    closed = [row for row in rows if row.taken]
    assert whole.by_index == 0 and sum(row.taken for row in closed) == whole.quantity
    assert closed[-1].taken < closed[-1].size


def one_call(engine: str) -> dict[str, int]:
    """The list in one call: one counterparty that keeps a part, and what each further account adds."""
    one = Deleveraging(engine, QUEUE, HALF, 1).one_call()
    taken = Deleveraging(engine, QUEUE, (LISTED - 1) * ONE + HALF, LISTED).one_call()
    listed = Deleveraging(engine, QUEUE, HALF, LISTED).one_call()
    parts = Deleveraging(engine, PRO_RATA, LISTED * HALF, LISTED).one_call()
    one_part = Deleveraging(engine, PRO_RATA, HALF, 1).one_call()
    return {
        "deleverage by list, 1 counterparty": one,
        "each further counterparty, closed wholly (queue)": (taken - one) // (LISTED - 1),
        "each further counterparty, closed partly (pro rata)": (parts - one_part) // (LISTED - 1),
        "each further listed account, only verified": (listed - one) // (LISTED - 1),
    }


def several_calls(engine: str) -> dict[str, int]:
    """The list in three calls: of one counterparty that keeps a part, and what each further account adds."""
    opened, handed, executed = Deleveraging(engine, QUEUE, HALF, 1).several_calls()
    _, more_handed, more_executed = Deleveraging(
        engine, QUEUE, (LISTED - 1) * ONE + HALF, LISTED
    ).several_calls()
    return {
        "open a list over several calls": opened,
        "hand in 1 account": handed,
        "each further account handed in": (more_handed - handed) // (LISTED - 1),
        "execute a list of 1 counterparty": executed,
        "each further counterparty executed, closed wholly": (more_executed - executed) // (LISTED - 1),
    }
