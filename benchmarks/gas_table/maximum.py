"""What calls cost at maximum load. On revm, as setting it up takes thousands of transactions."""

from __future__ import annotations

from gas_table.bench import BLOCK, GOOD_TILL_CANCEL, IMMEDIATE, INDEX, Bench
from gas_table.lists import HALF, ONE, PRO_RATA, QUEUE, check
from gas_table.load import BOTH_WALKS, FILLS, LOT, MARKETS, ORDERS, SIZE, STEP, TICK, Load
from gas_table.vault import COOLDOWN, TOKENS, stakers
from perpsim.chain import Receipt
from perpsim.deleveraging.packing import pack_ids
from perpsim.protocol import WAD, wad

#: accounts that a list in one call can have within a block: where one is closed, and where all are
LONGEST_VERIFIED, LONGEST_CLOSED = 1_600, 800
#: accounts that the vault keeps as reported
REPORTED = 8
#: accounts with positions in all markets that a list has besides the first
CROWD = 127
#: accounts in one call of `hand_in`, and how far behind its hint an account may be
HANDED = 64


def orders() -> dict[str, int]:
    """Orders, cancels and withdrawals of an account with positions everywhere; index prices."""
    load, gas = Load(2 * FILLS), {}
    with load.undone():
        trader, _ = load.trader(True)
        load.fill_up(trader, ORDERS - 1)
        load.bid(INDEX, step=0)
        gas["place on the fullest level, 8 positions, 32nd order"] = load.gas_of_order(
            trader, True, INDEX, LOT
        )
        middle = load.protocol.books[0].view("level_orders", INDEX)[FILLS]
        gas["cancel in the middle of the fullest level"] = load.gas(
            load.makers[FILLS], "book", "cancel", middle
        )
    with load.undone():
        trader, account = load.loser(True, 1_000_000, SIZE)
        gas["cancel all 32 orders"] = load.gas(trader, "book", "cancel_all")
        assert not load.protocol.books[0].view("orders_of", account)
    with load.undone():
        gas["market order, 64 fills on the fullest level, 8 positions"] = _taken(
            load, step=0, lots=FILLS, kind=IMMEDIATE
        )
    with load.undone():
        # what 64 fills leave of it rests
        gas["limit order, 64 fills on 64 levels, the rest waits, 8 positions"] = _taken(
            load, step=STEP, lots=FILLS + 1, kind=GOOD_TILL_CANCEL
        )
    with load.undone():
        trader, _ = load.trader(False)
        gas["withdraw, 8 positions"] = load.gas(trader, "clearinghouse", "withdraw", 10**6)
    with load.undone():
        gas["withdraw, 8 positions to settle first"] = _settled(load)
    markets, now = list(range(MARKETS)), load.chain.pending_timestamp
    gas["index prices of 8 markets, posted at once"] = load.gas(
        load.protocol.owner, "oracle", "post_many", markets, [INDEX + wad(1)] * MARKETS, now + BLOCK
    )
    return gas


def _taken(load: Load, step: int, lots: int, kind: int) -> int:
    """Gas of an order of somebody with 31 orders that meets 64 makers, who all enlarge their positions."""
    trader, _ = load.trader(False)
    load.fill_up(trader, ORDERS - 1, False)
    load.bid(INDEX, step, most=2 * FILLS if step == 0 else FILLS)
    receipt = load.measured(trader, "book", "place", False, INDEX - FILLS * STEP, lots * LOT, kind)
    assert len(load.events(receipt, "Fill")) == FILLS
    assert len(load.events(receipt, "OrderPlaced")) == lots - FILLS
    return receipt.gas_used


def _settled(load: Load) -> int:
    """Gas of a withdrawal of funding that no position has been settled for yet."""
    trader, account = load.trader(False, deposit=3_000)
    load.tick(50_000)
    load.post_all(INDEX - wad(1_000))
    settled_so_far = load.protocol.clearinghouse.view("collateral", account)
    amount = settled_so_far // load.protocol.unit + 1
    receipt = load.measured(trader, "clearinghouse", "withdraw", amount)
    assert len(load.events(receipt, "Settled")) == MARKETS
    return receipt.gas_used


def liquidations() -> dict[str, int]:
    """Liquidations in one and in two walks, each fill against another maker on another level. The vault has a
    breaker, and a cap for the market, and has been idle for longer than its breaker looks back."""
    load, gas = Load(BOTH_WALKS + 1, fund=1_000_000), {}
    load.send(load.protocol.owner, "vault", "set_breaker", wad("0.3"), wad("0.25"))
    load.send(load.protocol.owner, "vault", "set_cap", 0, TOKENS)
    load.tick(9 * 3600)
    with load.undone():
        receipt = _liquidated(load, FILLS)
        assert not load.events(receipt, "Cover")
        gas["liquidation, 8 positions, 32 orders, 64 makers"] = receipt.gas_used
    with load.undone():
        receipt = _liquidated(load, BOTH_WALKS)
        assert load.events(receipt, "Cover")
        gas["liquidation the vault pays for, 8 positions, 32 orders, 127 makers"] = receipt.gas_used
    return gas


def _liquidated(load: Load, fills: int) -> Receipt:
    """The liquidation of an account that is not bankrupt yet, with so many fills: all of one walk, or of two,
    where makers bid above the bankruptcy price for the first and below it for the second."""
    _, account = load.loser(True, 2_400, (BOTH_WALKS + 1) * LOT)
    load.post_all(INDEX - wad(155))
    load.post_all(INDEX - wad(155))
    above = FILLS - 1 if fills == BOTH_WALKS else BOTH_WALKS
    load.bid(load.mark(), STEP if fills == BOTH_WALKS else STEP // 2, most=above)
    load.bid(load.protocol.lens.view("bankruptcy_price", account, 0) - TICK, first=above)
    receipt = load.measured(load.keeper, "liquidator", "liquidate", account, 0)
    assert len(load.events(receipt, "Fill")) == fills
    assert len(load.events(receipt, "OrderRemoved")) == ORDERS
    return receipt


def deleveraging() -> dict[str, int]:
    """A bankrupt account with positions in all markets and 32 orders; what accounts with positions in all
    markets add to a list in one call; and a call that hands such accounts in."""
    few, many, gas = Load(1), Load(1 + CROWD), {}
    with few.undone():
        gas["deleverage by index, 8 positions, 32 orders"] = few.gas(
            few.keeper, "liquidator", "deleverage", bankrupt(few), 0
        )
    verified = _by_list(many, QUEUE, SIZE // 2) - _by_list(few, QUEUE, SIZE // 2)
    gas["each further listed account with 8 positions, only verified"] = verified // CROWD
    closed = _by_list(many, PRO_RATA, (1 + CROWD) * SIZE // 2) - _by_list(few, PRO_RATA, SIZE // 2)
    gas["each further listed account with 8 positions, closed partly"] = closed // CROWD
    with many.undone():
        gas[f"hand in {HANDED} accounts with 8 positions, the worst hints"] = _handed(many)
    return gas


def bankrupt(load: Load, size: int = SIZE // 2) -> int:
    """An account that is short in all markets and bankrupt, `size` (WAD) in the first."""
    _, account = load.loser(False, 600 + 200 * size // WAD, size)
    load.post_all(INDEX + wad(400))
    load.post_all(INDEX + wad(400))
    return account


def _by_list(load: Load, policy: str, size: int) -> int:
    """Gas of a deleveraging whose last counterparty keeps a part."""
    with load.undone():
        load.share_out(policy)
        account = bankrupt(load, size)
        words = pack_ids(load.queue(load.longs()))
        receipt = load.measured(load.keeper, "liquidator", "deleverage_by_list", account, 0, words)
        check(load, receipt)
        return receipt.gas_used


def _handed(load: Load) -> int:
    """Gas of handing in as many accounts as a call takes, each 64 places behind the head of the list."""
    load.share_out(QUEUE)
    load.send(load.keeper, "liquidator", "open_list", bankrupt(load), 0)
    queue = load.queue(load.longs())
    head, rest = queue[:HANDED], queue[HANDED:][:HANDED]
    load.send(load.keeper, "liquidator", "hand_in", 0, head, [0, *head[:-1]])
    rest.reverse()
    return load.gas(load.keeper, "liquidator", "hand_in", 0, rest, [0] * len(rest))


def doubts() -> dict[str, int]:
    """The vault with as many accounts reported as it keeps, each with positions in all markets: the last
    report, and a claim once all are solvent again."""
    load = Load(1)
    (staker,) = stakers(load, 1)
    losers = [load.trader(False, deposit=600)[1] for _ in range(REPORTED)]
    load.send(staker, "vault", "deposit", TOKENS, staker)
    load.send(staker, "vault", "request_withdraw", load.protocol.vault.view("balanceOf", staker))
    load.tick(COOLDOWN)
    load.post_all(INDEX + wad(400))
    load.post_all(INDEX + wad(400))
    for account in losers[:-1]:
        load.send(load.keeper, "vault", "report", account)
    last = load.gas(load.keeper, "vault", "report", losers[-1])
    load.post_all(INDEX)
    load.post_all(INDEX)
    claim = load.gas(staker, "vault", "withdraw", TOKENS // 2, staker, staker)
    return {
        "report an account with 8 positions to the vault, the 8th": last,
        "claim from the vault, 8 reported accounts with 8 positions": claim,
    }


def lists() -> dict[str, int]:
    """The longest lists, of accounts with a position each, that one call can have within a block."""
    return {
        f"deleverage by list, {LONGEST_VERIFIED:,} accounts, 1 closed (queue)": _crowd(
            LONGEST_VERIFIED, QUEUE, HALF
        ),
        f"deleverage by list, {LONGEST_CLOSED:,} accounts, all closed partly (pro rata)": _crowd(
            LONGEST_CLOSED, PRO_RATA, LONGEST_CLOSED * HALF
        ),
    }


def _crowd(accounts: int, policy: str, size: int) -> int:
    """Gas of the deleveraging of a long of `size` (WAD) by a list of accounts that are short 1 each."""
    bench = Bench("revm", fund=0, block_time=0)
    bench.share_out(policy)
    keeper, _ = bench.actor()
    loser, account = bench.actor(160 * size // WAD)
    bench.place(loser, True, INDEX, size)
    bench.place(bench.actor(10**9)[0], True, INDEX, accounts * ONE - size)
    shorts = [bench.actor(10_000) for _ in range(accounts)]
    for address, _ in shorts:
        bench.place(address, False, INDEX, ONE, IMMEDIATE)
    bench.post(INDEX - wad(400))
    bench.post(INDEX - wad(400))
    words = pack_ids(bench.queue(number for _, number in shorts))
    receipt = bench.measured(keeper, "liquidator", "deleverage_by_list", account, 0, words)
    check(bench, receipt)
    return receipt.gas_used
