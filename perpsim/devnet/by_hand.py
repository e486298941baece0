"""What a person does on a devnet by hand: pay in and out, order, and look at an account or at the fund."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from perpsim.chain import Receipt
from perpsim.deleveraging.lights import LIGHTS
from perpsim.deleveraging.policies import policy_named
from perpsim.deleveraging.queue import standing_queue
from perpsim.devnet.deployment import Deployment
from perpsim.devnet.live_chain import LiveChain
from perpsim.devnet.mirror import Mirror
from perpsim.errors import UserError
from perpsim.protocol import MAX_UINT, Contract, Protocol, scaled, wad
from perpsim.scenarios import Market

KINDS = ("gtc", "post-only", "ioc", "fok")
_WAD = 10**18


class Customer:
    """One account's owner on a deployed exchange; what the contracts refuse is a `UserError` in their
    words."""

    def __init__(self, deployment: Deployment, chain: LiveChain) -> None:
        self.chain = chain
        self.protocol: Protocol = deployment.attach(chain)
        self.markets = deployment.model.markets
        self.address = chain.account(0).address

    def deposit(self, amount: str) -> int:
        """Pay collateral in; what the wallet lacks comes from the faucet, where the token is one. The
        account."""
        token, units = self.protocol.token, self._units(amount)
        lacking = units - int(token.view("balanceOf", self.address))
        self.chain.need_coin()
        if lacking > 0:
            self._send(token, "mint", self.address, lacking)
        house = self.protocol.clearinghouse
        if int(token.view("allowance", self.address, house.address)) < units:
            self._send(token, "approve", house.address, MAX_UINT)
        self._send(house, "deposit", units)
        return int(house.view("account_of", self.address))

    def withdraw(self, amount: str) -> None:
        """Take collateral out."""
        self._send(self.protocol.clearinghouse, "withdraw", self._units(amount))

    def place(
        self,
        buys: bool,
        size: str,
        price: str,
        market: str = "0",
        kind: str = "gtc",
        reduce_only: bool = False,
    ) -> list[str]:
        """Order; a line for each thing that happened."""
        book = self.protocol.books[self.market(market)]
        terms = (buys, _wad(price), _wad(size), KINDS.index(kind), reduce_only)
        receipt = self._send(book, "place", *terms)
        return list(_happened(self.protocol, receipt)) or ["nothing filled, nothing rests"]

    def cancel(self, order: str = "all", market: str = "0") -> list[str]:
        """Take back one order or all."""
        book = self.protocol.books[self.market(market)]
        if order == "all":
            receipt = self._send(book, "cancel_all")
        elif order.isdecimal():
            receipt = self._send(book, "cancel", int(order))
        else:
            raise UserError(f"order {order}: expected its number, or all")
        return list(_happened(self.protocol, receipt)) or ["no order to cancel"]

    def market(self, name: str) -> int:
        """Number of a market given by number or symbol."""
        return market_named(self.markets, name)

    def _units(self, amount: str) -> int:
        units = scaled(_number(amount), self.protocol.params.decimals)
        if units <= 0:
            raise UserError(f"amount {amount}: must be above 0")
        return units

    def _send(self, contract: Contract, function: str, *args: object) -> Receipt:
        receipt = contract.send(self.address, function, *args)
        if not receipt.ok:
            raise UserError(f"{function}: the exchange refuses: {receipt.reason}")
        return receipt


def market_named(markets: list[Market], name: str) -> int:
    """Number of a market given by number or symbol. Raises `UserError`."""
    symbols = [market.symbol for market in markets]
    if name in symbols:
        return symbols.index(name)
    if name.isdecimal() and int(name) < len(symbols):
        return int(name)
    raise UserError(f"market {name}: there are {', '.join(symbols)}")


def account_lines(mirror: Mirror, who: str) -> Iterator[str]:
    """An account, by number or address of its owner: its money, its positions with liquidation and bankruptcy
    price, and its lights: 5 is deleveraged first."""
    protocol, accounts = mirror.protocol, mirror.indexer.accounts
    number = int(who) if who.isdecimal() else accounts.by_owner.get(who.lower(), 0)
    if not 1 <= number <= accounts.count:
        raise UserError(f"account {who}: there is none; deposit first: ape run account deposit AMOUNT")
    found = protocol.lens.view("account", number)
    yield f"account {number} of {found.owner}"
    yield f"  collateral {found.collateral / _WAD:,.2f}, equity {found.equity / _WAD:,.2f}"
    yield (
        f"  margin: initial {found.initial_margin / _WAD:,.2f}, "
        f"maintenance {found.maintenance_margin / _WAD:,.2f}"
        + ("  LIQUIDATABLE" if found.equity < found.maintenance_margin else "")
    )
    for held in protocol.lens.view("positions", number):
        symbol = mirror.scenario.markets[held.market].symbol
        entry = abs(held.entry_value / held.size)
        yield (
            f"  {symbol} {held.size / _WAD:+,.4f} from {entry:,.2f}, mark {held.mark / _WAD:,.2f}, "
            f"liquidation {_price(held.liquidation_price)}, bankruptcy {_price(held.bankruptcy_price)}, "
            f"ADL {adl_light(mirror, number, held.market)}"
        )
    for market, orders in enumerate(mirror.indexer.orders):
        symbol = mirror.scenario.markets[market].symbol
        for order, is_buy, price, left in orders.of(number):
            side = "buy" if is_buy else "sell"
            yield f"  order {order} in {symbol}: {side} {left / _WAD:,.4f} at {price:,.2f}"


def adl_light(mirror: Mirror, account: int, market: int) -> str:
    """Lights of a position, or why it has none."""
    if mirror.lists[market] is None:
        return "by size, no queue"
    assert mirror.head is not None
    policy = policy_named(mirror.scenario.markets[market].adl)
    is_long = mirror.indexer.accounts.size_wad[market][account] > 0
    queue = standing_queue(mirror.indexer, mirror.counterparties, policy, market, is_long, mirror.head.time)
    lit = next(place.lights for place in queue if place.candidate.account == account)
    return "*" * lit + "." * (LIGHTS - lit)


def fund_lines(mirror: Mirror, last: int = 20) -> Iterator[str]:
    """The insurance fund and the latest of its history."""
    ledger, protocol = mirror.ledger, mirror.protocol
    yield f"insurance fund {protocol.vault.address}"
    yield f"  holds {int(protocol.vault.view('assets')) / ledger.token:,.2f}"
    yield (
        f"  taken in {ledger.taken_in / ledger.token:,.2f}, covered {ledger.covered / ledger.token:,.2f}, "
        f"rewards {ledger.rewarded / ledger.token:,.2f}, staked {ledger.staked / ledger.token:,.2f}"
    )
    for row in ledger.fund_rows[-last:] if last else []:
        moment = datetime.fromtimestamp(row["time"], UTC).isoformat(sep=" ", timespec="seconds")[:19]
        of = "" if row["account"] is None else f"account {row['account']}"
        money = f"{row['amount_f64']:+16,.2f} {row['balance']:16,.2f}"
        yield f"  {moment}  {row['kind']:8s} {money}  {of}".rstrip()


def _happened(protocol: Protocol, receipt: Receipt) -> Iterator[str]:
    for _, name, event in protocol.decode_all(receipt.logs):
        if name == "Fill":
            yield f"filled {abs(event.size) / _WAD:,.4f} at {event.price / _WAD:,.2f}"
        elif name == "OrderPlaced":
            yield f"order {event.order_id} rests: {event.size / _WAD:,.4f} at {event.price / _WAD:,.2f}"
        elif name == "OrderRemoved":
            yield f"order {event.order_id} is gone"


def _price(price: int) -> str:
    return f"{price / _WAD:,.2f}" if price > 0 else "none"


def _number(text: str) -> str:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 <= value < 1e15:
        raise UserError(f"{text}: expected a number")
    return text


def _wad(text: str) -> int:
    return wad(_number(text))
