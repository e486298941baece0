"""Who on the other side bears a bankrupt position, in what order and how much (SPECIFICATION 8.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from eth_hash.auto import keccak

from reference.arith import WAD

#: ratios are held below 2**127, keys below 2**128
RATIO_LIMIT = 2**127 - 1
KEY_LIMIT = 2**128 - 1
MIDDLE = 2**127


class Case(NamedTuple):
    """One deleveraging: what is still to close (WAD size) and what closing it all costs against the mark."""

    market: int
    account: int
    mark: int
    quantity: int
    haircut: int
    #: side of the candidates
    is_long: bool

    @property
    def seed(self) -> int:
        """Of the random policy."""
        return hashed(self.market, self.account, self.mark)


class Candidate(NamedTuple):
    """A counterparty, settled: sizes and money WAD, all but profit, equity, share and collateral positive."""

    account: int
    size: int
    notional: int
    entry: int
    profit: int
    equity: int
    maintenance: int
    share: int
    collateral: int
    #: most that its equity bears: WAD size, WAD quote where winners are charged
    cap: int


class Row(NamedTuple):
    """Place in the list (high first), weight, and the most that may be allotted."""

    key: int
    weight: int
    cap: int


class Policy(NamedTuple):
    """How candidates are ranked; whether in proportion to weights; whether nobody is closed but charged."""

    rank: Callable[[Case, Candidate], Row]
    proportional: bool = False
    charges: bool = False

    def allot(self, amount: int, weights: int, row: Row) -> int:
        """What the next row bears of an amount; `weights` are its own and those of all rows after it."""
        if not self.proportional:
            return min(row.cap, amount)
        if row.weight == 0:
            return 0
        return min(row.cap, amount * row.weight // weights)


def hashed(*words: int) -> int:
    """Keccak-256 of 32-byte words."""
    return int.from_bytes(keccak(b"".join(word.to_bytes(32, "big") for word in words)), "big")


def ratio(numerator: int, denominator: int) -> int:
    """Quotient in WAD, floor, below the limit; x / 0 is the limit, 0 / 0 is 0."""
    if denominator == 0:
        return RATIO_LIMIT if numerator else 0
    return min(numerator * WAD // denominator, RATIO_LIMIT)


def product(a: int, b: int) -> int:
    """Product of two ratios, floor, below the limit of keys."""
    return min(a * b // WAD, KEY_LIMIT)


def queue_bitmex(case: Case, candidate: Candidate) -> Row:
    """By profit in per cent of the entry value, times the effective leverage."""
    if candidate.share <= 0:
        return Row(0, 0, candidate.cap)
    leverage = ratio(candidate.notional, candidate.share)
    per_cent = ratio(abs(candidate.profit), candidate.entry)
    if candidate.profit > 0:
        key = min(MIDDLE + product(per_cent, leverage), KEY_LIMIT)
    else:
        key = MIDDLE - ratio(per_cent, leverage)
    return Row(key, 0, candidate.cap)


def queue_binance(case: Case, candidate: Candidate) -> Row:
    """By profit over the wallet, times the margin ratio."""
    if candidate.equity <= 0:
        return Row(0, 0, candidate.cap)
    gain = ratio(max(candidate.profit, 0), max(candidate.collateral, WAD))
    return Row(product(gain, ratio(candidate.maintenance, candidate.equity)), 0, candidate.cap)


def queue_hyperliquid(case: Case, candidate: Candidate) -> Row:
    """By mark over entry price (shorts: entry price over mark), times the leverage."""
    if candidate.equity <= 0:
        return Row(0, 0, candidate.cap)
    prices = (candidate.notional, candidate.entry)
    moved = ratio(*prices) if case.is_long else ratio(*reversed(prices))
    return Row(product(moved, ratio(candidate.notional, candidate.equity)), 0, candidate.cap)


def at_random(case: Case, candidate: Candidate) -> Row:
    """In an order that nobody chooses."""
    return Row(hashed(case.seed, candidate.account) >> 128, 0, candidate.cap)


def within_profit(case: Case, candidate: Candidate) -> int:
    """The size whose closing costs no more than the profit."""
    if candidate.profit <= 0:
        return 0
    if case.haircut == 0:
        return candidate.cap
    return min(candidate.cap, candidate.profit * case.quantity // case.haircut)


def pro_rata(case: Case, candidate: Candidate) -> Row:
    """In proportion to profit; who comes to his cap first comes first."""
    weight, cap = max(candidate.profit, 0), within_profit(case, candidate)
    return Row(ratio(weight, cap), weight, cap)


def capped_pro_rata(case: Case, candidate: Candidate) -> Row:
    """In equal parts, up to the cap; the smallest cap first."""
    cap = within_profit(case, candidate)
    return Row(KEY_LIMIT - cap, int(cap > 0), cap)


def socialise(case: Case, candidate: Candidate) -> Row:
    """The winners pay in proportion to profit; nobody is closed."""
    weight = max(candidate.profit, 0)
    cap = min(candidate.cap, weight)
    return Row(ratio(weight, cap), weight, cap)


POLICIES = {
    "queue-bitmex": Policy(queue_bitmex),
    "queue-binance": Policy(queue_binance),
    "queue-hyperliquid": Policy(queue_hyperliquid),
    "random": Policy(at_random),
    "pro-rata": Policy(pro_rata, proportional=True),
    "capped-pro-rata": Policy(capped_pro_rata, proportional=True),
    "socialise": Policy(socialise, proportional=True, charges=True),
}
