"""Four colluding accounts that search for money at an index that stands still.

A sequence of steps is played on a fresh world and valued by what the four could leave with: their tokens, and
the equity of each account at the index, none below zero, because a debt is left behind. The search keeps the
best sequence for each kind of outcome (MAP-Elites) and changes them at random, so that it also walks through
states that cost something. All numbers are drawn from a seed.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, NamedTuple

from support import LONG, SHORT, START_PRICE, Actor, Exchange, deployed
from support.distress import fund_vault
from support.lists import by_list, hand_in_whole, planned

from perpsim.chain import Receipt, Revert
from perpsim.protocol import MAX_UINT, WAD, ProtocolParams, wad

SIZE = 4
#: kind, who, market and three more numbers, each from 0 to 255
Gene = tuple[int, int, int, int, int, int]
Sequence = tuple[Gene, ...]

#: prices in millionths of the index away from it
OFFSETS = (0, 100, 500, 1_000, 2_000, 3_000, 5_000, 5_100, 9_900, 10_000, 10_100, 19_900, 20_100, 30_000,
           49_900, 50_000, 60_000, 70_000, 90_000, 110_000, 200_000, 400_000)  # fmt: skip
#: sizes in thousandths
SIZES = (1, 10, 100, 500, 1_000, 2_500, 5_000, 10_000, 20_000, 50_000, 100_000)
PAUSES = (1, 12, 12, 60, 60, 300, 900)
HOUR = 3_600


class Outcome(NamedTuple):
    """What a sequence came to, WAD: the gang's gain; what the fund paid for covers, fund and treasury for
    rewards; notional at the index that liquidations closed, and that is open in accounts that owe; what the
    honest quoter has lost; and what kind of outcome it is."""

    gain: int
    covered: int
    rewarded: int
    closed: int
    owing: int
    honest_loss: int
    kind: frozenset[Any]


@dataclass(frozen=True)
class World:
    """Where the gang acts. `spread` (millionths of the index) and `depth` (whole units) of the honest quotes
    on both sides, renewed in every block; whether the fund takes stakes; `move` (whole units) of the index
    after `openings` (long, short, size, price, market; 4 is the honest quoter), before the gang begins."""

    params: ProtocolParams
    stakes: tuple[int, int, int, int] = (20_000,) * SIZE
    fund: int = 1_000_000
    spread: int = 0
    depth: int = 5_000
    policy: str = ""
    staking: bool = False
    move: int = 0
    openings: tuple[tuple[int, int, Any, Any, int], ...] = ()


class Play:
    """One world, set up once; `value` plays a sequence in it and undoes it."""

    def __init__(self, world: World, exchange: Exchange) -> None:
        self.world = world
        self.exchange = exchange
        self.markets = len(world.params.markets)
        self.index = wad(START_PRICE + world.move)
        self.gang = [exchange.actor(f"colluder {i}", deposit=stake) for i, stake in enumerate(world.stakes)]
        self.honest = exchange.actor("honest", deposit=10**10)
        self.topics = self._topics()
        self.receipts: list[Receipt] = []
        self.calls = 0
        self.told: list[str] = []
        if world.fund:
            fund_vault(exchange, world.fund)
        people = [*self.gang, self.honest]
        for long, short, size, price, market in world.openings:
            exchange.trade(people[long], people[short], size, price, market=market)
        for actor in self.gang:
            actor.mint(1_000)
            actor.send(exchange.token, "approve", exchange.vault.address, MAX_UINT)
        if world.policy:
            for market in range(self.markets):
                by_list(exchange, world.policy, market)
        if world.staking:
            exchange.owner.send(exchange.vault, "set_staking", True)
            exchange.owner.send(exchange.vault, "set_withdrawal_times", HOUR, 24 * HOUR)
        self.pause(12)
        self.start = self.wealth()
        self.honest_start = self.worth(self.honest)

    def _topics(self) -> dict[bytes, str]:
        names = ("Liquidated", "DeleverageReceipt", "BadDebtBooked", "Cover", "RewardPaid", "Withdrawal",
                 "ListOpened", "ListEnded", "WithdrawRequested", "Forfeited", "Withdraw")  # fmt: skip
        found = {}
        for contract in self.exchange.protocol.contracts:
            for topic, event in contract.interface.events_by_topic.items():
                if event.name in names:
                    found[topic] = event.name
        return found

    # what it comes to

    def worth(self, actor: Actor) -> int:
        """Equity at the index, WAD."""
        view = self.exchange.clearinghouse.view
        equity = int(view("collateral", actor.account))
        for market in range(self.markets):
            size, entry, pending = view("position", actor.account, market)
            equity += pending + size * self.index // WAD - entry
        return equity

    def wealth(self) -> int:
        """What the gang could leave with, WAD."""
        unit = self.exchange.unit()
        return sum(
            max(self.worth(actor), 0) + (actor.tokens + self.staked(actor)) * unit for actor in self.gang
        )

    def staked(self, actor: Actor) -> int:
        """What one's shares of the fund are worth, token units."""
        if not self.world.staking:
            return 0
        vault = self.exchange.vault
        return int(vault.view("convertToAssets", vault.view("balanceOf", actor.address)))

    def value(self, sequence: Sequence, *, telling: bool = False, sound: bool = False) -> Outcome:
        """Play a sequence. `telling`: write down in `told` what is done; `sound`: check the books then."""
        self.told = []
        with self.exchange.isolated():
            self.receipts = []
            for gene in sequence:
                line = self.step(gene)
                if telling:
                    self.told.append(line)
            if sound:
                self.check()
            return self._outcome()

    def check(self) -> None:
        """Money adds up but for dust, also that of a wei of size too few on a side; so do sides and books."""
        exchange = self.exchange
        assert abs(exchange.ledger().gap) <= 10**13, exchange.ledger()
        assert exchange.token.view("balanceOf", exchange.vault.address) >= exchange.fund
        for market in range(self.markets):
            exchange.check_open_interest(market)
            exchange.check_book(market)

    def _outcome(self) -> Outcome:
        exchange = self.exchange
        covered = rewarded = closed = 0
        seen: dict[str, int] = {}
        for receipt in self.receipts:
            for log in receipt.logs:
                name = self.topics.get(bytes(log.topics[0]))
                if name is None:
                    continue
                seen[name] = min(seen.get(name, 0) + 1, 3)
                contract, _, event = exchange.protocol.decode(log)
                if name == "Liquidated":
                    covered += event.cover
                    closed += event.closed * self.index // WAD
                elif name == "RewardPaid" and contract == "InsuranceVault":
                    rewarded += event.amount * exchange.unit()
                elif name == "RewardPaid":
                    rewarded += event.from_treasury
                elif name == "BadDebtBooked":
                    covered += event.covered
        gain = self.wealth() - self.start
        held = tuple(sum(1 for a in self.gang if a.size(market) != 0) for market in range(self.markets))
        marks = tuple(
            round((exchange.mark(market) - self.index) * 200 / self.index) for market in range(self.markets)
        )
        debtors = [actor for actor in self.gang if self.worth(actor) < 0]
        owing = sum(abs(a.size(m)) * self.index // WAD for a in debtors for m in range(self.markets))
        kind = frozenset({("held", held), ("mark", marks), ("debts", len(debtors)), *seen.items()})
        loss = self.honest_start - self.worth(self.honest)
        return Outcome(gain, covered, rewarded, closed, owing, loss, kind)

    # what they do

    def send(self, actor: Actor, contract: Any, function: str, *args: Any) -> str:
        """A transaction, refused or not."""
        self.calls += 1
        receipt = contract.send(actor.address, function, *args)
        if receipt.ok:
            self.receipts.append(receipt)
        return f"{actor.name}: {function}{args}" + ("" if receipt.ok else f" refused: {receipt.reason}")

    def pause(self, seconds: int) -> None:
        """Time passes, the index is posted again, honest quotes stand again."""
        exchange, world = self.exchange, self.world
        exchange.wait(seconds)
        for market in range(self.markets):
            exchange.owner.send(exchange.oracle, "post", market, self.index, exchange.now)
            if world.depth:
                book = exchange.books[market]
                self.honest.send(book, "cancel_all")
                tick = world.params.markets[market].tick_size
                away = max(self.index * world.spread // 10**6, tick)
                for side, price in ((True, self.index - away), (False, self.index + away)):
                    # something of the gang's may stand in the way
                    self.send(self.honest, book, "place", side, price // tick * tick, wad(world.depth))

    def price(self, market: int, number: int, side: int) -> int:
        """A price so far from the index, WAD."""
        tick = self.world.params.markets[market].tick_size
        offset = OFFSETS[number % len(OFFSETS)] * side
        return max(self.index * (10**6 + offset) // 10**6 // tick, 1) * tick

    def step(self, gene: Gene) -> str:
        """Carry out one step and say what it was."""
        kind, first, place, x, y, z = gene
        who = self.gang[first % SIZE]
        market = place % self.markets
        return STEPS[kind % len(STEPS)](self, who, market, x, y, z)

    def order(self, who: Actor, market: int, x: int, y: int, z: int) -> str:
        """Any order."""
        side = LONG if x & 1 else SHORT
        price = self.price(market, y, 1 if x & 2 else -1)
        size = SIZES[z % len(SIZES)] * 10**15
        reduce_only = x >> 4 == 0
        args = (side > 0, price, size, (x >> 2) & 3, reduce_only, 0)
        return self.send(who, self.exchange.books[market], "place", *args)

    def meet(self, who: Actor, market: int, x: int, y: int, z: int) -> str:
        """Two of them trade with each other, if nobody stands in between."""
        other = self.gang[(self.gang.index(who) + 1 + x % 3) % SIZE]
        price = self.price(market, y, 1 if x & 64 else -1)
        size = SIZES[z % len(SIZES)] * 10**15
        book = self.exchange.books[market]
        side = bool(x & 128)
        return "; ".join(
            self.send(actor, book, "place", is_buy, price, size, kind, False, 0)
            for actor, is_buy, kind in ((who, side, 1), (other, not side, 2))
        )

    def quote(self, who: Actor, market: int, x: int, y: int, z: int) -> str:
        """A two-sided quote of the smallest size."""
        side = 1 if x & 1 else -1
        tick = self.world.params.markets[market].tick_size
        middle = self.price(market, y, side)
        book = self.exchange.books[market]
        least = self.world.params.markets[market].min_size
        return "; ".join(
            self.send(who, book, "place", is_buy, middle + (-tick if is_buy else tick), least, 1, False, 0)
            for is_buy in (True, False)
        )

    def cancel(self, who: Actor, market: int, x: int, y: int, z: int) -> str:
        """All orders of one."""
        return self.send(who, self.exchange.books[market], "cancel_all")

    def close(self, who: Actor, market: int, x: int, y: int, z: int) -> str:
        """Get out at the best that there is."""
        size = who.size(market)
        if size == 0:
            return "nothing to close"
        price = self.price(market, y, -1 if size > 0 else 1)
        args = (size < 0, price, abs(size), 2, True, 0)
        return self.send(who, self.exchange.books[market], "place", *args)

    def withdraw(self, who: Actor, market: int, x: int, y: int, z: int) -> str:
        """All or half of what can be taken out."""
        amount = who.withdrawable // (1 + (x & 1))
        return self.send(who, self.exchange.clearinghouse, "withdraw", amount) if amount else "nothing"

    def deposit(self, who: Actor, market: int, x: int, y: int, z: int) -> str:
        """Back in, into anybody's account."""
        amount = who.tokens // (1 + (x & 1))
        whose = self.gang[y % SIZE].address
        return self.send(who, self.exchange.clearinghouse, "deposit", amount, whose) if amount else "nothing"

    def liquidate(self, who: Actor, market: int, x: int, y: int, z: int) -> str:
        """One of them by one of them."""
        whom = self.gang[x % SIZE]
        most = (MAX_UINT, MAX_UINT, 0, 10**15, 10**18)[y % 5]
        args = (whom.account, market, most, bool(z & 1))
        return self.send(who, self.exchange.liquidator, "liquidate", *args)

    def deleverage(self, who: Actor, market: int, x: int, y: int, z: int) -> str:
        """One of them, by index or with the list that is due."""
        whom = self.gang[x % SIZE]
        if not self.world.policy or y & 1:
            return self.send(who, self.exchange.liquidator, "deleverage", whom.account, market)
        with suppress(Revert, ZeroDivisionError):
            accounts, _ = planned(self.exchange, whom, self.world.policy, market)
            self.calls += 1
            self.receipts.append(hand_in_whole(who, whom, accounts, market).receipt)
            return f"{who.name} hands in {accounts} for {whom.name}"
        return "no list"

    def lists(self, who: Actor, market: int, x: int, y: int, z: int) -> str:
        """A list over several calls: open it, hand in one or everybody, execute a part, end it."""
        liquidator = self.exchange.liquidator
        everybody = [actor.account for actor in (*self.gang, self.honest)]
        if y % 5 == 0:
            return self.send(who, liquidator, "open_list", self.gang[x % SIZE].account, market)
        if y % 5 == 1:
            return self.send(who, liquidator, "hand_in", market, [everybody[x % 5]], [0])
        if y % 5 == 2:
            return "; ".join(self.send(who, liquidator, "hand_in", market, [a], [0]) for a in everybody)
        if y % 5 == 3:
            return self.send(who, liquidator, "execute_list", market, x % 4)
        return self.send(who, liquidator, "end_list", market)

    def call_anything(self, who: Actor, market: int, x: int, y: int, z: int) -> str:
        """What is open to anyone besides."""
        exchange = self.exchange
        contract, function = (
            (exchange.clearinghouse, "poke"),
            (exchange.clearinghouse, "sweep_fees"),
            (exchange.liquidator, "repay_bad_debt"),
        )[x % 3]
        return self.send(who, contract, function, market)

    def stake(self, who: Actor, market: int, x: int, y: int, z: int) -> str:
        """Into the fund, ask to leave it, leave it after an hour, report somebody; gifts, too."""
        vault = self.exchange.vault
        if x % 6 == 0:
            return self.send(who, vault, "deposit", who.tokens // (1 + y % 3), who.address)
        if x % 6 == 1:
            shares = vault.view("balanceOf", who.address) // (1 + y % 2)
            return self.send(who, vault, "request_withdraw", shares)
        if x % 6 == 2:
            self.pause(HOUR)
            most = vault.view("maxRedeem", who.address)
            return self.send(who, vault, "redeem", most, who.address, who.address)
        if x % 6 == 3:
            return self.send(who, vault, "cancel_withdraw")
        if x % 6 == 4:
            return self.send(who, vault, "report", self.gang[y % SIZE].account)
        return self.send(who, vault, "fund", who.tokens // (1 + y % 7))

    def wait(self, who: Actor, market: int, x: int, y: int, z: int) -> str:
        """Some blocks."""
        seconds = PAUSES[x % len(PAUSES)]
        # more than the age of an index
        for _ in range(-(-seconds // 60)):
            self.pause(min(seconds, 60))
        return f"{seconds} s pass"


#: likelier the more often it is named
STEPS: tuple[Callable[..., str], ...] = (
    Play.order, Play.order, Play.meet, Play.meet, Play.quote, Play.cancel, Play.close, Play.withdraw,
    Play.withdraw, Play.deposit, Play.liquidate, Play.liquidate, Play.deleverage, Play.lists,
    Play.call_anything, Play.wait, Play.wait, Play.stake, Play.stake,
)  # fmt: skip


@dataclass
class Found:
    """What a search has found: the best sequence in words and its outcome, how much was tried."""

    best: Outcome
    sequence: Sequence
    words: list[str] = field(default_factory=list)
    sequences: int = 0
    calls: int = 0
    kinds: int = 0

    def __str__(self) -> str:
        steps = "\n  ".join(self.words) or "(nothing)"
        return (
            f"best gain {self.best.gain / WAD:.9f} of {self.sequences} sequences, {self.calls} calls, "
            f"{self.kinds} kinds of outcome:\n  {steps}"
        )


def search(
    world: World,
    allowed: Callable[[Outcome], int],
    check: Callable[[Outcome], bool],
    *,
    seed: int,
    sequences: int,
    longest: int = 20,
    seconds: float = 10**9,
) -> Found:
    """Look for the sequence whose gain is highest above what is `allowed` for its outcome, WAD. Every outcome
    has to pass the `check`."""
    draw = random.Random(seed)

    def gene() -> Gene:
        kind, who, market, x, y, z = draw.randbytes(6)
        return kind, who, market, x, y, z

    def changed(sequence: Sequence, other: Sequence) -> Sequence:
        genes = list(sequence)
        for _ in range(draw.randint(1, 3)):
            at = draw.randrange(len(genes) + 1)
            way = draw.randrange(6)
            if way == 0 or not genes:
                genes.insert(at, gene())
            elif way == 1:
                genes.pop(at - 1)
            elif way == 2:
                part = draw.randrange(6)
                old = genes[at - 1]
                genes[at - 1] = (*old[:part], draw.randrange(256), *old[part + 1 :])  # type: ignore[assignment]
            elif way == 3:
                cut = draw.randrange(len(other) + 1)
                genes = genes[:at] + list(other[cut:])
            elif way == 4:
                genes.insert(at, genes[draw.randrange(len(genes))])
            else:
                to = draw.randrange(len(genes))
                genes[at - 1], genes[to] = genes[to], genes[at - 1]
        return tuple(genes[:longest])

    with deployed(world.params) as exchange:
        play = Play(world, exchange)
        elites: dict[frozenset[Any], tuple[int, Sequence]] = {}
        best: tuple[int, Sequence, Outcome] | None = None
        until = monotonic() + seconds
        count = 0
        while count < sequences and monotonic() < until:
            if count < 30 or draw.random() < 0.05:
                candidate = tuple(gene() for _ in range(draw.randint(2, longest)))
            else:
                pool = list(elites.values())
                candidate = changed(draw.choice(pool)[1], draw.choice(pool)[1])
            outcome = play.value(candidate, sound=count % 20 == 0)
            count += 1
            assert check(outcome), f"{candidate} comes to {outcome}"
            score = outcome.gain - allowed(outcome)
            kept = elites.get(outcome.kind)
            if kept is None or (score, -len(candidate)) > (kept[0], -len(kept[1])):
                elites[outcome.kind] = (score, candidate)
            if best is None or (score, -len(candidate)) > (best[0], -len(best[1])):
                best = (score, candidate, outcome)
        assert best is not None
        _, sequence, outcome = best
        play.value(sequence, telling=True)
        return Found(outcome, sequence, play.told, count, play.calls, len(elites))
