"""The contracts and the reference model side by side: every transaction goes to both, and both must agree on
whether it happens, on what it returns and on every word that it leaves behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from invariants import Invariants
from reference import Exchange as Model
from reference import Refused
from reference.terms import DeleverageTerms, Funding, LiquidationTerms, Terms, Tier
from storage import Storage
from support import START_PRICE, Exchange
from views import Views

from perpsim.protocol import BY_INDEX, MAX_UINT, ProtocolParams, wad

#: no transaction may ever use more
GAS_LIMIT = 20_000_000


class Difference(AssertionError):
    """Contracts and model disagree."""


def model_of(params: ProtocolParams, now: int) -> Model:
    """The model of what `support.fresh` deploys."""
    model = Model(params.decimals, now)
    vault = params.vault
    for number, market in enumerate(params.markets):
        model.add_market(
            (market.tick_size, market.lot_size, market.min_size, market.max_orders),
            Terms(*market.terms),
            Funding(*market.funding),
            tuple(Tier(*tier) for tier in market.tiers),
            market.open_interest_cap,
            LiquidationTerms(*market.liquidation),
        )
        policy = None if market.deleverage.policy == BY_INDEX else market.deleverage.policy
        terms = DeleverageTerms(policy, market.deleverage.timeout, market.deleverage.list_from)
        model.set_deleverage_terms(number, terms)
        if vault.cap:
            model.set_cap(number, vault.cap, vault.cap_window)
    model.set_breaker(vault.breaker_trip, min(vault.breaker_resume, vault.breaker_trip))
    if vault.initial:
        model.fund(vault.initial)
    for number in range(len(params.markets)):
        model.post(number, wad(START_PRICE), now)
    return model


class Twins:
    """`exchange` are the contracts, `model` the reference."""

    def __init__(self, exchange: Exchange, names: tuple[str, ...]) -> None:
        self.exchange = exchange
        self.params = exchange.params
        self.markets = range(len(self.params.markets))
        self.model = model_of(self.params, exchange.now)
        self.owner = exchange.owner.address
        self.senders = [exchange.actor(name).address for name in names]
        for sender in (*self.senders, self.owner):
            for spender in (exchange.clearinghouse, exchange.vault):
                exchange.send(sender, exchange.token, "approve", spender.address, MAX_UINT)
        self.storage = Storage(self)
        self.invariants = Invariants(self)
        self.views = Views(self)
        self.difference = Difference
        #: token units given to a contract without a word
        self.donated = {"clearinghouse": 0, "vault": 0}
        self.calls = 0
        #: calls between two looks at all views
        self.look_every = 200
        self.receipt: Any = None
        self.done: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        #: what happened in the transactions that were not refused
        self.seen: Counter[str] = Counter()
        #: what was sent, in words, for a replay
        self.words: list[str] | None = None

    @property
    def now(self) -> int:
        """Time of the present block (s)."""
        return self.model.now

    def wait(self, seconds: int) -> None:
        """Begin a new block."""
        self.exchange.wait(seconds)
        self.model.now = self.exchange.now
        if self.words is not None:
            self.words.append(f"wait {seconds}")
        self.invariants.moved = True

    def mint(self, sender: str, amount: int) -> None:
        """Give somebody token units."""
        if amount:
            self.exchange.send(sender, self.exchange.token, "mint", sender, amount)

    def send(self, sender: str, contract: Any, function: str, args: tuple, model: Callable[[], Any]) -> Any:
        """One transaction to both; what it returned, or None if both refused it."""
        self.calls += 1
        if self.words is not None:
            self.words.append(f"{contract.name}.{function}{args} from {self.name_of(sender)}")
        self.model.notes.clear()
        self.invariants.prepare(function)
        receipt = self.receipt = contract.send(sender, function, *args)
        try:
            expected = model()
            reason = ""
        except Refused as refused:
            expected, reason = None, refused.reason
        if receipt.reason != reason:
            raise Difference(
                f"{function}{args}: the contracts say {receipt.reason or 'done'!r}, "
                f"the model {reason or 'done'!r}"
            )
        if receipt.gas_used > GAS_LIMIT:
            raise Difference(f"{function}{args} took {receipt.gas_used} gas")
        if reason:
            self.refused[f"{function}: {reason}"] += 1
            self.storage.compare(function)
            return None
        value = contract.interface.functions[function].decode(receipt.output) if receipt.output else None
        if expected is not None and value != expected:
            raise Difference(f"{function}{args}: the contracts return {value}, the model {expected}")
        self.done[function] += 1
        self.seen.update(note[0] for note in self.model.notes)
        self.storage.compare(function)
        self.invariants.check(function)
        if self.calls % self.look_every == 0:
            self.views.compare()
        return True if expected is None else expected

    def last_events(self) -> list[str]:
        """What the contracts logged in the last transaction, in words."""
        found = self.exchange.protocol.decode_all(self.receipt.logs)
        return [f"{contract}.{values}" for contract, _, values in found]

    def name_of(self, address: str) -> str:
        """A sender in words."""
        return next((a.name for a in self.exchange.actors.values() if a.address == address), "owner")
