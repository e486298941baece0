"""Deleveraging lists as an honest keeper makes them: the whole other side in the order of the policy."""

from __future__ import annotations

from typing import Any

from perpsim.deleveraging.packing import Listed, pack_ids, unpack_rows
from perpsim.deleveraging.policies import Candidate, Case, ShareOut, policy_named, share_out
from perpsim.protocol import POLICIES, WAD, DeleverageParams, set_deleverage
from support.exchange import Actor, Exchange, Sent

#: what rounding may cost a counterparty (WAD), kept out of its cap
ROUNDING = 4


def by_list(exchange: Exchange, policy: str, market: int = 0, **terms: Any) -> None:
    """From now on the market shares out by this policy."""
    set_deleverage(exchange.protocol, market, DeleverageParams(policy, **terms))


def case_of(exchange: Exchange, loser: Actor, market: int = 0) -> Case:
    """The deleveraging of a bankrupt account as it is due now."""
    standing = exchange.clearinghouse.view("standing", loser.account, market)
    quote, worth = price(standing)
    return Case(
        market=market,
        account=loser.account,
        mark=standing.mark,
        quantity=abs(standing.size),
        haircut=quote - worth,
        is_long=standing.size < 0,
        seed=seed(market, loser.account, standing.mark),
    )


def price(standing: Any) -> tuple[int, int]:
    """What the account receives for its position, and its worth at the mark (SPECIFICATION.md, 8)."""
    worth = standing.size * standing.mark // WAD
    loss = standing.entry - worth
    if loss <= 0:
        return worth, worth
    elsewhere = max(-(standing.equity - standing.collateral + loss), 0)
    return worth + min(loss, -(standing.equity * loss // (loss + elsewhere))), worth


def seed(market: int, account: int, mark: int) -> int:
    """The seed of the random policy."""
    from eth_utils import keccak

    return int.from_bytes(keccak(b"".join(x.to_bytes(32, "big") for x in (market, account, mark))), "big")


def candidates(exchange: Exchange, case: Case, charges: bool) -> list[Candidate]:
    """Everybody on the other side."""
    found = []
    for account in range(1, exchange.clearinghouse.view("accounts_count") + 1):
        standing = exchange.clearinghouse.view("standing", account, case.market)
        if standing.size == 0 or (standing.size > 0) != case.is_long:
            continue
        size = abs(standing.size)
        bearable = max(standing.equity - ROUNDING, 0)
        cap = size if case.haircut == 0 else min(size, bearable * case.quantity // case.haircut)
        found.append(
            Candidate(
                account=account,
                size=size,
                notional=size * case.mark // WAD,
                entry=abs(standing.entry),
                profit=standing.size * standing.mark // WAD - standing.entry,
                equity=standing.equity,
                maintenance=standing.maintenance,
                share=standing.equity * standing.position_maintenance // standing.maintenance,
                collateral=standing.collateral,
                cap=bearable if charges else cap,
            )
        )
    return found


def planned(exchange: Exchange, loser: Actor, policy: str, market: int = 0) -> tuple[list[int], ShareOut]:
    """The list for a loser, and what the policy allots."""
    rule = policy_named(policy)
    case = case_of(exchange, loser, market)
    shares = share_out(rule, case, candidates(exchange, case, rule.charges))
    return [allotment.account for allotment in shares.allotments], shares


def hand_in_whole(keeper: Actor, loser: Actor, accounts: list[int], market: int = 0) -> Sent:
    """The one-call way."""
    return keeper.send(
        keeper.exchange.liquidator, "deleverage_by_list", loser.account, market, pack_ids(accounts)
    )


def rows(sent: Sent) -> list[Listed]:
    """What the receipt says of each listed account."""
    return [row for event in sent.named("DeleverageList") for row in unpack_rows(event.rows)]


ALL = tuple(POLICIES)
