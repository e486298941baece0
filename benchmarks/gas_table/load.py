"""The most that one call can meet: accounts with positions in all 8 markets, margin schedules of 8 tiers with
every position in the last, all 32 orders of everybody open, levels that many orders wait on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from gas_table.bench import IMMEDIATE, INDEX, Bench
from perpsim.chain.revm import RevmChain
from perpsim.protocol import WAD, LiquidationParams, MarketParams, Tier, wad

MARKETS, ORDERS, FILLS, TIERS = 8, 32, 64, 8
#: fills of a liquidation: the first walk leaves its last order to the second, which the vault pays for
BOTH_WALKS = 2 * FILLS - 1
TICK = wad("0.001")
#: more than the 256 ticks of a word of the bitmap
STEP = 300 * TICK
LOT, SIZE = wad("0.1"), wad("0.5")


def _tiers() -> tuple[Tier, ...]:
    """Eight tiers up to a notional of 3,200."""
    rise, width = wad("0.001"), wad(400)
    return tuple(
        Tier(
            limit=width * (number + 1),
            initial_rate=wad("0.01") + number * rise,
            maintenance_rate=wad("0.005") + number * rise,
            # the margin does not jump from one tier to the next
            deduction=rise * width * (number * (number + 1) // 2) // WAD,
        )
        for number in range(TIERS)
    )


MARKET = MarketParams(tick_size=TICK, tiers=_tiers(), liquidation=LiquidationParams(surplus_share=WAD))


class Load(Bench):
    """Makers, long in all markets, who may place one more order in the first; a house with the other side of
    everybody; a keeper."""

    def __init__(self, makers: int, engine: str = "revm", fund: int = 0) -> None:
        super().__init__(engine, fund=fund, market=MARKET, markets=MARKETS, block_time=0)
        self.house, _ = self.actor(10**9)
        self.keeper, _ = self.actor()
        self.beside = [self.actor()[0] for _ in range(2)]
        self.makers = [self.actor()[0] for _ in range(makers)]
        for maker in self.makers:
            self.fill_up(maker, ORDERS - 1)
        self.position(self.makers, True)

    def position(self, traders: list[str], is_buy: bool, sizes: Mapping[int, int] | None = None) -> None:
        """Let traders take SIZE, or what `sizes` has for the market (WAD), in every market."""
        for market in range(MARKETS):
            size = (sizes or {}).get(market, SIZE)
            self.place(self.house, not is_buy, INDEX, size * len(traders), market=market)
            for trader in traders:
                self.place(trader, is_buy, INDEX, size, IMMEDIATE, market=market)

    def fill_up(self, trader: str, orders: int, is_buy: bool = True) -> None:
        """So many orders of a trader in the first market, far from the mark, a level each."""
        start = INDEX // 2 if is_buy else INDEX * 3 // 2
        for number in range(orders):
            self.place(trader, is_buy, start + number * STEP, LOT)

    def trader(self, is_buy: bool, orders: int = 0, deposit: int = 1_000_000) -> tuple[str, int]:
        """Somebody with positions in all markets, and so many orders on the other side."""
        address, account = self.actor(deposit)
        self.position([address], is_buy)
        self.fill_up(address, orders, not is_buy)
        return address, account

    def loser(self, is_buy: bool, deposit: int, size: int) -> tuple[str, int]:
        """Somebody with positions in all markets, of `size` (WAD) in the first, and 32 orders there, each
        between two of others on its level."""
        address, account = self.actor(deposit)
        self.position([address], is_buy, {0: size})
        before, after = self.beside
        for trader in (before, address, after):
            self.fill_up(trader, ORDERS, not is_buy)
        return address, account

    def bid(self, start: int, step: int = STEP, first: int = 0, most: int = BOTH_WALKS + 1) -> None:
        """The 32nd order of makers `first` up to `most`: a LOT each, from `start` down by `step`."""
        for number, maker in enumerate(self.makers[first:most]):
            self.place(maker, True, (start - number * step) // TICK * TICK, LOT)

    def mark(self) -> int:
        """Mark of the first market, WAD."""
        return int(self.protocol.lens.view("market", 0).mark)

    def longs(self) -> list[int]:
        """Accounts that are long in the first market."""
        held = self.protocol.clearinghouse.view
        return [account for account in range(1, self.actors + 1) if held("position", account, 0)[0] > 0]

    @contextmanager
    def undone(self) -> Iterator[Load]:
        """What happens inside is undone at the end (on revm only)."""
        assert isinstance(self.chain, RevmChain)
        mark = self.chain.mark()
        try:
            yield self
        finally:
            self.chain.rewind(mark)
