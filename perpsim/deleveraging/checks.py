"""Compares what a receipt and the events around it say with what they must say. All amounts WAD."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

from perpsim.deleveraging.expected import Bill, Place, Task, collateral_after, index_after
from perpsim.deleveraging.packing import Listed
from perpsim.deleveraging.replay import Logged
from perpsim.simulation.counterparties import Standing
from perpsim.simulation.market_state import LONG, SHORT, WAD, MarketState, truncated

#: a list may lack that much of the side (WAD size)
DUST = 10**9


class Findings:
    """What was not as it must be, in words, the gravest first."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, words: str) -> None:
        """Add a finding."""
        self.said.append(words)

    def compare(self, what: str, found: int, expected: int) -> None:
        """Add a finding unless the two are equal to the wei."""
        if found != expected:
            self.say(f"{what} is {exact(found)}, must be {exact(expected)}")


def exact(amount: int) -> str:
    """A WAD amount in whole units, every digit."""
    text = f"{Decimal(amount).scaleb(-18):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def check_bankruptcy(findings: Findings, receipt: Logged, task: Task, standing: Standing) -> None:
    """Whether the account was bankrupt, and deficit, mark and price are its own."""
    args = receipt.args
    if standing.equity >= 0:
        findings.say(f"account {args.account} was not bankrupt, its equity was {exact(standing.equity)}")
    findings.compare("the deficit", args.deficit, max(-standing.equity, 0))
    findings.compare("the mark", args.mark, task.case.mark)
    if standing.size:
        findings.compare("the bankruptcy price", args.bankruptcy_price, task.price)
    else:
        findings.say(f"account {args.account} had no position in market {args.market}")


def check_complete(findings: Findings, rows: Sequence[Listed], side: Sequence[Place]) -> None:
    """Whether a list names each account of the side once and nobody else, but for dust."""
    listed = Counter(row.account for row in rows)
    there = {place.account: place.size for place in side}
    for account, times in sorted(listed.items()):
        if times > 1:
            findings.say(f"account {account} is listed {times} times")
    for account in sorted(set(listed) - set(there)):
        findings.say(f"account {account} is listed, but has no position on that side")
    name_skipped(findings, [place for place in side if place.account not in listed])


def name_skipped(findings: Findings, places: Sequence[Place]) -> None:
    """Name who is not in a list, unless they are no more than dust together."""
    if sum(place.size for place in places) > DUST:
        accounts = sorted(place.account for place in places)
        findings.say(f"skipped: account {', '.join(map(str, accounts))}")


def check_rows(findings: Findings, rows: Sequence[Listed], bill: Bill) -> None:
    """Whether the rows of a list have the keys, the order, the sizes and the parts that they must have."""
    expected = {row.account: row for row in bill.rows}
    keys = [(-expected[row.account].key, row.account) for row in rows if row.account in expected]
    for first, second in pairwise(keys):
        if first > second:
            findings.say(f"account {first[1]} is listed before {second[1]}, which comes first")
    for row in rows:
        must = expected.get(row.account)
        if must is None:
            continue
        if row.key != must.key:
            findings.say(f"the key of account {row.account} is {row.key}, must be {must.key}")
        findings.compare(f"the size of account {row.account}", row.size, must.size)
        findings.compare(f"what account {row.account} bore", row.taken, must.taken)
        findings.compare(f"the haircut of account {row.account}", row.haircut, must.haircut)


class Moves:
    """What the clearinghouse did between two receipts for a bankrupt account in a market."""

    def __init__(self, events: Sequence[Logged], market: int, account: int) -> None:
        own = [event for event in events if getattr(event.args, "market", None) == market]
        traded = [e.args for e in own if e.name == "Deleveraged" and e.args.bankrupt == account]
        self.counterparties = [args for args in traded if args.account != account]
        self.bankrupt = [args for args in traded if args.account == account]
        self.indices = [event.args for event in own if event.name == "IndexMoved"]


def check_counterparties(
    findings: Findings, moves: Moves, bill: Bill, standings: dict[int, Standing], sign: int
) -> None:
    """Whether each account that bears something, and no other, was closed or charged as its row says.

    `sign` is that of the bankrupt position. `standings` are the counterparties just before.
    """
    must = {row.account: row for row in bill.rows if row.taken}
    done = Counter(args.account for args in moves.counterparties)
    for account in sorted(set(must) - set(done)):
        findings.say(f"account {account} was to bear {exact(must[account].taken)}, but was not touched")
    for args in moves.counterparties:
        account = args.account
        if account not in must or done[account] > 1:
            findings.say(f"account {account} was taken" + (" twice" if account in must else ", out of turn"))
            continue
        bought = 0 if bill.charges else sign * must[account].taken
        findings.compare(f"what account {account} was closed for", args.size, bought)
        findings.compare(f"what account {account} paid", args.quote, bill.pays[account])
        after = collateral_after(standings[account], bought, bill.pays[account])
        findings.compare(f"the collateral of account {account} afterwards", args.account_collateral, after)


def check_bankrupt(findings: Findings, moves: Moves, standing: Standing, sold: int, received: int) -> None:
    """Whether the bankrupt account sold `sold` (signed) for `received` in all, and holds what is left."""
    account = moves.bankrupt[0].account if moves.bankrupt else 0
    findings.compare("what the account sold", -sum(args.size for args in moves.bankrupt), sold)
    findings.compare("what it received", -sum(args.quote for args in moves.bankrupt), received)
    one = standing
    for args in moves.bankrupt:
        after = collateral_after(one, args.size, args.quote)
        if args.account_collateral != after:
            findings.compare(
                f"the collateral of account {account} afterwards", args.account_collateral, after
            )
            return
        left = one.size + args.size
        kept = truncated(one.entry * left, one.size) if left else 0
        if not args.size:
            kept += args.quote
        one = one._replace(size=left, entry=kept, collateral=after)


def check_index(
    findings: Findings, moves: Moves, state: MarketState, task: Task, bill: Bill, quantity: int, time: int
) -> None:
    """Whether the other side's index moved by `quantity` closed for the rest of the quote, or stayed."""
    if not quantity:
        if moves.indices:
            findings.say("the side index moved, though nothing was to go by index")
        return
    if len(moves.indices) != 1:
        findings.say(f"the side index moved {len(moves.indices)} times, must move once")
        return
    args, side = moves.indices[0], LONG if task.case.is_long else SHORT
    open_interest = state.open_interest - bill.closed
    a, k = index_after(state, side, time, quantity, -bill.quote, open_interest)
    if args.side != side:
        findings.say("the index of the wrong side moved")
    for what, found, must in (("a", args.a, a), ("k", args.k, k)):
        if found != must:
            findings.say(f"{what} of the side index is {found}, must be {must}")
    findings.compare("the open interest", args.open_interest, open_interest - quantity)


def notional(standing: Standing, mark: int) -> int:
    """Of a position (WAD), as the contracts compare it with `list_from`: toward zero."""
    return abs(truncated(standing.size * mark, WAD))
