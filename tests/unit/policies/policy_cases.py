"""Cases and candidates: by hand, at random over all that the contracts accept, at random but consistent."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from perpsim.deleveraging.policies import Candidate, Case, Policy

WAD = 10**18
MONEY = 2**128 - 1
SIZE = 2**96 - 1
PRICE = 2**88 - 1
ACCOUNT = 2**32 - 1


def wad(x: Any) -> int:
    """Whole units, exactly ("0.1" is a tenth), in WAD."""
    scaled = Fraction(x) * WAD
    assert scaled.denominator == 1
    return int(scaled)


def case(
    quantity: Any = 1, haircut: Any = 0, mark: Any = 100, *, is_long: bool = False, seed: int = 0
) -> Case:
    """A case in whole units."""
    return Case(0, 1, wad(mark), wad(quantity), wad(haircut), is_long, seed)


def holder(
    account: int,
    size: Any,
    entry: Any,
    deposit: Any,
    mark: Any = 100,
    *,
    is_long: bool = False,
    margin_rate: Any = "0.05",
    cap: int | None = None,
) -> Candidate:
    """Who holds nothing but `size` opened at the price `entry` and `deposit` in cash; whole units.

    The cap is the whole size where nothing else is said.
    """
    size, entry, deposit, mark = wad(size), wad(entry), wad(deposit), wad(mark)
    worth, paid = size * mark // WAD, size * entry // WAD
    profit = worth - paid if is_long else paid - worth
    return Candidate(
        account=account,
        size=size,
        notional=worth,
        entry=paid,
        profit=profit,
        equity=deposit + profit,
        maintenance=worth * wad(margin_rate) // WAD,
        share=deposit + profit,
        collateral=deposit,
        cap=size if cap is None else cap,
    )


def with_cap(policy: Policy, case: Case, candidate: Candidate) -> Candidate:
    """The candidate with the cap that its equity allows."""
    return candidate._replace(cap=policy.limit(case, candidate.size, candidate.equity))


# all that the contracts accept


def up_to(limit: int) -> st.SearchStrategy[int]:
    """0 to `limit`, every magnitude as likely."""
    return st.one_of(
        st.sampled_from([0, 1, limit]),
        st.integers(0, limit.bit_length()).flatmap(lambda bits: st.integers(0, min(2**bits, limit))),
    )


def money() -> st.SearchStrategy[int]:
    """Signed money."""
    return st.one_of(up_to(MONEY), up_to(MONEY).map(lambda x: -x))


ANY_CASE = st.builds(
    Case,
    market=up_to(255),
    account=up_to(ACCOUNT),
    mark=up_to(PRICE),
    quantity=up_to(SIZE),
    haircut=up_to(MONEY),
    is_long=st.booleans(),
    seed=up_to(2**256 - 1),
)
ANY_CANDIDATE = st.builds(
    Candidate,
    account=up_to(ACCOUNT),
    size=up_to(SIZE),
    notional=up_to(MONEY),
    entry=up_to(MONEY),
    profit=money(),
    equity=money(),
    maintenance=money(),
    share=money(),
    collateral=money(),
    cap=up_to(MONEY),
)


# a market with everybody's figures consistent


@st.composite
def markets(draw: Any, most: int = 12) -> tuple[Case, list[Candidate]]:
    """A case and the whole other side, winners and losers, some under water. Caps are 0: see `capped`."""
    is_long = draw(st.booleans())
    mark = draw(st.integers(WAD // 10**4, 10**6 * WAD))
    candidates = []
    for account in range(2, 2 + draw(st.integers(1, most))):
        size = draw(st.integers(1, 10**4 * WAD))
        worth = size * mark // WAD
        paid = worth * draw(st.integers(50, 200)) // 100
        profit = worth - paid if is_long else paid - worth
        equity = profit + worth * draw(st.integers(-10, 300)) // 100
        margin = worth // 20
        candidates.append(
            Candidate(account, size, worth, paid, profit, equity, margin, equity, equity - profit, 0)
        )
    total = sum(candidate.size for candidate in candidates)
    quantity = draw(st.integers(1, total))
    haircut = quantity * mark // WAD * draw(st.integers(0, 1000)) // 10_000
    return Case(0, 1, mark, quantity, haircut, is_long, draw(st.integers(0, 2**256 - 1))), candidates


def capped(policy: Policy, case: Case, candidates: list[Candidate]) -> list[Candidate]:
    """All candidates with the caps that their equities allow."""
    return [with_cap(policy, case, candidate) for candidate in candidates]


def share_out_on_chain(
    contract: Any, case: Case, candidates: list[Candidate], needed: int
) -> tuple[dict[int, int], int]:
    """The whole list by the deployed policy: what each account bears, and the rest."""
    rows = [(candidate.account, contract.view("rank", case, candidate)) for candidate in candidates]
    rows.sort(key=lambda item: (-item[1].key, item[0]))
    weight = sum(row.weight for _, row in rows)
    borne = {}
    for account, row in rows:
        borne[account] = contract.view("allot", (needed, weight), row)
        needed -= borne[account]
        weight -= row.weight
    return borne, needed
