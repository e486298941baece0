"""What the contracts hold, word by word, against what the model says they must hold.

Words are read straight from storage, which takes well under a microsecond, and laid out as the documents of
`packing.vy`, `order_words.vy` and the vault's modules say. Only what differs is taken apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from eth_hash.auto import keccak
from reference.account import Account
from reference.market import LONG, SHORT, Market, Side
from reference.vault import SHARED
from support import COMPILER

if TYPE_CHECKING:
    from twins import Twins

WORD = 2**256 - 1
U128 = 2**128 - 1


def _key(slot: int, key: int) -> int:
    return int.from_bytes(keccak(slot.to_bytes(32, "big") + key.to_bytes(32, "big")), "big")


def _slot(contract: str, name: str) -> int:
    """Slot of a variable, in whichever module it is."""
    found = list(_named(COMPILER.load(contract).layout["storage_layout"], name))
    assert len(found) == 1, f"{len(found)} variables of {contract} are called {name}"
    return found[0]


def _named(layout: Any, name: str) -> Iterator[int]:
    for key, place in layout.items():
        if "slot" not in place:
            yield from _named(place, name)
        elif key == name:
            yield int(place["slot"])


def _index(side: Side) -> int:
    return (side.k << 120 | side.a) & WORD


class Storage:
    """Reads the contracts' words and builds the model's."""

    def __init__(self, twins: Twins) -> None:
        from twins import Difference

        self.twins = twins
        self.difference = Difference
        exchange = twins.exchange
        # the engine below the chain: it is asked a hundred times a call
        self.read = exchange.chain._evm.storage
        self.clearinghouse = exchange.clearinghouse.address
        self.vault = exchange.vault.address
        self.liquidator = exchange.liquidator.address
        self.token = exchange.token.address
        self.books = [book.address for book in exchange.books]
        at = {name: _slot("Clearinghouse", name) for name in
              ("prices", "flows", "premiums", "indices", "interests", "fees_owed")}  # fmt: skip
        unpaid = _slot("Clearinghouse", "unpaid")
        debts = _slot("Liquidator", "bad_debt")
        self.market_slots = [
            [
                at["prices"] + n, at["flows"] + n, at["premiums"] + n, at["indices"] + 2 * n,
                at["indices"] + 2 * n + 1, at["interests"] + n, at["fees_owed"] + n, unpaid + n,
            ]
            for n in twins.markets
        ]  # fmt: skip
        self.debt_slots = [[debts + 5 * n + i for i in range(5)] for n in twins.markets]
        self.words = _slot("Clearinghouse", "words")
        self.positions = _slot("Clearinghouse", "positions")
        self.final_k = _slot("Clearinghouse", "final_k")
        self.count = _slot("Clearinghouse", "accounts_count")
        self.epochs = [0 for _ in twins.markets]
        self.stakes: Any = None
        self.account_slots: dict[int, tuple[int, list[int]]] = {}
        self.pools = _slot("InsuranceVault", "states")
        self.supply = _slot("InsuranceVault", "supply")
        self.holders = _slot("InsuranceVault", "holders")
        self.requests = _slot("InsuranceVault", "requests")
        self.reported = _slot("InsuranceVault", "reported")
        self.flows = _slot("InsuranceVault", "flows")
        self.deficits = _slot("InsuranceVault", "deficits")
        balances = _slot("Stablecoin", "balanceOf")
        self.balances = {
            "clearinghouse": _key(balances, int(self.clearinghouse, 16)),
            "vault": _key(balances, int(self.vault, 16)),
        }
        self.orders = _slot("OrderBook", "orders")
        self.top = _slot("OrderBook", "top_word")
        self.slots = _slot("OrderBook", "slots")
        self.ticks = [market.tick_size for market in twins.params.markets]
        self.known: list[dict[int, Any]] = [{} for _ in twins.markets]
        self.order_slots: list[dict[int, int]] = [{} for _ in twins.markets]

    # the model in words

    def market_words(self, market: Market) -> list[int]:
        """A market's words; see `packing.vy`."""
        longs, shorts = market.sides
        return [
            (
                (market.rate << 176) | (market.mark << 88) | (market.index_time << 48)
                | (market.renewed_at << 8) | market.close_only | (market.open_list is not None) << 1
            ) & WORD,
            market.flow & WORD,
            ((market.basis << 168) | ((market.premium & (2**64 - 1)) << 104) | market.index) & WORD,
            _index(longs),
            _index(shorts),
            (
                (market.open_interest << 144) | (market.cap // 10**6 << 64)
                | (longs.epoch << 32) | shorts.epoch
            ),
            market.fees_vault << 128 | market.fees_treasury,
            market.unpaid,
        ]  # fmt: skip

    def account_words(self, account: Account) -> list[int]:
        """An account's word and two for each market."""
        held = sum(1 << number for number in account.positions)
        words = [(account.collateral << 128 | held) & WORD]
        for number in self.twins.markets:
            position = account.positions.get(number)
            if position is None:
                words += (0, 0)
            else:
                size, entry, seen = position
                words.append((size << 160 | (entry & U128) << 32 | seen.epoch) & WORD)
                words.append(_index(seen))
        return words

    # the comparison

    def compare(self, what: str) -> None:
        """Every account, position, market, ledger and balance; of the orders, those that changed."""
        model, read = self.twins.model, self.read
        state = model.state
        house = self.clearinghouse
        for market in state.markets:
            found = [read(house, slot) for slot in self.market_slots[market.number]]
            wanted = self.market_words(market)
            if found != wanted:
                self.differ(what, f"market {market.number}", describe_market, found, wanted)
            if len(market.final_k) != self.epochs[market.number]:
                self._compare_epochs(what, market)
            found = [read(self.liquidator, slot) for slot in self.debt_slots[market.number]]
            if found != state.debts[market.number]:
                raise self.difference(
                    f"after {what}: bad debt {found}, the model {state.debts[market.number]}"
                )
        if read(house, self.count) != len(state.accounts):
            raise self.difference(
                f"after {what}: {read(house, self.count)} accounts, not {len(state.accounts)}"
            )
        for number, account in state.accounts.items():
            slots = self.account_slots.get(number)
            if slots is None:
                slots = self.account_slots[number] = self._slots_of(number)
            wanted = self.account_words(account)
            found = [read(house, slot) for slot in slots]
            if found != wanted:
                self.differ(what, f"account {number}", describe_account, found, wanted)
        for holder, slot in self.balances.items():
            if read(self.token, slot) != state.tokens[holder]:
                raise self.difference(
                    f"after {what}: the {holder} holds {read(self.token, slot)} tokens, "
                    f"the model {state.tokens[holder]}"
                )
        self._compare_vault(what)
        for number in self.twins.markets:
            self._compare_book(what, number)

    def _compare_epochs(self, what: str, market: Market) -> None:
        for (side, epoch), final in market.final_k.items():
            slot = _key(self.final_k, market.number << 64 | side << 32 | epoch)
            found = signed(self.read(self.clearinghouse, slot), 0, 256)
            if found != final:
                raise self.difference(
                    f"after {what}: market {market.number} left epoch {epoch} of side {side} "
                    f"with k {found}, the model with {final}"
                )
        self.epochs[market.number] = len(market.final_k)

    def _slots_of(self, account: int) -> list[int]:
        slots = [_key(self.words, account)]
        for market in self.twins.markets:
            first = _key(self.positions, account << 3 | market)
            slots += (first, first + 1)
        return slots

    def _compare_vault(self, what: str) -> None:
        vault, read = self.twins.model.vault, self.read
        for number in range(SHARED + 1):
            word = read(self.vault, self.pools + number)
            pool = vault.pools.get(number)
            found = (word & (2**100 - 1), bool(word >> 244 & 1))
            if found != (pool.books if pool else 0, bool(pool and pool.is_open)):
                raise self.difference(
                    f"after {what}: pool {number} has {found} (books, open), the model {pool}"
                )
            if number == SHARED:
                marks = sum(1 << n for n in vault.pools if n != SHARED)
                marks |= self.twins.model.stakes.on << 9 | vault.doubt << 10
                if word >> 245 != marks:
                    raise self.difference(
                        f"after {what}: the vault's marks are {word >> 245:b}, not {marks:b}"
                    )
        self._compare_stakes(what)
        for number, ledger in enumerate(vault.ledgers):
            flows = read(self.vault, self.flows + number) & (2**232 - 1)
            if flows != ledger.outflow << 116 | ledger.inflow or (
                number < 8 and read(self.vault, self.deficits + number) != ledger.deficit
            ):
                raise self.difference(f"after {what}: ledger {number} is not {ledger}")

    def _compare_stakes(self, what: str) -> None:
        stakes, read = self.twins.model.stakes, self.read
        if stakes == self.stakes:
            return
        self.stakes = stakes
        word = read(self.vault, self.supply)
        reported = sum(account << 32 * i for i, account in enumerate(stakes.reported))
        if (word & U128, word >> 128) != (stakes.supply, stakes.treasury):
            raise self.difference(
                f"after {what}: {word & U128} shares, {word >> 128} of the treasury, the model "
                f"{stakes.supply} and {stakes.treasury}"
            )
        if read(self.vault, self.reported) != reported:
            raise self.difference(f"after {what}: the reported accounts are not {stakes.reported}")
        for holder, shares in stakes.holders.items():
            request = stakes.requests.get(holder)
            word = read(self.vault, _key(self.holders, int(holder, 16)))
            if (word & U128, word >> 128) != (shares, request.shares if request else 0):
                raise self.difference(
                    f"after {what}: {holder} holds {word & U128} shares, {word >> 128} of them requested; "
                    f"the model {shares} and {request}"
                )
            if request:
                word = read(self.vault, _key(self.requests, int(holder, 16)))
                if word != request.value | request.start << 104 | request.end << 144:
                    raise self.difference(f"after {what}: the request of {holder} is not {request}")

    def _compare_book(self, what: str, number: int) -> None:
        book = self.twins.model.state.books[number]
        known = self.known[number]
        if book.orders == known:
            return
        address, read = self.books[number], self.read
        for order_id in {order.id for _, order in book.orders.items() ^ known.items()}:
            order = book.orders.get(order_id)
            slot = self.order_slots[number].setdefault(order_id, _key(self.orders, order_id))
            word = read(address, slot)
            if order is None:
                found, wanted = word, 0
                del self.order_slots[number][order_id]
            else:
                # neighbours in the queue and the slot are compared through views
                found = (word >> 160, word >> 128 & 0xFFFFFFFF, word >> 32 & 0xFFFFFFFF,
                         word >> 8 & 0xFFFFFF, word >> 2 & 1, word >> 1 & 1)  # fmt: skip
                wanted = (order.size, order.account, order.expiry, order.price // self.ticks[number],
                          int(order.reduce_only), int(order.is_buy))  # fmt: skip
            if found != wanted:
                raise self.difference(
                    f"after {what}: order {order_id} of book {number} is {found}, the model's {wanted}"
                )
        self.known[number] = dict(book.orders)

    def differ(self, what: str, where: str, describe: Any, found: list[int], wanted: list[int]) -> None:
        """Say which fields differ."""
        theirs, ours = describe(found), describe(wanted)
        lines = [f"  {name}: {theirs[name]}, the model {ours[name]} ({ours[name] - theirs[name]:+})"
                 for name in theirs if theirs[name] != ours[name]]  # fmt: skip
        raise self.difference(f"after {what}: {where}\n" + "\n".join(lines))


def signed(word: int, high: int, bits: int) -> int:
    """A signed field whose lowest bit is `high`."""
    value = word >> high & (1 << bits) - 1
    return value - (1 << bits) if value >> bits - 1 else value


def describe_market(words: list[int]) -> dict[str, int]:
    """The fields of a market's words."""
    price, flow, premium, longs, shorts, interest, fees, unpaid = words
    found = {
        "rate": signed(price, 176, 80), "mark": price >> 88 & 2**88 - 1,
        "index_time": price >> 48 & 2**40 - 1, "renewed_at": price >> 8 & 2**40 - 1, "flags": price & 255,
        "flow": signed(flow, 0, 256), "basis": signed(premium, 168, 88),
        "premium": signed(premium, 104, 64), "index": premium & 2**88 - 1,
        "open_interest": interest >> 144, "cap": interest >> 64 & 2**80 - 1,
        "epoch of longs": interest >> 32 & 2**32 - 1, "epoch of shorts": interest & 2**32 - 1,
        "vault's fees": fees >> 128, "treasury's fees": fees & U128, "unpaid": unpaid,
    }  # fmt: skip
    for name, word in (("longs", longs), ("shorts", shorts)):
        found |= {f"k of {name}": signed(word, 120, 136), f"a of {name}": word & 2**120 - 1}
    return found


def describe_account(words: list[int]) -> dict[str, int]:
    """The fields of an account's words."""
    found = {"collateral": signed(words[0], 128, 128), "held": words[0] & 255}
    for number in range(len(words) // 2):
        holding, index = words[2 * number + 1 : 2 * number + 3]
        found |= {
            f"size in {number}": signed(holding, 160, 96),
            f"entry in {number}": signed(holding, 32, 128),
            f"epoch in {number}": holding & 2**32 - 1,
            f"k seen in {number}": signed(index, 120, 136),
            f"a seen in {number}": index & 2**120 - 1,
        }
    return found


__all__ = ["LONG", "SHORT", "Storage"]
