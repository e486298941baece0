"""What the contracts' views say, against the model: invariant 8."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reference import Exchange as Model
from reference.arith import WAD, notional_of
from support import Exchange

if TYPE_CHECKING:
    from twins import Twins


class Views:
    """Asks each view and compares."""

    def __init__(self, twins: Twins) -> None:
        self.twins = twins

    @property
    def model(self) -> Model:
        """The model."""
        return self.twins.model

    @property
    def exchange(self) -> Exchange:
        """The contracts."""
        return self.twins.exchange

    def expect(self, contract: Any, function: str, args: tuple, wanted: Any) -> None:
        """One view; the differences of structs are named."""
        found = contract.view(function, *args)
        if found == wanted:
            return
        names = getattr(found, "_fields", ())
        differing = [f"{n}: {a}, not {b}" for n, a, b in zip(names, found, wanted) if a != b] if names else ""
        raise self.twins.difference(
            f"{contract.name}.{function}{args} is {'; '.join(differing) or found}"
            + ("" if differing else f", in the model {wanted}")
        )

    def compare(self) -> None:
        """All of them."""
        for number in self.model.state.accounts:
            self._account(number)
        for number in self.twins.markets:
            self._market(number)
            self._book(number)
            self._vault(number)
        vault = self.model.vault
        self.expect(self.exchange.vault, "assets", (), vault.books)
        self._shares()

    def _account(self, number: int) -> None:
        model, house = self.model, self.exchange.clearinghouse
        account = model.state.accounts[number]
        health = model.health(number)
        self.expect(house, "owner_of", (number,), account.owner)
        self.expect(house, "health", (number,), health)
        self.expect(house, "withdrawable", (number,), model.withdrawable(number))
        self.expect(
            self.exchange.lens,
            "account",
            (number,),
            (number, account.owner, account.collateral, *health),
        )
        for market in self.twins.markets:
            there = model.state.markets[market]
            position = account.positions.get(market)
            settled = tuple(there.settled(position, model.now)) if position else (0, 0, 0)
            self.expect(house, "position", (number, market), settled)
            self.expect(
                self.exchange.liquidator, "closable", (number, market), model.closable(number, market)
            )
            seen = model.seen(number, market)
            standing = house.view("standing", number, market)
            wanted = (seen.equity, seen.maintenance, seen.margins[1], seen.size, there.mark)
            if tuple(standing)[1:6] != wanted:
                raise self.twins.difference(f"standing({number}, {market}) is {standing}, not {wanted}")
            price = 0
            if seen.size:
                # rounded down: what a long may lose is rounded up, what a short may, down
                sign = 1 if seen.size > 0 else -1
                share = -sign * seen.equity * seen.margins[1] // max(seen.maintenance, 1)
                price = there.mark + share * WAD // abs(seen.size)
            self.expect(self.exchange.lens, "bankruptcy_price", (number, market), price)

    def _market(self, number: int) -> None:
        model = self.model
        market = model.state.markets[number]
        longs, shorts = market.sides_now(model.now)
        found = self.exchange.lens.view("market", number)
        wanted = {
            "book": self.exchange.books[number].address,
            "index": market.index,
            "mark": market.mark,
            "index_time": market.index_time,
            "accrued_at": market.renewed_at,
            "basis": market.basis,
            "premium": market.premium,
            "funding_per_second": market.rate,
            "open_interest": market.open_interest,
            "open_interest_cap": market.cap,
            "close_only": market.close_only,
            "frozen": market.open_list is not None,
            "stale": market.is_stale(model.now),
            "maker_fee": market.terms.maker_fee,
            "taker_fee": market.terms.taker_fee,
            "vault_share": market.terms.vault_share,
            "max_age": market.terms.max_age,
            "a_long": longs.a,
            "k_long": longs.k,
            "a_short": shorts.a,
            "k_short": shorts.k,
            "epoch_long": longs.epoch,
            "epoch_short": shorts.epoch,
        }
        for name in found._fields:
            if getattr(found, name) != wanted[name]:
                raise self.twins.difference(
                    f"Lens.market({number}).{name} is {getattr(found, name)}, not {wanted[name]}"
                )
        house = self.exchange.clearinghouse
        self.expect(house, "fees", (number,), (market.fees_treasury, market.fees_vault))
        self.expect(house, "unpaid", (number,), market.unpaid)
        self.expect(self.exchange.liquidator, "params", (number,), tuple(market.liquidation))
        for notional in (1, notional_of(market.open_interest, market.mark)):
            wanted = market.schedule.requirement(notional)
            self.expect(house, "margin_requirement", (number, notional), wanted)

    def _book(self, number: int) -> None:
        model, contract = self.model, self.exchange.books[number]
        book = model.state.books[number]
        self.expect(contract, "top", (), book.best)
        self.expect(contract, "block_start_top", (), book.at_block_start(model.now))
        for is_buy in (True, False):
            side = book.side(is_buy)
            levels = []
            for price in sorted(side, reverse=is_buy)[:64]:
                orders = side[price]
                size = sum(book.orders[order].size for order in orders)
                self.expect(contract, "level", (price,), size)
                self.expect(contract, "level_orders", (price,), list(orders)[:256])
                levels.append((price, size))
            found = [tuple(level) for level in contract.view("depth", is_buy, 64)]
            if found != levels:
                raise self.twins.difference(f"depth of book {number} is {found}, not {levels}")
        for order in book:
            wanted = (order.account, order.is_buy, order.price, order.size, order.reduce_only, order.expiry)
            self.expect(contract, "order", (order.id,), wanted)
        for account in model.state.accounts:
            found = sorted(contract.view("orders_of", account))
            wanted_ids = sorted(order.id for order in book.orders_of(account))
            if found != wanted_ids:
                raise self.twins.difference(f"orders_of({account}) are {found}, not {wanted_ids}")

    def _shares(self) -> None:
        model, contract = self.model, self.exchange.vault
        stakes, now = model.stakes, model.now
        self.expect(contract, "is_unsettled", (), model.is_unsettled())
        self.expect(contract, "totalAssets", (), model.vault.shared.books)
        self.expect(contract, "totalSupply", (), stakes.supply)
        for amount in (0, 1, 10**6, 7 * 10**20):
            self.expect(contract, "previewDeposit", (amount,), model.to_shares(amount))
            self.expect(contract, "previewRedeem", (amount,), model.to_assets(amount))
        for holder in stakes.holders:
            most = model.redeemable(holder)
            self.expect(contract, "balanceOf", (holder,), model.shares_of(holder))
            self.expect(contract, "maxRedeem", (holder,), most)
            self.expect(contract, "maxWithdraw", (holder,), model.to_assets(most))
            self.expect(contract, "withdrawal_request", (holder,), tuple(model.request_of(holder)))
        pool, breaker = model.vault.shared, model.vault.breaker
        state = (
            pool.stops(breaker, now),
            pool.peak(now) * pool.step,
            pool.line(breaker.trip, now),
            breaker.trip,
            breaker.resume,
        )
        found = contract.view("breaker_state")
        if found.is_open != state[0] or (breaker.trip < WAD and tuple(found) != state):
            raise self.twins.difference(f"breaker_state() is {found}, not {state}")

    def _vault(self, number: int) -> None:
        vault, contract, now = self.model.vault, self.exchange.vault, self.model.now
        self.expect(contract, "coverage", (number,), vault.coverage(number, now))
        ledger = vault.ledgers[number]
        self.expect(contract, "ledger", (number,), (ledger.inflow, ledger.outflow, ledger.deficit))
        for contract_says, ours in (
            ("pool_assets", vault.pools[vault.pool_of(number)].books),
            ("is_isolated", number in vault.pools),
        ):
            self.expect(contract, contract_says, (number,), ours)
        cap = vault.caps.get(number)
        capped = number in vault.capped and cap
        if capped:
            wanted = (cap.limit * vault.step, cap.window, cap.left(now) * vault.step)
            self.expect(contract, "cap", (number,), wanted)
