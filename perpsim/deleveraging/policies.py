"""The deleveraging policies of `contracts/policies` in Python integers, equal to them to the wei.

Amounts are WAD integers as on chain (`contracts/interfaces/IDeleveragePolicy.vyi`): sizes of the base asset,
money of the quote asset. `rank` and `allot` fail for nothing that the contracts accept; they check no ranges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from eth_hash.auto import keccak

from perpsim.errors import UserError

WAD = 10**18
RATIO_LIMIT = 2**127 - 1
KEY_LIMIT = 2**128 - 1
#: what rounding may cost a counterparty (WAD), kept out of what it can bear
ROUNDING = 4

_ZERO_SCORE = 2**127


class Case(NamedTuple):
    """One deleveraging. `is_long`: side of the candidates, `haircut`: what they give up against the mark."""

    market: int
    account: int
    mark: int
    quantity: int
    haircut: int
    is_long: bool
    seed: int


class Candidate(NamedTuple):
    """A counterparty, settled. `size`, `notional`, `entry`: magnitudes; `cap`: the most that it can bear."""

    account: int
    size: int
    notional: int
    entry: int
    profit: int
    equity: int
    maintenance: int
    share: int
    collateral: int
    cap: int


class Row(NamedTuple):
    """A candidate's place (high keys first, equal keys by account), weight and limit."""

    key: int
    weight: int
    cap: int


class Left(NamedTuple):
    """What is still to allot, and the sum of the weights of the next row and all after it."""

    amount: int
    weight: int


@dataclass(frozen=True)
class Policy:
    """A rule of who bears a loss. It allots sizes to close or, if it `charges`, quote to pay.

    `weighted` says whether `allot` looks at weights.
    """

    name: str
    weighted: bool
    charges: bool
    rank: Callable[[Case, Candidate], Row]
    allot: Callable[[Left, Row], int]

    def needed(self, case: Case) -> int:
        """What the rows have to bear together: the quantity, or the haircut if the policy charges."""
        return case.haircut if self.charges else case.quantity

    def limit(self, case: Case, size: int, equity: int) -> int:
        """`Candidate.cap`: the most that an account can bear without an equity below zero, rounded down."""
        bearable = max(equity - ROUNDING, 0)
        if self.charges:
            return bearable
        if case.haircut == 0:
            return size
        return min(size, bearable * case.quantity // case.haircut)


class Allotment(NamedTuple):
    """What one account of a sorted list bears: `amount` is a size, or quote if the policy charges."""

    account: int
    row: Row
    amount: int


class ShareOut(NamedTuple):
    """A list in its order with what each account bears, and the `rest` that the list cannot bear."""

    allotments: tuple[Allotment, ...]
    rest: int


def share_out(
    policy: Policy, case: Case, candidates: Iterable[Candidate], needed: int | None = None
) -> ShareOut:
    """Sort the candidates and allot to one after the other; `needed` defaults to all of the case."""
    listed = ranked(policy, case, candidates)
    amount = policy.needed(case) if needed is None else needed
    weight = sum(row.weight for _, row in listed)
    allotments = []
    for account, row in listed:
        taken = policy.allot(Left(amount, weight), row)
        allotments.append(Allotment(account, row, taken))
        amount -= taken
        weight -= row.weight
    return ShareOut(tuple(allotments), amount)


def ranked(policy: Policy, case: Case, candidates: Iterable[Candidate]) -> list[tuple[int, Row]]:
    """Accounts with their rows in the order of the list."""
    rank = policy.rank
    rows = [(candidate.account, rank(case, candidate)) for candidate in candidates]
    rows.sort(key=lambda item: (-item[1].key, item[0]))
    return rows


def seed_of(market: int, account: int, mark: int) -> int:
    """`Case.seed` of a deleveraging; the mark is WAD."""
    words = b"".join(value.to_bytes(32, "big") for value in (market, account, mark))
    return int.from_bytes(keccak(words), "big")


# scores: every division rounds down, a ratio is held below 2**127


def _ratio(numerator: int, denominator: int) -> int:
    if numerator == 0:
        return 0
    if denominator == 0:
        return RATIO_LIMIT
    return min(numerator * WAD // denominator, RATIO_LIMIT)


def _product(a: int, b: int) -> int:
    return min(a * b // WAD, KEY_LIMIT)


def _bitmex(case: Case, candidate: Candidate) -> Row:
    if candidate.share <= 0:
        key = 0
    else:
        leverage = _ratio(candidate.notional, candidate.share)
        change = _ratio(abs(candidate.profit), candidate.entry)
        if candidate.profit > 0:
            key = _ZERO_SCORE + min(_product(change, leverage), _ZERO_SCORE - 1)
        else:
            key = _ZERO_SCORE - _ratio(change, leverage)
    return Row(key, 0, candidate.cap)


def _binance(case: Case, candidate: Candidate) -> Row:
    key = 0
    if candidate.equity > 0:
        gain = _ratio(max(candidate.profit, 0), max(candidate.collateral, WAD))
        key = _product(gain, _ratio(max(candidate.maintenance, 0), candidate.equity))
    return Row(key, 0, candidate.cap)


def _hyperliquid(case: Case, candidate: Candidate) -> Row:
    key = 0
    if candidate.equity > 0:
        worth, paid = candidate.notional, candidate.entry
        gain = _ratio(worth, paid) if case.is_long else _ratio(paid, worth)
        key = _product(gain, _ratio(worth, candidate.equity))
    return Row(key, 0, candidate.cap)


def _random(case: Case, candidate: Candidate) -> Row:
    drawn = keccak(case.seed.to_bytes(32, "big") + candidate.account.to_bytes(32, "big"))
    return Row(int.from_bytes(drawn[:16], "big"), 0, candidate.cap)


def _pro_rata(case: Case, candidate: Candidate) -> Row:
    weight, cap = max(candidate.profit, 0), _size_within_profit(case, candidate)
    return Row(_ratio(weight, cap), weight, cap)


def _capped_pro_rata(case: Case, candidate: Candidate) -> Row:
    cap = _size_within_profit(case, candidate)
    return Row(KEY_LIMIT - cap, min(cap, 1), cap)


def _socialise(case: Case, candidate: Candidate) -> Row:
    weight = max(candidate.profit, 0)
    cap = min(candidate.cap, weight)
    return Row(_ratio(weight, cap), weight, cap)


def _size_within_profit(case: Case, candidate: Candidate) -> int:
    if candidate.profit <= 0:
        return 0
    if case.haircut == 0:
        return candidate.cap
    return min(candidate.cap, candidate.profit * case.quantity // case.haircut)


# allotments


def _in_turn(left: Left, row: Row) -> int:
    return min(row.cap, left.amount)


def _in_proportion(left: Left, row: Row) -> int:
    if row.weight == 0 or left.weight == 0:
        return 0
    return min(row.cap, left.amount, left.amount * row.weight // left.weight)


#: all policies by name
POLICIES: dict[str, Policy] = {
    policy.name: policy
    for policy in (
        Policy("queue-bitmex", False, False, _bitmex, _in_turn),
        Policy("queue-binance", False, False, _binance, _in_turn),
        Policy("queue-hyperliquid", False, False, _hyperliquid, _in_turn),
        Policy("pro-rata", True, False, _pro_rata, _in_proportion),
        Policy("capped-pro-rata", True, False, _capped_pro_rata, _in_proportion),
        Policy("random", False, False, _random, _in_turn),
        Policy("socialise", True, True, _socialise, _in_proportion),
    )
}


def policy_named(name: str) -> Policy:
    """The policy of that name; a UserError lists the names there are."""
    try:
        return POLICIES[name]
    except KeyError:
        raise UserError(f"no deleveraging policy {name!r}; there are: {', '.join(POLICIES)}") from None
