# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Tasks of deleveraging
@license Apache-2.0
@notice What a bankrupt position has to share out, at what price, and what each account on the other side could bear of it.
"""

from contracts.interfaces import IClearinghouse
from contracts.interfaces import IDeleveragePolicy
from contracts.modules import adl_terms
from contracts.modules import core
from contracts.modules import fixed_point

uses: adl_terms
uses: core

WAD: constant(int256) = 10**18
WHOLE: constant(uint256) = 10**18
# the list may lack that much open interest (WAD size): rounding dust
DUST: constant(uint256) = 10**9
# what rounding may cost a counterparty (WAD)
ROUNDING: constant(int256) = 4
U32: constant(uint256) = 2**32 - 1


struct Task:
    # who shares out what, and whether by charging
    policy: address
    charges: bool
    case: IDeleveragePolicy.Case
    # what the account receives for its whole position, and what that is worth at the mark (WAD, signed)
    quote: int256
    worth: int256
    # of the market (WAD size)
    open_interest: uint256
    # rows taken in, weights of these and all that are still to come, and whether none are
    count: uint256
    weight: uint256
    whole: bool


@external
@view
def rank(market: uint256, account: uint256) -> IDeleveragePolicy.Row:
    """
    @notice Where an account stands in a market's queue: its key, the higher the earlier. For a deleveraging that costs
            nothing, so caps are sizes.
    @param market Market with a policy.
    @param account Account with a position.
    """
    policy: address = adl_terms._terms(market).policy
    assert policy != empty(address), "deleverage: by index"
    standing: IClearinghouse.Standing = core._standing(account, market)
    case: IDeleveragePolicy.Case = empty(IDeleveragePolicy.Case)
    case.market = market
    case.mark = convert(standing.mark, uint256)
    case.is_long = standing.size > 0
    return staticcall IDeleveragePolicy(policy).rank(case, self._candidate(case, account, False))


@internal
@pure
def _price(standing: IClearinghouse.Standing) -> (int256, int256):
    """
    @notice What a bankrupt account receives for its whole position (WAD, signed), and what that is worth at the mark.
            The other side bears no more than the position's own loss, and of the account's deficit the part that this loss
            has in what its positions have lost: so it does not matter which market is closed first.
    """
    worth: int256 = fixed_point._floor_div(standing.size * standing.mark, WAD)
    loss: int256 = standing.entry - worth
    if loss <= 0:
        return worth, worth
    elsewhere: int256 = standing.equity - standing.collateral + loss
    borne: int256 = fixed_point._ceil_div(-standing.equity * loss, loss + max(-elsewhere, 0))
    return worth + min(loss, borne), worth


@internal
@view
def _task(market: uint256, account: uint256, standing: IClearinghouse.Standing) -> Task:
    """
    @notice What a bankrupt account's deleveraging by the market's policy has to share out.
    """
    policy: address = adl_terms._terms(market).policy
    quote: int256 = 0
    worth: int256 = 0
    quote, worth = self._price(standing)
    return Task(
        policy=policy,
        charges=staticcall IDeleveragePolicy(policy).charges(),
        case=IDeleveragePolicy.Case(
            market=market,
            account=account,
            mark=convert(standing.mark, uint256),
            quantity=convert(abs(standing.size), uint256),
            haircut=convert(quote - worth, uint256),
            is_long=standing.size < 0,
            # nobody but the oracle moves the mark, and a frozen market keeps it
            seed=convert(keccak256(abi_encode(market, account, standing.mark)), uint256),
        ),
        quote=quote,
        worth=worth,
        open_interest=convert(standing.open_interest, uint256),
        count=0,
        weight=0,
        whole=True,
    )


@internal
@view
def _candidate(case: IDeleveragePolicy.Case, account: uint256, charges: bool) -> IDeleveragePolicy.Candidate:
    """
    @notice A counterparty as it stands now.
    """
    standing: IClearinghouse.Standing = core._standing(account, case.market)
    assert standing.size != 0 and (standing.size > 0) == case.is_long, "list: wrong side"
    size: uint256 = convert(abs(standing.size), uint256)
    bearable: uint256 = convert(max(standing.equity - ROUNDING, 0), uint256)
    cap: uint256 = size
    if charges:
        cap = bearable
    elif case.haircut != 0:
        # unsafe: 128 + 96 bits
        cap = min(size, unsafe_div(unsafe_mul(bearable, case.quantity), case.haircut))
    return IDeleveragePolicy.Candidate(
        account=account,
        size=size,
        # unsafe: 96 + 88 bits
        notional=unsafe_div(unsafe_mul(size, case.mark), WHOLE),
        entry=convert(abs(standing.entry), uint256),
        profit=fixed_point._floor_div(standing.size * standing.mark, WAD) - standing.entry,
        equity=standing.equity,
        maintenance=standing.maintenance,
        share=fixed_point._floor_div(standing.equity * standing.position_maintenance, standing.maintenance),
        collateral=standing.collateral,
        cap=cap,
    )


@internal
@pure
def _precedes(first: uint256, second: uint256) -> bool:
    """
    @notice Whether a row comes before another: the higher key, or the lower account.
    """
    if first >> 128 == second >> 128:
        return first & U32 < second & U32
    return first > second


@internal
@pure
def _is_complete(task: Task, size: uint256) -> bool:
    """
    @notice Whether sizes (WAD) add up to the side's open interest, but for dust.
    """
    return size + DUST >= task.open_interest
