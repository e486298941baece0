"""The stage on which a history is played: who and what there is, and what is made of small numbers there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from invariants import Broken
from reference import Refused
from reference.terms import DeleverageTerms
from twins import Twins
from worlds import KEEPER, MAKERS, NAMES, World

from perpsim.protocol import MAX_UINT, WAD, wad

Step = tuple[str, tuple[int, ...]]


class Operation(NamedTuple):
    """How often it is drawn, its arguments' domains and what it does."""

    weight: int
    domains: tuple[tuple[int, ...], ...]
    run: Callable[..., None]


OPERATIONS: dict[str, Operation] = {}

#: rounds of keepers' work at the end of a history
ROUNDS = 20

WHO = tuple(range(len(NAMES)))
TRADER = tuple(range(8))
MARKET = (0, 1, 2)
SIDE = (1, -1)
FLAG = (0, 1)
#: size of an order in per cent of what the free equity allows
USE = (0, 1, 7, 20, 50, 80, 95, 99, 110)
#: price of an order in parts per ten thousand of the mark, + worse for whoever takes it
OFFSET = (-900, -300, -100, -20, -3, 0, 0, 0, 3, 20, 100, 300, 900)
#: moves of the index, per mille
MOVE = (200, 500, 800, 900, 940, 950, 980, 990, 995, 999, 1_000, 1_001, 1_005, 1_010, 1_020, 1_050, 1_060,
        1_100, 1_250, 2_000, 5_000)  # fmt: skip


def operation(
    weight: int, **domains: tuple[int, ...]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """An operation of that weight, its arguments drawn from the domains."""

    def register(run: Callable[..., None]) -> Callable[..., None]:
        OPERATIONS[run.__name__] = Operation(weight, tuple(domains.values()), run)
        return run

    return register


class Fuzz:
    """A history in the making."""

    def __init__(self, twins: Twins, world: World) -> None:
        self.twins = twins
        self.world = world
        self.prices = [int(start * WAD) for start in world.starts]
        twins.wait(12)
        self.move_to(0, self.prices[0])
        self.owner_sends("vault", "set_staking", (True,), lambda: twins.model.set_staking(True))
        times = (3_600, 90 * 86_400)
        self.owner_sends("vault", "set_withdrawal_times", times,
                         lambda: twins.model.set_withdrawal_times(*times))  # fmt: skip
        for who in WHO:
            self.deposit(who, 10**6 if who in MAKERS else 3_000 if who != KEEPER else 50)

    def run(self, step: Step) -> None:
        """Do a step."""
        name, args = step
        OPERATIONS[name].run(self, *args)

    # both at once

    def place(
        self,
        who: int,
        market: int,
        side: int,
        price: int,
        size: int,
        kind: int,
        reduce_only: int,
        expiry: int,
    ) -> Any:
        """Place an order."""
        twins, sender = self.twins, self.twins.senders[who]
        args = (side > 0, price, size, kind, bool(reduce_only), expiry)
        return twins.send(sender, twins.exchange.books[market], "place", args,
                          lambda: twins.model.place(sender, market, *args))  # fmt: skip

    def cancel_all(self, who: int, market: int) -> None:
        """Take back all orders."""
        twins, sender = self.twins, self.twins.senders[who]
        twins.send(sender, twins.exchange.books[market], "cancel_all", (),
                   lambda: twins.model.cancel_all(sender, market))  # fmt: skip

    def deposit(self, who: int, amount: int) -> None:
        """Deposit whole tokens."""
        self.deposit_units(who, amount * 10**self.twins.params.decimals)

    def deposit_units(self, who: int, units: int) -> None:
        """Deposit token units."""
        twins, sender = self.twins, self.twins.senders[who]
        twins.mint(sender, units)
        twins.send(sender, twins.exchange.clearinghouse, "deposit", (units,),
                   lambda: twins.model.deposit(sender, units))  # fmt: skip

    def post(self, market: int, price: int, age: int = 0) -> None:
        """Post an index price."""
        twins = self.twins
        args = (market, price, twins.now - age)
        if twins.send(twins.owner, twins.exchange.oracle, "post", args, lambda: twins.model.post(*args)):
            self.prices[market] = price

    def liquidate(self, who: int, account: int, market: int, most: int, deleverage: int) -> None:
        """Act as a keeper."""
        twins, sender = self.twins, self.twins.senders[who]
        args = (account, market, most, bool(deleverage))
        twins.send(sender, twins.exchange.liquidator, "liquidate", args,
                   lambda: twins.model.liquidate(sender, *args))  # fmt: skip

    def liquidate_the_unhealthy(self, keeper: int, deleverage: int, which: int) -> None:
        """Whoever is below the margin, in all their markets."""
        for account in self.unhealthy():
            for offset in MARKET:
                market = (which + offset) % 3
                if market in self.twins.model.state.accounts[account].positions:
                    self.liquidate(keeper, account, market, MAX_UINT, deleverage)

    def owner_sends(self, contract: str, function: str, args: tuple, model: Callable[[], Any]) -> None:
        """A transaction of the owner."""
        twins = self.twins
        twins.send(twins.owner, getattr(twins.exchange, contract), function, args, model)

    def finish(self) -> None:
        """From any state keepers make progress, until nobody is bankrupt: invariant 10. Deleveraging ruins
        others in turn, so it takes some rounds."""
        model = self.twins.model
        for _ in range(ROUNDS):
            self.twins.wait(12)
            self.move_to(0, self.prices[0])
            # a market whose list ends now is stale until the next price
            frozen = any(model.market(market).open_list for market in MARKET)
            for market in MARKET:
                open_list = model.market(market).open_list
                if open_list and model.health(open_list.account)[0] < 0:
                    self.deleverage_by_list(KEEPER, open_list.account, market)
                elif open_list:
                    self.end_list(KEEPER, market)
            bankrupt = self.bankrupt_accounts()
            if not bankrupt:
                return
            before = {number: account.copy() for number, account in model.state.accounts.items()}
            for account in bankrupt:
                for market in sorted(model.state.accounts[account].positions):
                    if model.health(account)[0] >= 0:
                        break
                    self.deleverage_by_list(KEEPER, account, market)
                    if market in model.state.accounts[account].positions and model.health(account)[0] < 0:
                        self.liquidate(KEEPER, account, market, MAX_UINT, 1)
            if before == model.state.accounts and not frozen:
                raise Broken(f"invariant 10: no keeper helps {bankrupt}")
        # whoever winners have paid for stays at an equity of 0, and pays funding between the rounds
        if self.bankrupt_accounts():
            raise Broken(f"invariant 10: bankrupt after {ROUNDS} rounds: {self.bankrupt_accounts()}")

    def share_by(self, market: int, policy: str | None, timeout: int, list_from: int) -> None:
        """Share out in another way, or by index."""
        twins = self.twins
        address = twins.exchange.protocol.policies[policy].address if policy else "0x" + 40 * "0"
        terms = DeleverageTerms(policy, timeout, wad(list_from))
        self.owner_sends("liquidator", "set_deleverage_terms", (market, (address, timeout, wad(list_from))),
                         lambda: twins.model.set_deleverage_terms(market, terms))  # fmt: skip

    def deleverage_by_list(self, who: int, account: int, market: int) -> None:
        """Hand in the whole other side."""
        twins, sender = self.twins, self.twins.senders[who]
        listed = self.honest_list(account, market)
        twins.send(sender, twins.exchange.liquidator, "deleverage_by_list", (account, market, packed(listed)),
                   lambda: twins.model.deleverage_by_list(sender, account, market, listed))  # fmt: skip

    def end_list(self, who: int, market: int) -> None:
        """End a list."""
        twins, sender = self.twins, self.twins.senders[who]
        twins.send(sender, twins.exchange.liquidator, "end_list", (market,),
                   lambda: twins.model.end_list(sender, market))  # fmt: skip

    # sizes and prices

    def size_for(self, who: int, market: int, use: int) -> int:
        """A size on the lot grid; 0 per cent is the least."""
        model = self.twins.model
        params = self.twins.params.markets[market]
        account = model.account_of(self.twins.senders[who])
        equity, initial, _ = model.health(account)
        notional = max(equity - initial, WAD) * use // 100 * self.world.leverages[market]
        wanted = notional * WAD // model.market(market).mark
        return max(wanted // params.lot_size * params.lot_size, params.min_size)

    def price_at(self, market: int, side: int, offset: int) -> int:
        """A price on the tick grid, so far from the mark."""
        tick = self.twins.params.markets[market].tick_size
        price = self.twins.model.market(market).mark * (10_000 - side * offset) // 10_000
        return max(price // tick, 1) * tick

    def size_of(self, who: int, market: int) -> int:
        """Signed size of a position."""
        model = self.twins.model
        return model.seen(model.account_of(self.twins.senders[who]), market).size

    def move_to(self, market: int, price: int) -> None:
        """A new price for one market, the same for the others."""
        low, high = self.world.bounds[market]
        prices = list(self.prices)
        prices[market] = min(max(price, int(low * WAD)), int(high * WAD))
        twins = self.twins
        args = (list(MARKET), prices, twins.now)
        if twins.send(
            twins.owner, twins.exchange.oracle, "post_many", args, lambda: twins.model.post_many(*args)
        ):
            self.prices = prices

    def bankrupt_accounts(self) -> list[int]:
        """Who owes more than he has."""
        model = self.twins.model
        return [number for number in model.state.accounts if model.health(number)[0] < 0]

    def bankrupt(self, which: int) -> tuple[int, int]:
        """A bankrupt account and a market of its, if there is one."""
        model = self.twins.model
        accounts = self.bankrupt_accounts() or list(model.state.accounts)
        account = accounts[which % len(accounts)]
        held = sorted(model.state.accounts[account].positions)
        by_list = [number for number in held if model.market(number).deleverage.policy]
        pool = by_list or held
        return account, pool[which % len(pool)] if pool else which % 3

    def anything_frozen(self) -> bool:
        """Whether a list is open."""
        return any(market.open_list for market in self.twins.model.state.markets)

    def honest_list(self, account: int, market: int) -> list[int]:
        """The other side in order; nobody where nothing is shared out by list."""
        model = self.twins.model
        if model.market(market).deleverage.policy is None or model.health(account)[0] >= 0:
            return []
        return model.honest_list(account, market)

    def frozen(self, market: int) -> int:
        """A market with an open list, if there is one."""
        found = [m.number for m in self.twins.model.state.markets if m.open_list]
        return found[market % len(found)] if found else market

    def missing(self, market: int) -> tuple[list[int], list[int]]:
        """Who is missing in an open list, and the account that each comes after (0: the first)."""
        open_list = self.twins.model.market(market).open_list
        if open_list is None:
            return [], []
        order = self.honest_list(open_list.account, market)
        accounts, hints = [], []
        there = {row.account for row in open_list.rows}
        for at, account in enumerate(order):
            if account not in open_list.known:
                accounts.append(account)
                hints.append(next((other for other in reversed(order[:at]) if other in there), 0))
                there.add(account)
        return accounts, hints

    def unhealthy(self) -> list[int]:
        """Accounts below their maintenance margin."""
        model = self.twins.model
        found = []
        for account in model.state.accounts:
            equity, _, maintenance = model.health(account)
            if equity < maintenance:
                found.append(account)
        return found


def packed(accounts: list[int]) -> list[int]:
    """Accounts eight a word, the first in the lowest 32 bits."""
    words = []
    for start in range(0, len(accounts), 8):
        words.append(sum(account << 32 * i for i, account in enumerate(accounts[start : start + 8])))
    return words


def refusing(reason: str) -> None:
    """Refuse for a reason that is not the model's business."""
    if reason:
        raise Refused(reason)
